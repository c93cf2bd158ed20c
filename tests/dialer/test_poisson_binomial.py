"""The balance of agents and claims, against adding up every case."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.poisson_binomial import ExactBalance, Floats, NormalBalance

chance = st.floats(min_value=0.0, max_value=1.0)


def brute(base: int, chances: list[float], idle: float, others: int) -> float:
    """The chance of a balance of zero or less, by every combination."""
    variables = [(each, 1, 0) for each in chances] + [(idle, 0, -1)] * others
    total = 0.0
    for outcome in itertools.product((True, False), repeat=len(variables)):
        weight, value = 1.0, base
        for happened, (each, plus, minus) in zip(outcome, variables, strict=True):
            weight *= each if happened else 1.0 - each
            value += plus if happened else minus
        total += weight if value <= 0 else 0.0
    return total


def exact(base: int, chances: Floats, idle: Floats, arrivals: Floats | None = None) -> ExactBalance:
    return ExactBalance(base, chances, idle, arrivals, max(base, 0) + len(chances))


@settings(max_examples=60)
@given(
    base=st.integers(min_value=-6, max_value=5),
    chances=st.lists(chance, min_size=1, max_size=6),
    idle=chance,
    others=st.integers(min_value=0, max_value=4),
)
def test_exact_is_what_every_case_adds_up_to(base: int, chances: list[float], idle: float, others: int) -> None:
    balance = exact(base, np.array(chances)[:, None], np.array([idle]))
    assert balance.short(others)[0] == pytest.approx(brute(base, chances, idle, others), abs=1e-9)


@settings(max_examples=40)
@given(
    seed=st.integers(min_value=0, max_value=10_000),
    base=st.integers(min_value=-30, max_value=15),
    size=st.integers(min_value=0, max_value=60),
)
def test_more_calls_never_lower_the_risk(seed: int, base: int, size: int) -> None:
    dice = np.random.default_rng(seed)
    chances = np.sort(dice.random((size, 12)), axis=1)
    idle = 1.0 - np.sort(dice.random(12)) * 0.4
    balance = exact(base, chances, idle)
    risks = np.array([balance.short(others) for others in range(12)])
    assert ((risks >= 0.0) & (risks <= 1.0)).all()
    assert (np.diff(risks, axis=0) >= -1e-9).all()


def test_arrivals_from_elsewhere_are_poisson() -> None:
    balance = exact(2, np.zeros((1, 1)), np.array([1.0]), np.array([1.5]))
    at_most_one = np.exp(-1.5) * (1.0 + 1.5)
    assert balance.short(0)[0] == pytest.approx(1.0 - at_most_one, abs=1e-9)


def test_the_normal_approximation_is_close_where_it_is_used() -> None:
    dice = np.random.default_rng(7)
    for _ in range(50):
        chances = np.sort(dice.beta(0.7, 2.0, size=(80, 12)), axis=1)
        idle = 1.0 - np.linspace(0.01, 0.2, 12)
        arrivals = np.linspace(0.0, 2.0, 12)
        spread = chances * (1.0 - chances)
        moments = np.stack([chances.sum(axis=0), spread.sum(axis=0), (spread * (1.0 - 2.0 * chances)).sum(axis=0)])
        base = -int(moments[0][6]) + int(dice.integers(-1, 4))
        normal = NormalBalance(base, moments, idle, arrivals).short(3)
        assert np.abs(normal - exact(base, chances, idle, arrivals).short(3)).max() < 0.01
