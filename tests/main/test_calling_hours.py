"""Hours of a week: told in words, and what of them is lost to other rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.dialer.law import HoursRule
from engine.domain.flow import OpenSpan
from engine.flows.hours import parse_span
from engine.main import calling_hours

LEGAL = HoursRule(id="calling-hours", source="16 CFR 310.4(c)")
_SPANS = st.builds(
    lambda days, start, length: OpenSpan(weekdays=tuple(sorted(days)), start=start, end=min(1440, start + length)),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)


def ours(*texts: str) -> HoursRule:
    """Hours that somebody asks for."""
    return HoursRule(
        id="campaign-hours", source="ours", spans=tuple(span for text in texts for span in parse_span(text))
    )


def test_spans_are_told_as_people_write_them() -> None:
    assert calling_hours.said(ours("mon-fri 9:00-20:00", "sat 10:30-18:00").spans) == (
        "Mon-Fri 09:00-20:00, Sat 10:30-18:00"
    )
    assert calling_hours.said(ours("mon-sun 8:00-24:00").spans) == "every day 08:00-24:00"
    assert calling_hours.said(ours("mon,wed 8:00-9:00").spans) == "Mon/Wed 08:00-09:00"
    assert calling_hours.said(()) == "never"


def test_a_night_is_one_span() -> None:
    for text in ("mon-fri 22:00-06:00", "fri 21:30-00:30", "mon-sun 22:00-06:00"):
        assert calling_hours.said(ours(text).spans).count(",") == 0
    assert calling_hours.said(ours("mon-fri 22:00-06:00").spans) == "Mon-Fri 22:00-06:00"


def test_what_is_asked_for_outside_the_law_is_lost() -> None:
    [(rule, lost)] = calling_hours.in_vain([LEGAL, ours("sat 18:00-22:30")])
    assert (rule.id, calling_hours.said(lost)) == ("campaign-hours", "Sat 21:00-22:30")
    assert not list(calling_hours.in_vain([LEGAL, ours("mon-fri 9:00-20:00")]))
    assert not list(calling_hours.in_vain([ours("mon-fri 22:00-06:00")]))


def test_nothing_may_be_left() -> None:
    assert calling_hours.never([LEGAL, ours("mon-fri 22:00-06:00")])
    assert not calling_hours.never([LEGAL, ours("mon-fri 20:00-06:00")])
    assert not calling_hours.never([])


def test_open_minutes_by_day() -> None:
    schedule = parse_span("mon-tue 20:00-22:00")
    assert calling_hours.open_minutes([LEGAL], schedule) == [60, 60, 0, 0, 0, 0, 0]
    assert calling_hours.open_minutes([], ()) == [1440] * 7


@given(st.lists(_SPANS, max_size=4))
def test_minutes_and_spans_agree(spans: list[OpenSpan]) -> None:
    minutes = {day * 1440 + minute for span in spans for day in span.weekdays for minute in range(span.start, span.end)}
    back = calling_hours.spans_of(minutes)
    assert minutes == {day * 1440 + m for span in back for day in span.weekdays for m in range(span.start, span.end)}
    assert len({(span.start, span.end) for span in back}) == len(back)
