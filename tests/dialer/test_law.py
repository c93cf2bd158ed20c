"""May this person be called now, and if not, from when on. The oracle is zoneinfo's own wall clock, step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.dialer.law import (
    US_RULES,
    Called,
    CapRule,
    HoursRule,
    IntervalRule,
    Rule,
    Rules,
    check_ring_time,
    may_dial,
    opening,
)
from engine.domain.flow import OpenSpan
from engine.domain.values import SECOND
from engine.errors import RefusedByRule

HOUR = 3_600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONLY_HOURS = Rules(caps=(), intervals=())
NEW_YORK = "America/New_York"


def at(zone: str, text: str, *, fold: int = 0) -> int:
    """An instant by a zone's wall clock."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return (local - EPOCH) // timedelta(microseconds=1)


def local(zone: str, now: int) -> datetime:
    return (EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(zone))


def within(rules: Rules, zones: tuple[str, ...], now: int) -> bool:
    """The oracle: what every zone's wall clock shows."""
    for zone in zones:
        shown = local(zone, now)
        minute = shown.hour * 60 + shown.minute
        for hours in rules.hours:
            if not any(shown.weekday() in each.weekdays and each.start <= minute < each.end for each in hours.spans):
                return False
    return True


def hours(*spans: tuple[tuple[int, ...], int, int]) -> Rules:
    made = tuple(OpenSpan(weekdays=days, start=start, end=end) for days, start, end in spans)
    return Rules(hours=(HoursRule(id="calling-hours", spans=made),), caps=(), intervals=())


CHANGES = [
    at("UTC", "2026-03-08T07:00"),  # New York, forward
    at("UTC", "2026-11-01T06:00"),  # New York, back
    at("UTC", "2026-04-04T15:00"),  # Lord Howe, back by half an hour
    at("UTC", "2026-10-03T15:30"),  # Lord Howe, forward by half an hour
    at("UTC", "1991-09-14T17:00"),  # Shanghai's last change
    at("UTC", "1985-12-31T18:30"),  # Kathmandu, by a quarter of an hour
    at("UTC", "2011-12-30T10:00"),  # Apia goes without the 30th of December
    at("UTC", "2021-04-03T14:00"),  # Apia's last change
]
ZONES = st.sampled_from([NEW_YORK, "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])
SEVERAL = st.lists(ZONES, min_size=1, max_size=3).map(tuple)
INSTANTS = st.one_of(
    st.builds(lambda change, away: change + away, st.sampled_from(CHANGES), st.integers(-36 * HOUR, 36 * HOUR)),
    st.integers(at("UTC", "1985-01-01"), at("UTC", "2036-01-01")),
)
SPANS = st.builds(
    lambda days, start, length: (tuple(sorted(days)), start, min(start + length, 1_440)),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1_439),
    st.integers(1, 1_440),
)
WEEKS = st.one_of(st.just(ONLY_HOURS), st.lists(SPANS, min_size=1, max_size=3).map(lambda spans: hours(*spans)))


@given(SEVERAL, WEEKS, INSTANTS)
def test_no_instant_outside_of_local_hours_is_allowed(zones: tuple[str, ...], rules: Rules, now: int) -> None:
    verdict = may_dial(Called(zones=zones), rules, now)
    assert verdict.allowed is within(rules, zones, now)
    assert verdict.allowed is (verdict.rule == "")


@given(SEVERAL, WEEKS, INSTANTS)
@example(("Pacific/Apia",), ONLY_HOURS, at("Pacific/Apia", "2011-12-29T21:00"))
@example((NEW_YORK,), hours(((6,), 150, 160)), at(NEW_YORK, "2026-03-08T01:00"))
def test_until_is_the_first_allowed_instant(zones: tuple[str, ...], rules: Rules, now: int) -> None:
    verdict = may_dial(Called(zones=zones), rules, now)
    if verdict.allowed:
        return
    end = verdict.until or now + 9 * 24 * HOUR
    if verdict.until:
        assert within(rules, zones, verdict.until)
        assert verdict.until > now
        assert not within(rules, zones, verdict.until - 1)
    assert not any(within(rules, zones, each) for each in range(now, min(end, now + 9 * 24 * HOUR), HOUR // 4))


@given(SEVERAL, WEEKS, INSTANTS)
def test_an_opening_lasts_until_it_says(zones: tuple[str, ...], rules: Rules, now: int) -> None:
    is_open, until = opening(zones, rules, now)
    assert is_open is within(rules, zones, now)
    if until:
        assert until > now
        edge = within(rules, zones, until)
        assert edge is not is_open or 59 * 24 * HOUR <= until - now <= 61 * 24 * HOUR  # local days: clocks may change
        assert within(rules, zones, until - 1) is is_open
        assert all(within(rules, zones, each) is is_open for each in range(now, min(until, now + 48 * HOUR), HOUR // 4))


def test_the_day_that_apia_left_out() -> None:
    verdict = may_dial(Called(zones=("Pacific/Apia",)), US_RULES, at("Pacific/Apia", "2011-12-29T21:00"))
    assert verdict.until == at("Pacific/Apia", "2011-12-31T08:00")


def test_an_hour_that_the_clock_skips_and_one_that_comes_twice() -> None:
    early = hours((tuple(range(7)), 150, 300))  # 02:30 to 05:00
    before = at(NEW_YORK, "2026-03-08T01:59")
    assert may_dial(Called(zones=(NEW_YORK,)), early, before).until == at(NEW_YORK, "2026-03-08T03:00")
    twice = hours((tuple(range(7)), 60, 120))  # 01:00 to 02:00
    now = at(NEW_YORK, "2026-11-01T01:30")
    assert opening((NEW_YORK,), twice, now) == (True, at(NEW_YORK, "2026-11-01T01:30", fold=1) + HOUR // 2)


def test_the_strictest_of_all_zones_counts() -> None:
    zones = (NEW_YORK, "America/Chicago")
    assert may_dial(Called(zones=zones), US_RULES, at(NEW_YORK, "2026-06-03T08:30")) == may_dial(
        Called(zones=zones[::-1]), US_RULES, at(NEW_YORK, "2026-06-03T08:30")
    )
    assert may_dial(Called(zones=zones), US_RULES, at(NEW_YORK, "2026-06-03T08:30")).until == at(
        NEW_YORK, "2026-06-03T09:00"
    )
    assert not may_dial(Called(zones=zones), US_RULES, at(NEW_YORK, "2026-06-03T21:00")).allowed
    assert may_dial(Called(zones=zones), US_RULES, at(NEW_YORK, "2026-06-03T20:59")).allowed


def test_zones_that_never_agree_and_hours_that_never_open() -> None:
    zones = ("Pacific/Apia", NEW_YORK, "Asia/Kathmandu", "Europe/London")
    morning = hours((tuple(range(7)), 480, 540))
    now = at("UTC", "2026-06-03T12:00")
    assert opening(zones, morning, now) == (False, 0)
    assert may_dial(Called(zones=zones), morning, now).until == 0
    assert opening((NEW_YORK,), hours(), now) == (False, 0)
    assert opening((NEW_YORK,), Rules(hours=()), now) == (True, now + 60 * 24 * HOUR)


@pytest.mark.parametrize("zones", [(), ("Mars/Olympus",), (NEW_YORK, "../etc/passwd"), ("",)])
def test_without_a_known_place_nobody_is_called(zones: tuple[str, ...]) -> None:
    now = at(NEW_YORK, "2026-06-03T12:00")
    verdict = may_dial(Called(zones=zones), US_RULES, now)
    assert (verdict.allowed, verdict.rule, verdict.until) == (False, "time-zone-unknown", 0)
    assert opening(zones, US_RULES, now) == (False, 0)


# --- do not call, caps and intervals ---------------------------------------------------------------------------------

NOON = at(NEW_YORK, "2026-06-03T12:00")


def called(*attempts: int, do_not_call: bool = False, abandoned_at: int = 0) -> Called:
    return Called(zones=(NEW_YORK,), attempts=attempts, do_not_call=do_not_call, abandoned_at=abandoned_at)


def test_who_asked_not_to_be_called_never_is() -> None:
    verdict = may_dial(called(do_not_call=True), US_RULES, NOON)
    assert (verdict.rule, verdict.until) == ("do-not-call", 0)
    assert "16 CFR" in verdict.says


def test_the_daily_cap_and_when_it_frees_a_call() -> None:
    first, second, third = NOON - 20 * HOUR, NOON - 5 * HOUR, NOON - 2 * HOUR
    assert may_dial(called(first, second), US_RULES, NOON).allowed
    verdict = may_dial(called(third, first, second), US_RULES, NOON)
    assert (verdict.rule, verdict.until) == ("daily-cap", first + 24 * HOUR)
    assert may_dial(called(third, first, second), US_RULES, verdict.until).allowed
    assert may_dial(called(first - 5 * HOUR, second, third), US_RULES, NOON).allowed


def test_a_cap_that_ends_at_night_ends_in_the_morning() -> None:
    attempts = [at(NEW_YORK, "2026-06-02T20:30") + each * SECOND for each in (0, 1, 2)]
    rules = Rules(caps=(CapRule(id="daily-cap", limit=3, within_s=86_400 + 3_600),))
    assert may_dial(called(*attempts), rules, NOON).until == at(NEW_YORK, "2026-06-04T08:00")


def test_the_interval() -> None:
    verdict = may_dial(called(NOON - HOUR + 1), US_RULES, NOON)
    assert (verdict.rule, verdict.until) == ("interval", NOON + 1)
    assert may_dial(called(NOON - HOUR), US_RULES, NOON).allowed


def test_who_was_abandoned_is_left_alone() -> None:
    rules = Rules(after_abandoned=(IntervalRule(id="abandoned-72-h", seconds=72 * 3_600),))
    verdict = may_dial(called(abandoned_at=NOON - 5 * HOUR), rules, NOON)
    assert (verdict.rule, verdict.until) == ("abandoned-72-h", NOON + 68 * HOUR)  # 67 h end at 7 in the morning
    assert may_dial(called(abandoned_at=NOON - 5 * HOUR), US_RULES, NOON).allowed
    assert rules.look_back_us() == 72 * HOUR
    assert US_RULES.look_back_us() == 24 * HOUR


def test_a_cap_of_nothing_never_ends() -> None:
    verdict = may_dial(called(), Rules(caps=(CapRule(id="none", limit=0),)), NOON)
    assert (verdict.rule, verdict.until) == ("none", 0)


@given(
    st.lists(st.integers(-50, 0), max_size=8).map(lambda ages: tuple(NOON + age * HOUR for age in ages)),
    st.integers(0, 48 * HOUR),
)
def test_until_holds_for_all_rules_together(attempts: tuple[int, ...], later: int) -> None:
    verdict = may_dial(called(*attempts), US_RULES, NOON + later)
    if not verdict.allowed:
        assert may_dial(called(*attempts), US_RULES, verdict.until).allowed
        assert not may_dial(called(*attempts), US_RULES, verdict.until - 1).allowed


def test_the_first_rule_in_order_is_named_with_its_words() -> None:
    night = at(NEW_YORK, "2026-06-03T23:05")
    verdict = may_dial(called(night, night, night), US_RULES, night)
    assert verdict.rule == "calling-hours"
    assert verdict.says == (
        "it is Wed 23:05 in America/New_York; calls are allowed 08:00-21:00 (16 CFR 310.4(c): 8:00 to 21:00 local time)"
    )


def test_rules_are_data() -> None:
    texas = HoursRule(
        id="tx-hours",
        source="Texas 301.051",
        spans=(OpenSpan(weekdays=tuple(range(6)), start=540, end=1_260), OpenSpan(weekdays=(6,), start=720, end=1_260)),
    )
    rules = Rules(hours=(*US_RULES.hours, texas), do_not_call=Rule(id="dnc"))
    assert msgspec.json.decode(msgspec.json.encode(rules), type=Rules) == rules
    sunday = at("America/Chicago", "2026-06-07T10:00")
    verdict = may_dial(Called(zones=("America/Chicago",)), rules, sunday)
    assert (verdict.rule, verdict.until) == ("tx-hours", sunday + 2 * HOUR)
    assert "Mon/Tue/Wed/Thu/Fri/Sat 09:00-21:00, Sun 12:00-21:00" in verdict.says


@pytest.mark.parametrize("ring_s", [14.9, 0.0, -1.0, float("nan")])
def test_a_short_ring_is_refused(ring_s: float) -> None:
    with pytest.raises(RefusedByRule, match="too short"):
        check_ring_time(ring_s)
    check_ring_time(15.0)
