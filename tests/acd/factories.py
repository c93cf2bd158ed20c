"""Small makers of queues, agents and callers, and Hypothesis strategies over small worlds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from engine.acd.matching import Candidate, Waiting
from engine.domain.policy import AgentProfile, QueuePolicy, RoutingStep, SkillNeed, Strategy
from engine.domain.values import SECOND, AgentId, InteractionId, QueueId

START = 1_700_000_000 * SECOND
SKILLS = ("sales", "french", "cards")


def needs(**levels: int) -> tuple[SkillNeed, ...]:
    return tuple(SkillNeed(skill=skill, level=level) for skill, level in levels.items())


def queue(
    name: str = "q",
    *steps: tuple[float, dict[str, int]],
    strategy: Strategy = Strategy.LONGEST_IDLE,
    priority: int = 0,
) -> QueuePolicy:
    """A queue whose routing steps are (after_s, needed levels); none given: asks for nothing."""
    made = tuple(RoutingStep(after_s=after, needs=needs(**levels)) for after, levels in steps) or (RoutingStep(),)
    return QueuePolicy(id=QueueId(name), name=name, steps=made, strategy=strategy, priority=priority)


def agent(name: str, **skills: int) -> AgentProfile:
    return AgentProfile(id=AgentId(name), name=name, endpoint=name, skills=skills)


def idle(name: str, since_s: float = 0.0, **skills: int) -> Candidate:
    """An available agent, idle since that second after START."""
    return Candidate(agent=agent(name, **skills), idle_since=START + round(since_s * SECOND))


def caller(
    name: str,
    at_s: float = 0.0,
    *,
    queue_id: str = "q",
    priority: int = 0,
    refused: Sequence[str] = (),
    **levels: int,
) -> Waiting:
    """A caller who entered at that second after START, and what his flow asks for."""
    return Waiting(
        interaction_id=InteractionId(name),
        queue_id=QueueId(queue_id),
        entered_at=START + round(at_s * SECOND),
        priority=priority,
        needs=needs(**levels),
        refused_agents=tuple(AgentId(a) for a in refused),
    )


@dataclass(frozen=True)
class World:
    """A moment of a floor."""

    queues: dict[QueueId, QueuePolicy]
    line: list[Waiting]
    candidates: list[Candidate]
    now: int


_levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10), max_size=2)
_some_levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10))
_strategies = st.sampled_from(Strategy)


@st.composite
def queues(draw: st.DrawFn, name: str) -> QueuePolicy:
    """A queue with one to three routing steps."""
    afters = sorted(draw(st.sets(st.integers(1, 120), max_size=2)))
    steps = [(0.0, draw(_levels)), *[(float(after), draw(_levels)) for after in afters]]
    return queue(name, *steps, strategy=draw(_strategies), priority=draw(st.integers(-2, 3)))


@st.composite
def worlds(draw: st.DrawFn, max_callers: int = 6, max_agents: int = 5) -> World:
    """Up to two queues, some callers, some available agents; times collide often, so ties occur."""
    both = [draw(queues(name)) for name in ("q", "r")]
    agent_ids = [f"a{i}" for i in range(draw(st.integers(0, max_agents)))]
    candidates = [idle(a, draw(st.integers(0, 5)) * 10, **draw(_some_levels)) for a in agent_ids]
    line = [
        caller(
            f"c{i}",
            draw(st.integers(0, 12)) * 10,
            queue_id=draw(st.sampled_from(("q", "r"))),
            priority=draw(st.integers(0, 2)),
            refused=draw(st.lists(st.sampled_from(agent_ids), max_size=2)) if agent_ids else (),
            **draw(st.just({}) | _levels),
        )
        for i in range(draw(st.integers(0, max_callers)))
    ]
    now = START + draw(st.integers(120, 400)) * SECOND
    return World(queues={q.id: q for q in both}, line=line, candidates=candidates, now=now)
