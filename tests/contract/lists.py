"""A campaign with a list, for the tests of what dials it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignId, CampaignPolicy, ClaimedLead, TrunkId
from engine.domain.commands import Dial
from engine.domain.events import AttemptEnded
from engine.domain.policy import QueuePolicy, TrunkPolicy
from engine.domain.values import SECOND, QueueId
from engine.store.budgets import Budgets
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.definitions import Definitions
from engine.store.dnc import DoNotCallList
from engine.store.imports import Imported, Imports
from engine.store.leads import Leads
from engine.store.ledger import Ledger
from engine.store.projector import Projector
from engine.store.tables import Row, table
from engine.store.vault import Vault

SPRING = CampaignId("spring")
TRUNK = TrunkId("carrier")
NOON = int(datetime(2026, 3, 4, 17, 0, tzinfo=UTC).timestamp()) * SECOND
"""12:00 in New York, 9:00 in Los Angeles, a Wednesday."""
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND

POLICY = CampaignPolicy(id=SPRING, name="Spring", queue_id=QueueId("sales"), seller="Acme", trunks=(TRUNK,))


def new_york(n: int) -> str:
    """The nth number of New York."""
    return f"+1212{2_000_000 + n}"


def los_angeles(n: int) -> str:
    """The nth number of Los Angeles."""
    return f"+1213{2_000_000 + n}"


class Desk(NamedTuple):
    """Everything that a dialling engine has of the store."""

    database: Database
    vault: Vault
    definitions: Definitions
    leads: Leads
    ledger: Ledger
    imports: Imports
    dnc: DoNotCallList
    budgets: Budgets
    projector: Projector
    folder: Path

    async def load(self, *rows: str, header: str = "number", now: int = NOON) -> Imported:
        """Import lines of CSV."""
        file = self.folder / "list.csv"
        await asyncio.to_thread(file.write_text, "\n".join((header, *rows)) + "\n")
        return await self.imports.import_csv(SPRING, file, now)

    async def claim_one(self, now: int = NOON) -> ClaimedLead:
        """Claim the only lead that may be called now."""
        [lead] = (await self.leads.claim(SPRING, 1, now)).leads
        return lead

    async def end(self, lead: ClaimedLead, outcome: Outcome, at: int, **more: Any) -> None:
        """Tell the ledger how an attempt ended."""
        await self.tell(ended(lead, outcome, at, **more))

    async def tell(self, *events: Any) -> None:
        """Apply events as facts of their own."""
        last = await self.projector.last_seq()
        await self.projector.apply_all([(last + n, [event]) for n, event in enumerate(events, start=1)])

    async def rows(self, row: type[Row]) -> list[dict[str, Any]]:
        """Return a whole table."""
        into = table(row)
        async with self.database.reading() as connection:
            found = await connection.execute(select(into).order_by(*into.primary_key.columns))
            return [dict(each) for each in found.mappings()]


async def open_desk(database: Database, folder: Path, terms: CampaignTerms | None = None) -> Desk:
    """Open everything, with one campaign."""
    vault = await Vault.open(database, folder)
    definitions = Definitions(database)
    await definitions.queues.add(QueuePolicy(id=QueueId("sales"), name="Sales"))
    await definitions.trunks.add(TrunkPolicy(id=TRUNK, host="127.0.0.1"))
    await definitions.campaigns.add(POLICY)
    if terms is not None:
        await definitions.campaigns.set_terms(SPRING, terms)
    projector = Projector(database)
    await projector.attach("seed")
    return Desk(
        database,
        vault,
        definitions,
        Leads(database),
        Ledger(database, within_s=10.0),
        Imports(database, vault),
        DoNotCallList(database, vault),
        Budgets(database),
        projector,
        folder,
    )


def dial(lead: ClaimedLead, campaign: CampaignId = SPRING) -> Dial:
    """The command that dials a claimed lead."""
    return Dial(
        attempt_id=lead.attempt_id,
        campaign_id=campaign,
        lead_id=lead.lead_id,
        number=lead.number,
        trunk_id=TRUNK,
        caller_id="+12125550100",
        ring_s=25.0,
    )


def ended(lead: ClaimedLead, outcome: Outcome, at: int, **more: Any) -> AttemptEnded:
    """The event that ends an attempt; a person answered it at that instant, unless told otherwise."""
    answered = {"answered_at": at} if outcome.live_answer else {}
    return AttemptEnded(
        at=at,
        attempt_id=lead.attempt_id,
        campaign_id=SPRING,
        lead_id=lead.lead_id,
        trunk_id=TRUNK,
        outcome=outcome,
        dialled_at=at,
        **(answered | more),
    )


def numbers(*columns: Sequence[str]) -> list[str]:
    """Join columns to lines of CSV."""
    return [",".join(row) for row in zip(*columns, strict=True)]
