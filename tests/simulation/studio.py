"""Small scenarios, played whole: what was told, when, and what it came to."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from engine.domain import facts as f
from engine.domain.commands import AnyCommand, Publish
from engine.domain.events import AnyEvent
from engine.domain.facts import AnyFact
from engine.floor import Deadline, Floor
from engine.simulation.pacings import rule
from engine.simulation.run import floor_for
from engine.simulation.scenario import Scenario, parse
from engine.simulation.world import FIRST_DAY, World

_F = TypeVar("_F", bound=f.Fact)
_E = TypeVar("_E")

SMALL = """
name = "small"
hours = {hours}
warmup_minutes = {warmup}
[agents]
count = {count}
[calls]
answer_rate = [[0, {rate}]]
machine_rate = {machines}
amd = {{false_positive = {false_positive}, false_negative = {false_negative}, seconds = {amd_s}}}
fast_fail_rate = 0.1067
talk_s = {{dist = "lognormal", mean = 120, sd = 120}}
wrap_s = {{dist = "lognormal", mean = 20, sd = 8}}
{more}
"""


def scenario(**changes: object) -> Scenario:
    """An hour with ten agents and 40 % answers; changed by name, `more` is added at the end."""
    values: dict[str, object] = {
        "hours": 1.0,
        "warmup": 10,
        "count": "[[0, 10]]",
        "rate": 0.4,
        "machines": 0.15,
        "false_positive": 0.0,
        "false_negative": 0.0,
        "amd_s": 0.0,
        "more": "",
    }
    return parse(SMALL.format(**values | changes))


class Watched:
    """A floor that is listened to."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.commands: list[tuple[AnyCommand, ...]] = []
        self.events: list[AnyEvent] = []

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        commands = self.floor.handle(fact, now)
        self.commands.append(commands)
        self.events += [command.event for command in commands if isinstance(command, Publish)]
        return commands

    def deadline(self) -> Deadline | None:
        return self.floor.deadline()


class Played(NamedTuple):
    """A run. Facts with their offset (s) from the first day's beginning."""

    world: World
    core: Watched
    told: list[tuple[float, AnyFact]]

    def heard(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.core.events if isinstance(event, kind)]

    def facts(self, kind: type[_F]) -> list[tuple[float, _F]]:
        return [(at, fact) for at, fact in self.told if isinstance(fact, kind)]


def play(whole: Scenario, pacing: str = "ratio", *, seed: int = 1, days: int = 1) -> Played:
    """Play it and keep everything."""
    chosen = rule(pacing)
    core = Watched(floor_for(chosen))
    told: list[tuple[float, AnyFact]] = []
    world = World(
        core,
        whole,
        seed=seed,
        mode=chosen.mode,
        governed=chosen.governed,
        days=days,
        record=lambda fact, now: told.append(((now - FIRST_DAY) / 1_000_000, fact)),
    )
    world.play()
    return Played(world, core, told)
