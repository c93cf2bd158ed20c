"""Local days and instants, on days when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.values import SECOND
from engine.errors import ConfigError, UsageError
from engine.store.calendar import instant, intervals, micros, zone

HOUR = 3600 * SECOND
ZONES = ["Europe/Paris", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_has_the_hours_it_has(day: str, hours: int) -> None:
    paris = zone("Europe/Paris")
    start, end = instant(day, paris), instant(day, paris, end=True)
    assert end - start == hours * HOUR
    assert len(list(intervals(start, end, paris))) == 1
    assert len(list(intervals(start, end, paris, timedelta(hours=1)))) == hours
    assert len(list(intervals(start, end, paris, timedelta(minutes=30)))) == 2 * hours


def test_instants_are_local_unless_they_say_otherwise() -> None:
    shanghai = zone("Asia/Shanghai")
    eight = micros(datetime(2026, 6, 1, 0, 30, tzinfo=UTC))
    assert instant("2026-06-01T08:30", shanghai) == eight
    assert instant("2026-06-01T00:30Z", shanghai) == eight
    assert instant("2026-06-01T02:30:00+02:00", shanghai) == eight


def test_an_hour_that_comes_twice_is_taken_whole() -> None:
    paris = zone("Europe/Paris")
    length = instant("2026-10-25T02:59", paris, end=True) - instant("2026-10-25T02:00", paris)
    assert length == HOUR + 59 * 60 * SECOND
    skipped = "2026-03-29T02:30"
    assert instant(skipped, paris) == instant(skipped, paris, end=True) == instant("2026-03-29T03:30", paris)


@given(
    name=st.sampled_from(ZONES),
    start=st.integers(min_value=1_700_000_000 * SECOND, max_value=1_900_000_000 * SECOND),
    length=st.integers(min_value=1, max_value=4 * 24 * HOUR),
    step=st.sampled_from([None, 15, 30, 60, 240]),
)
def test_intervals_cover_the_time_once(name: str, start: int, length: int, step: int | None) -> None:
    width = None if step is None else timedelta(minutes=step)
    parts = list(intervals(start, start + length, zone(name), width))
    assert parts[0].from_us == start
    assert parts[-1].to_us == start + length
    assert all(one.to_us == two.from_us for one, two in pairwise(parts))
    assert all(part.from_us < part.to_us for part in parts)
    assert all(micros(datetime.fromisoformat(part.start)) == part.from_us for part in parts)


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(
    "text", ["0001-01-01", "1969-01-01", "9999-12-31", "9999-12-31T23:59", "0001-01-01T00:00+14:00"]
)
def test_the_ends_of_the_calendar_are_refused(name: str, text: str) -> None:
    for end in (False, True):
        with pytest.raises(UsageError, match="no date or time"):
            instant(text, zone(name), end=end)


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(UsageError, match="--to"):
        instant("tomorrow", zone("UTC"), end=True)
    for wrong in ("Mars/Olympus", "", "../etc"):
        with pytest.raises(ConfigError, match="time zone"):
            zone(wrong)
