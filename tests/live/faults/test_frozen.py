"""The engine is frozen (SIGSTOP): the kernel still accepts for it, so whoever asks it waits. Nobody may hear nothing.

After 8 s its watch kills it and starts another, so a frost of 30 or 60 s is one of about 10; one of 5 s is waited out.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.domain.interaction import InteractionState as S
from tests.live.faults.conftest import Count
from tests.live.hall import DESK, MENU, Hall, open_hall
from tests.live.sound import longest_silence_s

pytestmark = pytest.mark.timeout(500)
SECONDS = (5, 30, 60) if os.environ.get("FULL") else (5, 30)
SILENCE_S = 12.0
WATCH_S = 8.0


async def freeze(hall: Hall, seconds: int) -> bool:
    """Stop the engine for that long. Whether its watch killed it and started another."""
    before, pid = hall.engine.starts, hall.engine.pid
    hall.engine.freeze()
    await asyncio.sleep(seconds)  # the fault itself lasts this long
    hall.engine.thaw(pid)
    await hall.engine.until(lambda state: not state.blind, 30.0, "it sees again")
    return len(hall.engine.starts) > len(before)


async def hang_up(hall: Hall, calls: list[str]) -> None:
    for call in calls:
        await hall.site.pstn.hang_up(call)
    await hall.until_over(calls)


def worst_silence(hall: Hall, calls: list[str], who: str) -> float:
    worst = max(longest_silence_s(hall.ears[call]) for call in calls)
    print(f"longest silence {who}: {worst:.1f} s")
    return worst


@pytest.mark.parametrize("seconds", SECONDS)
async def test_frozen_with_callers_in_flow_queue_and_talk_and_more_arriving(count: Count, seconds: int) -> None:
    many, agents = count(4, 20), count(4, 20)
    async with open_hall(nailed=agents) as hall:
        await hall.sign_in(*(f"{1001 + n}" for n in range(agents)), within_s=60.0 + 3.0 * agents)
        talks = await hall.call(agents, talk=400.0, wait=60.0, listen=True)
        await hall.until_counted({S.TALKING: agents})
        waits = await hall.call(many, talk=1.0, wait=400.0, listen=True)
        flows = await hall.call(many, MENU, wait=400.0, listen=True)
        state = await hall.until_counted({S.TALKING: agents, S.WAITING: many, S.IN_FLOW: many})
        entered = {i.id: i.entered_at for i in state.interactions.values() if i.state is S.WAITING}
        since = {i.id: i.talk_since for i in state.interactions.values() if i.state is S.TALKING}
        await hall.site.pstn.until_truth(lambda truth: len(truth.talked()) == agents)
        desk = next(leg.id for leg in hall.site.pstn.truth().calls if leg.desk == "1001")

        freezing = asyncio.create_task(freeze(hall, seconds))
        await asyncio.sleep(0.5)
        late = await hall.call(2, DESK, talk=1.0, wait=400.0, listen=True)
        await hang_up(hall, [talks[-1], desk, waits[-1], flows[-1]])
        assert await freezing == (seconds > WATCH_S)
        await hall.until_agreed(15.0)

        up = set(hall.up(talks + waits + flows + late))
        gone = [call for call in talks[:-1] if call not in up]  # who talked to 1001 was let go with him
        assert len(gone) <= 1
        assert up >= set(flows[:-1])
        assert [call for call in waits[:-1] + late if call not in up and not hall.leg(call).heard] == []
        state = hall.engine.state()
        kept = {i.id: i.entered_at for i in state.interactions.values() if i.id in entered}
        assert kept.items() <= entered.items()
        talked = {i.id: i.talk_since for i in state.interactions.values() if i.id in since and i.state is S.TALKING}
        assert talked.items() <= since.items()
        assert len(talked) == agents - 1 - len(gone)
        await hall.verify()

        await hang_up(hall, talks + flows)
        await hall.until_over(waits + late, 60.0 + 8.0 * many)
        for calls, who in ((talks, "in a talk"), (waits, "in the queue"), (flows, "in the flow"), (late, "on arrival")):
            assert worst_silence(hall, calls, who) <= SILENCE_S
        total = agents + 2 * many + 2
        await hall.all_is_well(total, {"answered": agents + many + 1, "abandoned": 1, "ended-in-flow": many})
