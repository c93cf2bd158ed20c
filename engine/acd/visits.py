"""Visits to queues, counted by how they ended: what every figure about queues is made of.

Choices that the peers' definitions leave open, made here once:

* A visit that has not ended counts only as `Tally.waiting`, which reports name beside the figure.
* Limits are inclusive: an answer after exactly the limit is in time, as in app_queue and ViciDial; Wazo's is not.
* Times are microseconds; app_queue and ViciDial count whole seconds, so theirs may differ by those on the edge.
* A caller whom Asterisk lost was offered and not answered: it counts against us. A peer would see him hang up, so
  their formulas take him as abandoned, though never as a short abandon.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.domain.interaction import Ending
from engine.domain.values import SECOND, Value
from engine.errors import BrokenInvariant


class QueueVisit(Value):
    """One visit of one interaction to one queue; the return after a failed offer belongs to the same visit.

    Instants are UTC µs. `left_us` is when both legs were joined, the caller hung up or was sent elsewhere; it and `how`
    are None while the visit lasts. `callback_kept` says that a promised call back did reach the caller.
    """

    entered_us: int
    left_us: int | None = None
    how: Ending | None = None
    callback_kept: bool = False


class Tally(Value):
    """Visits counted by how they ended. `…_in_time` is within the service level, both ends included.

    `answered_before_limit` leaves the limit itself out; `abandoned_short` is within the short-abandon limit.
    `answer_wait_us` is the waiting (µs) of all who were answered, added up. `waiting` have not ended.
    """

    answered: int = 0
    answered_in_time: int = 0
    answered_before_limit: int = 0
    answer_wait_us: int = 0
    abandoned: int = 0
    abandoned_in_time: int = 0
    abandoned_short: int = 0
    overflowed: int = 0
    overflowed_in_time: int = 0
    callback: int = 0
    callback_in_time: int = 0
    callback_kept: int = 0
    lost: int = 0
    lost_in_time: int = 0
    waiting: int = 0

    @property
    def offered(self) -> int:
        """Every visit that has ended, however."""
        return self.answered + self.abandoned + self.overflowed + self.callback + self.lost

    @property
    def hung_up(self) -> int:
        """What a peer would take for abandoned."""
        return self.abandoned + self.lost

    @property
    def hung_up_in_time(self) -> int:
        """What a peer would take for abandoned within the service level."""
        return self.abandoned_in_time + self.lost_in_time

    @property
    def owed(self) -> int:
        """Those whom we owed an answer: all but short abandons and promises that were kept."""
        return self.offered - self.abandoned_short - self.callback_kept

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in Tally.__annotations__})


def tally(visits: Iterable[QueueVisit], *, service_level_s: float, short_abandon_s: float) -> Tally:
    """Count visits under the limits of their queue.

    Raises:
        BrokenInvariant: a visit ended without saying how, or by an ending that no queue visit can have.
    """
    limit_us, short_us = round(service_level_s * SECOND), round(short_abandon_s * SECOND)
    counts = dict.fromkeys(Tally.__annotations__, 0)
    for visit in visits:
        if visit.left_us is None and visit.how is None:
            counts["waiting"] += 1
            continue
        if visit.left_us is None or visit.how is None or visit.how not in _COUNTED_AS:
            raise BrokenInvariant(f"a queue visit cannot have left at {visit.left_us} as {visit.how}")
        # over a restart the wall clock may have been set back: nobody waits less than nothing
        waited_us = max(0, visit.left_us - visit.entered_us)
        name = _COUNTED_AS[visit.how]
        counts[name] += 1
        counts[f"{name}_in_time"] += waited_us <= limit_us
        if visit.how is Ending.ANSWERED:
            counts["answered_before_limit"] += waited_us < limit_us
            counts["answer_wait_us"] += waited_us
        elif visit.how is Ending.ABANDONED:
            counts["abandoned_short"] += waited_us <= short_us
        elif visit.how is Ending.CALLBACK:
            counts["callback_kept"] += visit.callback_kept
    return Tally(**counts)


_COUNTED_AS = {
    Ending.ANSWERED: "answered",
    Ending.ABANDONED: "abandoned",
    Ending.OVERFLOWED: "overflowed",
    Ending.CALLBACK: "callback",
    Ending.LOST: "lost",
}
