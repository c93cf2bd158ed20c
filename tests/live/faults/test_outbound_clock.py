"""The machine's clock is moved, or the land's: nobody is dialled outside his hours by either of two clocks.

The engine's time goes by the monotonic clock and takes over the machine's only at its next start. Until then nobody
knows which of the two is right, so both must be within hours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.dialer.law import EVERY_DAY, HoursRule, Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import Mode
from engine.domain.facts import ClockStepped
from engine.domain.flow import OpenSpan
from engine.store.campaigns import CampaignTerms
from engine.store.database import open_database
from engine.store.ledger import Intent
from engine.store.schema import upgrade_database
from tests.contract.lists import DAY, HOUR, MINUTE, SPRING, Desk, dial, new_york, open_desk
from tests.live.campaign_hall import campaign, open_campaign, people
from tests.live.crash_points import CrashingEngine
from tests.live.faults.conftest import Count

pytestmark = pytest.mark.timeout(240)
NEW_YORK = ZoneInfo("America/New_York")
BEIJING = ZoneInfo("Asia/Shanghai")
OPENS, CLOSES = 8, 21
STOPPED_S = 1.0
AT_HAND = 20
"""Leads that were claimed before the step. They are refused one by one; no others may be used up."""
LAST_DAYS = (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
"""Clocks go forward, go back, and stay as they are."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A store of its own with a campaign of the usual rules."""
    database = open_database(f"sqlite:///{tmp_path / 'callwright.db'}")
    await upgrade_database(database)
    try:
        yield await open_desk(database, tmp_path)
    finally:
        await database.close()


def us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def within_hours(at: int) -> bool:
    """By the clock on the wall in New York, told by the standard library alone."""
    return OPENS <= datetime.fromtimestamp(at / 1e6, NEW_YORK).hour < CLOSES


async def test_a_dial_is_lawful_by_both_clocks_or_is_none(desk: Desk) -> None:
    """Claimed in time, then either clock is moved: by an hour, a day, or over a change to summer time and back."""
    jumps = (0, HOUR, -HOUR, DAY, -DAY, MINUTE, -MINUTE, 13 * HOUR)
    edges = [us(day + timedelta(hours=hours)) for day in LAST_DAYS for hours in range(-20, 44, 3)]
    cases = [(now, now + jump) for now in edges if within_hours(now) for jump in jumps]
    await desk.load(*(new_york(each) for each in range(len(cases))), now=edges[0])
    made = refused = 0
    for now, machine in cases:
        [lead] = (await desk.leads.claim(SPRING, 1, now)).leads
        answer = await desk.ledger.intend(dial(lead), now, machine=machine if machine != now else 0)
        assert isinstance(answer, Intent) == within_hours(machine), (now, machine, answer)
        made, refused = made + isinstance(answer, Intent), refused + (not isinstance(answer, Intent))
    assert min(made, refused) > 20


def hours_around(now: datetime, closes_in: timedelta) -> Rules:
    """Hours that began an hour ago and end soon, where the people are."""
    begin, end = (at.astimezone(BEIJING) for at in (now - timedelta(hours=1), now + closes_in))
    first, last = (at.hour * 60 + at.minute for at in (begin, end))
    spans = ((first, last),) if first < last else ((first, 24 * 60), (0, last))
    open_spans = tuple(OpenSpan(weekdays=EVERY_DAY, start=each[0], end=each[1]) for each in spans if each[0] < each[1])
    return Rules(hours=(HoursRule(id="test-hours", spans=open_spans),))


async def until_told(engine: CrashingEngine, times: int) -> list[int]:
    """The steps of the clock, in minutes; it is looked at every 10 s."""
    async with asyncio.timeout(15.0):
        while True:
            facts = [record.fact for record in engine.records()]
            steps = [round(fact.delta_us / 60e6) for fact in facts if isinstance(fact, ClockStepped)]
            if len(steps) >= times:
                return steps
            await asyncio.sleep(0.1)


async def test_the_machine_s_clock_steps_out_of_hours_and_back(count: Count) -> None:
    many = count(80, 200)
    terms = CampaignTerms(rules=hours_around(datetime.now(UTC), timedelta(minutes=30)))
    policy = campaign(mode=Mode.POWER, ratio=2.0)
    numbers = people(many, ring_s=1.0, talk_s=1.0)
    async with open_campaign(numbers, nailed=2, policy=policy, terms=terms, process=CrashingEngine) as hall:
        engine = hall.engine
        assert isinstance(engine, CrashingEngine)
        await hall.until_far(lambda truth: len(truth.called()) >= 6, 60.0)
        engine.shift_clock(3_600.0)
        out = time.time()
        await until_told(engine, 1)
        engine.shift_clock(0.0)
        back = time.time()
        truth = await hall.until_far(lambda truth: any(call.started > back for call in truth.called()), 30.0)
        during = [call.started - out for call in truth.called() if out < call.started < back]
        rows = await hall.ledger()
        refused = [row for row in rows if row.outcome is Outcome.REFUSED]
        again = min(call.started for call in truth.called() if call.started > back)
        print(f"last dial {max(during, default=0.0):.2f} s after the step, {len(refused)} refused, ", end="")
        print(f"again {again - back:.1f} s after the step back")
        assert max(during, default=0.0) <= STOPPED_S
        assert len(refused) <= AT_HAND
        assert await until_told(engine, 2) == [60, -60]
        await hall.pause()
        await hall.until(lambda seen: all(row.outcome for row in seen))
        await hall.hall.until_idle()
        await hall.judge()
        assert len(engine.starts) == 1
        await hall.hall.verify()
