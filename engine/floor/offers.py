"""The life of an offer: a caller and an agent who belong to each other until they are joined or parted again.

An offer takes both in the same step that decides it, so nobody is won twice.
"""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.commands import Bridge, HangUp, Resync, RingAgent
from engine.domain.events import InteractionOffered, OfferFailed
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, LegId, LegMode, NotReadyReason
from engine.errors import BrokenInvariant
from engine.floor import agents, flow, visits
from engine.floor.state import Agent, Interaction, Leg
from engine.floor.step import Step

_S = InteractionState
BRIDGE_TIMEOUT = 8 * SECOND
"""How long a Bridge may take before the offer is given up and Asterisk is looked at. It takes 3 ms, and up to 5 s where
Asterisk has no processor left: an offer given up then tears apart two who were about to talk, and rings a third."""
RETRY_AFTER = 5 * SECOND
"""How long a caller is not offered to an agent to whom he could not be bridged: failing must not become a hot loop."""


def make(step: Step, interaction: Interaction, agent: Agent, considered: int) -> None:
    """Offer a waiting interaction to a free agent, who was chosen among `considered`."""
    reserve(step, interaction, agent, considered)
    if agent.mode is LegMode.NAILED_UP and agent.leg is not None:
        take_leg(step, interaction, agent.leg)
        bridge(step, interaction)
    else:
        _ring(step, interaction, agent)


def reserve(step: Step, interaction: Interaction, agent: Agent, considered: int) -> None:
    """Agent and interaction belong to each other from here on."""
    if interaction.queue_id is None:
        raise BrokenInvariant(f"interaction {interaction.id} is offered from no queue")
    interaction.agent_id = agent.profile.id
    interaction.offers += 1
    interaction.offered_at = step.now
    interaction.agent_was_free = interaction.held_now == step.now
    agent.interaction_id = interaction.id
    step.timers.clear("retry", interaction.id)
    step.move(interaction, _S.OFFERED)
    step.move_agent(agent, AgentState.RESERVED)
    step.publish(
        InteractionOffered(
            **step.about(interaction),
            queue_id=interaction.queue_id,
            agent_id=agent.profile.id,
            considered=considered,
            waited_us=max(0, step.now - interaction.entered_at),
        )
    )


def take_leg(step: Step, interaction: Interaction, leg: LegId) -> None:
    """The offer is made to this nailed-up leg."""
    interaction.agent_leg = leg
    step.state.legs[leg].interaction_id = interaction.id


def _ring(step: Step, interaction: Interaction, agent: Agent) -> None:
    queue = step.state.queues[interaction.queue_id] if interaction.queue_id else None
    ring_s = queue.ring_s if queue else 15.0
    leg = LegId(f"{interaction.id}.{interaction.offers}")
    interaction.agent_leg = leg
    step.state.legs[leg] = Leg(id=leg, interaction_id=interaction.id, agent_id=agent.profile.id, ringing=True)
    step.move_agent(agent, AgentState.RINGING)
    step.timers.set("offer", interaction.id, step.now + round((ring_s + 2) * SECOND))
    step.do(
        RingAgent(
            agent_id=agent.profile.id,
            leg=leg,
            endpoint=agent.profile.endpoint,
            timeout_s=ring_s,
            interaction_id=interaction.id,
        )
    )


def bridge(step: Step, interaction: Interaction) -> None:
    """Join the offer's two legs."""
    if interaction.agent_leg is None:
        return
    step.timers.set("offer", interaction.id, step.now + BRIDGE_TIMEOUT)
    step.do(Bridge(leg=interaction.leg, other=interaction.agent_leg, interaction_id=interaction.id))


def agent_answered(step: Step, leg: LegId) -> None:
    """A rung phone was picked up: join it, or let it go when the caller has left. Told twice, it is bridged once."""
    known = step.state.legs.get(leg)
    interaction = step.interaction_of(leg)
    if known is None or interaction is None or interaction.agent_leg != leg:
        step.do(HangUp(leg=leg))
        return
    if known.ringing and interaction.state is _S.OFFERED:
        known.ringing = False
        bridge(step, interaction)


def timed_out(step: Step, interaction: Interaction) -> None:
    """Neither answered nor joined in time."""
    if interaction.state is not _S.OFFERED:
        return
    leg = step.state.legs.get(interaction.agent_leg) if interaction.agent_leg else None
    rang = leg is not None and leg.ringing
    failed(step, interaction, NotReadyReason.NO_ANSWER if rang else "bridge-timeout", blame=rang)
    if not rang:
        step.do(Resync(reason="bridge-timeout"))


def failed(step: Step, interaction: Interaction, reason: str, *, blame: bool) -> None:
    """Back to the head of the queue with the original time. `blame`: the agent did not answer and is not ready.

    Without blame he stays available, and this caller is not offered to him again for a few seconds.
    """
    agent = _take_back(step, interaction)
    if agent is None or interaction.queue_id is None:
        return
    interaction.refused = (*interaction.refused, agent.profile.id)
    if not blame:
        step.timers.set("retry", interaction.id, step.now + RETRY_AFTER)
    step.move(interaction, _S.WAITING, reason=reason)
    step.publish(
        OfferFailed(**step.about(interaction), queue_id=interaction.queue_id, agent_id=agent.profile.id, reason=reason)
    )
    if blame:
        agents.not_ready(step, agent, reason)
    else:
        agents.settle(step, agent)
    if visits.waited_out(step, interaction):
        flow.longest_wait_over(step, interaction)
    else:
        step.seek_agent(interaction)


def withdraw(step: Step, interaction: Interaction) -> None:
    """The caller left while he was being offered: the agent is free again, without blame."""
    agent = _take_back(step, interaction)
    if agent is not None:
        agents.settle(step, agent)


def _take_back(step: Step, interaction: Interaction) -> Agent | None:
    step.timers.clear("offer", interaction.id)
    agent = step.state.agents.get(interaction.agent_id) if interaction.agent_id else None
    leg = interaction.agent_leg
    interaction.agent_leg = None
    interaction.agent_id = None
    if agent is None:
        return None
    agent.interaction_id = None
    if leg is not None and leg == agent.leg:
        step.state.legs[leg].interaction_id = None
    elif leg is not None and step.state.legs.pop(leg, None) is not None:
        step.do(HangUp(leg=leg))
    return agent
