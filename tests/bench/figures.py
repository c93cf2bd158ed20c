"""What a benchmark says: figures with their limits, and how fast this machine was meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

_CALIBRATION_ROUNDS: Final = 300_000


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure; `value` is the median of `runs`."""

    id: str
    value: float
    unit: str
    limit: float | None = None
    """Largest value that is still good; None where a figure only informs."""
    ok: bool | None = None
    peer: float | None = None
    """What the thing we compare with needed, in the same unit."""
    runs: tuple[float, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one benchmark. `details` are its own keys, beside the figures."""

    bench: str
    figures: tuple[Figure, ...]
    calibration_ms: float
    details: dict[str, Any] = {}

    @property
    def ok(self) -> bool:
        """Whether no limit was missed."""
        return all(figure.ok is not False for figure in self.figures)


def figure(
    id_: str, runs: Sequence[float], unit: str, *, limit: float | None = None, peer: Sequence[float] | None = None
) -> Figure:
    """A figure from its runs; without a run it is no number and missed its limit."""
    value = statistics.median(runs) if runs else float("inf")
    return Figure(
        id=id_,
        value=_short(value),
        unit=unit,
        limit=_short(limit) if limit is not None else None,
        ok=value <= limit if limit is not None else None,
        peer=_short(statistics.median(peer)) if peer else None,
        runs=tuple(_short(run) for run in runs),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed; infinite when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


def calibrate() -> float:
    """Milliseconds of a fixed piece of work on one core, best of three: to compare machines and noisy moments."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        total = 0
        for number in range(_CALIBRATION_ROUNDS):
            total += number * number % 7
        best = min(best, time.perf_counter() - begun)
    return round(best * 1000, 2)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
