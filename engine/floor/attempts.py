"""What becomes of each dialled number: answered or not, joined in time or not, and its one outcome.

An answered attempt is an interaction too, and lives on as one. Here is only what the law and the campaign count.
"""

from __future__ import annotations

from engine.dialer import trunks
from engine.dialer.pacing import Lesson
from engine.domain import attempt as attempt_table
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import LEGAL_RING_S, CampaignPolicy, Mode
from engine.domain.events import AttemptBegun, AttemptEnded, TrunkMoved
from engine.domain.facts import AttemptFound, LegEnded
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND, AgentId
from engine.errors import BrokenInvariant
from engine.floor import previews
from engine.floor.state import Attempt, Campaign, Interaction
from engine.floor.step import Step

_S = AttemptState
LINGERING = 120 * SECOND
"""An attempt whose outcome is known keeps its line for a message or a goodbye; longer, and its end went unheard."""
UNHEARD = 20 * SECOND
"""Longer than ringing and a slow network need: an attempt that is older was answered or ended unheard."""
_TRUNK_IS_WELL = frozenset(Outcome) - {
    Outcome.TRUNK,
    Outcome.NETWORK,
    Outcome.CANCELLED,
    Outcome.NOT_DIALLED,
    Outcome.REFUSED,
    Outcome.LOST,
}

_LEAD_IS_FREE = frozenset({Outcome.TRUNK, Outcome.NOT_DIALLED})
"""Nobody's telephone rang: the lead may be called again at once, so a list that was empty is none any more."""
TOLD = SECOND
"""So long after an outcome the store has it, and gives the lead out again."""


def begin(step: Step, attempt: Attempt, campaign: Campaign) -> None:
    """A number is being dialled from now on."""
    step.state.attempts[attempt.id] = attempt
    trunks.took(own_limits(campaign.policy), campaign.tokens, step.now)
    trunk, line = step.state.trunks.get(attempt.trunk_id), step.state.trunk_states.get(attempt.trunk_id)
    if trunk is not None and line is not None:
        trunks.took(trunk, line, step.now)
    campaign.ringing[attempt.id] = attempt.dialled_at
    campaign.up += 1
    step.timers.set("overdue", attempt.id, step.now + round(campaign.policy.ring_s * SECOND) + UNHEARD)
    campaign.dialled_at, campaign.hungry_since = step.now, 0
    step.crews.of(campaign.policy.id).pacing.learn(Lesson.DIALLED, step.now, 0)
    step.publish(
        AttemptBegun(
            at=step.now,
            attempt_id=attempt.id,
            campaign_id=attempt.campaign_id,
            lead_id=attempt.lead_id,
            trunk_id=attempt.trunk_id,
        )
    )


def adopt(step: Step, fact: AttemptFound) -> None:
    """One that a crash took out of our memory; none of a campaign that is gone, or that is known."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is None or fact.attempt_id in step.state.attempts:
        return
    attempt = Attempt(
        id=fact.attempt_id,
        campaign_id=fact.campaign_id,
        lead_id=fact.lead_id,
        trunk_id=fact.trunk_id,
        dialled_at=min(fact.dialled_at, step.now),
        agentless=campaign.policy.mode is Mode.AGENTLESS,
    )
    begin(step, attempt, campaign)


def watch(step: Step, attempt: Attempt) -> None:
    """Nobody is asked what became of it any more: it is looked for if nothing is heard of it."""
    attempt.tracing = False
    step.timers.clear("trace", attempt.id)
    step.timers.set("overdue", attempt.id, step.now + UNHEARD)


def answered(step: Step, attempt: Attempt, told_at: int) -> None:
    """Somebody picked up."""
    _move(attempt, _S.ANSWERED)
    attempt.tracing = False
    for kind in ("overdue", "trace"):
        step.timers.clear(kind, attempt.id)
    attempt.answered_at = step.now
    attempt.answer_told_at = told_at
    campaign = step.state.campaigns[attempt.campaign_id]
    campaign.ringing.pop(attempt.id, None)
    if not attempt.agentless:
        campaign.answered[attempt.id] = step.now
    _learn(step, campaign, Lesson.ANSWERED, step.now - attempt.dialled_at)
    _judge_trunk(step, attempt, well=True)


def joined(step: Step, interaction: Interaction, agent_id: AgentId, joined_at: int) -> None:
    """The person has an agent; too late when the limit had passed by Asterisk's own times."""
    attempt = _of(step, interaction)
    if attempt is None or attempt.state is not _S.ANSWERED:
        return
    campaign = step.state.campaigns[attempt.campaign_id]
    campaign.answered.pop(attempt.id, None)
    waited = step.now - attempt.answered_at
    if joined_at and attempt.answer_told_at:
        waited = max(0, joined_at - attempt.answer_told_at)
    if waited > round(campaign.policy.connect_limit_s * SECOND):
        end(step, attempt, Outcome.ABANDONED, agent_id=agent_id)
        return
    _move(attempt, _S.CONNECTED)
    step.timers.clear("overdue", attempt.id)
    attempt.connected_at = attempt.answered_at + waited
    _learn(step, campaign, Lesson.CONNECTED, waited)


def gone(step: Step, interaction: Interaction, cause: int, *, lost: bool) -> None:
    """The called person's leg is gone, and with it the interaction's hold on the attempt."""
    attempt = _of(step, interaction)
    if attempt is None or attempt.tracing:
        return
    campaign = step.state.campaigns[attempt.campaign_id]
    if attempt.state is _S.CONNECTED:
        end(step, attempt, Outcome.CONNECTED, cause=cause, agent_id=interaction.agent_id)
    elif attempt.state is _S.ANSWERED and attempt.agentless:
        end(step, attempt, Outcome.MESSAGE, cause=cause)
    elif attempt.state is _S.ANSWERED:
        late = step.now - attempt.answered_at >= round(campaign.policy.connect_limit_s * SECOND)
        outcome = Outcome.ABANDONED if late or lost else Outcome.HUNG_UP_EARLY
        end(step, attempt, outcome, cause=cause)
    free(step, attempt)


def leg_ended(step: Step, attempt: Attempt, fact: LegEnded) -> None:
    """The leg of an attempt that is no interaction (any more) ended: never answered, or it has its outcome already."""
    if attempt.tracing:
        return
    if attempt.state is _S.ENDED:
        free(step, attempt)
    else:
        age_us = step.now - attempt.dialled_at
        outcome = trunks.classify(fact.cause, fact.sip, rang=fact.rang, age_us=age_us)
        if outcome is Outcome.TRUNK and age_us >= LEGAL_RING_S * SECOND:
            outcome = Outcome.NETWORK  # a silent network may have rung his telephone all that time: it counts as a dial
        unanswered(step, attempt, outcome, fact.cause)


def unanswered(step: Step, attempt: Attempt, outcome: Outcome, cause: int = 0) -> None:
    """The call ended before anybody picked up."""
    end(step, attempt, outcome, cause=cause)
    free(step, attempt)


def machine(step: Step, attempt: Attempt) -> None:
    """What picked up is no person. A verdict after an agent was joined changes the outcome as long as there is none."""
    if attempt.state is not _S.ENDED:
        if attempt.state is _S.DIALLING:
            attempt.answered_at = step.now
        end(step, attempt, Outcome.MACHINE)


def end(
    step: Step,
    attempt: Attempt,
    outcome: Outcome,
    *,
    cause: int = 0,
    agent_id: AgentId | None = None,
    rule: str = "",
    until: int = 0,
) -> None:
    """The attempt has its outcome. Its line may still be in use: see `free`."""
    was = attempt.state
    _move(attempt, _S.ENDED)
    attempt.outcome = outcome
    if not attempt.tracing:  # else it is asked for still, and its line is free when that is over
        step.timers.clear("trace", attempt.id)
    step.timers.set("overdue", attempt.id, step.now + LINGERING)
    if was is _S.DIALLING:
        previews.nobody_answered(step, attempt)
    campaign = step.state.campaigns[attempt.campaign_id]
    campaign.ringing.pop(attempt.id, None)
    campaign.answered.pop(attempt.id, None)
    if outcome in _LEAD_IS_FREE:
        campaign.claim_at = min(campaign.claim_at, step.now + TOLD)
    _count(step, campaign, attempt, outcome, was)
    _judge_trunk(step, attempt, well=outcome in _TRUNK_IS_WELL, ill=outcome is Outcome.TRUNK)
    step.publish(
        AttemptEnded(
            at=step.now,
            attempt_id=attempt.id,
            campaign_id=attempt.campaign_id,
            lead_id=attempt.lead_id,
            trunk_id=attempt.trunk_id,
            outcome=outcome,
            dialled_at=attempt.dialled_at,
            answered_at=attempt.answered_at,
            connected_at=attempt.connected_at,
            wait_us=max(0, attempt.connected_at - attempt.answered_at) if attempt.connected_at else 0,
            cause=cause,
            agent_id=agent_id,
            rule=rule,
            until=until,
        )
    )


def free(step: Step, attempt: Attempt) -> None:
    """The line is free again, and the attempt leaves the floor."""
    if step.state.attempts.pop(attempt.id, None) is None:
        return
    for kind in ("overdue", "trace"):
        step.timers.clear(kind, attempt.id)
    campaign = step.state.campaigns.get(attempt.campaign_id)
    if campaign is not None:
        campaign.up -= 1
        trunks.freed(campaign.tokens)
        if campaign.removed and not campaign.up:
            step.state.campaigns.pop(attempt.campaign_id)
            step.crews.forget()
    state = step.state.trunk_states.get(attempt.trunk_id)
    if state is not None:
        trunks.freed(state)


def own_limits(policy: CampaignPolicy) -> TrunkPolicy:
    """The campaign's own lines and calls per second, in the form of a trunk's."""
    return TrunkPolicy(id=policy.id, host="", lines=policy.lines, calls_per_second=policy.calls_per_second)


def _count(step: Step, campaign: Campaign, attempt: Attempt, outcome: Outcome, was: AttemptState) -> None:
    """What the budgets and the pacing learn of this outcome."""
    age = step.now - (attempt.answered_at or attempt.dialled_at)
    if outcome is Outcome.ABANDONED:
        campaign.book.dropped(step.now)
        for other in step.state.campaigns.values():
            if other is not campaign and other.policy.seller == campaign.policy.seller:
                other.book.other_dropped(step.now)
        _learn(step, campaign, Lesson.ABANDONED, age)
    elif outcome is Outcome.CONNECTED:
        campaign.book.answered(step.now)
    elif outcome is Outcome.HUNG_UP_EARLY:
        campaign.book.answered(step.now)
        _learn(step, campaign, Lesson.HUNG_UP_EARLY, age)
    elif was is _S.DIALLING and outcome is Outcome.MACHINE:
        _learn(step, campaign, Lesson.MACHINE, step.now - attempt.dialled_at)  # known at once: no agent was needed
    elif was is _S.DIALLING and outcome is not Outcome.NOT_DIALLED:
        _learn(step, campaign, Lesson.FAILED, step.now - attempt.dialled_at)


def _judge_trunk(step: Step, attempt: Attempt, *, well: bool, ill: bool = False) -> None:
    state = step.state.trunk_states.get(attempt.trunk_id)
    if state is None:
        return
    before = state.state
    if ill:
        trunks.failed(state, step.now)
    elif well:
        trunks.succeeded(state, step.now)
    if state.state is not before:
        step.publish(TrunkMoved(at=step.now, trunk_id=attempt.trunk_id, state=str(state.state)))


def _learn(step: Step, campaign: Campaign, lesson: Lesson, age_us: int) -> None:
    step.crews.of(campaign.policy.id).pacing.learn(lesson, step.now, age_us)
    for each in step.state.campaigns.values():  # a rival for the same agents may be the one whose turn it is
        each.pace_at = min(each.pace_at, step.now)


def _of(step: Step, interaction: Interaction) -> Attempt | None:
    return step.state.attempts.get(interaction.attempt_id) if interaction.attempt_id is not None else None


def _move(attempt: Attempt, new: AttemptState) -> None:
    if new not in attempt_table.TRANSITIONS[attempt.state]:
        raise BrokenInvariant(f"attempt {attempt.id} cannot go from {attempt.state} to {new}")
    attempt.state = new
