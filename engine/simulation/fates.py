"""What becomes of attempt number k of a campaign: decided by seed, day, campaign and k, so alike under each pacing.

Only the answer rate looks at the clock: whether number k is answered depends on when it is dialled, by the same dice.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from engine.simulation.chance import Stream
from engine.simulation.scenario import Calls
from engine.simulation.series import linear

SECOND = 1_000_000
FAST_FAIL_US = 3 * SECOND
BUSY, NO_ANSWER = 17, 19
"""Q.850 causes of the two ways not to be answered."""


class Picks(IntEnum):
    """Who picks up."""

    PERSON = 0
    MACHINE = 1
    NOBODY = 2


class People(Protocol):
    """Who is behind a campaign's list on one day: drawn (`Fates`) or recorded. `number` counts its dials from 0."""

    def dialled(self, number: int, offset: int) -> tuple[Picks, int, int]:
        """Who picks up when attempt `number` is dialled at `offset` (µs of the day), after how many µs, and the Q.850
        cause if nobody does.
        """

    def talk_us(self, number: int) -> int:
        """How long attempt `number` talks, once joined."""

    def wrap_us(self, number: int) -> int:
        """How long its agent wraps up."""

    def called_machine(self, number: int, picks: Picks) -> bool:
        """Whether the detection takes who picked up for a machine."""

    def verdict_us(self, number: int) -> int:
        """How long after the answer the detection decides."""

    def patience_us(self, number: int) -> int | None:
        """How long after the answer he hangs up if nobody speaks to him; None: not before the message."""


class Fates:
    """People that are drawn by the dice, see `People`."""

    __slots__ = (
        "_amd",
        "_answer_rate",
        "_fast_fail_rate",
        "_kinds",
        "_machine_after",
        "_machine_rate",
        "_no_answer_us",
        "_ring_after",
        "_rings",
        "_talk",
        "_talks",
        "_verdicts",
        "_wrap",
        "_wraps",
    )

    def __init__(self, calls: Calls, *key: str | int, seed: int) -> None:
        self._amd = calls.amd
        self._answer_rate = linear(calls.answer_rate)
        self._machine_rate = calls.machine_rate
        self._fast_fail_rate = calls.fast_fail_rate
        self._no_answer_us = round(calls.no_answer_s * SECOND)
        self._ring_after, self._machine_after = calls.ring_s.quantile(), calls.machine_s.quantile()
        self._talk, self._wrap = calls.talk_s.quantile(), calls.wrap_s.quantile()
        self._kinds, self._rings = Stream(seed, *key, "kind"), Stream(seed, *key, "ring")
        self._talks, self._wraps = Stream(seed, *key, "talk"), Stream(seed, *key, "wrap")
        self._verdicts = Stream(seed, *key, "verdict")

    def dialled(self, number: int, offset: int) -> tuple[Picks, int, int]:
        """See `People`."""
        u = self._kinds.at(number)
        answered = self._answer_rate(offset)
        if u < answered:
            after = round(self._ring_after(self._rings.at(number)) * SECOND)
            return Picks.PERSON, min(after, self._no_answer_us), 0
        # counted from the other end, so that one who is a machine stays one while the answer rate moves
        v = 1.0 - u
        if v <= self._machine_rate:
            after = round(self._machine_after(self._rings.at(number)) * SECOND)
            return Picks.MACHINE, min(after, self._no_answer_us), 0
        rest = 1.0 - answered - self._machine_rate
        if rest > 0 and (u - answered) / rest < self._fast_fail_rate:
            return Picks.NOBODY, FAST_FAIL_US, BUSY
        return Picks.NOBODY, self._no_answer_us, NO_ANSWER

    def talk_us(self, number: int) -> int:
        """See `People`."""
        return round(self._talk(self._talks.at(number)) * SECOND)

    def wrap_us(self, number: int) -> int:
        """See `People`."""
        return round(self._wrap(self._wraps.at(number)) * SECOND)

    def called_machine(self, number: int, picks: Picks) -> bool:
        """See `People`."""
        u = self._verdicts.at(number)
        return u >= self._amd.false_negative if picks is Picks.MACHINE else u < self._amd.false_positive

    def verdict_us(self, number: int) -> int:
        """See `People`."""
        return round(self._amd.seconds * SECOND)

    def patience_us(self, number: int) -> int | None:
        """See `People`. They wait."""
        return None
