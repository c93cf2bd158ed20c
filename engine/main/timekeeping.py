"""A journal from the future: said at the start, by `/readyz` and by `doctor`, and lived with.

The journal's times never run backwards, so an engine whose last fact lies in the machine's future goes on from there.
One of the two clocks was wrong: the machine's then (once set to next year, and put right since), or the machine's now
(a dead battery, no time server reached yet). From inside they look the same.

It is said and never refused, however far ahead. Callers are answered in the right order and wait as long as they think,
as that hangs on differences of time; refusing would leave them with music at the one moment, a restart, when nobody
watches, and for the second cause it would be wrong: the journal is right, and the machine is about to be. What is wrong
meanwhile are dates: in reports, in opening hours, in logs of the database. No start can mend them afterwards.
"""

from __future__ import annotations

from datetime import timedelta

from engine.domain.values import SECOND

TOLERATED = 2 * SECOND
"""A time server that corrects a drifting clock is no news."""
MEND = (
    "See that the machine's date is right (`timedatectl`). If it is, reports and opening hours are wrong until it has "
    "caught up and the engine is started again; see Time in docs/operating.md."
)


def future(ahead: int) -> str:
    """One sentence about a journal that is `ahead` µs ahead of the machine; "" when there is nothing to say."""
    if ahead <= TOLERATED:
        return ""
    return f"the journal's clock is {lasting(ahead)} ahead of this machine's"


def lasting(us: int) -> str:
    """A duration as people say it, in full seconds: `3:25:45` or `2 days, 0:00:01`."""
    return str(timedelta(seconds=us // SECOND))
