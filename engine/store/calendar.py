"""Days and intervals of a site's own time zone. A day of a clock change has 23 or 25 hours, and so have its intervals.

Everything is stored as UTC µs; local time appears only here, at the edge where people name days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.domain.values import Value
from engine.errors import ConfigError, UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""Before the calendar's own end, which no zone may cross (year 9999 of `datetime`)."""


class Interval(Value):
    """From `from_us` up to, not including, `to_us` (UTC µs). `start` is the beginning as ISO 8601 with its offset."""

    start: str
    from_us: int
    to_us: int


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    :raises ConfigError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise ConfigError(
            f"there is no time zone {name!r}", where="site.timezone", mend="Use e.g. Europe/Paris."
        ) from (unknown)


def micros(moment: datetime) -> int:
    """Return an aware datetime as UTC µs, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instant(text: str, tz: ZoneInfo, *, end: bool = False) -> int:
    """Return what a person wrote for `--from` or `--to` as UTC µs.

    ISO 8601; without an offset it is the site's time. A day alone is its beginning, as `--to` (`end`) its end: so
    `--from 2026-03-29 --to 2026-03-29` is that whole day. A local time that the clock skips counts as
    that long after the skip; one that comes twice is its first coming, as the end of an interval its second.

    :raises UsageError: it is no date or time, or of no year in which anybody called.
    """
    try:
        moment = _instant(text, tz, end=end)
    except (ValueError, OverflowError):
        moment = -1
    if not 0 <= moment < _LATEST:
        raise UsageError(
            f"{text!r} is no date or time",
            where="--to" if end else "--from",
            mend="Use 2026-03-29 or 2026-03-29T08:30.",
        )
    return moment


def _instant(text: str, tz: ZoneInfo, *, end: bool) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return micros(_midnight(day + timedelta(days=1) if end else day, tz))
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return micros(moment)
    first = moment.replace(tzinfo=tz)
    skipped = first.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != moment
    return micros(first.replace(fold=1) if end and not skipped else first)


def intervals(from_us: int, to_us: int, tz: ZoneInfo, step: timedelta | None = None) -> Iterator[Interval]:
    """Yield the local days between two instants, or steps of them (`step` divides an hour or is whole hours).

    Steps are counted from local midnight in real time, so that none is lost or doubled when clocks change.
    The first and the last are cut to fit.
    """
    day = _local(from_us, tz).date()
    while (start := micros(_midnight(day, tz))) < to_us:
        end = micros(_midnight(day + timedelta(days=1), tz))
        length = end - start if step is None else step // timedelta(microseconds=1)
        for at in range(start, end, length):
            part = (max(at, from_us), min(at + length, end, to_us))
            if part[0] < part[1]:
                yield Interval(start=_local(part[0], tz).isoformat(), from_us=part[0], to_us=part[1])
        day += timedelta(days=1)


def _local(us: int, tz: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=us)).astimezone(tz)


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    """Return when a local day begins. Where the clock skips midnight, that is the moment of the skip."""
    return datetime.combine(day, time(), tz).astimezone(UTC)
