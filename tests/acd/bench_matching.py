"""How long one choice takes. Run `python -m tests.acd.bench_matching`; it asserts nothing, machines differ.

500 callers wait in 8 queues with three routing steps each, 200 agents have two or three of six skills.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from engine.acd.matching import Waiting, choose_agent, choose_waiting, match_all, trace
from engine.domain.agent import AgentState
from engine.domain.policy import QueuePolicy, Strategy
from engine.domain.values import SECOND
from tests.acd.factories import START, caller, idle, queue

SKILLS = ("sales", "french", "cards", "loans", "claims", "chinese")


def bench(what: str, work: Callable[[], object], rounds: int = 300) -> None:
    """Print the median and the 99th percentile of `rounds` runs, in microseconds."""
    took = []
    for _ in range(rounds):
        begun = time.perf_counter_ns()
        work()
        took.append((time.perf_counter_ns() - begun) / 1000)
    took.sort()
    print(f"{what:52} median {statistics.median(took):9.1f} µs   p99 {took[int(rounds * 0.99) - 1]:9.1f} µs")


def main() -> None:
    """Build the floor and measure each question that the engine asks of it."""
    chance = random.Random(7)
    policies: list[QueuePolicy] = []
    for number in range(8):
        skill = SKILLS[number % 6]
        strategy = Strategy.MOST_SKILLED if number % 2 else Strategy.LONGEST_IDLE
        steps = ((0, {skill: 8}), (40, {skill: 5}), (90, {skill: 2}))
        policies.append(queue(f"q{number}", *steps, strategy=strategy, priority=number % 3))
    queues = {policy.id: policy for policy in policies}
    line: list[Waiting] = [
        caller(f"c{i}", chance.uniform(0, 300), queue_id=f"q{chance.randrange(8)}") for i in range(500)
    ]
    agents = [
        idle(f"a{i}", chance.uniform(0, 300), **{skill: chance.randint(1, 10) for skill in chance.sample(SKILLS, 3)})
        for i in range(200)
    ]
    nobody = idle("unskilled")
    now = START + 300 * SECOND
    seen = [(c.agent, AgentState.AVAILABLE, c.idle_since, "") for c in agents]
    sorted_worst = sorted(line, key=lambda waiting: -waiting.entered_at)

    bench("a freed agent, 500 waiting", lambda: choose_waiting(agents[0], line, queues, now))
    bench("a freed agent, 500 waiting, last come first", lambda: choose_waiting(agents[0], sorted_worst, queues, now))
    bench("a freed agent who fits nobody, 500 waiting", lambda: choose_waiting(nobody, line, queues, now))
    bench("a caller, 200 idle agents", lambda: choose_agent(line[0], queues[line[0].queue_id], agents, now))
    bench("everybody, 500 x 200", lambda: match_all(line, queues, agents, now), rounds=20)
    bench("a choice explained, 200 agents", lambda: trace(line[0], queues[line[0].queue_id], seen, now))


if __name__ == "__main__":
    main()
