"""In the queue: no answer, overflow, closed, positions, relaxing requirements, the call back."""

from __future__ import annotations

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Ask, Bridge, HangUp, Redirect, Release, Resync, RingAgent
from engine.domain.events import (
    CallbackPromised,
    InteractionAnswered,
    InteractionLeftQueue,
    InteractionOffered,
    InteractionQueued,
    OfferFailed,
)
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import RoutingStep, SkillNeed
from engine.domain.values import SECOND, AgentId, AskOutcome, LegMode, Token
from engine.floor.offers import BRIDGE_TIMEOUT
from tests.floor.hall import NAILED, RUNG, Hall, profile, queue

THIRD = AgentId("103")


def test_nobody_answers_and_the_caller_keeps_his_place() -> None:
    hall = Hall()
    hall.tell(f.AgentDefined(agent=profile(THIRD)))
    hall.ready(RUNG)
    first = hall.waiting()
    hall.wait(1)
    second = hall.waiting()
    hall.wait(14)
    hall.tell(f.RingFailed(agent_id=RUNG, leg=first.agent_leg, cause=19))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "ring-no-answer")
    assert first.state() is InteractionState.WAITING
    assert [failed.reason for failed in hall.heard(OfferFailed)] == ["ring-no-answer"]
    hall.ready(THIRD)
    assert first.state() is InteractionState.OFFERED
    assert second.state() is InteractionState.WAITING
    hall.pick_up()
    first.bridged()
    assert hall.heard(InteractionAnswered)[0].waited_us == 15_000_000
    assert len(hall.heard(InteractionQueued)) == 2, "a return is no new visit"


def test_the_floor_gives_up_a_phone_that_rings_without_end() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    leg = call.agent_leg
    assert HangUp(leg=leg) in hall.wait(17)
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "ring-no-answer")
    assert hall.tell(f.RingFailed(agent_id=RUNG, leg=leg)) == ()


def test_who_did_not_answer_may_be_offered_the_same_caller_once_he_says_he_is_ready() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    hall.tell(f.RingFailed(agent_id=RUNG, leg=call.agent_leg))
    hall.tell(f.AgentReadied(agent_id=RUNG))
    assert call.state() is InteractionState.OFFERED
    assert hall.last(RingAgent).leg == f"{call.id}.2"


def test_a_refused_bridge_blames_nobody_and_is_tried_again() -> None:
    hall = Hall()
    hall.ready(NAILED)
    call = hall.waiting()
    commands = hall.tell(f.BridgeFailed(leg=call.leg, other=call.agent_leg, reason="no such channel"))
    assert commands == (Resync(reason="bridge-timeout"),)
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE
    assert call.state() is InteractionState.WAITING
    hall.wait(5)
    assert call.state() is InteractionState.OFFERED
    assert len(hall.commands(Bridge)) == 2


def test_an_agent_who_picked_up_is_not_blamed_when_the_bridge_fails() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    hall.pick_up()
    hall.wait(BRIDGE_TIMEOUT // SECOND)
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE
    assert [failed.reason for failed in hall.heard(OfferFailed)] == ["bridge-timeout"]
    assert call.state() is InteractionState.WAITING


def test_a_bridge_that_comes_too_late_counts_all_the_same() -> None:
    hall = Hall()
    hall.ready(NAILED)
    call = hall.waiting()
    hall.wait(BRIDGE_TIMEOUT // SECOND)
    assert call.state() is InteractionState.WAITING
    call.bridged()
    assert call.state() is InteractionState.TALKING
    assert hall.agent_state(NAILED) is AgentState.TALKING


def test_a_bridge_that_comes_while_he_is_offered_to_another_is_a_talk_and_the_other_is_free() -> None:
    hall = Hall()
    hall.ready(NAILED)
    call = hall.waiting()
    late = call.agent_leg
    hall.wait(BRIDGE_TIMEOUT // SECOND)
    assert call.state() is InteractionState.WAITING
    hall.ready(RUNG)
    assert call.state() is InteractionState.OFFERED
    rung = call.agent_leg
    hall.tell(f.LegJoined(leg=call.leg, bridge="late"))
    commands = hall.tell(f.LegJoined(leg=late, bridge="late"))
    assert HangUp(leg=rung) in commands
    assert call.state() is InteractionState.TALKING
    assert (call.live.agent_id, hall.agent_state(RUNG)) == (NAILED, AgentState.AVAILABLE)


def test_an_answer_told_twice_bridges_once() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    leg = hall.pick_up()
    assert hall.tell(f.LegAnswered(leg=leg)) == ()
    call.bridged()
    assert hall.tell(f.LegAnswered(leg=leg)) == (), "a late one does not hang up on the talk"
    assert call.state() is InteractionState.TALKING


def test_the_longest_wait_leads_back_into_the_flow() -> None:
    hall = Hall()
    call = hall.waiting("1")
    commands = hall.wait(120)
    assert commands == (Redirect(leg=call.leg, place="flow"),)
    (left,) = hall.heard(InteractionLeftQueue)
    assert (left.how, left.waited_us) == (Ending.OVERFLOWED, 120_000_000)
    (ask,) = call.control("flow")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "Nobody is free."
    hall.ready(NAILED)
    assert call.state() is InteractionState.IN_FLOW, "who left the queue is not offered any more"


def test_the_longest_wait_may_lead_to_another_queue() -> None:
    hall = Hall()
    call = hall.waiting("2")
    assert hall.wait(120) == (Redirect(leg=call.leg, place="flow"),)
    assert (call.state(), call.live.queue_id) == (InteractionState.WAITING, "sales")
    (release,) = call.control("flow")
    assert isinstance(release, Release)
    assert release.next == "hold"
    hall.ready(NAILED)
    assert call.state() is InteractionState.WAITING, "he is on his way to hold"
    call.hold()
    assert call.state() is InteractionState.OFFERED
    call.bridged()
    call.hang_up()
    hall.wait(10)
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_the_longest_wait_is_over_while_he_hears_his_place() -> None:
    hall = Hall()
    call = hall.waiting("1")
    hall.wait(119)
    call.control("poll")
    assert hall.wait(1) == (Release(leg=call.leg, next="flow"),), "out of the hold loop, not asked within it"
    assert call.played() == ()
    (ask,) = call.control("flow")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "Nobody is free."


def test_the_longest_wait_lets_an_offer_finish() -> None:
    hall = Hall()
    call = hall.waiting("1")
    hall.wait(110)
    hall.ready(RUNG)
    hall.wait(10)
    assert call.state() is InteractionState.OFFERED
    hall.tell(f.RingFailed(agent_id=RUNG, leg=call.agent_leg))
    assert call.state() is InteractionState.IN_FLOW
    assert hall.last(Redirect).leg == call.leg


def test_a_closed_queue_takes_nobody() -> None:
    hall = Hall()
    hall.tell(f.QueueDefined(queue=queue("sales", open=False)))
    call = hall.call_in()
    call.played()
    (ask,) = call.press("1")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "We are closed."
    call.played()
    call.played()
    call.hang_up()
    assert hall.sums() == {"arrived": 1, "ended-in-flow": 1}


def test_places_are_told_when_it_is_time() -> None:
    hall = Hall()
    first, second = hall.waiting(), hall.waiting()
    (release,) = second.control("poll")
    assert isinstance(release, Release)
    assert (release.next, release.poll_s) == ("hold", 30)
    hall.wait(30)
    (ask,) = second.control("poll")
    assert isinstance(ask, Ask)
    assert "number 2" in ask.prompts[0].text
    (ask,) = first.control("poll")
    assert isinstance(ask, Ask)
    assert "next" in ask.prompts[0].text
    assert [type(command) for command in first.played()] == [Release]


def test_an_agent_may_be_won_while_the_place_is_told() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.wait(30)
    call.control("poll")
    hall.ready(NAILED)
    assert hall.last(Bridge).leg == call.leg
    call.bridged()
    hall.tell(f.ControlLost(leg=call.leg))
    assert call.state() is InteractionState.TALKING
    assert call.asked(AskOutcome.PLAYED) == (), "the cut-off announcement is of no more interest"


def test_a_session_begun_just_before_the_bridge_does_not_end_the_talk() -> None:
    hall = Hall()
    call = hall.talking(NAILED)
    assert call.control("poll") == (Release(leg=call.leg, next="hold"),)
    assert call.state() is InteractionState.TALKING


def test_a_poll_proves_that_he_is_on_hold_when_the_news_of_it_was_lost() -> None:
    hall = Hall()
    hall.ready(NAILED)
    call = hall.call_in()
    call.played()
    call.press("1")
    call.control("poll")
    assert call.state() is InteractionState.OFFERED


def test_requirements_are_relaxed_when_their_time_comes() -> None:
    hall = Hall()
    strict = RoutingStep(needs=(SkillNeed(skill="sales", level=9),))
    easier = RoutingStep(needs=(SkillNeed(skill="sales", level=7),), after_s=10.0)
    easiest = RoutingStep(needs=(SkillNeed(skill="sales", level=5),), after_s=20.0)
    hall.tell(f.QueueDefined(queue=queue("sales", steps=(strict, easier, easiest))))
    hall.ready(NAILED)
    call = hall.waiting("1")
    hall.wait(19.9)
    assert call.state() is InteractionState.WAITING
    hall.wait(0.1)
    assert call.state() is InteractionState.OFFERED


def test_a_call_back_is_kept_as_a_promise() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.tell(f.CallbackTaken(leg=call.leg, number=Token("tok"), spool_id="s1"))
    (promise,) = hall.heard(CallbackPromised)
    assert (promise.interaction_id, promise.number, promise.spool_id) == (call.id, "tok", "s1")
    hall.ready(NAILED)
    assert call.state() is InteractionState.IN_FLOW, "nobody is offered who will be called back"
    call.hang_up()
    assert hall.sums() == {"arrived": 1, "offered": 1, "callback": 1}


def test_a_call_back_taken_while_an_agent_is_rung() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    leg = call.agent_leg
    assert hall.tell(f.CallbackTaken(leg=call.leg, number=Token("tok"), spool_id="s1")) == (HangUp(leg=leg),)
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE
    call.hang_up()
    assert hall.sums() == {"arrived": 1, "offered": 1, "callback": 1}


def test_the_same_agent_is_not_won_twice_in_one_step() -> None:
    hall = Hall()
    hall.tell(f.AgentDefined(agent=profile(THIRD, LegMode.NAILED_UP)))
    calls = [hall.waiting() for _ in range(3)]
    hall.ready(NAILED)
    hall.ready(THIRD)
    offered = hall.heard(InteractionOffered)
    assert [(offer.interaction_id, offer.agent_id) for offer in offered] == [
        (calls[0].id, NAILED),
        (calls[1].id, THIRD),
    ]
