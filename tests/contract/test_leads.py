"""Claiming leads: the right ones, in order, once each, and none lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select, update

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignId
from engine.errors import NotFound
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.leads import Leads, LeadState, is_in
from engine.store.ledger import Intent
from engine.store.tables import Lead, table
from tests.contract.lists import (
    HOUR,
    NOON,
    SPRING,
    Desk,
    dial,
    los_angeles,
    new_york,
    numbers,
    open_desk,
)

SECONDS = 1_000_000


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    return await open_desk(database, tmp_path)


async def test_leads_are_claimed_by_priority_then_time_then_id(desk: Desk) -> None:
    people = [new_york(n) for n in range(4)]
    await desk.load(*numbers(people, ["5", "1", "5", "9"], ["a", "b", "c", "d"]), header="phone,priority,segment")
    first = await desk.leads.claim(SPRING, 3, NOON)
    assert [lead.segment for lead in first.leads] == ["b", "a", "c"]
    assert len({lead.attempt_id for lead in first.leads}) == 3
    assert all(lead.attempt_id.startswith("att_") for lead in first.leads)
    tokens = await desk.vault.resolve([lead.number for lead in first.leads])
    assert [tokens[lead.number] for lead in first.leads] == [people[1], people[0], people[2]]
    second = await desk.leads.claim(SPRING, 3, NOON)
    assert [lead.segment for lead in second.leads] == ["d"]
    assert second.reasons == {"claimed": 4}


async def test_nobody_is_claimed_outside_his_hours(desk: Desk) -> None:
    early = NOON - 3 * HOUR  # 9:00 in New York, 6:00 in Los Angeles
    await desk.load(los_angeles(1), new_york(1), now=early)
    claim = await desk.leads.claim(SPRING, 5, early)
    assert len(claim.leads) == 1
    assert claim.reasons == {"claimed": 1, "calling-hours": 1}
    assert claim.next_at == early + 2 * HOUR
    assert len((await desk.leads.claim(SPRING, 5, early + 2 * HOUR)).leads) == 2  # the first one's lease is over


async def test_a_number_that_tells_no_time_zone_needs_one_from_the_campaign(desk: Desk) -> None:
    await desk.load("+88213000000")  # satellite
    claim = await desk.leads.claim(SPRING, 1, NOON)
    assert (claim.leads, claim.reasons) == ((), {"time-zone-unknown": 1})
    await desk.definitions.campaigns.set_terms(SPRING, CampaignTerms(timezone="Europe/Paris"))
    assert len((await desk.leads.claim(SPRING, 1, NOON)).leads) == 1


async def test_a_lease_that_is_over_is_claimed_again_and_one_with_an_intent_is_not(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    first, second = (await desk.leads.claim(SPRING, 2, NOON)).leads
    assert isinstance(await desk.ledger.intend(dial(second), NOON), Intent)
    assert (await desk.leads.claim(SPRING, 2, NOON + 59 * SECONDS)).leads == ()
    [again] = (await desk.leads.claim(SPRING, 2, NOON + 60 * SECONDS)).leads
    assert again.lead_id == first.lead_id
    assert again.attempt_id != first.attempt_id


async def test_leads_go_back_when_they_are_returned(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    first, second = (await desk.leads.claim(SPRING, 2, NOON)).leads
    await desk.ledger.intend(dial(second), NOON)
    assert await desk.leads.give_back([first.attempt_id, second.attempt_id], NOON) == 1
    assert await desk.leads.give_back([], NOON) == 0
    assert [lead.lead_id for lead in (await desk.leads.claim(SPRING, 2, NOON)).leads] == [first.lead_id]


async def test_many_claims_at_once_give_each_lead_once(desk: Desk) -> None:
    await desk.load(*(new_york(n) for n in range(40)))
    claims = await asyncio.gather(*(Leads(desk.database).claim(SPRING, 7, NOON) for _ in range(8)))
    claimed = [lead.lead_id for claim in claims for lead in claim.leads]
    assert len(claimed) == len(set(claimed)) == 40


async def test_numbers_on_the_do_not_call_list_are_set_aside(desk: Desk) -> None:
    await desk.load(*(new_york(n) for n in range(6)))
    await desk.dnc.add(new_york(0), NOON, by="test")
    async with desk.database.writing() as connection:  # as if the entry had come between check and recycling
        await connection.execute(update(table(Lead)).values(state="new"))
    assert len((await desk.leads.claim(SPRING, 6, NOON)).leads) == 5
    assert await desk.leads.counts(SPRING) == {"claimed": 5, "dnc": 1}
    await desk.dnc.remove(new_york(0))
    assert await desk.leads.counts(SPRING) == {"claimed": 5, "new": 1}
    with pytest.raises(NotFound):
        await desk.dnc.remove(new_york(0))


async def test_a_do_not_call_entry_holds_for_every_token_of_the_number(desk: Desk) -> None:
    await desk.load(new_york(1), new_york(2))
    one, _ = (await desk.leads.claim(SPRING, 2, NOON)).leads
    assert await desk.dnc.add("212 200 0001", NOON, by="test", region="US")
    assert not await desk.dnc.add(new_york(1), NOON, by="test")
    assert await desk.dnc.size() == 1
    await desk.vault.erase(one.number)
    result = await desk.load(new_york(1))  # a new token, the same number
    assert (result.accepted, result.reasons) == (0, {"do-not-call": 1})


async def test_a_campaign_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(NotFound, match="autumn"):
        await desk.leads.claim(CampaignId("autumn"), 1, NOON)


async def test_a_claim_uses_the_index_of_waiting_leads(desk: Desk, kind: str) -> None:
    if kind != "sqlite":
        pytest.skip("PostgreSQL plans by statistics")
    leads = table(Lead).c
    waiting = (
        select(leads.id, leads.number)
        .where(leads.group_id == 1, is_in(LeadState.NEW), leads.next_us <= 5)
        .order_by(leads.next_us, leads.id)
        .limit(3)
    )
    text = str(waiting.compile(compile_kwargs={"literal_binds": True}))
    async with desk.database.reading() as connection:
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
        plan = [row["detail"] for row in rows.mappings()]
    assert plan == ["SEARCH lead USING INDEX ix_lead_waiting (group_id=? AND next_us<?)"]


async def test_counts_follow_the_leads(desk: Desk) -> None:
    await desk.load(*(new_york(n) for n in range(3)))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, Outcome.CONNECTED, NOON)
    assert await desk.leads.counts(SPRING) == {"done": 1, "new": 2}
