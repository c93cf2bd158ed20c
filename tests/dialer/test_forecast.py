"""Forecasts: the published figures come back, and what lies between them is sane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dialer.forecast import Conditions, needs, predictive, progressive


def at(agents: int, rate: float, handle_s: float = 150.0, ring_s: float = 10.0, cap: float = 0.03) -> Conditions:
    return Conditions(agents=agents, answer_rate=rate, handle_s=handle_s, answer_s=ring_s, fail_s=ring_s, cap=cap)


@pytest.mark.parametrize(("rate", "utilisation"), [(0.3, 0.818), (0.1, 0.600)])
def test_progressive_is_the_formula(rate: float, utilisation: float) -> None:
    assert progressive(at(10, rate)) == pytest.approx(utilisation, abs=0.001)


def test_progressive_of_the_simulated_world() -> None:
    """S 140 s, R 11 s, what fails rings 21.9 s: 58.4 % was simulated at p = 0.2."""
    world = Conditions(agents=30, answer_rate=0.2, handle_s=140.0, answer_s=11.0, fail_s=22.2)
    assert progressive(world) == pytest.approx(0.584, abs=0.005)


@pytest.mark.parametrize(
    ("agents", "rate", "utilisation"),
    [(5, 0.3, 0.857), (10, 0.1, 0.843), (20, 0.6, 0.926), (50, 1.0, 0.958), (100, 0.3, 0.963), (200, 0.3, 0.977)],
)
def test_predictive_is_the_table(agents: int, rate: float, utilisation: float) -> None:
    assert predictive(at(agents, rate)) == pytest.approx(utilisation, abs=0.002)


@pytest.mark.parametrize(
    ("agents", "handle_s", "ring_s", "cap", "utilisation"),
    [(20, 60.0, 12.0, 0.03, 0.857), (50, 300.0, 10.0, 0.03, 0.958), (50, 150.0, 10.0, 0.01, 0.928)],
)
def test_predictive_follows_handling_and_cap(
    agents: int, handle_s: float, ring_s: float, cap: float, utilisation: float
) -> None:
    assert predictive(at(agents, 0.3, handle_s, ring_s, cap)) == pytest.approx(utilisation, abs=0.004)


def test_one_agent_cannot_be_predicted_for() -> None:
    alone = at(1, 0.3)
    assert predictive(alone) == progressive(alone)
    assert progressive(alone) < predictive(at(3, 0.3)) < predictive(at(5, 0.3))


@given(
    agents=st.integers(0, 2000),
    rate=st.floats(0.0, 1.0),
    handle_s=st.floats(1.0, 3000.0),
    answer_s=st.floats(1.0, 30.0),
    fail_s=st.floats(1.0, 60.0),
    cap=st.floats(0.0, 1.0),
)
def test_always_between_progressive_and_everything(
    agents: int, rate: float, handle_s: float, answer_s: float, fail_s: float, cap: float
) -> None:
    world = Conditions(agents=agents, answer_rate=rate, handle_s=handle_s, answer_s=answer_s, fail_s=fail_s, cap=cap)
    assert 0.0 < progressive(world) <= predictive(world) <= 1.0


def test_what_it_takes() -> None:
    """Ten agents at 90 % and 150 s: 0.06 connects a second, at p = 0.3 0.2 dials a second, two lines ring."""
    wanted = needs(at(10, 0.3), 0.9)
    assert wanted.calls_per_second == pytest.approx(0.2)
    assert wanted.lines == pytest.approx(11.0)
