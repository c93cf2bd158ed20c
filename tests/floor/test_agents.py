"""Agents sign in and out, pause, lose and regain their phones; wishes made in a call hold after it."""

from __future__ import annotations

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Bridge, HangUp, Release, Resync, RingAgent
from engine.domain.events import Anomaly
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId, LegId, LegMode
from tests.floor.hall import NAILED, RUNG, Hall, profile


def test_signing_in_by_phone_leads_the_leg_to_its_idle_loop() -> None:
    hall = Hall()
    leg = LegId("a1")
    commands = hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP, leg=leg))
    assert commands == (Release(leg=leg, next="idle"),)
    assert hall.agent_state(NAILED) is AgentState.NOT_READY
    call = hall.waiting()
    assert hall.tell(f.AgentLegIdled(leg=leg))[-1] == Bridge(leg=call.leg, other=leg, interaction_id=call.id)


def test_signing_in_from_elsewhere_rings_the_phone_that_stays_up() -> None:
    hall = Hall()
    (ring,) = hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP))
    assert isinstance(ring, RingAgent)
    assert ring.nailed_up
    hall.tell(f.AgentLegIdled(leg=ring.leg))
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE


def test_a_phone_that_does_not_answer_its_own_sign_in() -> None:
    hall = Hall()
    (ring,) = hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP))
    assert isinstance(ring, RingAgent)
    hall.tell(f.RingFailed(agent_id=NAILED, leg=ring.leg))
    assert (hall.agent_state(NAILED), hall.agent(NAILED).reason) == (AgentState.NOT_READY, "ring-no-answer")
    (again,) = hall.tell(f.AgentReadied(agent_id=NAILED))
    assert isinstance(again, RingAgent)
    assert again.leg != ring.leg


def test_an_unready_sign_in_waits_for_the_agents_word() -> None:
    hall = Hall()
    leg = LegId("a1")
    hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP, leg=leg, ready=False))
    hall.tell(f.AgentLegIdled(leg=leg))
    assert hall.agent_state(NAILED) is AgentState.NOT_READY
    hall.tell(f.AgentReadied(agent_id=NAILED))
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE


@pytest.mark.parametrize("agent_id", [NAILED, RUNG])
def test_a_second_sign_in_is_refused_and_changes_nothing(agent_id: AgentId) -> None:
    hall = Hall()
    hall.ready(agent_id)
    before = hall.agent(agent_id).leg
    commands = hall.tell(f.AgentSignedIn(agent_id=agent_id, mode=LegMode.NAILED_UP, leg=LegId("second")))
    assert commands == (Release(leg=LegId("second"), next="hangup"),)
    assert hall.agent(agent_id).leg == before
    assert "already signed in" in hall.heard(Anomaly)[-1].what


def test_a_paused_agent_is_not_made_ready_by_a_second_sign_in() -> None:
    hall = Hall()
    hall.ready(RUNG)
    hall.tell(f.AgentPaused(agent_id=RUNG, reason="lunch"))
    hall.tell(f.AgentSignedIn(agent_id=RUNG, mode=LegMode.ON_DEMAND, leg=LegId("second")))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "lunch")


def test_a_stranger_does_not_sign_in() -> None:
    hall = Hall()
    commands = hall.tell(f.AgentSignedIn(agent_id=AgentId("999"), mode=LegMode.NAILED_UP, leg=LegId("x")))
    assert commands == (Release(leg=LegId("x"), next="hangup"),)


def test_after_his_phone_hung_up_an_agent_dials_in_again() -> None:
    hall = Hall()
    hall.ready(NAILED)
    hall.tell(f.LegEnded(leg=hall.agent(NAILED).leg or LegId("")))
    hall.ready(NAILED)
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE
    assert hall.waiting().state() is InteractionState.OFFERED


def test_a_phone_may_hang_up_just_while_it_signs_in() -> None:
    """The end of the leg is told before the sign-in that brings it: the floor asks Asterisk, and finds it gone."""
    hall = Hall()
    leg = LegId("gone")
    hall.tell(f.LegEnded(leg=leg))
    hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP, leg=leg))
    assert [type(command) for command in hall.tell(f.ControlLost(leg=leg))] == [Resync]
    hall.see()
    assert hall.agent(NAILED).leg is None
    hall.ready(NAILED)
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE


@pytest.mark.parametrize("agent_id", [NAILED, RUNG])
@pytest.mark.parametrize("wish", ["pause", "sign-out"])
def test_a_wish_made_in_a_talk_holds_after_wrap_up(agent_id: AgentId, wish: str) -> None:
    hall = Hall()
    call = hall.talking(agent_id)
    if wish == "pause":
        hall.tell(f.AgentPaused(agent_id=agent_id, reason="lunch"))
    else:
        hall.tell(f.AgentSignedOut(agent_id=agent_id))
    assert hall.agent_state(agent_id) is AgentState.TALKING
    call.hang_up()
    hall.wait(10)
    if wish == "pause":
        assert (hall.agent_state(agent_id), hall.agent(agent_id).reason) == (AgentState.NOT_READY, "lunch")
    else:
        assert hall.agent_state(agent_id) is AgentState.OFFLINE
        assert hall.agent(agent_id).leg is None


@pytest.mark.parametrize("wish", ["pause", "sign-out"])
def test_a_wish_made_while_ringing_holds_when_the_caller_leaves(wish: str) -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    if wish == "pause":
        hall.tell(f.AgentPaused(agent_id=RUNG, reason="lunch"))
    else:
        hall.tell(f.AgentSignedOut(agent_id=RUNG))
    call.hang_up()
    assert hall.agent_state(RUNG) is (AgentState.NOT_READY if wish == "pause" else AgentState.OFFLINE)


def test_a_wish_may_be_taken_back() -> None:
    hall = Hall()
    call = hall.talking(NAILED)
    hall.tell(f.AgentSignedOut(agent_id=NAILED))
    hall.tell(f.AgentReadied(agent_id=NAILED))
    call.hang_up()
    hall.wait(10)
    assert hall.agent_state(NAILED) is AgentState.AVAILABLE


def test_signing_out_lets_the_nailed_up_leg_go() -> None:
    hall = Hall()
    hall.ready(NAILED)
    leg = hall.agent(NAILED).leg
    assert leg is not None
    assert hall.tell(f.AgentSignedOut(agent_id=NAILED)) == (HangUp(leg=leg),)
    assert hall.tell(f.LegEnded(leg=leg)) == ()
    assert hall.tell(f.AgentSignedOut(agent_id=NAILED)) == ()


def test_wrap_up_may_be_ended_early_and_the_next_caller_comes_at_once() -> None:
    hall = Hall()
    first = hall.talking(RUNG)
    second = hall.waiting()
    first.hang_up()
    hall.wait(3)
    assert second.state() is InteractionState.WAITING
    (ring,) = hall.tell(f.WrapUpFinished(agent_id=RUNG))
    assert isinstance(ring, RingAgent)
    assert second.state() is InteractionState.OFFERED


@pytest.mark.parametrize("what", ["pause", "sign-out"])
def test_leaving_in_wrap_up_ends_it(what: str) -> None:
    hall = Hall()
    call = hall.talking(RUNG)
    call.hang_up()
    hall.tell(
        f.AgentPaused(agent_id=RUNG, reason="lunch") if what == "pause" else f.AgentSignedOut(agent_id=RUNG),
    )
    assert call.state() is InteractionState.ENDED
    assert hall.agent_state(RUNG) is (AgentState.NOT_READY if what == "pause" else AgentState.OFFLINE)


# --- phones that come and go -----------------------------------------------------------------------------------------


def test_an_unreachable_phone_is_not_rung_and_its_agent_comes_back_with_it() -> None:
    hall = Hall()
    hall.ready(RUNG)
    hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=False))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "phone-gone")
    call = hall.waiting()
    assert call.state() is InteractionState.WAITING
    hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=True))
    assert call.state() is InteractionState.OFFERED


def test_an_agent_who_paused_meanwhile_is_not_brought_back_by_his_phone() -> None:
    hall = Hall()
    hall.ready(RUNG)
    hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=False))
    hall.tell(f.AgentPaused(agent_id=RUNG, reason="lunch"))
    hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=True))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "lunch")


@pytest.mark.parametrize("moment", ["before sign-in", "in a talk"])
def test_an_agent_whose_phone_is_away_does_not_become_available(moment: str) -> None:
    hall = Hall()
    if moment == "in a talk":
        call = hall.talking(RUNG)
        hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=False))
        call.hang_up()
        hall.wait(10)
    else:
        hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=False))
        hall.tell(f.AgentSignedIn(agent_id=RUNG, mode=LegMode.ON_DEMAND))
    assert (hall.agent_state(RUNG), hall.agent(RUNG).reason) == (AgentState.NOT_READY, "phone-gone")
    hall.tell(f.AgentPhoneChanged(agent_id=RUNG, reachable=True))
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE


def test_a_nailed_up_agent_is_served_when_his_phone_registers_again() -> None:
    hall = Hall()
    hall.ready(NAILED)
    hall.tell(f.AgentPhoneChanged(agent_id=NAILED, reachable=False))
    call = hall.waiting()
    assert call.state() is InteractionState.WAITING
    hall.tell(f.AgentPhoneChanged(agent_id=NAILED, reachable=True))
    assert call.state() is InteractionState.OFFERED


def test_an_idle_leg_of_nobody_is_let_go() -> None:
    hall = Hall()
    assert hall.tell(f.AgentLegIdled(leg=LegId("x"))) == (HangUp(leg=LegId("x")),)


def test_an_offer_that_came_to_nothing_does_not_cost_an_agent_his_turn() -> None:
    hall = Hall()
    hall.ready(RUNG)
    hall.wait(60)
    hall.tell(f.AgentDefined(agent=profile("103")))
    hall.waiting().hang_up()
    hall.ready(AgentId("103"))
    hall.wait(1)
    assert hall.waiting().live.agent_id == RUNG


def test_signing_in_again_unready_in_wrap_up_holds_after_it() -> None:
    hall = Hall()
    call = hall.talking(NAILED)
    hall.tell(f.LegEnded(leg=call.agent_leg))
    leg = hall.new_leg()
    commands = hall.tell(f.AgentSignedIn(agent_id=NAILED, mode=LegMode.NAILED_UP, leg=leg, ready=False))
    assert commands == (Release(leg=leg, next="idle"),)
    hall.tell(f.AgentLegIdled(leg=leg))
    assert hall.agent_state(NAILED) is AgentState.WRAP_UP
    hall.wait(10)
    assert (hall.agent_state(NAILED), hall.agent(NAILED).reason) == (AgentState.NOT_READY, "login")


def test_a_failed_ring_told_of_the_wrong_agent_changes_nothing() -> None:
    hall = Hall()
    hall.ready(RUNG)
    call = hall.waiting()
    hall.tell(f.RingFailed(agent_id=NAILED, leg=call.agent_leg))
    assert call.state() is InteractionState.OFFERED
