"""The engine dies at ten points between a dial that is wanted and an agent who talks; it comes back and goes on.

The far side counts how often each telephone rang, answered or not. With FULL=1 a hundred people per point.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from itertools import cycle, islice

import pytest

from engine.domain.campaign import Mode
from engine.lab.called import Persona, number
from tests.live.campaign_hall import CampaignHall, campaign, open_campaign, people, twice_dialled
from tests.live.crash_points import POINTS, CrashingEngine
from tests.live.faults.conftest import Count

pytestmark = pytest.mark.timeout(3_600 if os.environ.get("FULL") else 500)
RESOLVED_S = 60.0
MOST_CRASHES = 40
"""An engine that dies before anything is written, again and again, would never come to the end of a list."""
ROUNDS: list[list[str]] = [[point] for point in POINTS] if os.environ.get("FULL") else [list(POINTS)]
NOT_BEFORE = {"before-intent", "inside-intent", "after-intent", "before-originate"}
"""Whoever dies here has sent nothing to the network."""


def mixed(count: int) -> list[str]:
    """People, most of whom talk; some do not answer, some are busy: nobody may be called twice, answered or not."""
    found = people(count, ring_s=1.5)
    for each in range(0, count, 7):
        found[each] = number(Persona.BUSY, each)
    for each in range(3, count, 14):
        found[each] = number(Persona.NO_ANSWER, each)
    return found


async def crash(hall: CampaignHall, point: str, passage: int) -> bool:
    """Let it die there and come back; False when the list was dialled out before it came to that."""
    engine = hall.engine
    assert isinstance(engine, CrashingEngine)
    before = engine.starts
    engine.arm(point, passage)
    async with asyncio.timeout(120.0):
        while engine.armed:
            rows = await hall.ledger()
            if all(row.outcome for row in rows) and {row.number for row in rows} >= set(hall.numbers):
                engine.disarm()
                return False
            await asyncio.sleep(0.05)
    back = await engine.until_back(before)
    print(f"died at {point}, passage {passage}; back {back - before[-1]:.1f} s after its last start")
    return True


async def none_unresolved(hall: CampaignHall) -> None:
    """What was open when the engine began again has its outcome 60 s later; all these calls are short."""
    rows = await hall.ledger()
    late = [
        f"{row.number}: {row.ended - start:.0f} s after the start"
        for start in hall.engine.starts[1:]
        for row in rows
        if row.intent < start < row.ended and row.ended - start > RESOLVED_S
    ]
    assert late == []


@pytest.mark.parametrize("points", ROUNDS, ids=lambda points: points[0] if len(points) == 1 else "all")
async def test_none_is_dialled_twice_and_none_is_lost(count: Count, points: Sequence[str]) -> None:
    numbers = mixed(count(48, 100))
    policy = campaign(mode=Mode.POWER, ratio=2.0, ring_s=15.0)
    async with open_campaign(numbers, nailed=2, policy=policy, process=CrashingEngine) as hall:
        crashes = 0
        passages = cycle((1, 2, 1, 3))
        for point in islice(cycle(points), MOST_CRASHES) if len(points) == 1 else points:
            if not await crash(hall, point, next(passages)):
                break
            crashes += 1
        rows = await hall.until_dialled_out(200.0)
        await hall.hall.until_idle()
        how = await hall.judge()
        truth = hall.site.pstn.truth()
        print(f"{crashes} crashes at {', '.join(points)}: {len(rows)} attempts, {dict(how)}")
        assert crashes >= (len(points) if len(points) > 1 else 3)
        assert twice_dialled(truth) == []
        assert how["lost"] == 0, how
        await none_unresolved(hall)
        assert sorted({call.dialled for call in truth.called()}) == sorted(numbers)
        await hall.hall.verify()


async def test_a_second_dial_of_a_number_that_nobody_answers_is_caught() -> None:
    """The judge itself: somebody dials behind the engine's back."""
    silent = number(Persona.NO_ANSWER, 1)
    async with open_campaign([silent], nailed=1, policy=campaign(ring_s=15.0)) as hall:
        await hall.until_far(lambda truth: len(truth.called(silent)) == 1)
        await hall.hall.wire.send(
            "Originate", Channel=f"PJSIP/{silent}@trunk-pstn", ChannelId="planted-1", Context="callwright-dial",
            Exten="answered", Priority="1", Timeout="3000", Async="true",
        )  # fmt: skip
        await hall.until_dialled_out()
        await hall.until_far(lambda truth: len([each for each in truth.called(silent) if each.ended]) == 2)
        assert twice_dialled(hall.site.pstn.truth()) == [f"{silent} was dialled 2 times"]
        with pytest.raises(AssertionError, match="the far side saw 2 calls, the ledger 1"):
            await hall.judge()
