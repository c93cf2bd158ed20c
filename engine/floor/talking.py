"""From the join of two legs to the end of wrap-up."""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.commands import HangUp
from engine.domain.events import InteractionAnswered
from engine.domain.facts import LegJoined, LegLeft
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, LegId, LegMode
from engine.floor import agents, attempts, endings, flow, offers
from engine.floor.state import Agent, Interaction, Leg
from engine.floor.step import Step

_S = InteractionState


def joined(step: Step, fact: LegJoined) -> None:
    """A leg entered a bridge; with both legs of an offer in one bridge, caller and agent talk."""
    leg = step.state.legs.get(fact.leg)
    if leg is None:
        return
    leg.bridge = fact.bridge
    leg.joined_at = fact.at
    leg.controlled = False
    agent = step.agent_of(fact.leg)
    if agent is not None:
        agent.leg_idle = False
    interaction = step.interaction_of(fact.leg)
    pair = _offered_pair(step, interaction) if interaction is not None else None
    if pair is None:
        interaction = _joined_unasked(step, leg)
        pair = _offered_pair(step, interaction) if interaction is not None else None
    if interaction is not None and pair is not None:
        _connect(step, interaction, max(each.joined_at for each in pair))


def _offered_pair(step: Step, interaction: Interaction) -> tuple[Leg, Leg] | None:
    """Both legs of an offer, if they are in one bridge."""
    if interaction.state is not _S.OFFERED or interaction.agent_leg is None:
        return None
    mine, other = step.state.legs.get(interaction.leg), step.state.legs.get(interaction.agent_leg)
    if mine is None or other is None or not mine.bridge or mine.bridge != other.bridge:
        return None
    return mine, other


def _joined_unasked(step: Step, leg: Leg) -> Interaction | None:
    """A caller and a free nailed-up agent in one bridge: our Bridge succeeded after we gave it up or forgot it.

    They talk, whatever we believed, so the offer is made good; another agent whom he is offered to by now is let go.
    """
    for interaction, agent in _strangers(step, leg):
        if interaction.state is _S.OFFERED:
            offers.failed(step, interaction, "joined-to-another", blame=False)
        if interaction.state is _S.WAITING and agent.leg is not None:
            offers.reserve(step, interaction, agent, 1)
            offers.take_leg(step, interaction, agent.leg)
            return interaction
    return None


def _strangers(step: Step, leg: Leg) -> list[tuple[Interaction, Agent]]:
    """The callers and free nailed-up agents, this leg one of them, who are in its bridge."""
    agent = step.agent_of(leg.id)
    if agent is not None:
        if agent.leg != leg.id or agent.state is not AgentState.AVAILABLE:
            return []
        callers = [each for each in step.state.interactions.values() if _is_in(step, each.leg, leg.bridge)]
        return [(caller, agent) for caller in sorted(callers, key=lambda each: each.leg)]
    interaction = step.interaction_of(leg.id)
    if interaction is None or interaction.leg != leg.id:
        return []
    free = [each for each in step.crews.available() if each.leg is not None and _is_in(step, each.leg, leg.bridge)]
    return [(interaction, each) for each in sorted(free, key=lambda each: each.leg or "")]


def _is_in(step: Step, leg_id: LegId, bridge: str) -> bool:
    leg = step.state.legs.get(leg_id)
    return leg is not None and leg.bridge == bridge


def _connect(step: Step, interaction: Interaction, joined_at: int) -> None:
    agent = step.state.agents[interaction.agent_id] if interaction.agent_id else None
    if agent is None or interaction.queue_id is None:
        return
    for kind in ("offer", "longest-wait", "relax", "retry"):
        step.timers.clear(kind, interaction.id)
    interaction.held = False
    interaction.talk_since = step.now
    interaction.ending = Ending.ANSWERED
    interaction.refused = ()
    step.move(interaction, _S.TALKING)
    step.move_agent(agent, AgentState.TALKING)
    attempts.joined(step, interaction, agent.profile.id, joined_at)
    step.publish(
        InteractionAnswered(
            **step.about(interaction),
            queue_id=interaction.queue_id,
            agent_id=agent.profile.id,
            waited_us=max(0, step.now - interaction.entered_at),
            agent_was_free=interaction.agent_was_free,
            held_at=interaction.held_at,
            joined_at=joined_at,
            agent_leg=interaction.agent_leg,
            recording=interaction.recording,
        )
    )


def left(step: Step, fact: LegLeft) -> None:
    """A leg left its bridge. When it was a talk, the talk is over; who left first shows in what follows."""
    leg = step.state.legs.get(fact.leg)
    if leg is None or leg.bridge != fact.bridge:
        return
    leg.bridge = ""
    interaction = step.interaction_of(fact.leg)
    if interaction is None or interaction.state is not _S.TALKING:
        return
    if fact.leg == interaction.agent_leg:
        caller = step.state.legs.get(interaction.leg)
        if caller is not None and caller.bridge:
            agent_left(step, interaction)
        else:
            talk_ended(step, interaction)  # the caller was the first to leave
    # the caller's own leaving is followed by the agent's, and by the end of his leg or his dialplan asking what to do


def agent_left(step: Step, interaction: Interaction) -> None:
    """The agent's leg is out of the talk while the caller may still be there."""
    agent = step.state.agents.get(interaction.agent_id) if interaction.agent_id else None
    _stop_talk_clock(step, interaction)
    if interaction.leg_gone or not flow.goes_on_after_talk(step, interaction):
        talk_ended(step, interaction)
        return
    # the caller goes on in his flow: the agent's wrap-up no longer belongs to this interaction's end
    if agent is not None:
        _part(step, interaction, agent)
    flow.resume_after_talk(step, interaction)
    interaction.agent_id = None


def talk_ended(step: Step, interaction: Interaction) -> None:
    """The talk is over: the agent wraps up."""
    _stop_talk_clock(step, interaction)
    step.move(interaction, _S.WRAP_UP)
    agent = step.state.agents.get(interaction.agent_id) if interaction.agent_id else None
    if agent is None or agent.interaction_id != interaction.id or agent.state is not AgentState.TALKING:
        endings.wrapped_up(step, interaction, 0)
        return
    _hang_up_rung_leg(step, interaction, agent)
    agents.begin_wrap_up(step, agent, _wrap_up_us(step, interaction))


def _part(step: Step, interaction: Interaction, agent: Agent) -> None:
    _hang_up_rung_leg(step, interaction, agent)
    agent.interaction_id = None
    interaction.agent_leg = None
    if agent.leg is not None and agent.leg in step.state.legs:
        step.state.legs[agent.leg].interaction_id = None
    if agent.state is AgentState.TALKING:
        agents.begin_wrap_up(step, agent, _wrap_up_us(step, interaction))


def _hang_up_rung_leg(step: Step, interaction: Interaction, agent: Agent) -> None:
    """An on-demand phone has nothing more to do; a nailed-up leg returns to its idle loop by itself."""
    leg = interaction.agent_leg
    if leg is None or agent.mode is LegMode.NAILED_UP:
        return
    if step.state.legs.pop(leg, None) is not None:
        step.do(HangUp(leg=leg))


def _stop_talk_clock(step: Step, interaction: Interaction) -> None:
    if interaction.talk_since:
        interaction.talk_us += max(0, step.now - interaction.talk_since)
        interaction.talk_since = 0


def _wrap_up_us(step: Step, interaction: Interaction) -> int:
    campaign = step.state.campaigns.get(interaction.campaign_id) if interaction.campaign_id else None
    if campaign is not None and campaign.policy.wrap_up_s is not None:
        return round(campaign.policy.wrap_up_s * SECOND)
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    return round((queue.wrap_up_s if queue else 10.0) * SECOND)
