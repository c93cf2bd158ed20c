from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.flow import Hours, OpenSpan
from engine.flows.hours import DAY_MINUTES, DAYS, is_open, parse_span


def hours(*spans: str, timezone: str = "UTC", holidays: tuple[str, ...] = ()) -> Hours:
    parsed = tuple(each for span in spans for each in parse_span(span))
    return Hours(timezone=timezone, spans=parsed, open="o", closed="c", holidays=holidays)


def micros(text: str, timezone: str = "UTC") -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone))
    return int(at.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("mon-fri 09:00-17:30", [((0, 1, 2, 3, 4), 540, 1050)]),
        ("sat 9:00-12:00", [((5,), 540, 720)]),
        ("mon,wed-thu 00:00-24:00", [((0, 2, 3), 0, 1440)]),
        ("sat-mon 10:00 - 11:00", [((0, 5, 6), 600, 660)]),
        ("FRI 22:00-02:00", [((4,), 1320, 1440), ((5,), 0, 120)]),
        ("sun 22:00-02:00", [((6,), 1320, 1440), ((0,), 0, 120)]),
        ("mon 22:00-00:00", [((0,), 1320, 1440)]),
    ],
)
def test_spans(text: str, spans: list[tuple[tuple[int, ...], int, int]]) -> None:
    assert [(s.weekdays, s.start, s.end) for s in parse_span(text)] == spans


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "shape"),
        ("mon-fri", "shape"),
        ("mon-fri 9-17", "shape"),
        ("mo-fri 09:00-17:00", "`mo` is no day"),
        ("mon-fri-sun 09:00-17:00", "`fri-sun` is no day"),
        ("mon, 09:00-17:00", "`` is no day"),
        ("mon 09:60-17:00", "`09:60` is no time"),
        ("mon 09:00-24:01", "`24:01` is no time"),
        ("mon 09:00-09:00", "never open"),
        ("mon 24:00-09:00", "never open"),
        ("mon ٠9:00-17:00", "shape"),
    ],
)
def test_wrong_spans(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_span(text)


def test_the_end_is_exclusive() -> None:
    node = hours("mon 09:00-17:30")
    assert not is_open(node, micros("2026-11-23T08:59:59.999999"))
    assert is_open(node, micros("2026-11-23T09:00"))
    assert is_open(node, micros("2026-11-23T17:29:59.999999"))
    assert not is_open(node, micros("2026-11-23T17:30"))
    assert not is_open(node, micros("2026-11-24T12:00"))


def test_local_time_through_the_change_to_summer_time() -> None:
    node = hours("mon-sun 09:00-17:00", timezone="Europe/London")
    assert is_open(node, micros("2026-03-28T09:00"))  # GMT
    assert is_open(node, micros("2026-03-29T08:00"))  # BST: 09:00 on the wall
    assert not is_open(node, micros("2026-03-29T07:59"))
    assert not is_open(node, micros("2026-03-29T16:00"))


def test_the_weekday_is_the_zones() -> None:
    node = hours("mon 00:00-24:00", timezone="Asia/Shanghai")
    assert is_open(node, micros("2026-11-22T16:00"))  # Monday 00:00 in Shanghai, still Sunday in UTC
    assert not is_open(node, micros("2026-11-23T16:00"))


def test_a_holiday_closes_its_local_date() -> None:
    node = hours("mon-sun 00:00-24:00", timezone="Asia/Shanghai", holidays=("2027-01-01",))
    assert is_open(node, micros("2026-12-31T23:59", "Asia/Shanghai"))
    assert not is_open(node, micros("2027-01-01T00:00", "Asia/Shanghai"))
    assert is_open(node, micros("2027-01-02T00:00", "Asia/Shanghai"))


_minutes = st.integers(0, DAY_MINUTES - 1)


@given(st.lists(st.sampled_from(DAYS), min_size=1, max_size=3), _minutes, _minutes, st.integers(0, 7 * DAY_MINUTES - 1))
def test_agrees_with_a_walk_through_the_week(days: list[str], start: int, end: int, at: int) -> None:
    if start == end:
        return
    length = (end - start) % DAY_MINUTES
    open_minutes = {
        (DAYS.index(day) * DAY_MINUTES + start + offset) % (7 * DAY_MINUTES) for day in days for offset in range(length)
    }
    text = f"{','.join(days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    monday = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=at)
    assert is_open(hours(text), int(monday.timestamp()) * 1_000_000) == (at in open_minutes)


def test_spans_are_values() -> None:
    assert parse_span("mon 09:00-10:00") == (OpenSpan(weekdays=(0,), start=540, end=600),)
