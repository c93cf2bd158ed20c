"""What an attack on campaigns found: each test was red once."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from engine.domain import facts as f
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import (
    AttemptId,
    Budget,
    CampaignId,
    CampaignPolicy,
    ClaimedLead,
    LeadId,
    Mode,
    Tally,
    TrunkId,
    Window,
)
from engine.domain.commands import Bridge, ClaimLeads, Dial, ReadBook, Resync, ReturnLeads
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, LegId, LegMode, QueueId, Token
from engine.floor import Floor, rivals
from tests.floor.hall import NAILED, profile
from tests.floor.test_campaigns import CAMPAIGN, Office

AUTUMN = CampaignId("autumn")


def office(mode: Mode = Mode.PROGRESSIVE, **changes: Any) -> Office:
    made = Office(mode, **changes)
    made.ready(NAILED)
    made.start()
    return made


def changed(policy: CampaignPolicy, **changes: Any) -> CampaignPolicy:
    return cast("CampaignPolicy", msgspec.structs.replace(cast("Any", policy), **changes))


def blind_then_see_only_the_agent(at: Office) -> None:
    at.tell(f.AsteriskLost())
    legs = at.floor.state.legs.values()
    at.see(*(SeenLeg(leg=leg.id, place="idle") for leg in legs if leg.agent_id is not None))


def test_a_removed_inbound_queue_does_not_stop_the_pace() -> None:
    at = office()
    at.waiting("2").hang_up()
    at.settle()
    at.tell(f.QueueRemoved(queue_id=QueueId("care")))
    at.let_pass(5)
    assert not at.commands(Resync)


def test_a_preview_does_not_outlive_its_mode() -> None:
    at = office(Mode.PREVIEW)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, mode=Mode.PROGRESSIVE)))
    at.let_pass(10)
    assert at.dials


def test_who_was_previewed_gets_his_agent_whatever_the_mode_is_by_then() -> None:
    at = office(Mode.PREVIEW)
    at.tell(f.PreviewAccepted(agent_id=NAILED))
    at.let_pass(1)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, mode=Mode.PROGRESSIVE)))
    at.settle()
    call = at.answer(at.dials[0])
    assert at.last(Bridge).leg == call.leg


def test_who_was_dialled_for_an_agent_gets_one_though_the_campaign_is_agentless_by_then() -> None:
    at = office()
    at.tell(f.CampaignDefined(campaign=changed(at.policy, mode=Mode.AGENTLESS)))
    assert at.answer(at.dials[0]).leg == at.last(Bridge).leg


def test_a_claim_without_an_answer_is_made_again() -> None:
    at = Office()
    at.ready(NAILED)
    real = at._store
    at._store = lambda command: None if isinstance(command, ClaimLeads) else real(command)  # type: ignore[method-assign]
    at.start()
    at.let_pass(30)
    assert len(at.commands(ClaimLeads)) > 2


def test_an_answer_that_we_heard_is_never_lost() -> None:
    at = office()
    at.answer().bridged()
    blind_then_see_only_the_agent(at)
    at.let_pass(70)
    assert at.outcomes()[0].live_answer


def test_whom_we_talked_to_was_dialled_whatever_the_log_says() -> None:
    at = office()
    call = at.answer()
    call.bridged()
    blind_then_see_only_the_agent(at)
    at.tell(f.AttemptTraced(attempt_id=AttemptId(call.leg), dialled=False))
    assert at.outcomes()[0] is Outcome.CONNECTED


def test_a_trunk_that_was_away_remembers_its_lines() -> None:
    at = Office(Mode.POWER, ratio=10.0, forecast=1_000_000)
    three = TrunkPolicy(id="east", host="192.0.2.1", lines=3)
    at.tell(f.TrunkDefined(trunk=three))
    at.ready(NAILED)
    at.start()
    at.tell(f.TrunkRemoved(trunk_id=TrunkId("east")))
    at.tell(f.TrunkDefined(trunk=three))
    at.let_pass(2)
    assert len(at.floor.state.attempts) == 3


def test_a_line_whose_end_went_unheard_is_looked_for() -> None:
    at = office()
    call = at.answer()
    at.tell(f.MessageStarted(attempt_id=AttemptId(call.leg)))
    at.let_pass(121)
    assert "overdue" in at.last(Resync).reason


def test_a_silent_network_that_may_have_rung_a_telephone_counts_as_a_dial() -> None:
    at = office()
    at.let_pass(20)
    at.tell(f.LegEnded(leg=LegId(at.dials[0].attempt_id), cause=18))
    assert at.outcomes() == [Outcome.NETWORK]


@pytest.mark.parametrize("restored", [False, True])
def test_of_two_campaigns_the_same_one_dials_after_a_restore(restored: bool) -> None:
    at = Office()
    at.ready(NAILED)
    at.tell(f.TrunkDefined(trunk=TrunkPolicy(id="east", host="192.0.2.1", lines=1)))
    both = (CAMPAIGN, CampaignId("autumn"))
    at.tell(f.CampaignDefined(campaign=changed(at.policy, id=both[1])))
    for campaign_id in both:
        at.tell(f.CampaignStarted(campaign_id=campaign_id))
    if restored:
        at.floor = Floor.restore(at.floor.snapshot())
    at.tell(f.TimePassed())
    for campaign_id in both:
        lead = ClaimedLead(
            attempt_id=AttemptId(f"att_{campaign_id}"),
            lead_id=LeadId(campaign_id),
            number=Token("t"),
            not_after=at.now + 60 * SECOND,
        )
        tallies = (Tally(window=Window.RUN, forecast=10_000),)
        at.tell(f.BookRead(campaign_id=campaign_id, at=at.now, tallies=tallies))
        at.tell(f.LeadsClaimed(campaign_id=campaign_id, leads=(lead,)))
    at.tell(f.TimePassed())
    assert [dial.campaign_id for dial in at.dials] == ["autumn"]


def test_the_first_talk_that_ends_after_a_restore_is_learnt_from() -> None:
    at = office(Mode.PREDICTIVE)
    call = at.answer()
    call.bridged()
    at.let_pass(40)
    twin = Floor.restore(at.floor.snapshot())
    bridge, agent_leg = at.floor.state.legs[call.leg].bridge, at.agent(NAILED).leg
    assert agent_leg is not None
    ends = (
        f.LegLeft(leg=call.leg, bridge=bridge),
        f.LegLeft(leg=agent_leg, bridge=bridge),
        f.LegEnded(leg=call.leg, cause=16),
    )
    for fact in ends:
        at.floor.handle(fact, at.now)
        twin.handle(fact, at.now)
    assert at.floor.snapshot() == twin.snapshot()


@pytest.mark.parametrize("seller", ["", "another"])
def test_what_one_campaign_dials_does_not_make_another_drop_what_it_was_granted(seller: str) -> None:
    """Its budget bears two drops and it has two calls more than free agents: the agents must stay its own."""
    at = Office(Mode.POWER, forecast=260, ratio=3.0)
    at.ready(NAILED)
    at.start()
    assert len(at.dials) == 3
    rival = CampaignId("autumn")
    at.tell(f.CampaignDefined(campaign=changed(at.policy, id=rival, seller=seller)))
    at.tell(f.CampaignStarted(campaign_id=rival))
    at.let_pass(5)
    assert not [dial for dial in at.dials if dial.campaign_id == rival]
    assert at.floor.state.campaigns[rival].rule in ("rivals", "progressive")
    for dial in at.dials[:3]:
        at.tell(f.LegEnded(leg=LegId(dial.attempt_id), cause=19))
    at.let_pass(5)
    assert [dial for dial in at.dials if dial.campaign_id == rival]


def test_nothing_is_dialled_for_an_agent_who_may_not_serve_the_campaign_any_more() -> None:
    at = office(Mode.PREVIEW, preview_s=20.0)
    at.tell(f.AgentDefined(agent=profile(NAILED, LegMode.NAILED_UP, care=5)))
    at.tell(f.PreviewAccepted(agent_id=at.agent(NAILED).profile.id))
    at.let_pass(1)
    assert not at.dials
    assert at.agent(NAILED).preview is None
    assert at.commands(ReturnLeads)


def test_a_campaign_that_was_removed_while_a_call_was_up_is_forgotten_with_it() -> None:
    at = office()
    at.tell(f.CampaignRemoved(campaign_id=CAMPAIGN))
    assert CAMPAIGN in at.floor.state.campaigns
    at.tell(f.LegEnded(leg=LegId(at.dials[-1].attempt_id), cause=19))
    assert CAMPAIGN not in at.floor.state.campaigns
    assert not at.floor.state.attempts
    at.let_pass(10)


def beside(at: Office, **changes: Any) -> None:
    """Another campaign for the same agents."""
    at.tell(f.CampaignDefined(campaign=changed(at.policy, id=AUTUMN, **changes)))
    at.tell(f.CampaignStarted(campaign_id=AUTUMN))


def dials_of(at: Office, campaign_id: CampaignId) -> list[Dial]:
    return [dial for dial in at.dials if dial.campaign_id == campaign_id]


def nobody_answers(at: Office, seconds: int) -> None:
    for _ in range(seconds):
        at.let_pass(1)
        for attempt in list(at.floor.state.attempts.values()):
            rings_for = (10 + int(attempt.id[4:]) % 7) * SECOND
            if attempt.state is AttemptState.DIALLING and at.now - attempt.dialled_at > rings_for:
                at.tell(f.LegEnded(leg=LegId(attempt.id), cause=19))
                at.settle()


def test_a_preview_leaves_the_agents_whom_calls_of_others_may_need() -> None:
    at = office()
    beside(at, mode=Mode.PREVIEW)
    at.let_pass(2)
    assert at.floor.state.campaigns[AUTUMN].rule == "rivals"
    assert at.answer(at.dials[0]).leg == at.last(Bridge).leg


def test_a_changed_ratio_takes_effect() -> None:
    at = office(Mode.POWER, ratio=1.0, forecast=100_000)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, ratio=4.0)))
    at.let_pass(2)
    assert len(at.dials) == 4


def test_a_changed_mode_is_the_same_after_a_restore() -> None:
    at = office(Mode.POWER, ratio=3.0)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, mode=Mode.PROGRESSIVE)))
    twin = Floor.restore(at.floor.snapshot())
    at.floor.crews.refresh()
    assert type(twin.crews.of(CAMPAIGN).pacing) is type(at.floor.crews.of(CAMPAIGN).pacing)


@pytest.mark.parametrize("mode", [Mode.POWER, Mode.PREDICTIVE])
def test_who_may_abandon_nobody_gets_his_turn_beside_one_who_overdials(mode: Mode) -> None:
    at = office(mode, ratio=3.0, forecast=100_000)
    beside(at, budgets=())
    nobody_answers(at, 600)
    assert len(dials_of(at, AUTUMN)) >= 3
    assert len(dials_of(at, CAMPAIGN)) > len(dials_of(at, AUTUMN))


def test_whom_a_turn_reaches_gets_the_agent_who_was_kept_for_him() -> None:
    at = office(Mode.POWER, ratio=3.0, forecast=100_000)
    beside(at, budgets=())
    nobody_answers(at, 40)
    [theirs] = dials_of(at, AUTUMN)
    for dial in dials_of(at, CAMPAIGN)[-2:]:
        at.tell(f.AttemptAnswered(attempt_id=dial.attempt_id))
    assert not at.commands(Bridge), "the only agent is kept"
    assert at.answer(theirs).leg == at.last(Bridge).leg


def test_a_turns_call_whose_agent_went_away_is_at_risk_like_any_other() -> None:
    at = office(Mode.POWER, ratio=3.0, forecast=100_000)
    beside(at, budgets=())
    nobody_answers(at, 40)
    [theirs] = dials_of(at, AUTUMN)
    campaign = at.floor.state.campaigns[AUTUMN]
    assert theirs.attempt_id in campaign.ringing
    assert rivals.in_flight(campaign) == 0
    at.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    assert rivals.in_flight(campaign) == 1


def test_two_who_wait_for_each_other_both_get_their_turn() -> None:
    at = office(Mode.PROGRESSIVE, budgets=())
    beside(at, budgets=())
    nobody_answers(at, 600)
    assert min(len(dials_of(at, CAMPAIGN)), len(dials_of(at, AUTUMN))) >= 3


def test_an_expired_preview_gives_its_agent_to_who_waits() -> None:
    at = Office(Mode.PREVIEW, preview_s=60.0)
    at.leads = 1
    at.ready(NAILED)
    at.start()
    caller = at.waiting("1")
    at.let_pass(61)
    assert caller.state() is not InteractionState.WAITING


def test_a_pause_forgets_no_drop_of_its_seller() -> None:
    budget = Budget(window=Window.RUN, cap=0.03, of_seller=True)
    at = Office(Mode.POWER, forecast=260, ratio=10.0, seller="s", budgets=(budget,))
    real, sums = at._store, (Tally(window=Window.RUN, of_seller=True, forecast=260),)

    def reads(command: Any) -> None:
        if isinstance(command, ReadBook):
            at.tell(f.BookRead(campaign_id=command.campaign_id, at=at.now, tallies=sums))
        else:
            real(command)

    at._store = reads  # type: ignore[method-assign]
    at.ready(NAILED)
    beside(at, mode=Mode.PROGRESSIVE)
    at.settle()
    at.start()
    at.tell(f.CampaignPaused(campaign_id=CAMPAIGN))
    at.let_pass(0.5)
    at.tell(f.AgentPaused(agent_id=NAILED, reason="x"))
    theirs = dials_of(at, AUTUMN)[-1]
    at.answer(theirs)
    at.tell(f.MessageStarted(attempt_id=theirs.attempt_id))
    at.tell(f.LegEnded(leg=LegId(theirs.attempt_id)))
    at.tell(f.CampaignStopped(campaign_id=AUTUMN))
    for dial in at.dials:
        at.tell(f.LegEnded(leg=LegId(dial.attempt_id), cause=19))
    at.tell(f.AgentReadied(agent_id=NAILED))
    before = len(at.dials)
    at.tell(f.CampaignStarted(campaign_id=CAMPAIGN))
    at.settle()
    assert len(at.dials) - before == 2  # one for the free agent, one that may be abandoned: of two one was


def test_a_traced_attempt_that_got_its_outcome_frees_its_line() -> None:
    at = office()
    at.answer().bridged()
    blind_then_see_only_the_agent(at)
    attempt_id = at.dials[0].attempt_id
    at.tell(f.MachineDetected(attempt_id=attempt_id, by=NAILED))
    at.tell(f.CampaignStopped(campaign_id=CAMPAIGN))
    at.let_pass(1_000)
    assert attempt_id not in at.floor.state.attempts


def test_calls_keep_their_claim_when_the_mode_changes_while_they_ring() -> None:
    at = office()
    beside(at)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, mode=Mode.PREVIEW)))
    at.let_pass(3)
    assert not dials_of(at, AUTUMN)


def test_a_removed_campaign_is_not_started_again() -> None:
    at = office()
    at.tell(f.CampaignRemoved(campaign_id=CAMPAIGN))
    at.tell(f.CampaignStarted(campaign_id=CAMPAIGN))
    at.let_pass(5)
    assert len(at.dials) == 1
