"""What an attack on campaigns found: each test was red once."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from engine.domain import facts as f
from engine.domain.attempt import Outcome
from engine.domain.campaign import (
    AttemptId,
    CampaignId,
    CampaignPolicy,
    ClaimedLead,
    LeadId,
    Mode,
    Tally,
    TrunkId,
    Window,
)
from engine.domain.commands import Bridge, ClaimLeads, Resync, ReturnLeads
from engine.domain.facts import SeenLeg
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, LegId, LegMode, QueueId, Token
from engine.floor import Floor
from tests.floor.hall import NAILED, profile
from tests.floor.test_campaigns import CAMPAIGN, Office


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
