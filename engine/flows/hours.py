"""Opening hours: `mon-fri 09:00-17:30`, and whether they are open at an instant.

Times are of the wall clock in an IANA time zone, so a span keeps its local times through a change to summer time.
The end is exclusive and may be 24:00. A span that ends before it starts runs into the next day (`fri 22:00-02:00`).
A holiday closes its whole local date, also the early hours of a span that began the evening before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from engine.domain.flow import Hours, OpenSpan

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE: Final = "mon-fri 09:00-17:30"
DAY_MINUTES: Final = 24 * 60

_SPAN = re.compile(r"(?P<days>[a-z,\-]+)\s+(?P<from>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<to>[0-9]{1,2}:[0-9]{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_span(text: str) -> tuple[OpenSpan, ...]:
    """Read one span; two come back when it runs past midnight.

    Raises:
        ValueError: with a sentence saying what is wrong.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not found:
        raise ValueError("it has not the shape DAYS HH:MM-HH:MM")
    days = _days(found["days"])
    start, end = _minutes(found["from"]), _minutes(found["to"])
    if start in (end, DAY_MINUTES):
        raise ValueError("it is never open")
    if end > start:
        return (OpenSpan(weekdays=days, start=start, end=end),)
    evening = OpenSpan(weekdays=days, start=start, end=DAY_MINUTES)
    if end == 0:
        return (evening,)
    following = tuple(sorted((day + 1) % 7 for day in days))
    return (evening, OpenSpan(weekdays=following, start=0, end=end))


def _days(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        for name in (first, last) if dash else (first,):
            if name not in DAYS:
                raise ValueError(f"`{name}` is no day; days are {', '.join(DAYS)}")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 if dash else 0
        days.update((start + offset) % 7 for offset in range(length + 1))
    return tuple(sorted(days))


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY_MINUTES:
        raise ValueError(f"`{text}` is no time of day")
    return hours * 60 + minutes


def is_open(node: Hours, now: int) -> bool:
    """Whether the hours are open at `now`, UTC microseconds."""
    local = (_EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(node.timezone))
    if local.date().isoformat() in node.holidays:
        return False
    minute = local.hour * 60 + local.minute
    return any(local.weekday() in span.weekdays and span.start <= minute < span.end for span in node.spans)
