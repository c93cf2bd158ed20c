"""What will happen, and when: a heap of plain tuples; of one instant what was planned first comes first."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Happening = tuple[int, int, Callable[[Any], None], Any]
"""(instant in µs, number of the plan, what happens, to whom)."""

NEVER = 1 << 62


class Agenda:
    """Plans of the simulated world. A plan cannot be struck out: what happens looks whether it still applies."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[Happening] = []
        self._count = 0

    def plan(self, at: int, do: Callable[[Any], None], whom: Any = None) -> None:
        """`do(whom)` is to happen at `at` (µs)."""
        self._count += 1
        heappush(self._heap, (at, self._count, do, whom))

    def first(self) -> int:
        """When the next thing happens; `NEVER` if nothing does."""
        return self._heap[0][0] if self._heap else NEVER

    def take(self) -> Happening:
        """The next thing, taken off."""
        return heappop(self._heap)

    def clear(self) -> None:
        """Nothing is planned any more."""
        self._heap.clear()
