"""UTC in microseconds, advanced by the monotonic clock, so that a stepped wall clock never moves a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_US = 1_000_000


def _wall_us() -> int:
    return time.time_ns() // 1000


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class Clock:
    """`now()` never runs backwards, also not across a restart when `not_before` is the last moment known.

    A step of the wall clock, forwards or backwards, is told once and changes nothing here until the next start: a
    waiting caller has waited as long as before, and an hour's step must not end every wait at once.

    When the last moment known lies in the machine's future, because one of the two was or is wrong, this clock goes on
    from there and stays `ahead` until a start at which the machine has caught up. See `engine.main.timekeeping`.
    """

    def __init__(
        self, not_before: int = 0, *, wall: Callable[[], int] = _wall_us, monotonic: Callable[[], int] = _monotonic_us
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = max(wall(), not_before) - monotonic()
        self._ahead = self._lead()

    def now(self) -> int:
        """UTC microseconds."""
        return self._monotonic() + self._offset

    def machine(self) -> int:
        """What the machine's own clock says, UTC microseconds: after a step of it, another time than `now`."""
        return self._wall()

    def wall_step(self) -> int:
        """By how much (µs) the wall clock has been moved since the last call; 0 below a second."""
        ahead = self._lead()
        step = ahead - self._ahead
        if abs(step) < STEP_US:
            return 0
        self._ahead = ahead
        return step

    @property
    def ahead(self) -> int:
        """How far (µs) this clock is ahead of the machine's; 0 while it is not."""
        return max(0, -self._lead())

    def _lead(self) -> int:
        """How far the wall clock is ahead of our own."""
        return self._wall() - self.now()
