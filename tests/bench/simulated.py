"""Simulations for `bench pacing`: run on all processors, and kept as soon as they are done.

Each result is kept by what it depends on (scenario, pacing, setting, seed, source), so a bench that was interrupted
goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from engine.simulation.pacings import OURS
from engine.simulation.run import simulate
from engine.simulation.scenario import Scenario, parse

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ROOT / "tests" / "simulation" / "scenarios"
BASE: Final = ROOT / "tests" / "simulation" / "base"
_SOURCES: Final = ("domain", "acd", "dialer", "floor", "simulation")
_ONLY_OURS: Final = ("predictive", "hazards", "estimators", "poisson_binomial", "learnt", "modes")
_BESIDE: Final = ("record", "replay", "bound", "preflight", "__init__")
"""No simulated day passes through these."""

Setting = tuple[tuple[str, float], ...]
Say = Callable[[str], None]
T = TypeVar("T")


class Task(msgspec.Struct, frozen=True):
    """One simulation to be run. `hours`: only the first so many of the scenario's, 0 for all."""

    scenario: str
    pacing: str
    seed: int
    setting: Setting = ()
    hours: float = 0.0

    @property
    def key(self) -> str:
        """What its result depends on."""
        text = json.dumps(
            [self.pacing, self.seed, self.setting, self.hours, _text_of(self.scenario), source(self.pacing)]
        )
        return f"{self.scenario}:{hashlib.sha256(text.encode()).hexdigest()[:20]}"

    @property
    def name(self) -> str:
        """The pacing with its setting, for people."""
        return self.pacing + "".join(f" {name}={value:g}" for name, value in self.setting)


class Run(msgspec.Struct, frozen=True):
    """What a simulation came to."""

    utilisation: float
    answers: int
    drops: int
    wall_s: float


Runs = dict[Task, Run]


class Kept:
    """Results of earlier benches, one JSON line each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._runs: dict[str, Run] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                key, kept = msgspec.json.decode(line, type=tuple[str, Run])
                self._runs[key] = kept

    def get(self, task: Task) -> Run | None:
        """The result, if there is one."""
        return self._runs.get(task.key)

    def put(self, task: Task, run: Run) -> None:
        """Keep it."""
        self._runs[task.key] = run
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode((task.key, run)) + b"\n")


def run_all(tasks: list[Task], kept: Kept, say: Say) -> Runs:
    """Run those that are not kept; the results of all."""
    missing = [task for task in dict.fromkeys(tasks) if kept.get(task) is None]
    done = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        under_way = {pool.submit(play, task): task for task in sorted(missing, key=_cost, reverse=True)}
        for future in as_completed(under_way):
            task = under_way[future]
            run = future.result()
            kept.put(task, run)
            done += 1
            say(
                f"{done}/{len(missing)} {task.scenario} {task.name} seed {task.seed}: "
                f"{run.utilisation:.1%} busy, {run.drops}/{run.answers} abandoned, {run.wall_s:.0f} s"
            )
    found = {task: kept.get(task) for task in tasks}
    return {task: known for task, known in found.items() if known is not None}


def play(task: Task) -> Run:
    """Run one simulation; in a process of its own."""
    world = scenario(task.scenario)
    if task.hours:
        world = changed(world, hours=min(task.hours, world.hours))
    found = simulate(world, task.pacing, seed=task.seed, settings=dict(task.setting))
    return Run(found.agent_utilisation or 0.0, found.live_answers or 0, found.abandoned or 0, found.wall_s)


@cache
def scenario(name: str) -> Scenario:
    """A shipped scenario, or one of the base case's."""
    return parse(_text_of(name), name)


def changed(value: T, **changes: Any) -> T:
    """A scenario, or a part of one, with some things otherwise."""
    # type checkers are shown a plain class where msgspec has a Struct (engine.domain.values)
    return cast("T", msgspec.structs.replace(cast("Any", value), **changes))


def _cost(task: Task) -> float:
    """Roughly how long it takes: the long ones first, so that no processor idles at the end."""
    world = scenario(task.scenario)
    return (task.hours or world.hours) * world.most_agents * (3.0 if task.pacing == "predictive" else 1.0)


@cache
def _text_of(name: str) -> str:
    folder = BASE if name.startswith("base-") else SCENARIOS
    return (folder / f"{name}.toml").read_text(encoding="utf-8")


@cache
def source(pacing: str) -> str:
    """A digest of the code that a run passes through: a peer's does not change with our own pacing."""
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((ROOT / "engine" / package).rglob("*.py")):
            if path.stem not in _BESIDE and (pacing in OURS or path.stem not in _ONLY_OURS):
                digest.update(path.read_bytes())
    return digest.hexdigest()
