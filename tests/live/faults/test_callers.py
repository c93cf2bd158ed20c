"""Callers who hang up anywhere, and press too many keys, wrong keys, or too late; agents' phones that do not answer."""

from __future__ import annotations

from functools import partial

import pytest

from engine.domain.agent import AgentState
from engine.domain.events import FlowStepped, InteractionOffered
from engine.domain.interaction import InteractionState as S
from engine.domain.values import AgentId
from engine.floor.state import FloorState
from tests.live.hall import DESK, MENU, PIN, WALK, Hall, open_hall

pytestmark = pytest.mark.timeout(240)
TO_MENU = 6.0
"""Notice and its pause are over by then, seconds."""
KEYS = {"notice": "", "menu": "", "card": "1", "thanks": "1wwwwww1234#", "desk": "1wwwwww1234#"}
"""Node of the walk -> what a caller presses to get there."""


def stands_at(state: FloorState, node: str) -> bool:
    return any(i.flow is not None and i.flow.node == node for i in state.interactions.values())


async def test_a_caller_hangs_up_at_every_node_of_a_flow() -> None:
    async with open_hall(nailed=1) as hall:
        for node, keys in KEYS.items():
            calls = await hall.call(1, WALK, "patient", digits=keys, delay=TO_MENU)
            await hall.engine.until(partial(stands_at, node=node), 30.0, f"somebody at {node}")
            await hall.site.pstn.hang_up(calls[0])
            await hall.until_over(calls)
            await hall.until_idle(10.0)
        await hall.all_is_well(len(KEYS), {"ended-in-flow": 4, "abandoned": 1})


async def test_a_caller_hangs_up_in_every_state_of_a_call() -> None:
    async with open_hall(nailed=1, on_demand=1) as hall:
        await hall.call(1, DESK, "at_once")  # the moment it is answered
        await hall.until_idle()

        waiting = await hall.call(1)
        await hall.until_counted({S.WAITING: 1})
        await hall.site.pstn.hang_up(waiting[0])
        await hall.until_idle()

        await hall.site.pstn.desk("2001", "never")
        await hall.sign_in("2001")
        ringing = await hall.call(1)
        await hall.until_counted({S.OFFERED: 1})
        await hall.site.pstn.hang_up(ringing[0])
        state = await hall.until_idle()
        assert state.agents[AgentId("2001")].state is AgentState.AVAILABLE  # without blame

        await hall.sign_in("1001")
        await hall.engine.ask("POST", "/v1/agents/2001/not-ready", {"reason": "lunch"})
        talking = await hall.call(1, talk=300.0)
        await hall.until_counted({S.TALKING: 1})
        await hall.site.pstn.hang_up(talking[0])
        await hall.until_idle()
        how = hall.endings()
        assert how["abandoned"] + how["ended-in-flow"] == 3
        await hall.all_is_well(4)


async def test_the_agent_leaves_first_and_the_caller_hangs_up_in_what_follows() -> None:
    async with open_hall(nailed=1) as hall:
        await hall.sign_in("1001")
        calls = await hall.call(1, WALK, digits=KEYS["desk"], delay=TO_MENU, talk=300.0)
        await hall.until_counted({S.TALKING: 1})
        desk = next(leg.id for leg in hall.site.pstn.truth().calls if leg.desk == "1001")
        await hall.site.pstn.hang_up(desk)
        await hall.engine.until(lambda state: stands_at(state, "rate"), what="the caller is asked how it was")
        assert hall.up(calls) == calls
        await hall.verify()
        await hall.site.pstn.hang_up(calls[0])
        await hall.all_is_well(1, {"answered": 1})
        await hall.engine.until(
            lambda state: state.agents[AgentId("1001")].reason == "phone-gone", what="his wrap-up is over"
        )


@pytest.mark.parametrize(
    ("keys", "nodes"),
    [
        ("1wwwwww1234#", ["notice", "menu", "card", "thanks", "desk"]),  # right
        ("1wwwwww123456789", ["notice", "menu", "card"]),  # too many; then nothing, then let go
        ("1wwwwww12#wwwwwwwwww98#", ["notice", "menu", "card", "refused"]),  # too few, twice
        ("7wwwwwwwwwwwwwwww8wwwwwwwwwwwwwwww9", ["notice", "menu", "card"]),  # no such choice, thrice
        ("wwwwwwwwwwwwwwwwwwwwwwww1", ["notice", "menu", "card"]),  # late, at a later try
    ],
)
async def test_keys_too_many_too_few_wrong_or_late(keys: str, nodes: list[str]) -> None:
    async with open_hall(nailed=1) as hall:
        calls = await hall.call(1, WALK, digits=keys, delay=TO_MENU, wait=60.0)

        def walked(_state: FloorState) -> bool:
            seen = [e.node for e in hall.engine.events() if isinstance(e, FlowStepped)]
            return seen[: len(nodes)] == nodes

        await hall.engine.until(walked, 45.0, f"went {nodes}")
        await hall.site.pstn.hang_up(calls[0])
        await hall.until_over(calls)
        await hall.all_is_well(1)


async def test_nobody_answers_the_agent_is_not_ready_and_the_next_one_gets_the_caller() -> None:
    async with open_hall(on_demand=2, nailed=0) as hall:
        await hall.site.pstn.desk("2001", "never")
        await hall.sign_in("2001")
        first = await hall.call(1, talk=1.0, wait=60.0)
        state = await hall.until_counted({S.OFFERED: 1})
        entered = next(iter(state.interactions.values())).entered_at
        second = await hall.call(1, talk=1.0, wait=60.0)
        state = await hall.until_counted({S.WAITING: 2}, 10.0)
        agent = state.agents[AgentId("2001")]
        assert (agent.state, agent.reason) == (AgentState.NOT_READY, "ring-no-answer")
        assert min(i.entered_at for i in state.interactions.values()) == entered

        await hall.site.pstn.agent_login("2002", PIN)
        await hall.until_over(first + second)
        offers = [(e.agent_id, e.interaction_id) for e in hall.engine.events() if isinstance(e, InteractionOffered)]
        assert [agent_id for agent_id, _ in offers] == ["2001", "2002", "2002"]
        assert offers[0][1] == offers[1][1]  # to the head, with his time
        assert hall.answered()[0].waited_us >= 4_000_000
        await hall.all_is_well(2, {"answered": 2})


async def test_a_busy_phone_puts_its_agent_not_ready_and_the_caller_waits_on() -> None:
    async with open_hall(on_demand=2, nailed=0) as hall:
        await hall.site.pstn.desk("2001", "busy")
        await hall.sign_in("2001")
        calls = await hall.call(1, talk=1.0, wait=60.0)
        state = await hall.engine.until(
            lambda floor: floor.agents[AgentId("2001")].state is AgentState.NOT_READY, what="2001 is not ready"
        )
        await hall.until_counted({S.WAITING: 1})
        assert hall.up(calls) == calls, state
        await hall.site.pstn.agent_login("2002", PIN)
        await hall.until_over(calls)
        await hall.all_is_well(1, {"answered": 1})


async def test_a_nailed_up_phone_vanishes_idle_and_talking() -> None:
    async with open_hall(nailed=2) as hall:
        await hall.sign_in("1001")
        await _vanish(hall, "1001")
        calls = await hall.call(1, talk=300.0, wait=60.0)
        await hall.until_counted({S.WAITING: 1})
        await hall.site.pstn.agent_login("1002", PIN)
        await hall.until_counted({S.TALKING: 1})
        await hall.verify()
        await _vanish(hall, "1002")
        await hall.until_over(calls)  # no node follows in this flow: he is let go
        await hall.sign_in("1001")  # comes back with a new leg
        again = await hall.call(1, talk=1.0)
        await hall.until_over(again)
        await hall.all_is_well(2, {"answered": 2})


async def _vanish(hall: Hall, code: str) -> None:
    leg = [each.id for each in hall.site.pstn.truth().calls if each.desk == code and not each.ended]
    await hall.site.pstn.hang_up(leg[-1])
    await hall.engine.until(
        lambda state: state.agents[AgentId(code)].state in (AgentState.NOT_READY, AgentState.WRAP_UP),
        what=f"{code} is not available",
    )


async def test_callers_who_only_listen_are_never_let_go() -> None:
    async with open_hall(nailed=0, on_demand=1) as hall:
        calls = await hall.call(2, MENU, "silent", wait=25.0)
        await hall.until_counted({S.IN_FLOW: 2})
        await hall.until_over(calls, 60.0)
        assert all((leg.ended or 0) - (leg.answered or 0) > 24.0 for leg in map(hall.leg, calls))
        await hall.all_is_well(2, {"ended-in-flow": 2})
