"""Leads and the do-not-call list: over the store, with an engine or without. `now` gives UTC µs.

The vault is asked for only when numbers come in: beside a running engine nobody else may open it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.domain.campaign import CampaignId
from engine.domain.values import SECOND
from engine.errors import UsageError
from engine.main.moments import moment
from engine.runtime.outbound import (
    AttemptView,
    DoNotCallImport,
    DoNotCallView,
    ImportView,
    LeadDetail,
    LeadView,
    ListColumns,
    RejectedView,
    WantedLeads,
)
from engine.runtime.views import Page
from engine.store.database import Database
from engine.store.definitions import Definitions
from engine.store.dialable import read_or_refuse
from engine.store.dnc import DoNotCallList, Unwanted
from engine.store.dnc_files import import_numbers
from engine.store.imports import Imports
from engine.store.lead_lists import LeadLists, ListedLead, ListedRow
from engine.store.leads import LeadState
from engine.store.outcomes import MOST_UNRUNG, unrung_delay_us
from engine.store.vault import Vault, mask

OpenVault = Callable[[], Awaitable[Vault]]

SHOWN = 40
LARGEST = (1 << 63) - 1
"""Databases count to here."""
_REJECTED_PLACE = re.compile(r"(?P<begun>[0-9]{1,19})\.(?P<import_id>[A-Za-z0-9_]{1,40})\.(?P<line>[0-9]{1,19})")
_LEAD_PLACE = re.compile(r"lead_[A-Za-z0-9]{1,40}")


class StoredLeads:
    """Leads of all campaigns."""

    def __init__(self, database: Database, vault: OpenVault, now: Callable[[], int]) -> None:
        self._database = database
        self._campaigns = Definitions(database).campaigns
        self._lists = LeadLists(database)
        self._vault = vault
        self._now = now
        self._turn = asyncio.Lock()
        """One list after the other: two would only fight for the database."""

    async def bring(
        self, campaign_id: str, file: Path, region: str, columns: ListColumns, encoding: str = ""
    ) -> ImportView:
        """Import a file."""
        async with self._turn:
            imports = Imports(self._database, await self._vault())
            done = await imports.import_csv(
                CampaignId(campaign_id),
                file,
                self._now(),
                columns=columns.named(),
                region=region or None,
                encoding=encoding,
            )
        return next(each for each in await self.imports(campaign_id) if each.id == done.import_id)

    async def imports(self, campaign_id: str) -> list[ImportView]:
        """The imports of a campaign, latest first."""
        await self._campaigns.show(campaign_id)
        return [
            ImportView(
                id=row.id,
                campaign_id=row.campaign_id,
                source=row.source,
                begun=moment(row.begun_us),
                ended=moment(row.ended_us),
                accepted=row.accepted,
                duplicates=row.duplicates,
                rejected=row.rejected,
                reasons=reasons,
                number_column=row.number_column,
            )
            for row, reasons in await self._lists.imports(campaign_id)
        ]

    async def list(self, wanted: WantedLeads, *, reveal: bool = False) -> Page[LeadView]:
        """One page of leads."""
        await self._known(wanted)
        after = _lead_place(wanted.cursor)
        found = await self._lists.leads(wanted.campaign, wanted.import_id, wanted.state, after, wanted.limit + 1)
        more = len(found) > wanted.limit
        items = tuple(LeadView(**_lead(each, reveal=reveal)) for each in found[: wanted.limit])
        return Page(items=items, next=items[-1].id if more else None)

    async def rejected(self, wanted: WantedLeads) -> Page[RejectedView]:
        """One page of the rows that became no lead."""
        await self._known(wanted)
        after = _place(wanted.cursor)
        found = await self._lists.rejected(wanted.campaign, wanted.import_id, after, wanted.limit + 1)
        last = found[wanted.limit - 1] if len(found) > wanted.limit else None
        return Page(
            items=tuple(_rejected(each) for each in found[: wanted.limit]),
            next=f"{last.begun_us}.{last.import_id}.{last.line}" if last else None,
        )

    async def show(self, id_: str, *, reveal: bool = False) -> LeadDetail:
        """One lead with its attempts."""
        found, attempts = await self._lists.lead(id_)
        return LeadDetail(**_lead(found, reveal=reveal), history=tuple(_attempt(row) for row in attempts))

    async def _known(self, wanted: WantedLeads) -> None:
        if wanted.campaign:
            await self._campaigns.show(wanted.campaign)
        if wanted.import_id:
            await self._lists.check_import(wanted.import_id)


class StoredDoNotCall:
    """The own do-not-call list."""

    def __init__(self, database: Database, vault: OpenVault, now: Callable[[], int]) -> None:
        self._database = database
        self._vault = vault
        self._now = now

    async def add(self, number: str, region: str, by: str) -> DoNotCallView:
        """Put a number on the list."""
        unwanted = await self._list()
        await unwanted.add(number, self._now(), by=by, region=region)
        return _listed(number, region, await unwanted.check(number, region=region))

    async def remove(self, number: str, region: str) -> DoNotCallView:
        """Take a number off the list."""
        await (await self._list()).remove(number, region=region)
        return _listed(number, region, None)

    async def check(self, number: str, region: str) -> DoNotCallView:
        """Whether a number is on the list."""
        return _listed(number, region, await (await self._list()).check(number, region=region))

    async def bring(self, file: Path, region: str, column: str) -> DoNotCallImport:
        """Put all numbers of a file on the list."""
        done = await import_numbers(await self._list(), file, self._now(), region=region, column=column)
        return DoNotCallImport(
            source=file.name,
            added=done.added,
            known=done.known,
            rejected=sum(done.reasons.values()),
            reasons=done.reasons,
            rejected_rows=tuple(
                RejectedView(
                    import_id="", source=file.name, line=bad.line, reason=bad.reason, masked=f"{bad.digits} digits"
                )
                for bad in done.rejected
            ),
        )

    async def _list(self) -> DoNotCallList:
        return DoNotCallList(self._database, await self._vault())


def _lead(found: ListedLead, *, reveal: bool) -> dict[str, Any]:
    number = found.number if reveal or found.number is None else mask(found.number)
    whole = found._asdict()
    next_us = whole.pop("next_us")
    return {**whole, "number": number, "next": moment(next_us), "why": _why(found)}


def _why(lead: ListedLead) -> str:
    """What is special about a lead whose dials reach nobody's telephone: no outcome tells it."""
    if lead.unrung >= MOST_UNRUNG and lead.state == LeadState.DONE:
        return (
            f"given up: {lead.unrung} dials in a row reached nobody's telephone; "
            "ask the carrier about this number, then import it into a new campaign"
        )
    if lead.state != LeadState.NEW or not unrung_delay_us(lead.unrung):
        return ""
    left = MOST_UNRUNG - lead.unrung
    return f"{lead.unrung} dials in a row reached nobody's telephone: each waits longer now, {left} more end it"


def _attempt(row: Any) -> AttemptView:
    return AttemptView(
        id=row.id,
        trunk_id=row.trunk_id,
        begun=moment(row.intent_us),
        answered=moment(row.answered_us),
        connected=moment(row.connected_us),
        ended=moment(row.outcome_us),
        outcome=row.outcome,
        wait_ms=None if row.wait_us is None else round(row.wait_us * 1000 / SECOND, 1),
        cause=row.cause,
        rule=row.rule,
        agent_id=row.agent_id,
    )


def _rejected(row: ListedRow) -> RejectedView:
    return RejectedView(import_id=row.import_id, source=row.source, line=row.line, reason=row.reason, masked=row.masked)


def _place(cursor: str) -> tuple[int, str, int]:
    """Where a page of rejected rows goes on.

    :raises UsageError: it is no cursor of ours.
    """
    if not cursor:
        return (-1, "", 0)
    found = _REJECTED_PLACE.fullmatch(cursor)
    begun, line = (int(found["begun"]), int(found["line"])) if found else (LARGEST + 1, 0)
    if found is None or max(begun, line) > LARGEST:
        raise _no_cursor(cursor)
    return begun, found["import_id"], line


def _lead_place(cursor: str) -> str:
    """Where a page of leads goes on: behind the lead of this id.

    :raises UsageError: it is no cursor of ours.
    """
    if cursor and not _LEAD_PLACE.fullmatch(cursor):
        raise _no_cursor(cursor)
    return cursor


def _no_cursor(cursor: str) -> UsageError:
    return UsageError(
        f"{cursor[:SHOWN]!r} is no cursor of this list", where="cursor", mend="Use `next` of the page before."
    )


def _listed(number: str, region: str, entry: Unwanted | None) -> DoNotCallView:
    """The answer shows as what number the text was read: who asks knows it anyway."""
    return DoNotCallView(
        number=read_or_refuse(number, region).e164,
        listed=entry is not None,
        source=entry.source if entry else "",
        by=entry.by if entry else "",
        added=moment(entry.added_at) if entry else None,
    )
