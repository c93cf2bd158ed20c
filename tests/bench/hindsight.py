"""The peers at their best setting in hindsight: the search that a peer's administrator could only dream of.

Each parameter is tuned by halving over the first hours of a scenario with a seed of its own. The best of them are then
judged on whole days: moved up while they keep the cap and down until they do, on a few seeds, and proven on all. So a
peer whose first hours look lawful and whose day is not gets the setting that is.

A search is a generator: it yields the simulations it wants and is sent their results, so searches run side by side.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Generator
from typing import Final, TypeVar

import msgspec

from engine.dialer.baselines import SETTINGS
from engine.dialer.clopper_pearson import clopper_pearson_upper
from engine.simulation.pacings import PEERS
from tests.bench.simulated import Run, Runs, Setting, Task, scenario

TUNING_SEED: Final = 1_000
"""Not one of those that are judged."""
TUNING_HOURS: Final = 1.5
TUNING_AGENT_HOURS: Final = 100.0
"""No more than this: 500 agents see in a quarter of an hour after the warm-up what 100 see in more than one."""
LEAST_HOURS: Final = 0.25
"""After the warm-up, before which nothing is told of utilisation."""
FEW_SEEDS: Final = 3
MARGIN: Final = 0.015
"""A parameter whose tuning stayed so far below the best that was proven is not judged."""
MOST: Final = 3
"""So many are proven, at most."""
FALLING: Final = frozenset({"quality", "wrap_up_shows"})
"""Parameters of which a larger value means fewer calls."""

T = TypeVar("T")
Search = Generator[list[Task], Runs, T]


class _Tuned(msgspec.Struct, frozen=True):
    """One parameter of one peer: its values, those with less abandonment first, and the last lawful one."""

    peer: str
    values: tuple[Setting, ...]
    index: int
    utilisation: float


def best(name: str, seeds: int) -> Search[list[Task]]:
    """The peers' settings that were judged on all seeds in this scenario, as tasks of seed 1; lawful ones only."""
    tuned = yield from together([_tune(name, peer, values) for peer in PEERS for values in _families(peer)])
    lawful = sorted((each for each in tuned if each is not None), key=lambda each: each.utilisation, reverse=True)
    found: list[Task] = []
    record = 0.0
    for each in lawful:
        if len(found) == MOST or each.utilisation + MARGIN < record:
            break
        proven = yield from _prove(name, each, seeds)
        if proven is not None:
            setting, utilisation = proven
            found.append(Task(name, each.peer, 1, setting))
            record = max(record, utilisation)
    return found


def together(searches: list[Search[T]]) -> Search[list[T]]:
    """Several searches as one: their simulations are run side by side."""
    wanted: dict[int, list[Task]] = {}
    results: dict[int, T] = {}

    def go_on(index: int, known: Runs | None) -> None:
        search = searches[index]
        try:
            wanted[index] = next(search) if known is None else search.send(known)
        except StopIteration as done:
            wanted.pop(index, None)
            results[index] = done.value

    for index in range(len(searches)):
        go_on(index, None)
    while wanted:
        known = yield [task for tasks in wanted.values() for task in tasks]
        for index in list(wanted):
            go_on(index, known)
    return [results[index] for index in range(len(searches))]


def _families(peer: str) -> list[tuple[Setting, ...]]:
    """The default alone, and the values to try of each parameter, those with less abandonment first."""
    by_name: dict[str, list[Setting]] = defaultdict(list)
    for setting in SETTINGS[peer]:
        [(name, value)] = setting.items()
        by_name[name].append(((name, value),))
    ordered = (
        tuple(sorted(values, key=lambda each: each[0][1], reverse=name in FALLING)) for name, values in by_name.items()
    )
    return [((),), *ordered]


def tuning_hours(name: str) -> float:
    """How many hours of a scenario tuning looks at."""
    world = scenario(name)
    least = world.warmup_minutes / 60 + LEAST_HOURS
    return min(TUNING_HOURS, max(least, TUNING_AGENT_HOURS / world.most_agents))


def _tune(name: str, peer: str, values: tuple[Setting, ...]) -> Search[_Tuned | None]:
    """The last value that keeps the cap, by halving: abandonment rises along `values`. None when none does."""
    world, hours = scenario(name), tuning_hours(name)
    low, high, utilisation = 0, len(values), 0.0
    while low < high:
        middle = (low + high) // 2
        task = Task(name, peer, TUNING_SEED, values[middle], hours)
        run = (yield [task])[task]
        if run.drops <= world.limits.abandon_cap * run.answers:
            low, utilisation = middle + 1, run.utilisation
        else:
            high = middle
    return _Tuned(peer, values, low - 1, utilisation) if low else None


def _prove(name: str, tuned: _Tuned, seeds: int) -> Search[tuple[Setting, float] | None]:
    """The last value whose bound, pooled over all seeds of whole days, is within the cap; with its utilisation."""
    cap = scenario(name).limits.abandon_cap
    few = min(FEW_SEEDS, seeds)
    index = tuned.index
    while index + 1 < len(tuned.values) and (yield from _rate(name, tuned, index, few)) <= cap:
        index += 1
    while index >= 0:
        if (yield from _rate(name, tuned, index, few)) <= cap:
            runs = yield from _days(name, tuned, index, seeds)
            answers, drops = sum(run.answers for run in runs), sum(run.drops for run in runs)
            if answers and clopper_pearson_upper(drops, answers) <= cap:
                return tuned.values[index], statistics.fmean(run.utilisation for run in runs)
        index -= 1
    return None


def _rate(name: str, tuned: _Tuned, index: int, seeds: int) -> Search[float]:
    runs = yield from _days(name, tuned, index, seeds)
    return sum(run.drops for run in runs) / max(1, sum(run.answers for run in runs))


def _days(name: str, tuned: _Tuned, index: int, seeds: int) -> Generator[list[Task], Runs, list[Run]]:
    tasks = [Task(name, tuned.peer, seed, tuned.values[index]) for seed in range(1, seeds + 1)]
    known = yield tasks
    return [known[task] for task in tasks]


def drive(search: Search[T], run: Callable[[list[Task]], Runs]) -> T:
    """Give a search what it wants, by `run(tasks) -> results`, until it is over; its result."""
    try:
        wanted = next(search)
        while True:
            wanted = search.send(run(wanted))
    except StopIteration as done:
        result: T = done.value
        return result
