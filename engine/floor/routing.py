"""Matching: the one place where callers and agents are brought together.

Called when a fact (or a deadline) has been taken in whole, with whoever it freed or made to wait (`Step.seek_caller`,
`Step.seek_agent`). Before it no free agent fitted a caller on hold, so only the noted ones can be in a new pair.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.acd import matching
from engine.acd.matching import Candidate, Waiting
from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId, LegMode
from engine.floor import offers
from engine.floor.line import waiting_of
from engine.floor.state import Agent, Interaction
from engine.floor.step import Step


def match(step: Step) -> None:
    """Offer whom the noted ones can be matched with. While blind or draining nobody is offered to anybody.

    One freed agent (as nearly always) gets the first in line whom he fits. When the fact changed more than that, the
    line decides: each caller in his turn gets the agent whom his queue likes best.
    """
    agents, waiting = step.take_seekers()
    if not agents and not waiting:
        return
    if step.state.blind or step.state.draining:
        return
    if len(agents) == 1 and not waiting:
        _serve(step, agents[0])
    else:
        _go_along(step, step.line.everybody() if agents else waiting)


def _serve(step: Step, agent: Agent) -> None:
    if not agent.can_take():
        return
    first = step.line.first_for(agent.profile, step.now, nailed_up=agent.mode is LegMode.NAILED_UP)
    if first is not None:
        _offer(step, first, agent, 1)


def _go_along(step: Step, waiting: Iterable[Interaction]) -> None:
    free = [
        Candidate(agent=agent.profile, idle_since=agent.idle_since)
        for agent in step.crews.available()
        if agent.can_take()
    ]
    if not free:
        return
    line = [each for each in waiting if each.state is InteractionState.WAITING and each.held]
    called = [waiting_of(each) for each in line if each.attempt_id is not None]
    if called:  # their two seconds come before all, and nobody can be rung in them
        at_once = [each for each in free if step.state.agents[each.agent.id].mode is LegMode.NAILED_UP]
        taken = _offer_all(step, called, at_once)
        free = [each for each in free if each.agent.id not in taken]
    _offer_all(step, [waiting_of(each) for each in line if each.attempt_id is None], free)


def _offer_all(step: Step, line: list[Waiting], free: list[Candidate]) -> set[AgentId]:
    """Offer whoever can be matched; returns the agents taken."""
    taken: set[AgentId] = set()
    for choice in matching.match_all(line, step.state.queues, free, step.now):
        interaction, agent = step.state.interactions[choice.interaction_id], step.state.agents[choice.agent_id]
        _offer(step, interaction, agent, choice.considered)
        taken.add(choice.agent_id)
    return taken


def _offer(step: Step, interaction: Interaction, agent: Agent, considered: int) -> None:
    if step.tracer is not None:
        step.tracer(trace(step, interaction))
    offers.make(step, interaction, agent, considered)


def _not_at_hand(agent: Agent) -> str:
    """Why somebody who is available cannot take a call."""
    if not agent.reachable:
        return "phone not reachable"
    return "kept for a lead" if agent.preview is not None else "leg not in its idle loop"


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
            reason = _not_at_hand(agent)
        everyone.append((agent.profile, agent.state, free_since, reason))
    return matching.trace(waiting_of(interaction), queue, everyone, step.now)
