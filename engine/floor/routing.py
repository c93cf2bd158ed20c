"""Matching, in both directions, and the life of an offer.

An offer takes the agent and the interaction in the same step that decides it, so nobody is won twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.acd import matching
from engine.acd.matching import Candidate, Waiting
from engine.domain.agent import AgentState
from engine.domain.commands import Bridge, HangUp, Resync, RingAgent
from engine.domain.events import InteractionOffered, OfferFailed
from engine.domain.interaction import InteractionState
from engine.domain.policy import QueuePolicy
from engine.domain.values import SECOND, LegId, LegMode, NotReadyReason
from engine.errors import BrokenInvariant
from engine.floor import agents, callers
from engine.floor.state import Agent, Interaction, Leg
from engine.floor.step import Step

_S = InteractionState
BRIDGE_TIMEOUT = 3 * SECOND
"""How long a Bridge may take before we compare with Asterisk; measured: 3 ms."""
RETRY_AFTER = 5 * SECOND
"""How long a caller is not offered to an agent to whom he could not be bridged: failing must not become a hot loop."""
SHORTEST_WAIT_S = 1.0
"""No longest wait is shorter, or a flow that returns to its queue would go round for ever within one step."""


def waiting_of(interaction: Interaction) -> Waiting:
    """What the matcher needs to know of a waiting interaction."""
    if interaction.queue_id is None:
        raise ValueError(interaction.id)
    return Waiting(
        interaction_id=interaction.id,
        queue_id=interaction.queue_id,
        entered_at=interaction.entered_at,
        priority=interaction.priority,
        needs=interaction.needs,
        refused_agents=interaction.refused,
    )


def _matchable(interaction: Interaction) -> bool:
    return interaction.state is _S.WAITING and interaction.held and interaction.queue_id is not None


def place_in_queue(step: Step, interaction: Interaction) -> int:
    """1 for the next to be served of this interaction's queue."""
    line = [
        waiting_of(other)
        for other in step.state.interactions.values()
        if other.state is _S.WAITING and other.queue_id == interaction.queue_id
    ]
    order = matching.in_order(line, step.state.queues)
    return next((n for n, waiting in enumerate(order, start=1) if waiting.interaction_id == interaction.id), 1)


def place(step: Step, interaction: Interaction) -> None:
    """Look for an agent for this interaction."""
    if step.state.blind or step.state.draining or not _matchable(interaction) or interaction.queue_id is None:
        return
    queue = step.state.queues.get(interaction.queue_id)
    if queue is None:
        return
    free = [agent for agent in step.state.agents.values() if agent.can_take()]
    choice = matching.choose_agent(waiting_of(interaction), queue, _candidates(free), step.now)
    if choice is not None:
        _offer(step, interaction, step.state.agents[choice.agent_id], len(free))


def serve(step: Step, agent: Agent) -> None:
    """Look for an interaction for this agent."""
    if step.state.blind or step.state.draining or not agent.can_take():
        return
    waiting = [waiting_of(i) for i in step.state.interactions.values() if _matchable(i)]
    if not waiting:
        return
    candidate = Candidate(agent=agent.profile, idle_since=agent.idle_since)
    chosen = matching.choose_waiting(candidate, waiting, step.state.queues, step.now)
    if chosen is not None:
        _offer(step, step.state.interactions[chosen.interaction_id], agent, 1)


def serve_all(step: Step) -> None:
    """Match whatever can be matched: after a resync, a change of queues or skills."""
    line = [waiting_of(i) for i in step.state.interactions.values() if _matchable(i)]
    for waiting in matching.in_order(line, step.state.queues):
        place(step, step.state.interactions[waiting.interaction_id])


def watch_wait(step: Step, interaction: Interaction) -> None:
    """Set the timers of a queue visit by its queue's present rules: the longest wait and the next routing step."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if queue is None:
        return
    over = interaction.entered_at + longest_wait_us(queue)
    step.timers.set("longest-wait", interaction.id, max(step.now, over))
    step.timers.clear("relax", interaction.id)
    watch_relaxation(step, interaction)


def longest_wait_us(queue: QueuePolicy) -> int:
    """How long one may wait in this queue."""
    return round(max(queue.max_wait_s, SHORTEST_WAIT_S) * SECOND)


def watch_relaxation(step: Step, interaction: Interaction) -> None:
    """Set the timer of the next routing step, if there is one."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if queue is None:
        return
    at = matching.next_step_at(queue, interaction.entered_at, step.now)
    if at is not None:
        step.timers.set("relax", interaction.id, at)


def relaxed(step: Step, interaction: Interaction) -> None:
    """A later routing step holds from now on."""
    watch_relaxation(step, interaction)
    place(step, interaction)


def retried(step: Step, interaction: Interaction) -> None:
    """Enough time has passed to try an agent again who could not be joined."""
    interaction.refused = ()
    place(step, interaction)


def pardon(step: Step, agent: Agent) -> None:
    """Who says himself that he is ready may be offered again whom he did not answer."""
    for interaction in step.state.interactions.values():
        if agent.profile.id in interaction.refused:
            interaction.refused = tuple(other for other in interaction.refused if other != agent.profile.id)


def _candidates(free: Iterable[Agent]) -> list[Candidate]:
    return [Candidate(agent=agent.profile, idle_since=agent.idle_since) for agent in free]


def _offer(step: Step, interaction: Interaction, agent: Agent, considered: int) -> None:
    if interaction.queue_id is None:
        return
    if step.tracer is not None:
        step.tracer(trace(step, interaction))
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


def offer_timed_out(step: Step, interaction: Interaction) -> None:
    """Neither answered nor joined in time."""
    if interaction.state is not _S.OFFERED:
        return
    leg = step.state.legs.get(interaction.agent_leg) if interaction.agent_leg else None
    rang = leg is not None and leg.ringing
    offer_failed(step, interaction, NotReadyReason.NO_ANSWER if rang else "bridge-timeout", blame=rang)
    if not rang:
        step.do(Resync(reason="bridge-timeout"))


def offer_failed(step: Step, interaction: Interaction, reason: str, *, blame: bool) -> None:
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
    _wait_on(step, interaction)


def withdraw_offer(step: Step, interaction: Interaction) -> None:
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


def _wait_on(step: Step, interaction: Interaction) -> None:
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if queue is not None and step.now - interaction.entered_at >= longest_wait_us(queue):
        callers.longest_wait_over(step, interaction)
    else:
        place(step, interaction)


def trace(step: Step, interaction: Interaction) -> matching.Decision:
    """Who was considered for this interaction, with what score, and why each other agent was refused."""
    queue = step.state.queues[interaction.queue_id] if interaction.queue_id else None
    if queue is None:
        raise ValueError(interaction.id)
    everyone: list[matching.SeenAgent] = []
    for agent_id in sorted(step.state.agents):
        agent = step.state.agents[agent_id]
        free_since = agent.idle_since if agent.can_take() else None
        reason = agent.reason
        if agent.state is AgentState.AVAILABLE and free_since is None:
            reason = "phone not reachable" if not agent.reachable else "leg not in its idle loop"
        everyone.append((agent.profile, agent.state, free_since, reason))
    return matching.trace(waiting_of(interaction), queue, everyone, step.now)
