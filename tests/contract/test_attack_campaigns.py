"""What an attack on campaigns in the store found: each test was red once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import insert

from engine.dialer.law import CapRule, Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import Budget, CampaignId, CampaignState, Window
from engine.domain.commands import ReadBook
from engine.domain.events import CampaignMoved
from engine.domain.facts import AnyFact, BookRead, CampaignDefined
from engine.domain.values import SECOND
from engine.errors import ConfigError
from engine.floor import Floor
from engine.main.campaigns import StoredCampaigns
from engine.main.outbound import OutboundDesk
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.intents import UNDER_WAY
from engine.store.ledger import Intent, Refusal
from engine.store.tables import DialAttempt, table
from tests.contract.lists import HOUR, MINUTE, NOON, POLICY, SPRING, Desk, dial, new_york, open_desk

AUTUMN = CampaignId("autumn")
NO_INTERVAL = Rules(intervals=())


def roll(database: Database, now: int = NOON) -> StoredCampaigns:
    return StoredCampaigns(database, lambda: now, "UTC")


async def test_a_campaign_that_abandoned_somebody_yesterday_evening_is_shown_in_the_morning(
    database: Database, tmp_path: Path
) -> None:
    """A day's budget still counts the drop, and its answer no more."""
    desk = await open_desk(database, tmp_path)
    await desk.definitions.campaigns.change(replace(POLICY, budgets=(Budget(window=Window.DAY),)))  # type: ignore[type-var]
    started = CampaignMoved(
        at=NOON - MINUTE, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING, by="Ann"
    )
    await desk.tell(started)
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, Outcome.ABANDONED, NOON)
    [campaign] = await roll(database, NOON + 20 * HOUR).list()
    [budget] = campaign.standings
    assert (budget.drops, budget.answers, budget.rate, budget.upper95) == (1, 1, 1.0, 1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"budgets": [{"cap": 1e-7}]},  # no number of answers would ever prove it, and `check` looked for one
        {"budgets": [{"cap": 0.03}] * 200},  # SQLite cannot read so many, and `campaign list` shows none any more
        {"schedule": [{"weekdays": [9], "start": 0, "end": 60}]},  # `campaign show` has no name for that day
        {"rules": {"hours": [{"id": "", "spans": []}]}},  # refused by "", which reads as allowed
        {"rules": {"do_not_call": {"id": ""}}},
        {"schedule": [{"weekdays": [0], "start": 0, "end": 1440}] * 20_000},  # `check` would take half a minute
        {
            "rules": {
                "hours": [{"id": "calling-hours", "spans": [{"weekdays": [1] * 100_000, "start": 0, "end": 1440}]}]
            }
        },
    ],
)
async def test_what_could_not_be_kept_or_shown_is_refused(
    database: Database, tmp_path: Path, changes: dict[str, Any]
) -> None:
    await open_desk(database, tmp_path)
    with pytest.raises(ConfigError):
        await roll(database).change(SPRING, changes)
    assert (await roll(database).check(SPRING)).findings


async def two_campaigns_with_one_number(database: Database, folder: Path) -> Desk:
    desk = await open_desk(database, folder, CampaignTerms(region="US", rules=NO_INTERVAL, retry_s={"busy": 1.0}))
    await desk.definitions.campaigns.add(replace(POLICY, id=AUTUMN))  # type: ignore[type-var]
    await desk.definitions.campaigns.set_terms(AUTUMN, CampaignTerms(region="US", rules=NO_INTERVAL))
    await desk.load(new_york(1))
    file = folder / "autumn.csv"
    await asyncio.to_thread(file.write_text, "number\n(212) 200-0001\n")
    await desk.imports.import_csv(AUTUMN, file, NOON)
    return desk


async def test_a_number_of_two_campaigns_is_not_called_twice_at_once(database: Database, tmp_path: Path) -> None:
    desk = await two_campaigns_with_one_number(database, tmp_path)
    mine = await desk.claim_one()
    [his] = (await desk.leads.claim(AUTUMN, 1, NOON)).leads
    answers = await asyncio.gather(desk.ledger.intend(dial(mine), NOON), desk.ledger.intend(dial(his, AUTUMN), NOON))
    assert isinstance(answers[0], Intent)
    assert isinstance(answers[1], Refusal)
    assert (answers[1].rule, answers[1].until) == (UNDER_WAY, NOON + MINUTE)
    await desk.end(mine, Outcome.BUSY, NOON + 2 * SECOND)
    [again] = (await desk.leads.claim(AUTUMN, 1, NOON + MINUTE)).leads
    assert isinstance(await desk.ledger.intend(dial(again, AUTUMN), NOON + MINUTE), Intent)


async def test_an_attempt_whose_end_nobody_will_know_does_not_keep_its_number_for_ever(
    database: Database, tmp_path: Path
) -> None:
    desk = await two_campaigns_with_one_number(database, tmp_path)
    await desk.ledger.intend(dial(await desk.claim_one()), NOON)
    [later] = (await desk.leads.claim(AUTUMN, 1, NOON + 5 * HOUR)).leads
    assert isinstance(await desk.ledger.intend(dial(later, AUTUMN), NOON + 5 * HOUR), Intent)


async def test_a_large_cap_counts_every_dial(database: Database, tmp_path: Path) -> None:
    rules = Rules(intervals=(), hours=(), caps=(CapRule(id="yearly", limit=120, within_s=300 * 86_400.0),))
    terms = CampaignTerms(region="US", rules=rules, max_attempts=100, retry_s={"busy": 1.0})
    desk = await open_desk(database, tmp_path, terms)
    await desk.load(new_york(1))
    lead = await desk.claim_one()
    await desk.ledger.intend(dial(lead), NOON)
    await desk.end(lead, Outcome.BUSY, NOON + SECOND)
    [row] = await desk.rows(DialAttempt)
    more = [row | {"id": f"att_{n}", "intent_us": NOON + n * SECOND} for n in range(119)]
    await desk.database.write(lambda connection: connection.execute(insert(table(DialAttempt)), more))
    refused = await desk.ledger.intend(dial(await desk.claim_one(NOON + HOUR)), NOON + HOUR)
    assert isinstance(refused, Refusal)
    assert refused.rule == "yearly"


@pytest.mark.parametrize(
    "text",
    [
        "+12122000001|Ann|x\n+12122000002|Bob|x\n",
        "Ann +12122000001\nBob +12122000002\n",
        "tel:+12122000001\n+12122000002\n",
        "+12122000001 ext 5;Ann\n+12122000002;Bob\n",
        "１２１２２０００００１\n+12122000002\n",
    ],
)
async def test_no_number_stands_in_the_refusal_of_a_list_without_a_header(
    database: Database, tmp_path: Path, text: str
) -> None:
    desk = await open_desk(database, tmp_path)
    file = tmp_path / "list.csv"
    await asyncio.to_thread(file.write_text, text)
    with pytest.raises(ConfigError) as refused:
        await desk.imports.import_csv(SPRING, file, NOON)
    assert sum(char.isdigit() for char in str(refused.value)) < 6


async def test_sums_that_lack_what_the_tables_have_yet_to_read_are_not_told(database: Database, tmp_path: Path) -> None:
    """The floor takes a reading without an instant for one of now, and forgets the drops that it had seen itself."""
    desk = await open_desk(database, tmp_path)
    floor = Floor()
    floor.handle(CampaignDefined(campaign=POLICY), NOON)
    told: list[AnyFact] = []

    class Sink:
        def put(self, fact: AnyFact) -> None:
            told.append(fact)

    for until in (0, NOON - SECOND):
        parts = (desk.leads, desk.ledger, desk.budgets, desk.dnc, tmp_path / "cel", floor, Sink())
        outbound = OutboundDesk(*parts, lambda: NOON, lambda: NOON, {NOON: until}.__getitem__)
        assert outbound.start(ReadBook(campaign_id=SPRING))
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert [fact.at for fact in told if isinstance(fact, BookRead)] == [NOON - SECOND]
