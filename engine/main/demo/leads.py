"""The demo's list: people of the simulated network as a CSV file, with the dirt that real lists have."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

from engine.lab.called import Persona, number

MIX: dict[Persona, int] = {
    Persona.PERSON: 25,
    Persona.OPTS_OUT: 2,
    Persona.EARLY: 2,
    Persona.MACHINE: 8,
    Persona.FAX: 1,
    Persona.BUSY: 26,
    Persona.UNALLOCATED: 18,
    Persona.NO_ANSWER: 18,
}
"""How many of a hundred numbers have what at their other end."""
HEADER = ("Phone", "List", "Priority", "Timezone")
DIRT = (
    ("call me in the morning", "spring", "", ""),
    ("010 62345678", "spring", "", ""),
    ("+86 10 12", "spring", "", ""),
    ("+999 5550100", "spring", "", ""),
    ("+442079460018", "spring", "first", ""),
    ("+442079460019", "spring", "", "Mars/Olympus"),
)
"""Rows that become no lead, each for another reason."""


def people(seed: int) -> Iterator[str]:
    """Numbers of people, each once, in an order that `seed` tells."""
    dice = random.Random(seed)  # noqa: S311 - simulated people, not secrets
    seen: set[str] = set()
    personas, weights = list(MIX), list(MIX.values())
    while True:
        [persona] = dice.choices(personas, weights)
        found = number(persona, dice.randrange(1000), ring_s=dice.uniform(2.0, 5.0), talk_s=dice.uniform(5.0, 10.0))
        if found not in seen:
            seen.add(found)
            yield found


def write(file: Path, count: int, seed: int) -> None:
    """Write a list of `count` people, one of them twice, and the rows of `DIRT` among them."""
    numbers = people(seed)
    rows = [(next(numbers), "spring", "", "") for _ in range(count)]
    rows[len(rows) // 2 : len(rows) // 2] = [*DIRT, rows[0]]
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(HEADER)
        writer.writerows(rows)
