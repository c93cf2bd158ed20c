"""Campaigns as they are kept, and the life of their leads under crashes at any step."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import delete

from engine.dialer.law import Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import Budget, CampaignId, CampaignState, ClaimedLead, TrunkId
from engine.domain.values import QueueId
from engine.errors import ConfigError, Conflict, NotFound, RefusedByRule
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.ledger import Intent
from engine.store.tables import DialAttempt, Lead, LiveAnswersHour, Projection, table
from tests.contract.lists import MINUTE, NOON, POLICY, SPRING, TRUNK, Desk, dial, ended, new_york, open_desk

PEOPLE = 5


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    return await open_desk(database, tmp_path)


def changed(**fields: Any) -> Any:
    return replace(POLICY, **fields)  # type: ignore[type-var]


async def test_a_campaign_comes_back_as_it_was_stored(desk: Desk) -> None:
    shelf = desk.definitions.campaigns
    assert await shelf.show(SPRING) == POLICY
    assert await shelf.change(changed(ratio=2.0, budgets=(Budget(cap=0.05),))) == await shelf.show(SPRING)
    terms = CampaignTerms(timezone="Europe/Berlin", region="DE", retry_s={"busy": 60.0}, max_attempts=3)
    await shelf.set_terms(SPRING, terms)
    assert await shelf.terms(SPRING) == terms
    [standing] = await shelf.standings()
    assert (standing.state, standing.begun_us, standing.terms) == (CampaignState.STOPPED, None, terms)
    await shelf.want(SPRING, CampaignState.RUNNING)
    assert (await shelf.standing(SPRING)).state is CampaignState.RUNNING
    for verb in (shelf.terms(CampaignId("x")), shelf.set_terms("x", terms), shelf.want("x", CampaignState.PAUSED)):
        with pytest.raises(NotFound):
            await verb


async def test_a_campaign_stays_until_every_call_of_it_has_an_outcome(desk: Desk) -> None:
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    with pytest.raises(Conflict, match="have no outcome yet"):
        await desk.definitions.campaigns.remove(SPRING)
    await desk.end(lead, Outcome.BUSY, NOON + MINUTE)
    await desk.definitions.campaigns.remove(SPRING)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"queue_id": QueueId("none")}, "queue_id"),
        ({"trunks": (TrunkId("none"),)}, "trunks"),
        ({"caller_id": "030 1234567"}, "campaign spring.caller_id"),
        ({"caller_id": "+1 212 555 0100"}, "caller_id"),
        ({"opt_out_digit": "99"}, "opt_out_digit"),
        ({"ratio": 0.5}, "ratio"),
        ({"ratio": float("nan")}, "ratio"),
        ({"connect_limit_s": 5.0}, "connect_limit_s"),
        ({"answer_rate": 0.0}, "answer_rate"),
        ({"budgets": (Budget(cap=1.5),)}, "budgets"),
        ({"unit": "none"}, "unit"),
        ({"name": ""}, "name"),
    ],
)
async def test_what_could_not_dial_is_refused(desk: Desk, fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        await desk.definitions.campaigns.change(changed(**fields))
    assert where in refused.value.where
    assert await desk.definitions.campaigns.show(SPRING) == POLICY


async def test_ringing_too_short_is_against_the_law(desk: Desk) -> None:
    with pytest.raises(RefusedByRule, match="15 s"):
        await desk.definitions.campaigns.change(changed(ring_s=14.0))


@pytest.mark.parametrize(
    "terms",
    [
        CampaignTerms(timezone="Mars/Olympus"),
        CampaignTerms(region="XX"),
        CampaignTerms(max_attempts=0),
        CampaignTerms(retry_s={"nonsense": 1.0}),
        CampaignTerms(retry_s={"busy": -1.0}),
    ],
)
async def test_terms_that_nobody_could_keep_are_refused(desk: Desk, terms: CampaignTerms) -> None:
    with pytest.raises(ConfigError):
        await desk.definitions.campaigns.set_terms(SPRING, terms)
    assert await desk.definitions.campaigns.terms(SPRING) == CampaignTerms()


async def test_what_a_campaign_needs_is_not_removed(desk: Desk) -> None:
    await desk.load(new_york(1))
    with pytest.raises(Conflict, match="campaign spring"):
        await desk.definitions.queues.remove("sales")
    with pytest.raises(Conflict, match="campaign spring"):
        await desk.definitions.trunks.remove(TRUNK)
    await desk.definitions.campaigns.want(SPRING, CampaignState.PAUSED)
    with pytest.raises(Conflict, match="paused"):
        await desk.definitions.campaigns.remove(SPRING)
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.definitions.campaigns.want(SPRING, CampaignState.STOPPED)
    await desk.end(lead, Outcome.CONNECTED, NOON)
    await desk.definitions.campaigns.remove(SPRING)
    assert await desk.rows(Lead) == []
    assert [row["outcome"] for row in await desk.rows(DialAttempt)] == ["connected"]
    await desk.definitions.queues.remove("sales")


# --- crashes ---------------------------------------------------------------------------------------------------------


class Engine:
    """A dialling engine that may die between any two steps, and the network that remembers what it dialled.

    What it holds in memory (claimed leads, INTENTs not yet dialled, outcomes not yet told) is gone after `crash`; what
    the network heard stays. `recover` does what an engine does at its start: it asks the ledger for open INTENTs, and
    ends them by what the network remembers.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.now = NOON
        self.claimed: list[ClaimedLead] = []
        self.intended: list[ClaimedLead] = []
        self.ringing: list[ClaimedLead] = []
        self.dialled: Counter[str] = Counter()
        """By attempt: what really left for the network."""
        self.last_dial: dict[str, int] = {}
        self.told: list[Any] = []
        """The journal: events that survive, and may be applied once more after a crash."""

    async def step(self, name: str, outcome: Outcome) -> None:
        self.now += MINUTE
        await getattr(self, f"_{name}")(outcome)
        await self.check()

    async def _claim(self, _: Outcome) -> None:
        self.claimed += (await self.desk.leads.claim(SPRING, 2, self.now)).leads

    async def _give_back(self, _: Outcome) -> None:
        await self.desk.leads.give_back([lead.attempt_id for lead in self.claimed], self.now)
        self.claimed = []

    async def _intend(self, _: Outcome) -> None:
        """Also for leads whose lease is long over, and twice for the same attempt."""
        for lead in self.claimed[:1]:
            first, second = await asyncio.gather(*(self.desk.ledger.intend(dial(lead), self.now) for _ in range(2)))
            assert not (isinstance(first, Intent) and isinstance(second, Intent))
            if isinstance(first, Intent) or isinstance(second, Intent):
                self.intended.append(lead)
        del self.claimed[:1]

    async def _unsure(self, _: Outcome) -> None:
        """An INTENT of which nobody knows whether it was written: `settle` knows."""
        for lead in self.claimed[:1]:
            if len(lead.attempt_id) % 2 or self.now // MINUTE % 2:
                await self.desk.ledger.intend(dial(lead), self.now)
            if await self.desk.ledger.settle(lead.attempt_id) is not None:
                self.intended.append(lead)
        del self.claimed[:1]

    async def _originate(self, _: Outcome) -> None:
        for lead in self.intended:
            self.dialled[lead.attempt_id] += 1
            self.last_dial[lead.number] = self.now
        self.ringing += self.intended
        self.intended = []

    async def _end(self, outcome: Outcome) -> None:
        for lead in self.ringing[:1]:
            self.told.append(ended(lead, outcome, self.now))
            await self.desk.tell(self.told[-1])
        del self.ringing[:1]

    async def _call(self, outcome: Outcome) -> None:
        """A whole life without a fault."""
        self.now += 60 * MINUTE
        for name in ("claim", "intend", "originate", "end", "repeat"):
            await getattr(self, f"_{name}")(outcome)

    async def _repeat(self, _: Outcome) -> None:
        """Tell old endings once more, as other facts: they change nothing."""
        await self.desk.tell(*self.told)

    async def _wait(self, _: Outcome) -> None:
        self.now += 90 * MINUTE

    async def _crash(self, _: Outcome) -> None:
        """Die and start again. Leases of what was only claimed run out by themselves."""
        self.claimed, self.intended, self.ringing = [], [], []
        for open_intent in await self.desk.ledger.open_intents():
            lead = ClaimedLead(
                attempt_id=open_intent.attempt_id, lead_id=open_intent.lead_id, number=open_intent.number, not_after=0
            )
            outcome = Outcome.NO_ANSWER if self.dialled[lead.attempt_id] else Outcome.LOST
            self.told.append(ended(lead, outcome, self.now))
            await self.desk.tell(self.told[-1])
        assert await self.desk.ledger.open_intents() == ()

    async def check(self) -> None:
        attempts = await self.desk.rows(DialAttempt)
        leads = await self.desk.rows(Lead)
        assert len(leads) == PEOPLE
        assert max(self.dialled.values(), default=0) <= 1
        written = {row["id"]: row for row in attempts if row["outcome"] != "refused"}
        assert set(self.dialled) <= set(written)
        still_open = {row["id"]: row["lead_id"] for row in attempts if row["outcome"] is None}
        in_hand = {row["attempt_id"]: row["id"] for row in leads if row["state"] == "dialled"}
        assert still_open == in_hand
        assert all(row["lease_us"] and row["attempt_id"] for row in leads if row["state"] == "claimed")
        assert all(row["attempt_id"] is None for row in leads if row["state"] in ("new", "done", "dnc"))
        live = [row for row in attempts if row["outcome"] in ("connected", "abandoned", "hung-up-early")]
        hours = await self.desk.rows(LiveAnswersHour)
        assert sum(row["answers"] for row in hours) == len(live)
        assert sum(row["drops"] for row in hours) == sum(row["outcome"] == "abandoned" for row in live)
        by_lead = Counter(
            row["lead_id"] for row in written.values() if row["outcome"] not in (None, "trunk", "not-dialled")
        )
        assert {row["id"]: row["attempts"] for row in leads if row["attempts"]} == dict(by_lead)


STEPS = st.tuples(
    st.sampled_from(
        ("call", "call", "claim", "intend", "unsure", "originate", "end", "repeat", "give_back", "wait", "crash")
    ),
    st.sampled_from([each for each in Outcome if each is not Outcome.REFUSED]),
)
QUICK = CampaignTerms(rules=Rules(), retry_s={each.value: 60.0 for each in Outcome}, max_attempts=50)


@given(steps=st.lists(STEPS, min_size=5, max_size=25))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
async def test_whatever_crashes_no_attempt_is_dialled_twice_and_no_lead_is_lost(
    database: Database, tmp_path: Path, steps: list[tuple[str, Outcome]]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    await _empty(database)
    desk = await open_desk(database, folder, QUICK)
    await desk.load(*(new_york(n) for n in range(PEOPLE)))
    engine = Engine(desk)
    for name, outcome in steps:
        await engine.step(name, outcome)
    await engine.step("crash", Outcome.LOST)
    # Nobody is stuck: once all leases and delays are over, everybody may be called.
    tomorrow = NOON + 7 * 24 * 60 * MINUTE
    assert len((await desk.leads.claim(SPRING, PEOPLE, tomorrow)).leads) + await _finished(desk) == PEOPLE
    await asyncio.to_thread(shutil.rmtree, folder)


async def _finished(desk: Desk) -> int:
    return (await desk.leads.counts(SPRING)).get("done", 0)


async def _empty(database: Database) -> None:
    async with database.writing() as connection:
        for name in ("campaign", "queue", "trunk", "token", "lead_group", "lead_import"):
            await connection.execute(delete(Projection.metadata.tables[name]))
        for row in (Lead, DialAttempt, LiveAnswersHour, Projection):
            await connection.execute(delete(table(row)))
