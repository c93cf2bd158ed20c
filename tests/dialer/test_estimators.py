"""The answer rate, from dials of which many still ring."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.estimators import MEMORY, AnswerRate, increments
from engine.dialer.hazards import Histogram, lognormal

S = 1_000_000
HALF = 500_000
START = 1_700_000_000 * S
EARNED = increments(Histogram(weights=lognormal(11.0, 5.0, 200.0)).cdf())


class Line:
    """Dials at a steady pace; people answer after 11 s on average."""

    def __init__(self, prior: float, seed: int = 1, per_half_second: int = 1) -> None:
        self.rate = AnswerRate(prior=prior)
        self._dice = np.random.default_rng(seed)
        self._pace = per_half_second
        self._answers: dict[int, int] = {}
        self.now = START

    def run(self, seconds: float, true: Callable[[int], float]) -> None:
        for _ in range(int(seconds * 2)):
            self.now += HALF
            for _ in range(self._answers.pop(self.now, 0)):
                self.rate.answered()
            self.rate.advance(self.now, EARNED)
            for _ in range(self._pace):
                self.rate.dialled(self.now)
                if self._dice.random() < true(self.now):
                    after = max(1, round(float(self._dice.lognormal(2.304, 0.433)) * 2))
                    at = self.now + after * HALF
                    self._answers[at] = self._answers.get(at, 0) + 1


def test_every_dial_earns_one_answers_worth() -> None:
    assert float(EARNED.sum()) == pytest.approx(1.0, abs=1e-6)
    assert (EARNED >= 0.0).all()


@settings(max_examples=15)
@given(true=st.sampled_from([0.05, 0.2, 0.4, 0.7]), seed=st.integers(min_value=0, max_value=999))
def test_it_finds_the_rate_whatever_was_believed(true: float, seed: int) -> None:
    line = Line(prior=0.3, seed=seed)
    line.run(900, lambda _: true)
    assert abs(line.rate.mean - true) < 5.0 * np.sqrt(true * (1 - true) / (MEMORY / 2)) + 0.01


def test_calls_that_still_ring_do_not_bias_it() -> None:
    """In the first 8 s most answers are still to come; counting what has ended would say much more or much less."""
    found = []
    for seed in range(60):
        line = Line(prior=0.3, seed=seed, per_half_second=10)
        line.run(8, lambda _: 0.3)
        found.append(line.rate.mean)
    assert abs(float(np.mean(found)) - 0.3) < 0.02


@pytest.mark.parametrize(("before", "after"), [(0.15, 0.55), (0.5, 0.2)])
def test_a_step_is_noticed_within_a_minute(before: float, after: float) -> None:
    line = Line(prior=before, seed=3)
    line.run(1200, lambda _: before)
    line.run(60, lambda _: after)
    assert line.rate.steps >= 1
    assert abs(line.rate.mean - after) < 0.15
    line.run(300, lambda _: after)
    assert abs(line.rate.mean - after) < 0.1


def test_a_steady_rate_seldom_looks_like_a_step() -> None:
    line = Line(prior=0.3, seed=5)
    line.run(3 * 3600, lambda _: 0.3)
    assert line.rate.steps <= 3


def test_a_long_pause_ends_every_call_in_flight() -> None:
    rate = AnswerRate(prior=0.3)
    rate.advance(START, EARNED)
    for _ in range(100):
        rate.dialled(START)
    rate.advance(START + 3600 * S, EARNED)
    assert rate.exposure == pytest.approx(100.0, rel=0.01) or rate.steps == 1
    assert sum(rate.cohorts) == 0
    assert rate.mean < 0.1


@given(st.lists(st.sampled_from(["dial", "answer", "wait", "back"]), max_size=200))
def test_it_is_a_share_whatever_happens(happenings: list[str]) -> None:
    rate, now = AnswerRate(prior=0.3), START
    for each in happenings:
        if each == "dial":
            rate.dialled(now)
        elif each == "answer":
            rate.answered()
        else:
            now += 700_000 if each == "wait" else -300_000
            rate.advance(now, EARNED)
        assert 0.0 < rate.mean < 1.0
        assert rate.deviation >= 0.0
