"""Numbers that were dialled: what is heard of each call, until it is an interaction or has its outcome."""

from __future__ import annotations

from engine.domain import facts
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import CampaignPolicy, ClaimedLead, Mode, TrunkId
from engine.domain.commands import Dial, HangUp, Resync
from engine.domain.events import InteractionArrived, PersonOptedOut
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, AgentId, InteractionId, LegId
from engine.floor import attempts, endings, offers, previews, visits
from engine.floor.state import Attempt, Campaign, Interaction, Leg
from engine.floor.step import Step

ALERTING_S = 4.0
"""Asterisk counts from dialling on; a network needs a moment before it rings, and the law counts the ringing."""
OVERDUE = 3 * SECOND
"""After the legal limit an answered call has either an agent or its message. Else an event was lost: compare."""


def dial(step: Step, campaign: Campaign, lead: ClaimedLead, trunk_id: TrunkId, agent_id: AgentId | None = None) -> None:
    """Dial this lead over this trunk; for this agent, if he looked at it before."""
    attempt = Attempt(
        id=lead.attempt_id,
        campaign_id=campaign.policy.id,
        lead_id=lead.lead_id,
        trunk_id=trunk_id,
        dialled_at=step.now,
        agent_id=agent_id,
        agentless=campaign.policy.mode is Mode.AGENTLESS,
    )
    attempts.begin(step, attempt, campaign)
    policy = campaign.policy
    queue = step.state.queues.get(policy.queue_id)
    step.do(
        Dial(
            attempt_id=attempt.id,
            campaign_id=policy.id,
            lead_id=lead.lead_id,
            number=lead.number,
            trunk_id=trunk_id,
            caller_id=policy.caller_id,
            ring_s=policy.ring_s + ALERTING_S,
            connect_limit_s=policy.connect_limit_s,
            message=policy.message,
            opt_out_digit=policy.opt_out_digit,
            language=queue.language if queue is not None else "en",
            record=visits.recording(interaction_id(attempt.id), 1, queue),
            agentless=attempt.agentless,
        )
    )


def interaction_id(attempt_id: str) -> InteractionId:
    """The interaction that an answered attempt becomes."""
    return InteractionId(f"{attempt_id}.1")


def answered(step: Step, fact: facts.AttemptAnswered) -> None:
    """The line was picked up: from here on it is an interaction, first in its queue."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None or attempt.state is not AttemptState.DIALLING:
        return
    attempts.answered(step, attempt, fact.at)
    campaign = step.state.campaigns[attempt.campaign_id]
    interaction = _arrive(step, campaign.policy, attempt, fact.at)
    _give_to_his_agent(step, attempt, interaction)
    if not attempt.agentless:
        step.seek_agent(interaction)


def _give_to_his_agent(step: Step, attempt: Attempt, interaction: Interaction) -> None:
    """He looked at this lead, so nobody else is asked while he is there."""
    agent = previews.dialled_for(step, attempt)
    if agent is not None:
        previews.close(step, agent)
        if agent.can_take():
            offers.make(step, interaction, agent, 1)


def _arrive(step: Step, policy: CampaignPolicy, attempt: Attempt, told_at: int) -> Interaction:
    interaction = Interaction(
        id=interaction_id(attempt.id),
        leg=LegId(attempt.id),
        number=policy.caller_id,
        arrived_at=step.now,
        unit=policy.unit,
        campaign_id=policy.id,
        attempt_id=attempt.id,
        held=True,
        held_at=told_at,
        held_now=step.now,
    )
    step.state.interactions[interaction.id] = interaction
    step.state.legs[interaction.leg] = Leg(id=interaction.leg, interaction_id=interaction.id)
    step.publish(
        InteractionArrived(
            **step.about(interaction),
            number=interaction.number,
            flow="",
            leg=interaction.leg,
            unit=interaction.unit,
            campaign_id=policy.id,
            attempt_id=attempt.id,
        )
    )
    if not attempt.agentless:
        visits.enter_answered(step, interaction, policy)
        step.timers.set("overdue", attempt.id, step.now + round(policy.connect_limit_s * SECOND) + OVERDUE)
    return interaction


def message_started(step: Step, fact: facts.MessageStarted) -> None:
    """The dialplan plays the identifying message: the call is abandoned, whatever follows."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None:
        return
    if attempt.state is AttemptState.DIALLING:  # the answer was not told
        answered(step, facts.AttemptAnswered(attempt_id=attempt.id, at=fact.at))
    if attempt.state is AttemptState.ANSWERED:
        attempts.end(step, attempt, Outcome.ABANDONED)
    interaction = step.state.interactions.get(interaction_id(attempt.id))
    if interaction is not None:
        _leave_alone(step, interaction, Ending.ABANDONED)


def machine_detected(step: Step, fact: facts.MachineDetected) -> None:
    """No person: whoever was joined to it is free for the next.

    An agent hears better than a detector: what it says of somebody he talks to is passed over, for each time it is
    wrong would be a person whom we hung up on.
    """
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None or (attempt.state is AttemptState.CONNECTED and fact.by == facts.BY_DETECTOR):
        return
    attempts.machine(step, attempt)
    interaction = step.state.interactions.get(interaction_id(attempt.id))
    if interaction is not None and interaction.state is not InteractionState.TALKING:
        _leave_alone(step, interaction, Ending.ABANDONED)
    step.do(HangUp(leg=LegId(attempt.id)))


def _leave_alone(step: Step, interaction: Interaction, how: Ending) -> None:
    """The interaction ends while its leg hears the message."""
    if interaction.state is InteractionState.OFFERED:
        offers.withdraw(step, interaction)
        visits.leave(step, interaction, how)
    elif interaction.state is InteractionState.WAITING:
        visits.leave(step, interaction, how)
    else:
        return
    step.state.legs.pop(interaction.leg, None)
    endings.end(step, interaction)


def overdue(step: Step, attempt: Attempt) -> None:
    """Neither an answer nor an end, or neither agent nor message: an event was lost."""
    if attempt.state is not AttemptState.CONNECTED and not attempt.tracing:
        step.do(Resync(reason="a dialled call is overdue"))
        again = attempts.LINGERING if attempt.state is AttemptState.ENDED else OVERDUE
        step.timers.set("overdue", attempt.id, step.now + again)


def opted_out(step: Step, fact: facts.OptedOut) -> None:
    """A wish that the do-not-call list has already."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None:
        step.publish(PersonOptedOut(at=step.now, attempt_id=attempt.id, campaign_id=attempt.campaign_id))


def dial_refused(step: Step, fact: facts.DialRefused) -> None:
    """A rule forbade it in the last moment."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None and attempt.state is AttemptState.DIALLING:
        attempts.end(step, attempt, Outcome.REFUSED, rule=fact.rule, until=fact.until)
        attempts.free(step, attempt)


def dial_failed(step: Step, fact: facts.DialFailed) -> None:
    """Nothing left for the network."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is not None and attempt.state is AttemptState.DIALLING:
        attempts.unanswered(step, attempt, Outcome.NOT_DIALLED)
