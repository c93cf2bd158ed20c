"""The engine is killed, or loses sight of Asterisk, in every state; then it sees what Asterisk really holds."""

from __future__ import annotations

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Ask, Bridge, HangUp, Redirect, Release, RingAgent
from engine.domain.events import Anomaly, InteractionAnswered
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, LegId
from engine.floor.offers import BRIDGE_TIMEOUT
from tests.floor.hall import NAILED, RUNG, Hall
from tests.floor.scenes import (
    ENDINGS,
    IN_FLOW,
    IN_QUEUE,
    OFFERED,
    TALKED,
    Scene,
    at_a_menu,
    half_bridged,
    left_by_the_agent,
    offered_to_a_nailed_leg,
    on_the_way_to_hold,
    overflowed,
    ringing_an_agent,
    talking_nailed,
    talking_on_demand,
)


@pytest.mark.parametrize("scene", ENDINGS)
def test_a_restart_alone_changes_nobodys_state(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    state = call.state()
    picture = hall.picture()
    hall.restart()
    assert hall.floor.deadline() is None, "nothing is judged while blind"
    hall.see(*picture.values())
    assert call.state() is state
    call.hang_up()
    hall.wait(15)
    assert call.state() is InteractionState.ENDED
    assert hall.sums()[ENDINGS[scene]] == 1


@pytest.mark.parametrize("scene", ENDINGS)
def test_nothing_is_judged_or_begun_while_blind(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    hall.restart()
    state = call.state()
    hall.tell(f.AgentReadied(agent_id=RUNG))
    hall.wait(500)
    assert hall.tell(f.TimePassed()) == (), "however much is overdue"
    assert call.state() is state
    assert hall.tell(f.AsteriskLost()) == ()


@pytest.mark.parametrize("scene", ENDINGS)
def test_callers_who_hung_up_unseen_are_counted_as_if_seen(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    hall.restart()
    hall.see()
    hall.wait(15)
    assert call.state() is InteractionState.ENDED
    assert hall.sums()[ENDINGS[scene]] == 1
    assert not hall.floor.state.legs


@pytest.mark.parametrize("scene", ENDINGS)
def test_asterisk_lost_all_its_calls(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    hall.tell(f.AsteriskLost())
    hall.see(rebooted=True)
    hall.wait(15)
    assert call.state() is InteractionState.ENDED
    ending = "lost" if scene in (*IN_FLOW, *IN_QUEUE, *OFFERED) else ENDINGS[scene]
    assert hall.sums()[ending] == 1
    assert hall.agent(RUNG).reason != "ring-no-answer", "it was not his fault"


def test_asterisk_that_began_anew_while_we_were_away_is_told_by_its_start() -> None:
    hall = Hall()
    hall.see(boot="2026-11-22 09:00:00")
    call = hall.waiting()
    hall.restart()
    hall.see(boot="2026-11-22 10:00:00")
    assert call.state() is InteractionState.ENDED
    assert hall.sums()["lost"] == 1


@pytest.mark.parametrize("scene", [scene for scene in ENDINGS if scene in IN_FLOW])
def test_a_caller_in_the_flow_hears_again_what_he_heard_last(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    pending = call.live.pending
    picture = hall.picture()
    hall.restart()
    hall.see(*picture.values())
    commands = call.control("flow")
    if pending is not None:
        assert commands == (pending,)
    else:
        assert [type(command) for command in commands] in ([Ask], [Release])


def test_the_first_in_line_is_still_the_first() -> None:
    hall = Hall()
    first, second = hall.waiting(), hall.waiting()
    picture = hall.picture()
    hall.restart()
    hall.wait(20)
    hall.see(*picture.values())
    hall.ready(NAILED)
    assert first.state() is InteractionState.OFFERED
    assert second.state() is InteractionState.WAITING


def test_a_wait_that_ended_while_we_were_away_is_over_once_we_see() -> None:
    hall = Hall()
    call = hall.waiting("1")
    picture = hall.picture()
    hall.restart()
    hall.wait(300)
    assert call.state() is InteractionState.WAITING
    assert hall.see(*picture.values()) == (Redirect(leg=call.leg, place="flow"),)


def test_an_agent_who_became_ready_while_we_were_blind_is_served_when_we_see() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.tell(f.AsteriskLost())
    hall.ready(NAILED)
    assert call.state() is InteractionState.WAITING
    hall.see(*hall.picture().values())
    assert call.state() is InteractionState.OFFERED


# --- offers and talks that changed meanwhile -------------------------------------------------------------------------


@pytest.mark.parametrize("scene", OFFERED)
def test_the_bridge_was_made_meanwhile(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    agent_leg = call.agent_leg
    hall.restart()
    place = "idle" if hall.agent(NAILED).leg else "ringed"
    hall.see(SeenLeg(leg=call.leg, place="hold", bridge="b9"), SeenLeg(leg=agent_leg, place=place, bridge="b9"))
    assert call.state() is InteractionState.TALKING
    assert len(hall.heard(InteractionAnswered)) == 1
    call.hang_up()
    hall.wait(10)
    assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}


def test_a_bridge_counts_even_if_the_journal_lost_the_offer() -> None:
    hall = Hall()
    call = on_the_way_to_hold(hall)
    hall.ready(NAILED)
    agent_leg = hall.agent(NAILED).leg
    assert agent_leg is not None
    hall.restart()
    hall.see(SeenLeg(leg=call.leg, place="hold", bridge="b9"), SeenLeg(leg=agent_leg, place="idle", bridge="b9"))
    assert call.state() is InteractionState.TALKING
    assert hall.agent_state(NAILED) is AgentState.TALKING


def test_an_offer_to_a_nailed_leg_is_made_again() -> None:
    hall = Hall()
    call = offered_to_a_nailed_leg(hall)
    picture = hall.picture()
    hall.restart()
    hall.wait(60)
    assert Bridge(leg=call.leg, other=call.agent_leg, interaction_id=call.id) in hall.see(*picture.values())
    call.bridged()
    assert call.state() is InteractionState.TALKING


def test_a_phone_picked_up_while_we_were_away_is_joined() -> None:
    hall = Hall()
    call = ringing_an_agent(hall)
    leg = call.agent_leg
    hall.restart()
    hall.wait(10)
    commands = hall.see(SeenLeg(leg=call.leg, place="hold"), SeenLeg(leg=leg, place="ringed"))
    assert commands == (Bridge(leg=call.leg, other=leg, interaction_id=call.id),)


def test_a_phone_whose_ringing_ended_unseen_is_nobodys_fault() -> None:
    hall = Hall()
    call = ringing_an_agent(hall)
    hall.restart()
    hall.see(SeenLeg(leg=call.leg, place="hold"))
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE
    assert call.state() is InteractionState.WAITING
    hall.wait(5)
    assert hall.last(RingAgent).leg == f"{call.id}.2"


@pytest.mark.parametrize("scene", [talking_nailed, talking_on_demand])
def test_the_talk_ended_meanwhile_and_the_caller_is_still_there(scene: Scene) -> None:
    hall = Hall()
    call = scene(hall)
    agent_id = NAILED if scene is talking_nailed else RUNG
    nailed_leg = hall.agent(agent_id).leg
    hall.tell(f.AsteriskLost())
    legs = [SeenLeg(leg=call.leg, place="after")]
    if nailed_leg is not None:
        legs.append(SeenLeg(leg=nailed_leg, place="idle"))
    hall.see(*legs)
    assert hall.agent_state(agent_id) is AgentState.WRAP_UP
    assert call.state() is InteractionState.IN_FLOW
    (ask,) = call.control("after")
    assert isinstance(ask, Ask)
    assert ask.prompts[0].text == "How was it?"
    hall.wait(10)
    assert hall.agent(agent_id).can_take()


def test_a_caller_found_on_hold_whom_we_believe_in_the_flow_is_fetched() -> None:
    hall = Hall()
    call = at_a_menu(hall)
    hall.restart()
    assert hall.see(SeenLeg(leg=call.leg, place="hold")) == (Redirect(leg=call.leg, place="flow"),)


def test_a_caller_found_in_the_flow_whom_we_believe_on_hold_is_sent_back_when_he_asks() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.restart()
    hall.see(SeenLeg(leg=call.leg, place="flow"))
    hall.ready(NAILED)
    assert call.state() is InteractionState.WAITING
    (release,) = call.control("flow")
    assert isinstance(release, Release)
    assert release.next == "hold"
    call.hold()
    assert call.state() is InteractionState.OFFERED


def test_a_call_that_somebody_ended_while_we_were_blind_is_ended_when_we_see() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.tell(f.AsteriskLost())
    hall.tell(f.HangUpRequested(by="boss", interaction_id=call.id))
    assert HangUp(leg=call.leg) in hall.see(*hall.picture().values())


def test_a_hang_up_that_asterisk_did_not_carry_out_is_asked_for_again_at_the_next_look() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.tell(f.HangUpRequested(by="boss", interaction_id=call.id))
    assert HangUp(leg=call.leg) in hall.see(*hall.picture().values())


def test_a_dialplan_that_asks_for_a_call_we_do_not_know_is_kept_or_thanked() -> None:
    hall = Hall()
    stranger = LegId("c99")
    assert hall.tell(f.ControlGained(leg=stranger, script="flow")) == (Release(leg=stranger, next="hold"),)
    assert hall.tell(f.LegHeld(leg=stranger)) == ()
    assert hall.tell(f.ControlGained(leg=stranger, script="after")) == (Release(leg=stranger, next="hangup"),)
    assert not hall.floor.state.legs


# --- legs of nobody --------------------------------------------------------------------------------------------------


def test_agent_legs_of_nobody_are_let_go_and_callers_never() -> None:
    hall = Hall()
    commands = hall.see(
        SeenLeg(leg=LegId("x1"), place="idle"),
        SeenLeg(leg=LegId("x2"), place="ringed"),
        SeenLeg(leg=LegId("x3"), place="hold"),
        SeenLeg(leg=LegId("x4"), place="flow"),
        SeenLeg(leg=LegId("x5"), place="ringing"),
    )
    assert commands == (HangUp(leg=LegId("x1")), HangUp(leg=LegId("x2")))


def test_an_unknown_agent_leg_that_is_in_a_talk_is_left_in_peace() -> None:
    hall = Hall()
    assert hall.see(SeenLeg(leg=LegId("x1"), place="ringed", bridge="b1")) == ()
    assert "in a talk" in hall.heard(Anomaly)[-1].what


def test_the_leg_of_an_offer_that_the_journal_lost_is_silenced_and_its_name_not_used_again() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.restart()
    orphan = LegId(f"{call.id}.1")
    commands = hall.see(SeenLeg(leg=call.leg, place="hold"), SeenLeg(leg=orphan, place="ringing"))
    assert commands == (HangUp(leg=orphan),)
    hall.ready(RUNG)
    assert hall.last(RingAgent).leg == f"{call.id}.2"


# --- a picture taken while we see: events are newer ------------------------------------------------------------------


def test_a_picture_taken_while_we_see_ends_no_talk_and_no_ringing() -> None:
    hall = Hall()
    talk = hall.talking(NAILED)
    rung = ringing_an_agent(hall)
    stale = [SeenLeg(leg=talk.leg, place="hold"), SeenLeg(leg=talk.agent_leg, place="idle")]
    hall.see(*stale, SeenLeg(leg=rung.leg, place="flow"))
    assert talk.state() is InteractionState.TALKING
    assert rung.state() is InteractionState.OFFERED
    hall.pick_up()
    rung.bridged()
    assert rung.state() is InteractionState.TALKING


@pytest.mark.parametrize("blind", [False, True])
def test_nobody_is_offered_before_the_whole_picture_is_taken_in(blind: bool) -> None:
    """Both callers are gone: the agent whom the first one frees is not rung for the second."""
    hall = Hall()
    first = ringing_an_agent(hall)
    second = hall.waiting()
    if blind:
        hall.tell(f.AsteriskLost())
    commands = hall.see(SeenLeg(leg=first.agent_leg, place="ringing"))
    assert [type(command) for command in commands] == [HangUp]
    assert (first.state(), second.state()) == (InteractionState.ENDED, InteractionState.ENDED)
    assert hall.agent_state(RUNG) is AgentState.AVAILABLE


def test_a_picture_taken_while_we_see_takes_nobody_off_hold() -> None:
    hall = Hall()
    call = hall.waiting()
    hall.see(SeenLeg(leg=call.leg, place="flow"))
    hall.ready(NAILED)
    assert call.state() is InteractionState.OFFERED


def test_a_picture_taken_while_we_see_shows_a_bridge_we_gave_up() -> None:
    hall = Hall()
    call = half_bridged(hall)
    leg = call.agent_leg
    hall.wait(BRIDGE_TIMEOUT // SECOND)
    assert call.state() is InteractionState.WAITING
    hall.see(SeenLeg(leg=call.leg, place="hold", bridge="half"), SeenLeg(leg=leg, place="idle", bridge="half"))
    assert call.state() is InteractionState.TALKING


def test_a_caller_in_a_bridge_is_not_torn_out_by_the_longest_wait() -> None:
    hall = Hall()
    call = half_bridged(hall)
    hall.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    hall.wait(200)
    assert call.state() is InteractionState.WAITING
    hall.tell(f.LegLeft(leg=call.leg, bridge="half"))
    hall.wait(5)
    assert call.state() is InteractionState.WAITING, "the other queue"
    assert hall.last(Redirect).leg == call.leg


def test_a_leg_that_is_news_is_left_to_its_events() -> None:
    hall = Hall()
    call = hall.talking(NAILED)
    hall.tell(f.AsteriskLost())
    hall.see(SeenLeg(leg=call.leg, place=""), SeenLeg(leg=call.agent_leg, place=""))
    assert call.state() is InteractionState.TALKING


# --- stopping in good order ------------------------------------------------------------------------------------------


def test_a_draining_engine_offers_nothing_and_keeps_flow_callers_in_music() -> None:
    hall = Hall()
    call = hall.waiting()
    flowing = at_a_menu(hall)
    hall.tell(f.DrainStarted())
    hall.ready(NAILED)
    assert call.state() is InteractionState.WAITING
    assert flowing.press("1")[0] == Release(
        leg=flowing.leg, next="hold", poll_s=30, record=f"{flowing.id}_1", language="en"
    )
    hearing = hall.call_in()
    assert hall.last(Release) == Release(leg=hearing.leg, next="hold", poll_s=5)
    assert hearing.hold() == (), "no chasing in circles"
    assert hearing.control("poll") == (Release(leg=hearing.leg, next="hold", poll_s=5),)
    hall.restart()
    picture = [SeenLeg(leg=leg, place="hold") for leg in (call.leg, flowing.leg, hearing.leg)]
    agent_leg = hall.agent(NAILED).leg
    assert agent_leg is not None
    commands = hall.see(*picture, SeenLeg(leg=agent_leg, place="idle"))
    assert Redirect(leg=hearing.leg, place="flow") in commands
    assert call.state() is InteractionState.OFFERED


def test_an_offer_under_way_is_finished_while_draining() -> None:
    hall = Hall()
    call = ringing_an_agent(hall)
    hall.tell(f.DrainStarted())
    hall.pick_up()
    call.bridged()
    assert call.state() is InteractionState.TALKING


def test_every_scene_is_covered() -> None:
    assert set(ENDINGS) == {*IN_FLOW, *IN_QUEUE, *OFFERED, *TALKED, overflowed}
    assert left_by_the_agent in TALKED
