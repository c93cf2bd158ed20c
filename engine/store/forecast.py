"""How many live answers are still to come before the day's work ends: from the schedule and the list, else nothing.

The governor counts on 80 % of it, so it must rather be too small. What was answered for each scheduled hour until now
goes on until the schedule's end today; the list has no more to give than its waiting leads at today's answer rate.
Before half a scheduled hour and fifty attempts nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.domain.flow import OpenSpan
from engine.domain.values import SECOND

LEAST_WORKED_US = 1_800 * SECOND
LEAST_ATTEMPTS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def answers_to_come(
    schedule: Sequence[OpenSpan],
    zone: ZoneInfo,
    now: int,
    *,
    since: int,
    answers: int,
    attempts: int,
    waiting: int,
) -> int:
    """The live answers still to be expected today; 0 where unknown.

    `since` (UTC µs): from when on `answers` and `attempts` are counted. `waiting`: leads that may still be dialled.
    """
    day = _spans(schedule, zone, now)
    worked = sum(max(0, min(end, now) - max(begin, since)) for begin, end in day)
    if worked < LEAST_WORKED_US or attempts < LEAST_ATTEMPTS:
        return 0
    ahead = sum(max(0, end - max(begin, now)) for begin, end in day)
    return min(answers * ahead // worked, answers * waiting // attempts)


def start_of_day(zone: ZoneInfo, now: int) -> int:
    """When the present local day began (UTC µs)."""
    return _micros(datetime.combine(_local(zone, now).date(), time(), zone))


def _spans(schedule: Sequence[OpenSpan], zone: ZoneInfo, now: int) -> list[tuple[int, int]]:
    """The scheduled times of the present local day, UTC µs, without what two spans have in common counted twice."""
    day = _local(zone, now).date()
    midnight = datetime.combine(day, time(), zone)
    wanted = sorted(
        (_micros(midnight + timedelta(minutes=span.start)), _micros(midnight + timedelta(minutes=span.end)))
        for span in schedule
        if day.weekday() in span.weekdays
    )
    found: list[tuple[int, int]] = []
    for begin, end in wanted:
        after = max(begin, found[-1][1]) if found else begin
        if end > after:
            found.append((after, end))
    return found


def _local(zone: ZoneInfo, now: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=now)).astimezone(zone)


def _micros(instant: datetime) -> int:
    return (instant.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
