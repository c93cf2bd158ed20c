"""`bench pacing`: the shipped scenarios under our pacing and the peers', ten seeds with common random numbers.

Peers run at their documented defaults and at their best setting in hindsight (`hindsight`).
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from engine.dialer.clopper_pearson import clopper_pearson_upper, largest_drops
from engine.dialer.modes import make_pacing
from engine.dialer.pacing import Pacing, Proposal, Sight
from engine.domain.campaign import Mode
from engine.floor import Floor
from engine.simulation.bound import bound_of
from engine.simulation.pacings import OURS, PEERS
from engine.simulation.run import simulate
from engine.simulation.scenario import Agents, Scenario
from engine.simulation.world import World
from tests.bench import hindsight
from tests.bench.figures import Figure, Report, calibrate, percentile
from tests.bench.simulated import BASE, ROOT, SCENARIOS, Kept, Run, Runs, Say, Task, changed, run_all, scenario

KEPT: Final = ROOT / "var" / "bench" / "pacing.jsonl"
SHOWN_SEEDS: Final = 1
"""The peers' defaults are shown, not judged: on the first seeds only."""
SEEDS: Final = 10
QUICK_SEEDS: Final = 2
QUICK: Final = ("s01-tiny-40", "s02-small-20", "s03-base-30", "s10-two-kinds", "s16-cold-start")
BASE_CASES: Final = {
    "s01-tiny-20": None,
    "base-005-30": None,
    "s02-small-20": 0.04,
    "base-010-30": 0.04,
    "base-030-20": 0.02,
    "s03-base-30": 0.02,
    "s04-large-20": 0.015,
    "base-100-30": 0.015,
}
"""The base case with 5 to 100 agents, and how far from the reference each may stay; None: above progressive."""
WINS: Final = 14
"""Of the sixteen scenarios: where our utilisation is above the best compliant peer's."""


class Pooled(msgspec.Struct, frozen=True):
    """All seeds of one pacing in one scenario: the mean utilisation, and the abandonment of all answers together."""

    name: str
    utilisation: float
    by_seed: tuple[float, ...]
    answers: int
    rate: float
    upper95: float
    worst_upper95: float

    def compliant(self, cap: float, *, each: bool) -> bool:
        """Whether the bound is within the cap, pooled and (`each`) on the worst seed too."""
        return self.upper95 <= cap and (not each or self.worst_upper95 <= cap)


def measure(say: Say, *, seeds: int = SEEDS, names: Iterable[str] = (), quick: bool = False) -> Report:
    """Run what is missing and judge all of it."""
    chosen = sorted(names or (QUICK if quick else _names(SCENARIOS)))
    base = [] if quick else sorted(_names(BASE)) if not names else []
    count = QUICK_SEEDS if quick else seeds
    kept = Kept(KEPT)

    def run(tasks: list[Task]) -> Runs:
        return run_all(tasks, kept, say)

    results = run([Task(each, ours, seed) for each in (*chosen, *base) for ours in OURS for seed in _seeds(count)])
    say("The peers' best settings in hindsight ...")
    best = hindsight.drive(hindsight.together([hindsight.best(each, count) for each in chosen]), run)
    judged = [
        Task(task.scenario, task.pacing, seed, task.setting)
        for tasks in best
        for task in tasks
        for seed in _seeds(count)
    ]
    shown = [Task(each, peer, seed) for each in chosen for peer in PEERS for seed in _seeds(SHOWN_SEEDS)]
    results |= run(judged) | run(shown)
    rows = {each: _row(each, results) for each in (*chosen, *base)}
    say("How fast: a day of 100 agents, and decisions for 500 ...")
    return Report(
        bench="pacing",
        figures=(
            *_figures({each: rows[each] for each in chosen}, quick=quick),
            *_base_case(rows),
            *_speed(0.5 if quick else 8.5),
        ),
        calibration_ms=calibrate(),
        details={"seeds": count, "scenarios": {name: msgspec.to_builtins(row) for name, row in rows.items()}},
    )


def _names(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.toml")]


def _seeds(count: int) -> range:
    return range(1, count + 1)


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
    reference_of_day: float | None
    """The reference if only so much may be abandoned as leaves the bound of one day's answers within the cap."""
    reference_note: str
    peers: tuple[Pooled, ...]

    @property
    def won(self) -> bool:
        """Compliant, and above every compliant peer."""
        return self.ours.compliant(self.cap, each=True) and (self.ahead_by is None or self.ahead_by > 0)


def _row(name: str, results: Runs) -> Row:
    world = scenario(name)
    cap = world.limits.abandon_cap
    by_name: dict[str, dict[int, Run]] = defaultdict(dict)
    for task, run in results.items():
        if task.scenario == name:
            by_name[task.name][task.seed] = run
    pooled = {each: _pool(each, runs) for each, runs in by_name.items()}
    peers = tuple(each for known, each in pooled.items() if known not in OURS)
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
        reference_of_day=_reference_of_day(world, ours),
        reference_note=reference.reason,
        peers=peers,
    )


def _reference_of_day(world: Scenario, ours: Pooled) -> float | None:
    answers = round(ours.answers / len(ours.by_seed))
    limits = changed(world.limits, abandon_cap=largest_drops(answers, world.limits.abandon_cap) / max(1, answers))
    return bound_of(changed(world, limits=limits)).utilisation


def _pool(name: str, runs: dict[int, Run]) -> Pooled:
    ordered = [runs[seed] for seed in sorted(runs)]
    answers, drops = sum(run.answers for run in ordered), sum(run.drops for run in ordered)
    return Pooled(
        name=name,
        utilisation=statistics.fmean(run.utilisation for run in ordered),
        by_seed=tuple(run.utilisation for run in ordered),
        answers=answers,
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
    for name, row in rows.items():
        peer = row.best_peer.utilisation if row.best_peer is not None else None
        yield _figure(f"{name}.utilisation", row.ours.utilisation, "share", peer=peer)
        yield _figure(f"{name}.upper95", row.ours.upper95, "share", limit=row.cap)
        yield _figure(f"{name}.worst_seed_upper95", row.ours.worst_upper95, "share", limit=row.cap)
    of_sixteen: dict[str, bool] = defaultdict(lambda: True)
    for name, row in rows.items():
        if name.startswith("base-"):
            continue
        of_sixteen[name[:3]] &= row.won
    won = sum(of_sixteen.values())
    needed = len(of_sixteen) if quick else WINS
    yield Figure(id="scenarios_won", value=won, unit=f"of {len(of_sixteen)}", ok=won >= needed)


def _base_case(rows: dict[str, Row]) -> Iterator[Figure]:
    """How far from the reference the base case stays, team by team; the smallest only has to beat progressive."""
    for name, limit in BASE_CASES.items():
        row = rows.get(name)
        if row is None:
            continue
        if limit is None:
            ahead = row.ours.utilisation - row.progressive.utilisation
            yield Figure(id=f"{name}.ahead_of_progressive", value=round(ahead, 5), unit="share", ok=ahead >= 0)
        elif row.reference is not None:
            behind = row.reference - row.ours.utilisation
            yield _figure(f"{name}.behind_reference", behind, "share", limit=limit)


def _figure(id_: str, value: float, unit: str, *, limit: float | None = None, peer: float | None = None) -> Figure:
    ok = value <= limit if limit is not None else None
    return Figure(id=id_, value=round(value, 5), unit=unit, limit=limit, ok=ok, peer=peer and round(peer, 5))


def _speed(hours: float) -> Iterator[Figure]:
    """A day of 100 agents on one core (in a part of it, and reckoned up), and what 500 agents' decisions take."""
    base = changed(scenario("s03-base-30"), hours=hours)
    large = changed(base, agents=Agents(count=((0.0, 100),)))
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

    world = changed(scenario("s05-huge-60"), hours=0.5)
    floor = Floor(make_pacing=lambda policy, learnt: Timed(make_pacing(policy, learnt)))
    World(floor, world, seed=1, mode=Mode.PREDICTIVE, governed=True).play()
    return took[len(took) // 2 :]
