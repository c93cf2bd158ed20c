"""What becomes of attempt number k, and values over the day."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.simulation.fates import BUSY, SECOND, Fates, Picks
from engine.simulation.series import MINUTE, area, linear
from tests.simulation.studio import scenario


def fates(rate: float = 0.3, machines: float = 0.2, **changes: object) -> Fates:
    return Fates(scenario(rate=rate, machines=machines, **changes).campaigns[0].calls, 0, "list", seed=3)


def test_shares_are_those_of_the_scenario() -> None:
    people = fates()
    drawn = [people.dialled(number, 0) for number in range(20_000)]
    picks = Counter(each for each, _, _ in drawn)
    assert picks[Picks.PERSON] / 20_000 == pytest.approx(0.3, abs=0.01)
    assert picks[Picks.MACHINE] / 20_000 == pytest.approx(0.2, abs=0.01)
    fast = sum(1 for each, _, cause in drawn if each is Picks.NOBODY and cause == BUSY)
    assert fast / picks[Picks.NOBODY] == pytest.approx(0.1067, abs=0.01)
    assert max(after for _, after, _ in drawn) <= 25 * SECOND


@given(st.integers(0, 2_000), st.floats(0, 0.8), st.floats(0, 0.8))
def test_who_answers_at_a_low_rate_answers_at_a_higher_one(number: int, one: float, other: float) -> None:
    low, high = (fates(rate=rate).dialled(number, 0) for rate in sorted((one, other)))
    if low[0] is Picks.PERSON:
        assert high == low
    assert (high[0] is Picks.MACHINE) == (low[0] is Picks.MACHINE)


def test_the_detection_errs_as_often_as_it_says() -> None:
    erring = fates(false_positive=0.05, false_negative=0.1)
    taken = [erring.called_machine(number, Picks.PERSON) for number in range(20_000)]
    assert sum(taken) / 20_000 == pytest.approx(0.05, abs=0.005)
    seen = [erring.called_machine(number, Picks.MACHINE) for number in range(20_000)]
    assert sum(seen) / 20_000 == pytest.approx(0.9, abs=0.01)


def test_values_between_points_lie_on_the_line() -> None:
    at = linear(((0, 0.2), (10, 0.4), (11, 0.1)))
    assert [at(minute * MINUTE) for minute in (0, 5, 10, 11, 60)] == pytest.approx([0.2, 0.3, 0.4, 0.1, 0.1])
    assert linear(((0, 0.2),))(5 * MINUTE) == 0.2


def test_the_area_under_steps() -> None:
    steps = ((0, 10), (30, 20), (90, 0))
    assert area(steps, 0, 120 * MINUTE) == 10 * 1800 + 20 * 3600
    assert area(steps, 60 * MINUTE, 120 * MINUTE) == 20 * 1800
    assert area(steps, 0, 60 * MINUTE) == 10 * 1800 + 20 * 1800
