"""Queues, agents, flows and numbers are changed and removed while they are in use."""

from __future__ import annotations

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Ask, Redirect
from engine.domain.events import FlowStepped
from engine.domain.flow import AnyNode, Flow, HangUpNode, Say
from engine.domain.interaction import InteractionState
from engine.domain.policy import RoutingStep, SkillNeed
from engine.domain.values import LegMode, QueueId
from tests.floor.hall import NAILED, NUMBER, RUNG, Hall, profile, queue, says


def test_who_waits_keeps_waiting_under_the_new_rules() -> None:
    hall = Hall()
    call = hall.waiting("1")
    hall.wait(10)
    hall.tell(f.QueueDefined(queue=queue("sales", max_wait_s=30.0)))
    hall.wait(19.9)
    assert call.state() is InteractionState.WAITING
    assert hall.wait(0.1) == (Redirect(leg=call.leg, place="flow"),)


def test_a_longest_wait_made_shorter_than_the_wait_so_far_is_over_at_once() -> None:
    hall = Hall()
    call = hall.waiting("1")
    hall.wait(60)
    hall.tell(f.QueueDefined(queue=queue("sales", max_wait_s=30.0)))
    hall.wait(0)
    assert call.state() is InteractionState.IN_FLOW


def test_new_routing_steps_relax_for_those_who_wait_already() -> None:
    hall = Hall()
    strict = RoutingStep(needs=(SkillNeed(skill="sales", level=9),))
    hall.tell(f.QueueDefined(queue=queue("sales", steps=(strict,))))
    hall.ready(NAILED)
    call = hall.waiting("1")
    hall.wait(5)
    hall.tell(f.QueueDefined(queue=queue("sales", steps=(strict, RoutingStep(after_s=20.0)))))
    hall.wait(14.9)
    assert call.state() is InteractionState.WAITING
    hall.wait(0.1)
    assert call.state() is InteractionState.OFFERED


def test_a_removed_queue_serves_those_in_it_and_takes_nobody_new() -> None:
    hall = Hall()
    waiting = hall.waiting("1")
    hall.tell(f.QueueRemoved(queue_id=QueueId("sales")))
    late = hall.call_in()
    late.played()
    (ask,) = late.press("1")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "We are closed."
    hall.ready(NAILED)
    waiting.bridged()
    waiting.hang_up()
    assert QueueId("sales") in hall.floor.state.queues, "its wrap-up time is still needed"
    hall.wait(10)
    assert QueueId("sales") not in hall.floor.state.queues
    assert hall.floor.state.leaving == ()


def test_a_removed_queue_may_be_defined_again() -> None:
    hall = Hall()
    call = hall.waiting("1")
    hall.tell(f.QueueRemoved(queue_id=QueueId("sales")))
    hall.tell(f.QueueDefined(queue=queue("sales")))
    call.hang_up()
    assert hall.floor.state.queues[QueueId("sales")].open


def test_an_unused_queue_is_removed_at_once() -> None:
    hall = Hall()
    hall.tell(f.QueueRemoved(queue_id=QueueId("sales")))
    assert QueueId("sales") not in hall.floor.state.queues


def test_new_skills_hold_from_the_next_match_on() -> None:
    hall = Hall()
    hall.tell(f.AgentDefined(agent=profile(NAILED, LegMode.NAILED_UP, care=5)))
    hall.ready(NAILED)
    call = hall.waiting("1")
    assert call.state() is InteractionState.WAITING
    hall.tell(f.AgentDefined(agent=profile(NAILED, LegMode.NAILED_UP, sales=1)))
    assert call.state() is InteractionState.OFFERED


def test_a_removed_agent_finishes_his_call_first() -> None:
    hall = Hall()
    call = hall.talking(RUNG)
    hall.tell(f.AgentRemoved(agent_id=RUNG))
    hall.tell(f.AgentReadied(agent_id=RUNG))
    assert hall.agent_state(RUNG) is AgentState.TALKING
    call.hang_up()
    assert hall.agent_state(RUNG) is AgentState.WRAP_UP
    hall.wait(10)
    assert hall.floor.agent(RUNG) is None
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_a_free_agent_is_removed_at_once() -> None:
    hall = Hall()
    hall.ready(NAILED)
    hall.tell(f.AgentRemoved(agent_id=NAILED))
    assert hall.floor.agent(NAILED) is None
    assert not hall.floor.state.legs


def test_callers_under_way_keep_the_flow_they_began_with() -> None:
    hall = Hall()
    old = hall.call_in()
    nodes: dict[str, AnyNode] = {"hello": Say(prompts=says("New."), next="end"), "end": HangUpNode()}
    new = Flow(name="main", version="v2", language="en", start="hello", nodes=nodes)
    hall.tell(f.FlowActivated(flow=new))
    old.played()
    assert hall.last(Ask).prompts[0].text == "Press 1 or 2."
    hall.call_in()
    assert hall.last(Ask).prompts[0].text == "New."
    assert [step.node for step in hall.heard(FlowStepped)] == ["welcome", "choose", "hello"]
    old.press("2")
    old.hold()
    assert old.state() is InteractionState.WAITING
    old.hang_up()
    third = Flow(name="main", version="v3", language="en", start="hello", nodes=nodes)
    hall.tell(f.FlowActivated(flow=third))
    assert set(hall.floor.state.old_flows) == {"main@v2"}, "nobody needs the first any more"


def test_a_number_removed_while_its_caller_is_in_the_flow() -> None:
    hall = Hall()
    call = hall.call_in()
    hall.tell(f.NumberRemoved(e164=NUMBER))
    call.played()
    assert call.state() is InteractionState.IN_FLOW
    assert "not in service" in str(hall.call_in() and hall.last(Ask).prompts[0].text)
