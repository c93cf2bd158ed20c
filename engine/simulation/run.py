"""One run: a scenario, a pacing and a seed become a result."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from engine.floor import Floor
from engine.simulation.bound import LABEL, bound_of
from engine.simulation.outbound import MakePeople
from engine.simulation.pacings import BOUND, Rule, rule
from engine.simulation.result import Result, reference, result
from engine.simulation.scenario import Scenario
from engine.simulation.world import Recorder, World


def simulate(
    scenario: Scenario,
    pacing: str,
    *,
    seed: int = 1,
    days: int = 1,
    people: MakePeople | None = None,
    settings: Mapping[str, float] | None = None,
    record: Recorder | None = None,
    progress: Callable[[float], None] | None = None,
) -> Result:
    """Play a scenario to a fresh floor. The same arguments give the same result, but for `wall_s`.

    `bound` is worked out instead, for one day or many, whatever the seed.

    `people`: who is called, instead of people drawn by the seed. `settings`: a peer's, by name. `record` is given every
    fact with its instant (µs). `progress`: the share that is done, about once for each simulated hour.

    :raises UsageError: there is no such pacing, or it has no such settings.
    """
    began = perf_counter()
    if pacing == BOUND:
        known = bound_of(scenario)
        wall_s, note = perf_counter() - began, known.reason or LABEL
        return reference(known.utilisation, note, scenario=scenario.name, pacing=pacing, seed=seed, wall_s=wall_s)
    chosen = rule(pacing, settings)
    with _no_collection():
        world = World(
            floor_for(chosen),
            scenario,
            seed=seed,
            mode=chosen.mode,
            governed=chosen.governed,
            days=days,
            people=people,
            record=record,
            progress=progress,
        )
        world.play()
    wall_s = perf_counter() - began
    return result(world.tally, scenario=scenario.name, pacing=pacing, seed=seed, wall_s=wall_s)


def floor_for(chosen: Rule) -> Floor:
    """A floor whose campaigns are paced by this rule."""
    return Floor(make_pacing=chosen.make)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for cycles: hardly anything here refers to itself, and looking costs a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
