"""Campaigns on the floor: what is dialled when, what an answer becomes, and which outcome each attempt gets."""

from __future__ import annotations

from typing import Any

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
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
from engine.domain.commands import Bridge, ClaimLeads, Dial, HangUp, ReadBook, Resync, ReturnLeads, Trace
from engine.domain.events import AttemptEnded, CampaignMoved, InteractionArrived, LeadPreviewed, PersonOptedOut
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, InteractionId, LegId, LegMode, QueueId, Token
from tests.floor.hall import NAILED, RUNG, Call, Hall, profile

CAMPAIGN = CampaignId("spring")
BUDGET = Budget(window=Window.RUN, cap=0.03)


class Office(Hall):
    """A hall with one campaign on queue sales, a trunk, and a ledger that answers at once."""

    def __init__(self, mode: Mode = Mode.PROGRESSIVE, *, forecast: int = 10_000, **changes: Any) -> None:
        super().__init__()
        self.forecast = forecast
        self.ledger_answers = True
        self.leads = 1_000
        self.policy = CampaignPolicy(
            **{
                "id": CAMPAIGN,
                "name": "Spring",
                "queue_id": QueueId("sales"),
                "mode": mode,
                "caller_id": "+4930200",
                "trunks": (TrunkId("east"),),
                "budgets": (BUDGET,),
                "wrap_up_s": 5.0,
                **changes,
            }
        )
        self.tell(f.TrunkDefined(trunk=TrunkPolicy(id="east", host="192.0.2.1")))
        self.tell(f.CampaignDefined(campaign=self.policy))

    def start(self) -> None:
        self.tell(f.CampaignStarted(campaign_id=CAMPAIGN))
        self.settle()

    def settle(self) -> None:
        """Let the instant pass: what is due is decided, the store answers, until nothing more is due now."""
        before = 0
        while len(self.log) > before or self._due():
            news, before = self.log[before:] if before else [], len(self.log)
            for command in news:
                self._store(command)
            while self._due():
                mark = len(self.log)
                self.tell(f.TimePassed())
                for command in self.log[mark:]:
                    self._store(command)
                before = len(self.log)

    def _due(self) -> bool:
        deadline = self.floor.deadline()
        return deadline is not None and deadline.at <= self.now

    def _store(self, command: Any) -> None:
        if isinstance(command, ClaimLeads):
            count = min(command.count, self.leads)
            self.leads -= count
            leads = tuple(
                ClaimedLead(
                    attempt_id=AttemptId(f"att_{self.leads + n}"),
                    lead_id=LeadId(f"lead_{self.leads + n}"),
                    number=Token(f"tok_{self.leads + n}"),
                    not_after=self.now + 60 * SECOND,
                )
                for n in range(count, 0, -1)
            )
            self.tell(f.LeadsClaimed(campaign_id=command.campaign_id, leads=leads))
        elif isinstance(command, ReadBook) and self.ledger_answers:
            tally = Tally(window=Window.RUN, answers=0, drops=0, forecast=self.forecast)
            self.tell(f.BookRead(campaign_id=command.campaign_id, tallies=(tally,)))

    def let_pass(self, seconds: float) -> None:
        """Let time pass with the store answering."""
        until = self.now + round(seconds * SECOND)
        while (deadline := self.floor.deadline()) is not None and deadline.at <= until:
            self.now = max(self.now, deadline.at)
            self.settle()
        self.now = until

    @property
    def dials(self) -> list[Dial]:
        return self.commands(Dial)

    def answer(self, dial: Dial | None = None) -> Call:
        dial = dial or self.dials[-1]
        self.tell(f.AttemptAnswered(attempt_id=dial.attempt_id, at=self.now))
        return Call(self, InteractionId(f"{dial.attempt_id}.1"), LegId(dial.attempt_id))

    def outcomes(self) -> list[Outcome]:
        return [event.outcome for event in self.heard(AttemptEnded)]

    def campaign(self) -> Any:
        return self.floor.state.campaigns[CAMPAIGN]


@pytest.fixture
def office() -> Office:
    office = Office()
    office.ready(NAILED)
    office.start()
    return office


def test_progressive_dials_one_call_for_a_free_agent_and_no_more(office: Office) -> None:
    assert len(office.dials) == 1
    office.let_pass(5)
    assert len(office.dials) == 1


def test_an_answer_is_joined_at_once_and_is_connected_when_the_talk_is_over(office: Office) -> None:
    call = office.answer()
    assert office.last(Bridge).leg == call.leg
    call.bridged()
    assert office.agent_state(NAILED) is AgentState.TALKING
    assert office.outcomes() == []
    call.hang_up()
    assert office.outcomes() == [Outcome.CONNECTED]
    assert office.heard(InteractionArrived)[-1].campaign_id == CAMPAIGN
    assert office.floor.state.attempts == {}


def test_the_next_is_dialled_after_wrap_up(office: Office) -> None:
    call = office.answer()
    call.bridged()
    call.hang_up()
    office.idle()
    assert office.agent_state(NAILED) is AgentState.WRAP_UP
    office.let_pass(6)
    assert len(office.dials) == 2


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [(17, Outcome.BUSY), (19, Outcome.NO_ANSWER), (1, Outcome.UNALLOCATED), (21, Outcome.REJECTED)],
)
def test_an_unanswered_call_has_its_outcome_by_cause_and_the_next_is_dialled(
    office: Office, cause: int, outcome: Outcome
) -> None:
    office.let_pass(12)
    office.tell(f.LegEnded(leg=LegId(office.dials[0].attempt_id), cause=cause))
    assert office.outcomes() == [outcome]
    office.settle()
    assert len(office.dials) == 2


def test_the_message_makes_an_answer_abandoned_even_if_a_bridge_follows(office: Office) -> None:
    office.ready(RUNG)
    call = office.answer()
    bridge = office.last(Bridge)
    office.tell(f.MessageStarted(attempt_id=AttemptId(call.leg)))
    assert office.outcomes() == [Outcome.ABANDONED]
    office.tell(f.LegJoined(leg=call.leg, bridge="b"))
    office.tell(f.LegJoined(leg=bridge.other, bridge="b"))
    office.tell(f.LegEnded(leg=call.leg))
    assert office.outcomes() == [Outcome.ABANDONED]
    assert office.floor.state.attempts == {}


def test_whom_we_called_is_never_given_to_a_phone_that_must_ring() -> None:
    office = Office(Mode.POWER, ratio=3.0, forecast=100_000)
    office.ready(NAILED)
    office.ready(RUNG)
    office.start()
    assert len(office.dials) == 3, "the on-demand agent does not count"
    office.answer(office.dials[0]).bridged()
    second = office.answer(office.dials[1])
    assert office.agent_state(RUNG) is AgentState.AVAILABLE
    assert second.state().value == "waiting"


def test_one_who_hangs_up_before_the_limit_is_counted_as_early(office: Office) -> None:
    office.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    call = office.answer()
    office.let_pass(1)
    office.tell(f.LegEnded(leg=call.leg))
    assert office.outcomes() == [Outcome.HUNG_UP_EARLY]


def test_a_join_after_the_limit_by_asterisks_clock_is_abandoned(office: Office) -> None:
    call = office.answer()
    command = office.last(Bridge)
    late = office.now + 3 * SECOND
    office.tell(f.LegJoined(leg=command.other, bridge="b", at=late))
    office.tell(f.LegJoined(leg=call.leg, bridge="b", at=late))
    assert office.outcomes() == [Outcome.ABANDONED]


def test_a_stale_ledger_stops_dialling(office: Office) -> None:
    office.ledger_answers = False
    office.let_pass(10)
    office.tell(f.LegEnded(leg=LegId(office.dials[0].attempt_id), cause=17))
    office.settle()
    assert len(office.dials) == 1
    assert office.campaign().rule == "stale-ledger"
    office.ledger_answers = True
    office.let_pass(5)
    assert len(office.dials) == 2


def test_blind_means_no_dial_at_all(office: Office) -> None:
    office.tell(f.AsteriskLost())
    office.now += 20 * SECOND
    office.tell(f.LegEnded(leg=LegId(office.dials[0].attempt_id), cause=17))
    office.tell(f.TimePassed())
    assert len(office.dials) == 1


def test_after_blindness_an_unknown_end_is_looked_up_and_never_guessed(office: Office) -> None:
    dial = office.dials[0]
    office.tell(f.AsteriskLost())
    office.see(*(SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs))
    assert office.last(Trace).attempt_id == dial.attempt_id
    assert office.outcomes() == []
    office.tell(
        f.AttemptTraced(
            attempt_id=dial.attempt_id, dialled=True, answered_at=office.now, message_at=office.now + 1, ended_at=1
        )
    )
    assert office.outcomes() == [Outcome.ABANDONED]


def test_a_telephone_that_rang_is_not_rung_again_at_once_whatever_ended_the_call(office: Office) -> None:
    office.tell(f.LegEnded(leg=LegId(office.dials[0].attempt_id), cause=0, rang=True))
    assert office.outcomes() == [Outcome.NETWORK]


def test_who_answered_before_asterisk_died_is_a_live_answer_all_the_same(office: Office) -> None:
    dial = office.dials[0]
    office.tell(f.AsteriskLost())
    office.see(*(SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs))
    office.tell(f.AttemptTraced(attempt_id=dial.attempt_id, dialled=True, answered_at=office.now))
    assert office.outcomes() == [Outcome.ABANDONED]


def test_what_nobody_can_tell_is_quarantined_after_a_minute(office: Office) -> None:
    office.tell(f.AsteriskLost())
    office.see(*(SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs))
    office.let_pass(61)
    assert office.outcomes()[0] is Outcome.LOST


def test_an_engine_killed_while_it_looked_an_attempt_up_looks_it_up_again(office: Office) -> None:
    dial = office.dials[0]
    office.tell(f.AsteriskLost())
    office.see(*(SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs))
    office.restart()
    looked_up = office.log.count(Trace(attempt_id=dial.attempt_id))
    office.see(*(SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs))
    assert office.log.count(Trace(attempt_id=dial.attempt_id)) == looked_up + 1
    office.tell(f.AttemptTraced(attempt_id=dial.attempt_id, dialled=False))
    assert office.outcomes() == [Outcome.NOT_DIALLED]


def test_a_killed_engine_finds_an_intent_that_its_journal_lost(office: Office) -> None:
    dial = office.dials[0]
    office.tell(f.LegEnded(leg=LegId(dial.attempt_id), cause=17))
    office.restart()
    office.tell(
        f.AttemptFound(
            attempt_id=AttemptId("att_x"),
            campaign_id=CAMPAIGN,
            lead_id=LeadId("lead_x"),
            trunk_id=TrunkId("east"),
            dialled_at=office.now - SECOND,
        )
    )
    idle = [SeenLeg(leg=leg, place="idle") for leg in office.floor.state.legs]
    office.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    office.see(SeenLeg(leg=LegId("att_x"), place="answered"), *idle)
    assert office.floor.state.attempts[AttemptId("att_x")].state is AttemptState.ANSWERED
    assert office.last(ReturnLeads).campaign_id == CAMPAIGN


def test_a_refused_dial_has_its_rule_and_the_lead_is_not_lost(office: Office) -> None:
    office.tell(f.DialRefused(attempt_id=office.dials[0].attempt_id, rule="calling-hours", until=office.now + 1))
    [ended] = office.heard(AttemptEnded)
    assert (ended.outcome, ended.rule) == (Outcome.REFUSED, "calling-hours")
    office.settle()
    assert len(office.dials) == 2


def test_pausing_gives_leads_back_and_lets_calls_finish(office: Office) -> None:
    office.tell(f.CampaignPaused(campaign_id=CAMPAIGN, by="boss"))
    assert office.last(ReturnLeads).attempts
    call = office.answer()
    call.bridged()
    call.hang_up()
    office.let_pass(30)
    assert len(office.dials) == 1
    assert office.heard(CampaignMoved)[-1].by == "boss"


def test_a_machine_frees_the_agent(office: Office) -> None:
    call = office.answer()
    call.bridged()
    office.tell(f.MachineDetected(attempt_id=AttemptId(call.leg), by=NAILED))
    assert office.last(HangUp).leg == call.leg
    assert office.outcomes() == [Outcome.MACHINE]


def test_an_opt_out_is_made_known(office: Office) -> None:
    office.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    call = office.answer()
    office.tell(f.MessageStarted(attempt_id=AttemptId(call.leg)))
    office.tell(f.OptedOut(attempt_id=AttemptId(call.leg)))
    assert office.heard(PersonOptedOut)


def test_an_answer_nobody_tells_more_of_is_compared_with_asterisk(office: Office) -> None:
    office.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    office.answer()
    office.wait(6)
    assert "overdue" in office.last(Resync).reason


def test_the_budget_stops_what_the_ratio_wants() -> None:
    office = Office(Mode.POWER, ratio=20.0, forecast=400)
    office.ready(NAILED)
    office.start()
    # 320 answers are counted on, and 4 drops among them are still within 3 %; one agent is free
    assert len(office.dials) == 1 + 4
    assert office.campaign().rule == "budget"


def test_lines_of_the_trunk_hold() -> None:
    office = Office(Mode.POWER, ratio=20.0, forecast=1_000_000)
    office.tell(f.TrunkDefined(trunk=TrunkPolicy(id="east", host="192.0.2.1", lines=7)))
    office.ready(NAILED)
    office.start()
    assert len(office.dials) == 7
    assert office.campaign().rule == "no-lines"


def test_agents_who_cannot_serve_the_queue_do_not_count() -> None:
    office = Office(Mode.POWER, ratio=2.0)
    office.tell(f.AgentDefined(agent=profile("103", LegMode.NAILED_UP, care=5)))
    office.start()
    assert office.dials == []
    assert office.campaign().reason == "no-agents"


# --- preview ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def preview() -> Office:
    office = Office(Mode.PREVIEW, preview_s=20.0)
    office.ready(NAILED)
    office.start()
    return office


def test_a_previewed_lead_is_dialled_when_the_agent_says_so_and_is_joined_to_him(preview: Office) -> None:
    assert preview.dials == []
    assert [each.agent_id for each in preview.heard(LeadPreviewed)] == [NAILED]
    preview.tell(f.PreviewAccepted(agent_id=NAILED))
    preview.settle()
    preview.let_pass(3)
    call = preview.answer()
    assert preview.last(Bridge).leg == call.leg
    call.bridged()
    assert preview.agent_state(NAILED) is AgentState.TALKING


def test_a_previewed_lead_is_dialled_when_the_agent_says_nothing(preview: Office) -> None:
    preview.let_pass(19)
    assert preview.dials == []
    preview.let_pass(2)
    assert len(preview.dials) == 1


def test_a_skipped_lead_goes_back_and_the_next_is_shown(preview: Office) -> None:
    [shown] = preview.heard(LeadPreviewed)
    preview.tell(f.PreviewSkipped(agent_id=NAILED))
    assert preview.last(ReturnLeads).attempts == (shown.attempt_id,)
    preview.settle()
    assert len(preview.heard(LeadPreviewed)) == 2


def test_an_agent_who_looks_at_a_lead_gets_no_other_call_and_a_paused_one_gives_it_back(preview: Office) -> None:
    waiting = preview.waiting(key="1")
    assert waiting.state() is InteractionState.WAITING
    preview.tell(f.AgentPaused(agent_id=NAILED, reason="lunch"))
    assert preview.agent(NAILED).preview is None
    assert preview.last(ReturnLeads).attempts


def test_after_an_unanswered_preview_the_next_lead_is_shown(preview: Office) -> None:
    preview.tell(f.PreviewAccepted(agent_id=NAILED))
    preview.settle()
    preview.let_pass(3)
    preview.tell(f.LegEnded(leg=LegId(preview.dials[0].attempt_id), cause=17))
    preview.settle()
    assert len(preview.heard(LeadPreviewed)) == 2


def test_calls_per_second_let_calls_go_one_by_one() -> None:
    office = Office(Mode.POWER, ratio=20.0, forecast=1_000_000)
    office.tell(f.TrunkDefined(trunk=TrunkPolicy(id="east", host="192.0.2.1", calls_per_second=10.0)))
    office.ready(NAILED)
    office.start()
    office.let_pass(0.9)
    assert 9 <= len(office.dials) <= 11
