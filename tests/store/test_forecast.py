"""What is still to come of a day: never more than the schedule and the list give."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.flow import OpenSpan
from engine.domain.values import SECOND
from engine.store.forecast import answers_to_come, start_of_day

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = (OpenSpan(weekdays=(0, 1, 2, 3, 4), start=9 * 60, end=17 * 60),)
HOUR = 3_600 * SECOND


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * SECOND


def to_come(now: int, **changes: int) -> int:
    known = {"answers": 100, "attempts": 400, "waiting": 100_000, "since": start_of_day(BERLIN, now), **changes}
    return answers_to_come(WEEK, BERLIN, now, **known)


def test_what_came_each_hour_goes_on_until_the_schedules_end() -> None:
    assert to_come(at("2026-11-23T11:00")) == 300


def test_the_list_has_no_more_to_give_than_its_leads() -> None:
    assert to_come(at("2026-11-23T11:00"), waiting=40) == 10


def test_at_the_end_of_the_day_nothing_comes_and_on_a_sunday_nothing_is_known() -> None:
    assert to_come(at("2026-11-23T17:30")) == 0
    assert to_come(at("2026-11-22T11:00")) == 0


def test_a_day_that_has_hardly_begun_tells_nothing() -> None:
    assert to_come(at("2026-11-23T09:20")) == 0
    assert to_come(at("2026-11-23T11:00"), attempts=20) == 0


def test_a_campaign_that_began_at_ten_is_reckoned_from_then() -> None:
    now = at("2026-11-23T11:00")
    assert to_come(now, since=now - HOUR) == 600


def test_spans_that_overlap_count_once() -> None:
    now = at("2026-11-23T11:00")
    twice = (*WEEK, OpenSpan(weekdays=(0,), start=8 * 60, end=17 * 60))
    known = {"since": start_of_day(BERLIN, now), "answers": 90, "attempts": 400, "waiting": 100_000}
    assert answers_to_come(twice, BERLIN, now, **known) == 180


@given(now=st.integers(at("2026-03-23T00:00"), at("2026-04-03T00:00")), answers=st.integers(0, 10_000))
def test_it_is_never_negative_and_never_more_than_the_list(now: int, answers: int) -> None:
    assert 0 <= to_come(now, answers=answers, attempts=10_000, waiting=500) <= max(0, answers * 500 // 10_000)
