"""A caller in every state in which he can be: each scene brings a hall there and returns the call."""

from __future__ import annotations

from collections.abc import Callable

from engine.domain import facts as f
from engine.domain.interaction import InteractionState
from engine.domain.values import AskOutcome
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
