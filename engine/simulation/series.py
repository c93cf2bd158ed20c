"""Values over the day: `[[minute, value], ...]` of the scenario file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

MINUTE = 60_000_000

Points = tuple[tuple[float, float], ...]


def linear(points: Points) -> Callable[[int], float]:
    """The value at an offset (µs from the day's beginning), linear between points and level outside of them."""
    if len(points) == 1:
        level = points[0][1]
        return lambda offset: level
    times = [minute * MINUTE for minute, _ in points]
    values = [value for _, value in points]

    def at(offset: int) -> float:
        after = bisect_right(times, offset)
        if after == 0:
            return values[0]
        if after == len(times):
            return values[-1]
        before = after - 1
        share = (offset - times[before]) / (times[after] - times[before])
        return values[before] + share * (values[after] - values[before])

    return at


def area(steps: Sequence[tuple[float, float]], begin_us: int, end_us: int) -> float:
    """The sum (value × seconds) under steps between two offsets (µs), each value holding until the next."""
    total = 0.0
    for index, (minute, value) in enumerate(steps):
        begin = max(begin_us, round(minute * MINUTE))
        later = round(steps[index + 1][0] * MINUTE) if index + 1 < len(steps) else end_us
        total += value * max(0, min(later, end_us) - begin)
    return total / 1_000_000
