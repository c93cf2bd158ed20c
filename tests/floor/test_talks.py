"""A call from its arrival to the end of wrap-up, with a nailed-up and with a rung agent."""

from __future__ import annotations

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Ask, Bridge, HangUp, Release, RingAgent
from engine.domain.events import FlowStepped, InteractionAnswered, InteractionEnded, InteractionOffered
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import AskOutcome
from tests.floor.hall import NAILED, RUNG, Hall


def test_a_call_reaches_a_nailed_up_agent_and_ends() -> None:
    hall = Hall()
    hall.ready(NAILED)
    call = hall.call_in()
    assert hall.last(Ask).prompts[0].text == "Welcome."
    call.played()
    (released,) = call.press("1")
    assert isinstance(released, Release)
    assert (released.leg, released.next, released.record) == (call.leg, "hold", f"{call.id}_1")
    hall.wait(2)
    (bridge,) = call.hold()
    assert isinstance(bridge, Bridge)
    assert (bridge.leg, bridge.other) == (call.leg, hall.agent(NAILED).leg)
    assert call.state() is InteractionState.OFFERED
    assert hall.agent_state(NAILED) is AgentState.RESERVED
    call.bridged()
    assert call.state() is InteractionState.TALKING
    (answered,) = hall.heard(InteractionAnswered)
    assert (answered.agent_id, answered.waited_us, answered.agent_was_free) == (NAILED, 2_000_000, True)
    hall.wait(30)
    assert call.hang_up() == ()
    hall.idle(NAILED)
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    hall.wait(10)
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE
    (ended,) = hall.heard(InteractionEnded)
    assert (ended.ending, ended.talk_us, ended.wrap_up_us) == (Ending.ANSWERED, 30_000_000, 10_000_000)
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}
    assert [step.node for step in hall.heard(FlowStepped)] == ["welcome", "choose", "sales"]


def test_an_on_demand_agent_is_rung_and_his_leg_is_let_go_afterwards() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    ring = hall.last(RingAgent)
    assert (ring.agent_id, ring.endpoint, ring.leg) == (RUNG, "phone102", f"{call.id}.1")
    assert hall.agent_state(RUNG) is AgentState.RINGING
    hall.pick_up()
    call.bridged()
    assert call.state() is InteractionState.TALKING
    hall.wait(5)
    assert call.hang_up() == (HangUp(leg=ring.leg),)
    hall.tell(f.LegEnded(leg=ring.leg))
    hall.wait(10)
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_the_agent_leaves_first_and_the_caller_is_thanked_and_let_go() -> None:
    hall = Hall()
    call = hall.talking(NAILED, key="1")
    bridge = hall.floor.state.legs[call.leg].bridge
    hall.tell(f.LegLeft(leg=call.agent_leg, bridge=bridge))
    hall.tell(f.LegLeft(leg=call.leg, bridge=bridge))
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    assert call.control("after") == (Release(leg=call.leg, next="hangup"),)
    hall.tell(f.LegEnded(leg=call.leg))
    hall.wait(10)
    assert call.state() is InteractionState.ENDED


def test_after_the_talk_the_caller_goes_on_in_his_flow() -> None:
    hall = Hall()
    call = hall.talking(NAILED, key="2")
    bridge = hall.floor.state.legs[call.leg].bridge
    hall.tell(f.LegLeft(leg=call.agent_leg, bridge=bridge))
    hall.tell(f.LegLeft(leg=call.leg, bridge=bridge))
    assert call.state() is InteractionState.IN_FLOW
    (ask,) = call.control("after")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "How was it?"
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    call.press("1")
    assert call.played() == (Release(leg=call.leg, next="hangup"),)
    call.hang_up()
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_the_callers_dialplan_may_be_faster_than_the_news_of_the_agents_leaving() -> None:
    hall = Hall()
    call = hall.talking(NAILED, key="2")
    bridge = hall.floor.state.legs[call.leg].bridge
    asks = call.control("after")
    assert [type(ask) for ask in asks] == [Ask], "asked once"
    hall.tell(f.LegLeft(leg=hall.agent(NAILED).leg or call.leg, bridge=bridge))
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    call.press("2")
    call.hold()
    assert call.state() is InteractionState.WAITING


def test_a_caller_who_leaves_first_is_not_led_on_in_his_flow() -> None:
    hall = Hall()
    call = hall.talking(NAILED, key="2")
    before = len(hall.heard(FlowStepped))
    call.hang_up()
    assert len(hall.heard(FlowStepped)) == before
    assert call.state() is InteractionState.WRAP_UP
    hall.wait(10)
    (ended,) = hall.heard(InteractionEnded)
    assert ended.wrap_up_us == 10_000_000


def test_an_agent_who_becomes_free_takes_the_first_in_line() -> None:
    hall = Hall()
    first = hall.waiting()
    hall.wait(1)
    second = hall.waiting()
    hall.ready(NAILED)
    assert [offer.interaction_id for offer in hall.heard(InteractionOffered)] == [first.id]
    assert second.state() is InteractionState.WAITING
    assert not hall.heard(InteractionOffered)[0].waited_us < 1_000_000


def test_an_unknown_number_is_told_so() -> None:
    hall = Hall()
    call = hall.call_in("+4930999")
    assert "not in service" in hall.last(Ask).prompts[0].text
    assert call.asked(AskOutcome.PLAYED) == (Release(leg=call.leg, next="hangup"),)
    call.hang_up()
    assert hall.sums() == {"arrived": 1, "ended-in-flow": 1}
