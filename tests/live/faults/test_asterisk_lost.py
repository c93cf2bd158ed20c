"""Asterisk dies or is restarted with calls on it: they are lost with it, once each; the next caller is served."""

from __future__ import annotations

import time

import pytest

from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState as S
from engine.domain.values import AgentId
from tests.live.faults.conftest import Count
from tests.live.hall import MENU, open_hall

pytestmark = pytest.mark.timeout(240)
WORKS_AGAIN_S = 10.0


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_its_calls_end_as_lost_once_and_new_ones_work(count: Count, how: str) -> None:
    many = count(3, 10)
    async with open_hall(nailed=many, on_demand=1) as hall:
        nailed = [f"{1001 + n}" for n in range(many)]
        await hall.sign_in(*nailed)
        talks = await hall.call(many, talk=300.0, wait=300.0)
        await hall.until_counted({S.TALKING: many})
        waits = await hall.call(many, wait=300.0)
        flows = await hall.call(many, MENU, "silent", wait=300.0)
        await hall.until_counted({S.WAITING: many, S.IN_FLOW: many})

        await hall.look_away()
        await (hall.site.asterisk.kill() if how == "kill" else hall.site.asterisk.stop())
        await hall.engine.until(lambda state: state.blind, 6.0, "Asterisk's end is noticed")
        await hall.site.asterisk.start()
        booted = time.time()
        state = await hall.engine.until(lambda floor: not floor.blind and not floor.interactions, 10.0, "sees, empty")
        print(f"{how}: clean {state.now / 1e6 - booted:.1f} s after FullyBooted; endings {hall.endings()}")
        assert all(state.agents[AgentId(code)].state is AgentState.NOT_READY for code in nailed)
        for call in talks + waits + flows:  # the network's legs know nothing of the death
            await hall.site.pstn.hang_up(call)
        await hall.look()

        # an agent whose phone is rung needs nothing but to be signed in; nailed-up legs must be dialled anew
        await hall.sign_in("2001")
        ready = time.time()
        new = await hall.call(1, talk=1.0, wait=60.0)
        truth = await hall.site.pstn.until_truth(lambda seen: bool((leg := seen.call(new[0])) and leg.heard), 20.0)
        leg = truth.call(new[0])
        assert leg is not None
        print(f"{how}: a new caller talks {leg.heard[0] - ready:.1f} s after the call")
        assert leg.heard[0] - ready <= WORKS_AGAIN_S
        await hall.until_over(new)
        await hall.sign_in(nailed[0])
        lost = hall.endings()
        assert lost["answered"] == many + 1
        if how == "kill":
            assert lost["lost"] == 2 * many
        await hall.all_is_well(3 * many + 1)


async def test_a_reload_of_the_configuration_touches_no_call(count: Count) -> None:
    many = count(2, 10)
    async with open_hall(nailed=many) as hall:
        await hall.sign_in(*(f"{1001 + n}" for n in range(many)))
        talks = await hall.call(many, talk=300.0, wait=300.0)
        await hall.until_counted({S.TALKING: many})
        waits = await hall.call(many, talk=1.0, wait=300.0)
        await hall.until_counted({S.TALKING: many, S.WAITING: many})
        await hall.site.asterisk.cli("core reload")
        await hall.verify()
        assert sorted(hall.up(talks + waits)) == sorted(talks + waits)
        for call in talks:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(talks + waits, 60.0 + 8.0 * many)
        await hall.all_is_well(2 * many, {"answered": 2 * many})
