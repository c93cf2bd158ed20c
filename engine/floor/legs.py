"""A leg is gone, whoever's it was: what ends with it, and who goes on."""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.campaign import AttemptId
from engine.domain.facts import LegEnded, RingFailed
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import LegId, NotReadyReason
from engine.floor import agents, attempts, endings, offers, talking, visits
from engine.floor.state import Agent, Interaction
from engine.floor.step import Step

_S = InteractionState


def ended(step: Step, fact: LegEnded) -> None:
    """A leg is gone, whoever's it was."""
    gone(step, fact, unseen=False)


def ring_failed(step: Step, fact: RingFailed) -> None:
    """A phone did not answer, is busy, or could not be rung."""
    agent = step.state.agents.get(fact.agent_id)
    leg = step.state.legs.get(fact.leg)
    if agent is None or leg is None or leg.agent_id != fact.agent_id:
        return
    _agents_gone(step, agent, fact.leg, unseen=False)


def gone(step: Step, fact: LegEnded, *, unseen: bool) -> None:
    """As `ended`. `unseen`: while we were blind, or it never was: a rung agent is not to blame."""
    interaction = step.interaction_of(fact.leg)
    if interaction is not None and interaction.leg == fact.leg:
        _callers_gone(step, interaction, fact)
        return
    attempt = step.state.attempts.get(AttemptId(fact.leg))
    if attempt is not None:
        step.state.legs.pop(fact.leg, None)
        attempts.leg_ended(step, attempt, fact)
        return
    agent = step.agent_of(fact.leg)
    if agent is not None:
        _agents_gone(step, agent, fact.leg, unseen=unseen)
    else:
        step.state.legs.pop(fact.leg, None)


def _callers_gone(step: Step, interaction: Interaction, fact: LegEnded) -> None:
    """The caller is gone, in whatever state."""
    interaction.leg_gone = True
    interaction.cause = fact.cause
    lost = Ending.LOST if fact.lost else None
    step.state.legs.pop(interaction.leg, None)
    attempts.gone(step, interaction, fact.cause, lost=fact.lost)
    if interaction.state is _S.WAITING:
        visits.leave(step, interaction, lost or Ending.ABANDONED)
        endings.end(step, interaction)
    elif interaction.state is _S.OFFERED:
        offers.withdraw(step, interaction)
        visits.leave(step, interaction, lost or Ending.ABANDONED)
        endings.end(step, interaction)
    elif interaction.state is _S.TALKING:
        talking.talk_ended(step, interaction)
    elif interaction.state is not _S.WRAP_UP:
        if lost and not interaction.visits:
            interaction.ending = lost
        endings.end(step, interaction)


def _agents_gone(step: Step, agent: Agent, leg: LegId, *, unseen: bool) -> None:
    """An agent's leg ended: in an offer he did not answer, in a talk it is over, in the idle loop his phone is gone."""
    known = step.state.legs.pop(leg, None)
    nailed = agent.leg == leg
    if nailed:
        agent.leg, agent.leg_idle = None, False
    gone = NotReadyReason.PHONE_GONE if nailed else NotReadyReason.NO_ANSWER
    interaction = step.state.interactions.get(agent.interaction_id) if agent.interaction_id else None
    if interaction is not None and known is not None and interaction.agent_leg == leg:
        if agent.state in (AgentState.RESERVED, AgentState.RINGING):
            blame = nailed or not unseen
            offers.failed(step, interaction, gone if blame else NotReadyReason.ASTERISK_LOST, blame=blame)
            return
        if agent.state is AgentState.TALKING:
            talking.agent_left(step, interaction)
            return
    if nailed and agent.state is AgentState.AVAILABLE:
        agents.not_ready(step, agent, NotReadyReason.PHONE_GONE)
    elif nailed and agent.state is AgentState.NOT_READY and agent.reason == NotReadyReason.LOGIN:
        agent.reason = NotReadyReason.NO_ANSWER
