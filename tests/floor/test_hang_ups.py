"""Callers hang up, and agents' phones vanish, in every state; nobody is lost, counted twice or left reserved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import HangUp
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, AskOutcome, LegId
from tests.floor.hall import NAILED, RUNG, Call, Hall, queue


def arrived(hall: Hall) -> Call:
    return hall.arrive()


def hearing_a_prompt(hall: Hall) -> Call:
    return hall.call_in()


def at_a_menu(hall: Hall) -> Call:
    call = hall.call_in()
    call.played()
    return call


def before_the_last_words(hall: Hall) -> Call:
    call = at_a_menu(hall)
    for _ in range(3):
        call.asked(AskOutcome.SILENCE)
    assert call.live.hang_up_after
    return call


def let_go(hall: Hall) -> Call:
    call = before_the_last_words(hall)
    call.played()
    return call


def on_the_way_to_hold(hall: Hall) -> Call:
    call = at_a_menu(hall)
    call.press("2")
    return call


def waiting(hall: Hall) -> Call:
    return hall.waiting()


def hearing_his_place(hall: Hall) -> Call:
    call = hall.waiting()
    hall.wait(30)
    call.control("poll")
    assert call.live.announcing
    return call


def overflowed(hall: Hall) -> Call:
    call = hall.waiting("1")
    hall.wait(120)
    call.control("flow")
    return call


def closed(hall: Hall) -> Call:
    hall.tell(f.QueueDefined(queue=queue("care", open=False)))
    call = at_a_menu(hall)
    call.press("2")
    return call


def offered_to_a_nailed_leg(hall: Hall) -> Call:
    hall.ready(NAILED)
    return hall.waiting()


def ringing_an_agent(hall: Hall) -> Call:
    hall.ready(RUNG)
    return hall.waiting()


def picked_up(hall: Hall) -> Call:
    call = ringing_an_agent(hall)
    hall.pick_up()
    return call


def half_bridged(hall: Hall) -> Call:
    call = offered_to_a_nailed_leg(hall)
    hall.tell(f.LegJoined(leg=call.leg, bridge="half"))
    return call


def talking_nailed(hall: Hall) -> Call:
    return hall.talking(NAILED)


def talking_on_demand(hall: Hall) -> Call:
    return hall.talking(RUNG)


def left_by_the_agent(hall: Hall) -> Call:
    call = hall.talking(NAILED, key="1")
    hall.tell(f.LegLeft(leg=call.agent_leg, bridge=hall.floor.state.legs[call.leg].bridge))
    assert call.state() is InteractionState.WRAP_UP
    return call


def in_the_survey(hall: Hall) -> Call:
    call = hall.talking(NAILED, key="2")
    hall.tell(f.LegLeft(leg=call.agent_leg, bridge=hall.floor.state.legs[call.leg].bridge))
    call.control("after")
    return call


def waiting_again_after_a_talk(hall: Hall) -> Call:
    call = in_the_survey(hall)
    call.press("2")
    call.hold()
    return call


Scene = Callable[[Hall], Call]

IN_FLOW: list[Scene] = [arrived, hearing_a_prompt, at_a_menu, before_the_last_words, let_go, closed]
IN_QUEUE: list[Scene] = [on_the_way_to_hold, waiting, hearing_his_place]
OFFERED: list[Scene] = [offered_to_a_nailed_leg, ringing_an_agent, picked_up, half_bridged]
TALKED: list[Scene] = [talking_nailed, talking_on_demand, left_by_the_agent, in_the_survey, waiting_again_after_a_talk]
ENDINGS = {
    **dict.fromkeys(IN_FLOW, "ended-in-flow"),
    **dict.fromkeys([*IN_QUEUE, *OFFERED], "abandoned"),
    overflowed: "overflowed",
    **dict.fromkeys(TALKED, "answered"),
}


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
