"""UTC in microseconds, advanced by the monotonic clock, so that a stepped wall clock never moves a deadline."""

from __future__ import annotations

import time

STEP_US = 1_000_000


class Clock:
    """`now()` never runs backwards, also not across a restart when `not_before` is the last moment known."""

    def __init__(self, not_before: int = 0) -> None:
        wall = time.time_ns() // 1000
        self._offset = max(wall, not_before) - time.monotonic_ns() // 1000

    def now(self) -> int:
        """UTC microseconds."""
        return time.monotonic_ns() // 1000 + self._offset

    def wall_step(self) -> int:
        """By how much (µs) the wall clock has been moved since the last call; 0 below a second.

        The own time follows it forwards at once; backwards it stands by, as time may not run backwards.
        """
        delta = time.time_ns() // 1000 - self.now()
        if abs(delta) < STEP_US:
            return 0
        if delta > 0:
            self._offset += delta
        return delta
