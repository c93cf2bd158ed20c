"""Callers hang up, and agents' phones vanish, in every state; nobody is lost, counted twice or left reserved."""

from __future__ import annotations

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import HangUp
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, LegId
from tests.floor.hall import NAILED, RUNG, Hall, queue
from tests.floor.scenes import ENDINGS, Scene, arrived, let_go, offered_to_a_nailed_leg, picked_up, ringing_an_agent


@pytest.mark.parametrize("scene", ENDINGS)
def test_a_caller_may_hang_up_at_any_moment(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    call.hang_up()
    hall.wait(15)
    assert call.state() is InteractionState.ENDED
    offered = {} if ENDINGS[scene] == "ended-in-flow" else {"offered": 1}
    assert hall.sums() == {"arrived": 1, **offered, ENDINGS[scene]: 1}
    assert {agent.state for agent in hall.floor.state.agents.values()} <= {AgentState.OFFLINE, AgentState.AVAILABLE}
    assert all(leg.agent_id is not None for leg in hall.floor.state.legs.values())


@pytest.mark.parametrize("scene", ENDINGS)
def test_a_hang_up_told_twice_counts_once(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    call.hang_up()
    sums = hall.sums()
    hall.tell(f.LegEnded(leg=call.leg))
    hall.tell(f.ControlLost(leg=call.leg))
    hall.tell(f.LegHeld(leg=call.leg))
    assert hall.sums() == sums


@pytest.mark.parametrize("scene", ENDINGS)
def test_somebody_may_end_a_call_at_any_moment(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    assert HangUp(leg=call.leg) in hall.tell(f.HangUpRequested(by="boss", interaction_id=call.id))
    call.hang_up()
    hall.wait(15)
    assert call.state() is InteractionState.ENDED


@pytest.mark.parametrize("scene", [s for s in ENDINGS if s not in (arrived, let_go)])
def test_a_lost_session_is_taken_up_again_where_it_was(scene: Scene) -> None:
    """The FastAGI link breaks while the caller stays: his dialplan asks again, and he is told the same again."""
    hall = Hall()
    call = scene(hall)
    before = call.live.pending
    hall.tell(f.ControlLost(leg=call.leg))
    if call.state() is InteractionState.IN_FLOW:
        assert call.control("flow") == (before,)


# --- agents' phones --------------------------------------------------------------------------------------------------


def test_a_nailed_up_phone_hangs_up_while_its_agent_is_free() -> None:
    hall = Hall()
    hall.ready(NAILED)
    hall.tell(f.LegEnded(leg=hall.agent(NAILED).leg or LegId("")))
    assert (hall.agent_state(NAILED), hall.agent(NAILED).reason) == (AgentState.NOT_READY, "phone-gone")
    call = hall.waiting()
    assert call.state() is InteractionState.WAITING


def test_a_nailed_up_phone_hangs_up_while_it_is_offered_a_call() -> None:
    hall = Hall()
    call = offered_to_a_nailed_leg(hall)
    hall.tell(f.LegEnded(leg=call.agent_leg))
    assert (hall.agent_state(NAILED), hall.agent(NAILED).reason) == (AgentState.NOT_READY, "phone-gone")
    assert call.state() is InteractionState.WAITING


@pytest.mark.parametrize("agent_id", [NAILED, RUNG])
def test_an_agents_phone_hangs_up_in_a_talk(agent_id: str) -> None:
    hall = Hall()
    call = hall.talking(NAILED if agent_id == NAILED else RUNG, key="1")
    hall.tell(f.LegEnded(leg=call.agent_leg))
    assert call.state() is InteractionState.WRAP_UP
    assert hall.agent_state(agent_id) is AgentState.WRAP_UP
    call.control("after")
    hall.tell(f.LegEnded(leg=call.leg))
    hall.wait(10)
    expected = AgentState.NOT_READY if agent_id == NAILED else AgentState.AVAILABLE
    assert hall.agent_state(agent_id) is expected
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_a_nailed_up_phone_hangs_up_in_wrap_up() -> None:
    hall = Hall()
    call = hall.talking(NAILED)
    call.hang_up()
    hall.tell(f.LegEnded(leg=hall.agent(NAILED).leg or LegId("")))
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    hall.wait(10)
    assert (hall.agent_state(NAILED), hall.agent(NAILED).reason) == (AgentState.NOT_READY, "phone-gone")


def test_an_agent_who_hangs_up_between_answering_and_the_bridge_did_not_answer() -> None:
    hall = Hall()
    call = picked_up(hall)
    hall.tell(f.LegEnded(leg=call.agent_leg))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "ring-no-answer")
    assert call.state() is InteractionState.WAITING


def test_a_phone_that_rings_on_after_its_caller_left_is_silenced() -> None:
    hall = Hall()
    call = ringing_an_agent(hall)
    ringing = call.agent_leg
    assert call.hang_up() == (HangUp(leg=ringing),)
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE
    assert hall.tell(f.LegAnswered(leg=ringing)) == (HangUp(leg=ringing),), "picked up in the same moment"
    assert hall.tell(f.LegEnded(leg=ringing)) == ()


def test_wrap_up_lasts_as_its_queue_says() -> None:
    hall = Hall()
    hall.tell(f.QueueDefined(queue=queue("care", wrap_up_s=0.0)))
    call = hall.talking(NAILED)
    call.hang_up()
    assert call.state() is InteractionState.ENDED
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE
    hall.idle(NAILED)
    again = hall.waiting()
    assert again.state() is InteractionState.OFFERED
    assert hall.agent(NAILED).since - hall.now <= SECOND
