"""Chance that can be asked twice: uniform numbers by (seed, key) and index.

Number k of a stream is the same in every run with that seed, whatever else was drawn before and in which order. That is
what makes runs comparable: attempt k meets the same person under each pacing, so differences between pacings are not
differences of luck.
"""

from __future__ import annotations

from random import Random

_BLOCK = 1024


class Stream:
    """An endless sequence of uniform numbers in [0, 1), read by index."""

    __slots__ = ("_drawn", "_next")

    def __init__(self, seed: int, *key: str | int) -> None:
        # Python promises that `random()` of a seed never changes between versions; of its other draws it does not.
        self._next = Random(repr((seed, *key))).random  # noqa: S311 - dice, no secret
        self._drawn: list[float] = []

    def at(self, index: int) -> float:
        """Number `index` (from 0)."""
        try:
            return self._drawn[index]
        except IndexError:
            draw = self._next
            self._drawn += [draw() for _ in range(index + _BLOCK - len(self._drawn))]
            return self._drawn[index]


class Dice:
    """A stream read in order, for what has no number of its own."""

    __slots__ = ("_stream", "drawn")

    def __init__(self, seed: int, *key: str | int) -> None:
        self._stream = Stream(seed, *key)
        self.drawn = 0

    def roll(self) -> float:
        """The next number."""
        self.drawn += 1
        return self._stream.at(self.drawn - 1)
