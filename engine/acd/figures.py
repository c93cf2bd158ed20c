"""A figure and the formula it came from: what `service_level` and `workload` have in common.

Every formula has an id with a version and is never changed: a correction is a new version, so a printed figure can be
recomputed for ever. A figure is a quotient of two whole numbers that add up over intervals, queues and agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Generic, TypeVar

from engine.domain.values import SECOND, Value
from engine.errors import NotFound

Counted = TypeVar("Counted")


class Unit(StrEnum):
    """What a figure is measured in."""

    RATIO = "ratio"
    SECONDS = "seconds"


class Figure(Value):
    """A result: `value` = `part` / `n`, None when there was nothing to divide by. Never shown without formula and n.

    For a figure in seconds `part` is in µs, `value` in seconds.
    """

    formula: str
    unit: Unit
    part: int
    n: int
    value: float | None


@dataclass(frozen=True)
class Formula(Generic[Counted]):
    """How a figure comes from what was counted. `says` is the definition in words, `source` where it was read."""

    id: str
    unit: Unit
    says: str
    source: str
    part: Callable[[Counted], int]
    n: Callable[[Counted], int]

    def of(self, counted: Counted) -> Figure:
        """The figure for `counted`."""
        part, n = self.part(counted), self.n(counted)
        scale = SECOND if self.unit is Unit.SECONDS else 1
        return Figure(formula=self.id, unit=self.unit, part=part, n=n, value=part / (n * scale) if n else None)


def by_id(formulas: Iterable[Formula[Counted]]) -> dict[str, Formula[Counted]]:
    """The formulas by their ids."""
    return {formula.id: formula for formula in formulas}


def find(formulas: dict[str, Formula[Counted]], formula_id: str) -> Formula[Counted]:
    """The formula of that id.

    Raises:
        NotFound: no such formula; the message suggests the nearest ids.
    """
    if formula_id in formulas:
        return formulas[formula_id]
    near = get_close_matches(formula_id, formulas, n=3, cutoff=0.4) or sorted(formulas)
    raise NotFound(f"there is no formula {formula_id}", where="formula", mend=f"use one of {', '.join(near)}")
