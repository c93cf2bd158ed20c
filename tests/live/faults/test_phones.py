"""What agents do with their phones: feature codes, wrong PINs, a second phone, being rung to sign in."""

from __future__ import annotations

import pytest

from engine.domain.agent import AgentState
from engine.domain.values import AgentId
from engine.floor.state import FloorState
from engine.lab.truth import Call
from tests.live.hall import PIN, Hall, open_hall

pytestmark = pytest.mark.timeout(240)
BETWEEN = "ww"


async def dial(hall: Hall, code: str, feature: str, digits: str = "") -> Call:
    """The phone of `code` dials a feature code, and is let go; how that leg went."""
    call_id = f"feature-{code}-{feature[1:]}-{len(hall.site.pstn.truth().calls)}"
    await hall.site.pstn.agent_dials(code, feature, call_id=call_id, digits=digits)
    await hall.until_over([call_id], 45.0)
    return hall.leg(call_id)


def stands(state: FloorState, code: str) -> tuple[AgentState, str]:
    agent = state.agents[AgentId(code)]
    return agent.state, agent.reason


async def test_all_four_feature_codes_of_a_phone_that_is_rung() -> None:
    async with open_hall(nailed=0, on_demand=1) as hall:
        await dial(hall, "2001", "*45", f"2001#{BETWEEN}{PIN}#")
        await hall.engine.until(lambda state: stands(state, "2001")[0] is AgentState.AVAILABLE, what="signed in")
        await dial(hall, "2001", "*48")
        await hall.engine.until(lambda state: stands(state, "2001") == (AgentState.NOT_READY, "requested"), what="*48")
        await dial(hall, "2001", "*47")
        await hall.engine.until(lambda state: stands(state, "2001")[0] is AgentState.AVAILABLE, what="*47")
        await dial(hall, "2001", "*46")
        await hall.engine.until(lambda state: stands(state, "2001")[0] is AgentState.OFFLINE, what="*46")
        await hall.verify()


async def test_three_wrong_pins_end_the_call_and_five_close_the_agent_for_a_minute() -> None:
    async with open_hall(nailed=1, on_demand=0) as hall:
        wrong = f"1001#{BETWEEN}1111#wwwwww"
        first = await dial(hall, "1001", "*45", wrong * 3)
        assert first.ended is not None
        assert stands(hall.engine.state(), "1001")[0] is AgentState.OFFLINE
        await dial(hall, "1001", "*45", wrong * 3)  # the fifth closes it
        await dial(hall, "1001", "*45", f"1001#{BETWEEN}{PIN}#wwwwww" * 3)  # the right one, too late
        assert stands(hall.engine.state(), "1001")[0] is AgentState.OFFLINE
        await hall.engine.ask("PUT", "/v1/agents/1001/pin", {"pin": PIN})  # ends the lock-out
        await hall.sign_in("1001")
        await hall.verify()


async def test_a_second_phone_cannot_take_over_an_agent() -> None:
    async with open_hall(nailed=2) as hall:
        await hall.sign_in("1001")
        leg = hall.engine.state().agents[AgentId("1001")].leg
        second = await dial(hall, "1002", "*45", f"1001#{BETWEEN}{PIN}#")
        assert second.ended is not None
        agent = hall.engine.state().agents[AgentId("1001")]
        assert (agent.leg, agent.can_take()) == (leg, True)
        calls = await hall.call(1, talk=1.0)
        await hall.until_over(calls)
        await hall.all_is_well(1, {"answered": 1})


async def test_signing_in_by_command_rings_a_nailed_up_phone() -> None:
    async with open_hall(nailed=1) as hall:
        await hall.site.pstn.desk("1001", "answer", ring=0.5)
        await hall.engine.ask("POST", "/v1/agents/1001/login", {})
        await hall.engine.until(lambda state: state.agents[AgentId("1001")].can_take(), what="1001 is available")
        calls = await hall.call(1, talk=1.0)
        await hall.until_over(calls)
        await hall.engine.ask("POST", "/v1/agents/1001/logout", {})
        await hall.engine.until(lambda state: stands(state, "1001")[0] is AgentState.OFFLINE, what="signed out")
        await hall.all_is_well(1, {"answered": 1})


async def test_a_nailed_up_phone_that_is_not_answered_leaves_its_agent_not_ready() -> None:
    async with open_hall(nailed=1) as hall:
        await hall.site.pstn.desk("1001", "busy")
        await hall.engine.ask("POST", "/v1/agents/1001/login", {})
        await hall.engine.until(
            lambda state: stands(state, "1001") == (AgentState.NOT_READY, "ring-no-answer"), what="not ready"
        )
        await hall.verify()
