"""How long one choice of the ACD takes: 500 callers, 8 queues of three routing steps, 200 agents of several skills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from engine.acd.matching import Waiting, choose_agent, choose_waiting, match_all, trace
from engine.domain.agent import AgentState
from engine.domain.policy import QueuePolicy, Strategy
from engine.domain.values import SECOND, QueueId
from tests.acd.factories import START, caller, idle, queue
from tests.bench.figures import Figure, Report, calibrate, figure, percentile

SKILLS: Final = ("sales", "french", "cards", "loans", "claims", "chinese")
CALLERS, AGENTS, QUEUES = 500, 200, 8
LIMIT_MS: Final = 10.0
"""One choice must leave room in the 10 ms from an event to its command."""
Say = Callable[[str], None]


def _queues(chance: random.Random) -> dict[QueueId, QueuePolicy]:
    made: dict[QueueId, QueuePolicy] = {}
    for number in range(QUEUES):
        skill = SKILLS[number % len(SKILLS)]
        strategy = Strategy.MOST_SKILLED if number % 2 else Strategy.LONGEST_IDLE
        steps = ((0, {skill: 8}), (40, {skill: 5}), (90, {skill: 2}))
        policy = queue(f"q{number}", *steps, strategy=strategy, priority=chance.randrange(3))
        made[policy.id] = policy
    return made


def measure(runs: int, say: Say) -> Report:
    """All questions that the engine asks of the matcher."""
    chance = random.Random(7)
    queues = _queues(chance)
    line: list[Waiting] = [
        caller(f"c{n}", chance.uniform(0, 300), queue_id=f"q{chance.randrange(QUEUES)}") for n in range(CALLERS)
    ]
    agents = [
        idle(f"a{n}", chance.uniform(0, 300), **{skill: chance.randint(1, 10) for skill in chance.sample(SKILLS, 3)})
        for n in range(AGENTS)
    ]
    now, first = START + 300 * SECOND, line[0]
    seen = [(each.agent, AgentState.AVAILABLE, each.idle_since, "") for each in agents]
    nobody = idle("unskilled")
    questions: list[tuple[str, Callable[[], object], int, float | None]] = [
        ("agent_freed", lambda: choose_waiting(agents[0], line, queues, now), 200, LIMIT_MS),
        ("agent_freed_fits_nobody", lambda: choose_waiting(nobody, line, queues, now), 200, LIMIT_MS),
        ("caller_arrives", lambda: choose_agent(first, queues[first.queue_id], agents, now), 200, LIMIT_MS),
        ("everybody", lambda: match_all(line, queues, agents, now), 5, None),
        ("explained", lambda: trace(first, queues[first.queue_id], seen, now), 100, None),
    ]
    found: list[Figure] = []
    for name, ask, rounds, limit in questions:
        p99 = [percentile(_took(ask, rounds), 0.99) for _ in range(runs)]
        p50 = [percentile(_took(ask, rounds), 0.5) for _ in range(runs)]
        found.append(figure(f"routing.{name}_p99", p99, "ms", limit=limit))
        found.append(figure(f"routing.{name}_p50", p50, "ms"))
        say(f"{name}: p50 {found[-1].value:.3f} ms, p99 {found[-2].value:.3f} ms")
    return Report(bench="routing", figures=tuple(found), calibration_ms=calibrate())


def _took(ask: Callable[[], object], rounds: int) -> list[float]:
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - begun))
    return took
