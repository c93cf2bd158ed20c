"""Hours of a week in words, and those of them in which nobody may be called after all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from engine.dialer.law import DAYS, HoursRule
from engine.domain.flow import OpenSpan

DAY_MINUTES: Final = 24 * 60
_OURS: Final = "ours"
"""The source of a rule that is no law: somebody asked for these hours."""


def said(spans: Sequence[OpenSpan]) -> str:
    """Times of a week: `Mon-Fri 09:00-20:00, Sat 10:30-18:00`. What runs past midnight is one span again."""
    left = [(tuple(sorted(each.weekdays)), each.start, each.end) for each in spans]
    told = []
    while left:
        days, start, end = left.pop(0)
        following = tuple(sorted((day + 1) % 7 for day in days))
        morning = next((each for each in left if each[:2] == (following, 0) and each[2] < start), None)
        if end == DAY_MINUTES and morning is not None:
            left.remove(morning)
            end = morning[2]
        told.append(f"{_days(days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    return ", ".join(told) or "never"


def in_vain(rules: Sequence[HoursRule]) -> Iterator[tuple[HoursRule, tuple[OpenSpan, ...]]]:
    """The hours that somebody asked for and that another rule forbids: the rule that asks, and what of it is lost."""
    for place, rule in enumerate(rules):
        if rule.source != _OURS:
            continue
        lost = _minutes(rule.spans) - _common([*rules[:place], *rules[place + 1 :]])
        if lost:
            yield rule, spans_of(lost)


def never(rules: Sequence[HoursRule]) -> bool:
    """Whether no minute of the week is within all of these hours."""
    return bool(rules) and not _common(rules)


def open_minutes(rules: Sequence[HoursRule], schedule: Sequence[OpenSpan]) -> list[int]:
    """Minutes of each weekday, Monday first, that are within all rules, and in the schedule if there is one."""
    found = _common(rules)
    if schedule:
        found &= _minutes(schedule)
    return [sum(1 for minute in found if minute // DAY_MINUTES == day) for day in range(7)]


def spans_of(minutes: Iterable[int]) -> tuple[OpenSpan, ...]:
    """Spans that hold these minutes of the week (0: Monday 00:00) and no others."""
    runs: dict[tuple[int, int], list[int]] = {}
    wanted = set(minutes)
    for day in range(7):
        first = day * DAY_MINUTES
        inside = [first + minute in wanted for minute in range(DAY_MINUTES)] + [False]
        start = 0
        for minute, is_in in enumerate(inside):
            if is_in:
                continue
            if minute > start:
                runs.setdefault((start, minute), []).append(day)
            start = minute + 1
    return tuple(OpenSpan(weekdays=tuple(days), start=start, end=end) for (start, end), days in sorted(runs.items()))


def _common(rules: Sequence[HoursRule]) -> set[int]:
    return _all_week().intersection(*(_minutes(rule.spans) for rule in rules))


def _all_week() -> set[int]:
    return set(range(7 * DAY_MINUTES))


def _minutes(spans: Iterable[OpenSpan]) -> set[int]:
    return {
        day * DAY_MINUTES + minute for span in spans for day in span.weekdays for minute in range(span.start, span.end)
    }


def _days(days: Sequence[int]) -> str:
    if len(days) == 7:
        return "every day"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return "/".join(DAYS[day] for day in days)
