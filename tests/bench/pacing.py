"""`bench pacing`: the shipped scenarios under our pacing and the peers', ten seeds with common random numbers.

Peers run at their documented defaults and at their best setting in hindsight. The search among `baselines.SETTINGS`
uses a seed of its own and the first hours of each scenario; the two best that keep the cap there are judged on all
seeds. Every run is kept in a file as soon as it is done, by what it depends on (scenario, pacing, setting, seed,
source), so a bench that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Final, cast

import msgspec

from engine.dialer.baselines import SETTINGS
from engine.dialer.clopper_pearson import clopper_pearson_upper
from engine.dialer.modes import make_pacing
from engine.dialer.pacing import Pacing, Proposal, Sight
from engine.domain.campaign import Mode
from engine.floor import Floor
from engine.simulation.bound import bound_of
from engine.simulation.pacings import OURS, PEERS
from engine.simulation.run import simulate
from engine.simulation.scenario import Agents, Scenario, load
from engine.simulation.world import World
from tests.bench.figures import Figure, Report, calibrate, percentile

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ROOT / "tests" / "simulation" / "scenarios"
KEPT: Final = ROOT / "var" / "bench" / "pacing.jsonl"
TUNING_SEED: Final = 1_000
"""Not one of those that are judged."""
TUNING_HOURS: Final = 3.0
TUNING_AGENT_HOURS: Final = 300.0
"""No more than this: 500 agents see in half an hour what 100 see in three."""
CANDIDATES: Final = 2
"""So many of the peers, the best of the tuning by utilisation within the cap, are judged on all seeds."""
SHOWN_SEEDS: Final = 1
"""The peers' defaults are shown, not judged: on the first seeds only."""
SEEDS: Final = 10
QUICK_SEEDS: Final = 2
QUICK: Final = ("s01-tiny-40", "s02-small-20", "s03-base-30", "s10-two-kinds", "s16-cold-start")
FALLING: Final = frozenset({"quality", "wrap_up_shows"})
"""Parameters of which a larger value means fewer calls."""
WINS: Final = 14
"""Of the sixteen scenarios: where our utilisation is above the best compliant peer's."""
_SOURCES: Final = ("domain", "acd", "dialer", "floor", "simulation")
_BESIDE: Final = ("record", "replay", "__init__")
_ONLY_OURS: Final = ("predictive", "hazards", "estimators", "poisson_binomial", "learnt", "modes")

Setting = tuple[tuple[str, float], ...]
Say = Callable[[str], None]


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
            [self.pacing, self.seed, self.setting, self.hours, _scenario(self.scenario), source(self.pacing)]
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


class Pooled(msgspec.Struct, frozen=True):
    """All seeds of one pacing in one scenario: the mean utilisation, and the abandonment of all answers together."""

    name: str
    utilisation: float
    by_seed: tuple[float, ...]
    rate: float
    upper95: float
    worst_upper95: float

    def compliant(self, cap: float, *, each: bool) -> bool:
        """Whether the bound is within the cap, pooled and (`each`) on the worst seed too."""
        return self.upper95 <= cap and (not each or self.worst_upper95 <= cap)


def measure(say: Say, *, seeds: int = SEEDS, names: Iterable[str] = (), quick: bool = False) -> Report:
    """Run what is missing and judge all of it."""
    chosen = sorted(names or (QUICK if quick else (path.stem for path in SCENARIOS.glob("*.toml"))))
    count = QUICK_SEEDS if quick else seeds
    kept = Kept(KEPT)
    tuned = _tune(chosen, kept, say)
    judged = [
        Task(scenario, pacing, seed, setting)
        for scenario in chosen
        for pacing, setting in [*((ours, ()) for ours in OURS), *tuned[scenario]]
        for seed in range(1, count + 1)
    ]
    shown = [Task(scenario, peer, seed) for scenario in chosen for peer in PEERS for seed in range(1, SHOWN_SEEDS + 1)]
    results = _run(judged, kept, say) | _run(shown, kept, say)
    rows = {scenario: _row(scenario, results) for scenario in chosen}
    say("How fast: a day of 100 agents, and decisions for 500 ...")
    return Report(
        bench="pacing",
        figures=(*_figures(rows, quick=quick), *_speed(0.5 if quick else 8.5)),
        calibration_ms=calibrate(),
        details={"seeds": count, "scenarios": {name: msgspec.to_builtins(row) for name, row in rows.items()}},
    )


# --- running ---------------------------------------------------------------------------------------------------------


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


def play(task: Task) -> Run:
    """Run one simulation; in a process of its own."""
    world = load(SCENARIOS / f"{task.scenario}.toml")
    if task.hours:
        world = _changed(world, hours=min(task.hours, world.hours))
    found = simulate(world, task.pacing, seed=task.seed, settings=dict(task.setting))
    return Run(found.agent_utilisation or 0.0, found.live_answers or 0, found.abandoned or 0, found.wall_s)


def _changed(scenario: Scenario, **changes: Any) -> Scenario:
    # type checkers are shown a plain class where msgspec has a Struct (engine.domain.values)
    return cast("Scenario", msgspec.structs.replace(cast("Any", scenario), **changes))


def _run(tasks: list[Task], kept: Kept, say: Say) -> dict[Task, Run]:
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


def _cost(task: Task) -> float:
    """Roughly how long it takes: the long ones first, so that no processor idles at the end."""
    return load(SCENARIOS / f"{task.scenario}.toml").most_agents * (3.0 if task.pacing == "predictive" else 1.0)


# --- the peers' best settings ----------------------------------------------------------------------------------------


def _tune(scenarios: list[str], kept: Kept, say: Say) -> dict[str, list[tuple[str, Setting]]]:
    """For each scenario the peers (with a setting or their default) that are best in hindsight, the best first.

    Each parameter is searched by halving: abandonment rises with all but `FALLING`, so the best lawful value is the
    last one before the cap is broken. The search is a chain, so all chains of all scenarios run side by side.
    """
    chains = [_Chain(scenario, peer, family) for scenario in scenarios for peer in PEERS for family in _families(peer)]
    say(f"Tuning the peers in hindsight: {len(chains)} parameters ...")
    tried: dict[Task, Run] = {}
    while wanted := [task for chain in chains if (task := chain.next()) is not None]:
        results = _run(wanted, kept, say)
        tried |= results
        for chain in chains:
            chain.take(results)
    return {scenario: _candidates(scenario, tried) for scenario in scenarios}


def _families(peer: str) -> list[list[Setting]]:
    """The default alone, and the values to try of each parameter, those with less abandonment first."""
    by_name: dict[str, list[Setting]] = defaultdict(list)
    for setting in SETTINGS[peer]:
        [(name, value)] = setting.items()
        by_name[name].append(((name, value),))
    ordered = [sorted(values, key=lambda each: each[0][1], reverse=name in FALLING) for name, values in by_name.items()]
    return [[()], *ordered]


class _Chain:
    """The search of one parameter: the last value that is lawful, by halving."""

    def __init__(self, scenario: str, peer: str, values: list[Setting]) -> None:
        self._scenario, self._peer, self._values = scenario, peer, values
        self._low, self._high = 0, len(values)
        world = load(SCENARIOS / f"{scenario}.toml")
        self._cap = world.limits.abandon_cap
        self._hours = min(TUNING_HOURS, TUNING_AGENT_HOURS / world.most_agents)

    def next(self) -> Task | None:
        """The value to be tried next; None when it is found."""
        if self._low >= self._high:
            return None
        setting = self._values[(self._low + self._high) // 2]
        return Task(self._scenario, self._peer, TUNING_SEED, setting, self._hours)

    def take(self, results: dict[Task, Run]) -> None:
        """What came of it."""
        task = self.next()
        run = results.get(task) if task is not None else None
        if run is None:
            return
        middle = (self._low + self._high) // 2
        if run.drops <= self._cap * run.answers:
            self._low = middle + 1
        else:
            self._high = middle


def _candidates(scenario: str, tried: dict[Task, Run]) -> list[tuple[str, Setting]]:
    cap = load(SCENARIOS / f"{scenario}.toml").limits.abandon_cap
    lawful = [task for task, run in tried.items() if task.scenario == scenario and run.drops <= cap * run.answers]
    lawful.sort(key=lambda task: tried[task].utilisation, reverse=True)
    return [(task.pacing, task.setting) for task in lawful[:CANDIDATES]]


# --- judging ---------------------------------------------------------------------------------------------------------


class Row(msgspec.Struct, frozen=True):
    """One scenario."""

    cap: float
    ours: Pooled
    progressive: Pooled
    best_peer: Pooled | None
    """The best compliant one, settings in hindsight included; None when no peer complies."""
    ahead_by: float | None
    """Paired over the seeds: our utilisation above the best peer's, mean."""
    reference: float | None
    reference_note: str
    peers: tuple[Pooled, ...]

    @property
    def won(self) -> bool:
        """Compliant, and above every compliant peer."""
        return self.ours.compliant(self.cap, each=True) and (self.ahead_by is None or self.ahead_by > 0)


def _row(scenario: str, results: dict[Task, Run]) -> Row:
    world = load(SCENARIOS / f"{scenario}.toml")
    cap = world.limits.abandon_cap
    by_name: dict[str, dict[int, Run]] = defaultdict(dict)
    for task, run in results.items():
        if task.scenario == scenario:
            by_name[task.name][task.seed] = run
    pooled = {name: _pool(name, runs) for name, runs in by_name.items()}
    peers = tuple(each for name, each in pooled.items() if name not in OURS)
    judged = [
        each for each in (*peers, pooled["progressive"]) if len(each.by_seed) == len(pooled["predictive"].by_seed)
    ]
    lawful = [each for each in judged if each.compliant(cap, each=False)]
    best = max(lawful, key=lambda each: each.utilisation, default=None)
    ours = pooled["predictive"]
    reference = bound_of(world)
    return Row(
        cap=cap,
        ours=ours,
        progressive=pooled["progressive"],
        best_peer=best,
        ahead_by=None if best is None else _paired(ours, best),
        reference=reference.utilisation,
        reference_note=reference.reason,
        peers=peers,
    )


def _pool(name: str, runs: dict[int, Run]) -> Pooled:
    ordered = [runs[seed] for seed in sorted(runs)]
    answers, drops = sum(run.answers for run in ordered), sum(run.drops for run in ordered)
    return Pooled(
        name=name,
        utilisation=statistics.fmean(run.utilisation for run in ordered),
        by_seed=tuple(run.utilisation for run in ordered),
        rate=drops / answers if answers else 0.0,
        upper95=clopper_pearson_upper(drops, answers) if answers else 1.0,
        worst_upper95=max(_upper(run) for run in ordered),
    )


def _upper(run: Run) -> float:
    return clopper_pearson_upper(run.drops, run.answers) if run.answers else 1.0


def _paired(ours: Pooled, other: Pooled) -> float:
    return statistics.fmean(mine - his for mine, his in zip(ours.by_seed, other.by_seed, strict=True))


def _figures(rows: dict[str, Row], *, quick: bool) -> Iterator[Figure]:
    """Each scenario's utilisation, whether we comply everywhere, and how many of the sixteen are won."""
    for scenario, row in rows.items():
        peer = row.best_peer.utilisation if row.best_peer is not None else None
        yield _figure(f"{scenario}.utilisation", row.ours.utilisation, "share", peer=peer)
        yield _figure(f"{scenario}.upper95", row.ours.upper95, "share", limit=row.cap)
        yield _figure(f"{scenario}.worst_seed_upper95", row.ours.worst_upper95, "share", limit=row.cap)
    of_sixteen: dict[str, bool] = defaultdict(lambda: True)
    for scenario, row in rows.items():
        of_sixteen[scenario[:3]] &= row.won
    won = sum(of_sixteen.values())
    needed = len(of_sixteen) if quick else WINS
    yield Figure(id="scenarios_won", value=won, unit=f"of {len(of_sixteen)}", ok=won >= needed)


def _figure(id_: str, value: float, unit: str, *, limit: float | None = None, peer: float | None = None) -> Figure:
    ok = value <= limit if limit is not None else None
    return Figure(id=id_, value=round(value, 5), unit=unit, limit=limit, ok=ok, peer=peer and round(peer, 5))


def _speed(hours: float) -> Iterator[Figure]:
    """A day of 100 agents on one core (in a part of it, and reckoned up), and what 500 agents' decisions take."""
    base = _changed(load(SCENARIOS / "s03-base-30.toml"), hours=hours)
    large = _changed(base, agents=Agents(count=((0.0, 100),)))
    wall_s = simulate(large, "predictive", seed=1).wall_s * 8.5 / hours
    yield Figure(id="simulated_day_of_100_agents", value=round(wall_s, 1), unit="s", limit=30.0, ok=wall_s <= 30.0)
    p99_ms = percentile(_decision_times(), 0.99) * 1000
    yield Figure(id="decision_p99_at_500_agents", value=round(p99_ms, 3), unit="ms", limit=1.0, ok=p99_ms <= 1.0)


def _decision_times() -> list[float]:
    """Seconds that each decision for 500 agents took, in the second quarter of an hour."""
    took: list[float] = []

    class Timed:
        """A pacing with a stop-watch."""

        def __init__(self, pacing: Pacing) -> None:
            self.learn = pacing.learn
            self._decide = pacing.decide

        def decide(self, sight: Sight) -> Proposal:
            began = perf_counter()
            proposal = self._decide(sight)
            took.append(perf_counter() - began)
            return proposal

    world = _changed(load(SCENARIOS / "s05-huge-60.toml"), hours=0.5)
    floor = Floor(make_pacing=lambda policy, learnt: Timed(make_pacing(policy, learnt)))
    World(floor, world, seed=1, mode=Mode.PREDICTIVE, governed=True).play()
    return took[len(took) // 2 :]


# --- what a result depends on ----------------------------------------------------------------------------------------


@cache
def _scenario(name: str) -> str:
    return (SCENARIOS / f"{name}.toml").read_text(encoding="utf-8")


@cache
def source(pacing: str) -> str:
    """A digest of the code that a run passes through: a peer's does not change with our own pacing."""
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((ROOT / "engine" / package).rglob("*.py")):
            if path.stem not in _BESIDE and (pacing in OURS or path.stem not in _ONLY_OURS):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def describe(report: Report) -> dict[str, Any]:
    """The rows of a report, for a table."""
    rows: dict[str, Any] = report.details["scenarios"]
    return rows
