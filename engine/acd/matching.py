"""Who gets whom: one order of all callers, one order of the fitting agents, and the choice from either side.

Callers stand in one line across all queues: a waiting minute counts as much as one point of priority (the
interaction's own plus its queue's), to the microsecond. Since everybody ages alike, that order never changes while
they wait, and nobody starves: whoever comes later has, after as many minutes as he has points more, no advantage.
Agents are ordered by the queue's strategy. Every tie ends at an id, so equal inputs in any order choose alike.

From either side the answer is the same: a caller who finds a fitting idle agent is given one at once, so an agent who
becomes free takes the first in line whom he fits. `match_all` is both at once. As all agents see the callers in one
order, its result is the only stable one: no caller and agent both prefer each other to what they got.

`trace` makes the same choice with everything said aloud, for `callwright explain`. What `fit` defines can be had from
here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.acd.fit import Candidate, Waiting, fits, needs_at, next_step_at, present_step, refusals
from engine.domain.agent import AgentState
from engine.domain.policy import AgentProfile, QueuePolicy, SkillNeed, Strategy
from engine.domain.values import SECOND, AgentId, InteractionId, QueueId, Value

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Choice",
    "Decision",
    "FittingAgent",
    "Rank",
    "RefusedAgent",
    "SeenAgent",
    "Waiting",
    "choose_agent",
    "choose_waiting",
    "fits",
    "in_order",
    "match_all",
    "needs_at",
    "next_step_at",
    "present_step",
    "rank",
    "refusal",
    "refusals",
    "skill_points",
    "trace",
]

MINUTE = 60 * SECOND

Rank = tuple[int, int, str]
"""Sort key of a caller; the lowest is served first. It does not depend on the moment."""

Preference = tuple[int, int, str]
"""Sort key of an agent under a strategy; the lowest is chosen."""


class Choice(Value):
    """An agent for an interaction. `fitting` of the `considered` available agents could have taken it."""

    interaction_id: InteractionId
    queue_id: QueueId
    agent_id: AgentId
    considered: int
    fitting: int
    waited_us: int


SeenAgent = tuple[AgentProfile, AgentState, int | None, str]
"""An agent as the floor sees him: who, state, since when he can be given a call (µs; None: he cannot), reason."""


class FittingAgent(Value):
    """An agent who could have taken it, with what he was measured by. `place` 1 is the winner."""

    agent_id: AgentId
    place: int
    idle_us: int
    skill_points: int
    levels: dict[str, int]


class RefusedAgent(Value):
    """An agent who could not have taken it, and everything that spoke against him."""

    agent_id: AgentId
    state: AgentState
    reasons: tuple[str, ...]


class Decision(Value):
    """A choice explained. `step` counts the queue's routing steps from 0; `needs` are those of step and flow together.

    The caller's points are `priority` + `queue_priority` + minutes waited. `winner` is None when nobody fitted.
    """

    at: int
    interaction_id: InteractionId
    queue_id: QueueId
    strategy: Strategy
    winner: AgentId | None
    waited_us: int
    priority: int
    queue_priority: int
    step: int
    needs: tuple[SkillNeed, ...]
    fitting: tuple[FittingAgent, ...]
    refused: tuple[RefusedAgent, ...]


def rank(waiting: Waiting, queue: QueuePolicy) -> Rank:
    """The caller's place in the one line of all queues: when he would have come, had he no priority.

    Ties: who really came first, then the id.
    """
    head_start = (waiting.priority + queue.priority) * MINUTE
    return (waiting.entered_at - head_start, waiting.entered_at, waiting.interaction_id)


def in_order(line: Iterable[Waiting], queues: Mapping[QueueId, QueuePolicy]) -> list[Waiting]:
    """The callers, first to be served first. Those whose queue is not among `queues` are left out.

    A caller's announced position is his place among those of his own queue.
    """
    known = (waiting for waiting in line if waiting.queue_id in queues)
    return sorted(known, key=lambda waiting: rank(waiting, queues[waiting.queue_id]))


def skill_points(candidate: Candidate, needs: Mapping[str, int]) -> int:
    """The agent's levels in the needed skills, added up."""
    return sum(candidate.agent.skills.get(skill, 0) for skill in needs)


def _longest_idle(candidate: Candidate, needs: Mapping[str, int]) -> Preference:
    """Who has been available longest without a break."""
    del needs
    return (0, candidate.idle_since, candidate.agent.id)


def _most_skilled(candidate: Candidate, needs: Mapping[str, int]) -> Preference:
    """Who knows most of what is needed; among equals, who has been available longest."""
    return (-skill_points(candidate, needs), candidate.idle_since, candidate.agent.id)


STRATEGIES: dict[Strategy, Callable[[Candidate, Mapping[str, int]], Preference]] = {
    Strategy.LONGEST_IDLE: _longest_idle,
    Strategy.MOST_SKILLED: _most_skilled,
}


def refusal(waiting: Waiting, queue: QueuePolicy, candidate: Candidate, now: int) -> str | None:
    """Why this agent does not fit, in one line such as "skill sales 3 < 5"; None when he does."""
    return "; ".join(refusals(waiting, queue, candidate.agent, now)) or None


def choose_agent(waiting: Waiting, queue: QueuePolicy, candidates: Iterable[Candidate], now: int) -> Choice | None:
    """The agent for a caller among the available ones, by the queue's strategy; None when nobody fits."""
    candidates = list(candidates)
    fitting = [candidate for candidate in candidates if fits(waiting, queue, candidate.agent, now)]
    if not fitting:
        return None
    strategy, needs = STRATEGIES[queue.strategy], needs_at(waiting, queue, now)
    winner = min(fitting, key=lambda candidate: strategy(candidate, needs))
    return Choice(
        interaction_id=waiting.interaction_id,
        queue_id=waiting.queue_id,
        agent_id=winner.agent.id,
        considered=len(candidates),
        fitting=len(fitting),
        waited_us=max(0, now - waiting.entered_at),
    )


def choose_waiting(
    candidate: Candidate, line: Iterable[Waiting], queues: Mapping[QueueId, QueuePolicy], now: int
) -> Waiting | None:
    """The caller for an agent who became available: the first in the line of all queues whom he fits.

    Needs no order in `line`. Callers whose queue is not among `queues` are passed over.
    """
    best: Waiting | None = None
    best_rank: Rank | None = None
    for waiting in line:
        queue = queues.get(waiting.queue_id)
        if queue is None:
            continue
        # comparing ranks is cheaper than comparing skills, and most callers are not the first
        its_rank = rank(waiting, queue)
        if (best_rank is None or its_rank < best_rank) and fits(waiting, queue, candidate.agent, now):
            best, best_rank = waiting, its_rank
    return best


def match_all(
    line: Iterable[Waiting], queues: Mapping[QueueId, QueuePolicy], candidates: Iterable[Candidate], now: int
) -> list[Choice]:
    """Every match that can be made now, in the order of the line. No agent and no interaction occurs twice.

    For moments at which more than one caller or agent may have become matchable: after a resync, when routing steps
    came into force, when a queue or an agent's skills were changed.
    """
    free = {candidate.agent.id: candidate for candidate in candidates}
    choices: list[Choice] = []
    for waiting in in_order(line, queues):
        if not free:
            break
        choice = choose_agent(waiting, queues[waiting.queue_id], free.values(), now)
        if choice is not None:
            del free[choice.agent_id]
            choices.append(choice)
    return choices


def trace(waiting: Waiting, queue: QueuePolicy, every_agent: Iterable[SeenAgent], now: int) -> Decision:
    """The choice of `choose_agent` among those of `every_agent` who can be given a call, and why each other was not it.

    It is recomputed from the journal and never stored, so it may take its time.
    """
    needs = needs_at(waiting, queue, now)
    candidates, refused = _sort_out(waiting, queue, every_agent, now)
    strategy = STRATEGIES[queue.strategy]
    candidates.sort(key=lambda candidate: strategy(candidate, needs))
    fitting = tuple(
        FittingAgent(
            agent_id=candidate.agent.id,
            place=place,
            idle_us=max(0, now - candidate.idle_since),
            skill_points=skill_points(candidate, needs),
            levels={skill: candidate.agent.skills.get(skill, 0) for skill in sorted(needs)},
        )
        for place, candidate in enumerate(candidates, start=1)
    )
    waited_us = max(0, now - waiting.entered_at)
    return Decision(
        at=now,
        interaction_id=waiting.interaction_id,
        queue_id=waiting.queue_id,
        strategy=queue.strategy,
        winner=fitting[0].agent_id if fitting else None,
        waited_us=waited_us,
        priority=waiting.priority,
        queue_priority=queue.priority,
        step=queue.steps.index(present_step(queue, waited_us)) if queue.steps else 0,
        needs=tuple(SkillNeed(skill=skill, level=level) for skill, level in sorted(needs.items())),
        fitting=fitting,
        refused=tuple(sorted(refused, key=lambda agent: agent.agent_id)),
    )


def _sort_out(
    waiting: Waiting, queue: QueuePolicy, every_agent: Iterable[SeenAgent], now: int
) -> tuple[list[Candidate], list[RefusedAgent]]:
    candidates: list[Candidate] = []
    refused: list[RefusedAgent] = []
    for agent, state, idle_since, reason in every_agent:
        against = refusals(waiting, queue, agent, now)
        if state is AgentState.AVAILABLE and idle_since is not None:
            if not against:
                candidates.append(Candidate(agent=agent, idle_since=idle_since))
                continue
        else:
            against = (_in_words(state, reason), *against)
        refused.append(RefusedAgent(agent_id=agent.id, state=state, reasons=against))
    return candidates, refused


def _in_words(state: AgentState, reason: str) -> str:
    """Why an agent in this state cannot be given a call, such as "not ready: lunch"."""
    words = _STATE_WORDS.get(state, state.value)
    return f"{words}: {reason}" if reason else words


_STATE_WORDS = {AgentState.AVAILABLE: "available, but cannot be reached", AgentState.NOT_READY: "not ready"}
