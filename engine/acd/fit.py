"""Whether one agent may take one waiting interaction at one moment.

Two things must hold: the agent has every skill that the queue's present routing step and the interaction's own flow
ask for, and he is not one who just let this caller ring. `fits` answers fast, `refusals` answers in words; they
agree always.
"""

from __future__ import annotations

from engine.domain.policy import AgentProfile, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import SECOND, AgentId, InteractionId, QueueId, Value


class Waiting(Value):
    """One interaction in one queue.

    `entered_at` (µs) is when it entered the queue and is kept over failed offers. `priority` is its own, the queue's
    comes on top. `needs` come from the flow, hold for ever and come on top of the queue's routing step.
    `refused_agents` just did not answer this caller; the floor takes one out when he says himself that he is ready.
    """

    interaction_id: InteractionId
    queue_id: QueueId
    entered_at: int
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()
    refused_agents: tuple[AgentId, ...] = ()


class Candidate(Value):
    """An agent who can be given an interaction now, and the moment (µs) from which on he has been available."""

    agent: AgentProfile
    idle_since: int


def present_step(queue: QueuePolicy, waited_us: int) -> RoutingStep:
    """The routing step in force after `waited_us`: the latest one whose time has come, from its first microsecond on.

    Before the first step is due, the first one holds. A queue without steps asks for nothing.
    """
    present, began = None, 0
    for step in queue.steps:
        begins = _begins_us(step)
        if begins <= waited_us and (present is None or begins >= began):
            present, began = step, begins
    return present or min(queue.steps, key=_begins_us, default=_NO_NEEDS)


def next_step_at(queue: QueuePolicy, entered_at: int, now: int) -> int | None:
    """The moment (µs), later than `now`, when the next routing step comes into force; None when the last one has."""
    if len(queue.steps) == 1:
        return None
    coming = [entered_at + _begins_us(step) for step in queue.steps]
    return min((at for at in coming if at > now), default=None)


def needs_at(waiting: Waiting, queue: QueuePolicy, now: int) -> dict[str, int]:
    """The level asked for in each skill now, by the routing step and the flow together: the higher of both."""
    levels: dict[str, int] = {}
    for need in (*_step_at(waiting, queue, now).needs, *waiting.needs):
        levels[need.skill] = max(need.level, levels.get(need.skill, 0))
    return levels


def fits(waiting: Waiting, queue: QueuePolicy, agent: AgentProfile, now: int) -> bool:
    """Whether nothing speaks against this pair now."""
    skills = agent.skills
    for need in _step_at(waiting, queue, now).needs:
        if skills.get(need.skill, 0) < need.level:
            return False
    for need in waiting.needs:
        if skills.get(need.skill, 0) < need.level:
            return False
    return agent.id not in waiting.refused_agents


def refusals(waiting: Waiting, queue: QueuePolicy, agent: AgentProfile, now: int) -> tuple[str, ...]:
    """Everything that speaks against this pair now, each in a few words; empty when the agent fits."""
    found = []
    for skill, level in sorted(needs_at(waiting, queue, now).items()):
        has = agent.skills.get(skill, 0)
        if has < level:
            found.append(f"skill {skill} {has} < {level}")
    if agent.id in waiting.refused_agents:
        found.append("did not answer this caller")
    return tuple(found)


_NO_NEEDS = RoutingStep()


def _begins_us(step: RoutingStep) -> int:
    return round(step.after_s * SECOND)


def _step_at(waiting: Waiting, queue: QueuePolicy, now: int) -> RoutingStep:
    if len(queue.steps) == 1:  # most queues never relax, and this is asked for every pair
        return queue.steps[0]
    return present_step(queue, now - waiting.entered_at)
