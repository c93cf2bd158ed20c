"""The rules of docs/routing.md once more, as naively as possible: every pair is looked at, exact fractions, no reuse.

It shares no code with engine/acd but the values.
"""

from __future__ import annotations

from fractions import Fraction

from engine.acd.matching import Candidate, Waiting
from engine.domain.policy import QueuePolicy, Strategy
from engine.domain.values import QueueId

Pair = tuple[str, str]
"""Interaction and agent."""


def asked(waiting: Waiting, queue: QueuePolicy, now: int) -> dict[str, int]:
    """The needed level of each skill."""
    waited_s = Fraction(now - waiting.entered_at, 1_000_000)
    present = [step for step in queue.steps if Fraction(step.after_s) <= waited_s or step.after_s == 0][-1]
    levels: dict[str, int] = {}
    for need in present.needs + waiting.needs:
        levels[need.skill] = max(levels.get(need.skill, 0), need.level)
    return levels


def may(waiting: Waiting, queue: QueuePolicy, candidate: Candidate, now: int) -> bool:
    """Whether this agent may take this caller."""
    skills = candidate.agent.skills
    has_all = all(skills.get(skill, 0) >= level for skill, level in asked(waiting, queue, now).items())
    return has_all and candidate.agent.id not in waiting.refused_agents


def next_pair(
    line: list[Waiting], queues: dict[QueueId, QueuePolicy], candidates: list[Candidate], now: int
) -> Pair | None:
    """The one pair to be matched next: the caller with most points who can be served, his queue's favourite agent."""
    found = []
    for waiting in line:
        queue = queues[waiting.queue_id]
        minutes = Fraction(now - waiting.entered_at, 60_000_000)
        points = minutes + waiting.priority + queue.priority
        for candidate in candidates:
            if may(waiting, queue, candidate, now):
                skill = sum(candidate.agent.skills.get(name, 0) for name in asked(waiting, queue, now))
                merit = skill if queue.strategy is Strategy.MOST_SKILLED else 0
                found.append(
                    (
                        (-points, waiting.entered_at, waiting.interaction_id),
                        (-merit, candidate.idle_since, candidate.agent.id),
                    )
                )
    if not found:
        return None
    best_caller, best_agent = min(found)
    return best_caller[2], best_agent[2]


def all_pairs(
    line: list[Waiting], queues: dict[QueueId, QueuePolicy], candidates: list[Candidate], now: int
) -> list[Pair]:
    """Every pair that can be matched now, one after the other."""
    line, candidates, pairs = list(line), list(candidates), []
    while (pair := next_pair(line, queues, candidates, now)) is not None:
        pairs.append(pair)
        line = [waiting for waiting in line if waiting.interaction_id != pair[0]]
        candidates = [candidate for candidate in candidates if candidate.agent.id != pair[1]]
    return pairs
