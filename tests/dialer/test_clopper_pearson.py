"""The bound agrees with whole numbers, block by block, and costs microseconds."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.clopper_pearson import clopper_pearson_upper, largest_drops

CAP = 0.03


def exact_cdf(x: int, n: int, p: Fraction) -> Fraction:
    return sum((math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(x + 1)), Fraction(0))


@given(st.integers(1, 700), st.sampled_from([0.01, 0.03, 0.05, 0.2]))
@settings(max_examples=60)
def test_the_largest_number_of_drops_agrees_with_whole_numbers(n: int, cap: float) -> None:
    p, limit = Fraction(cap), Fraction(1, 20)
    x = largest_drops(n, cap)
    assert x == -1 or exact_cdf(x, n, p) <= limit
    assert exact_cdf(x + 1, n, p) > limit


def test_every_block_continues_the_one_before() -> None:
    limits = [largest_drops(n, CAP) for n in range(20_000)]
    assert {after - before for before, after in pairwise(limits)} == {0, 1}
    assert [limits.index(x) for x in (0, 1, 2, 3)] == [99, 157, 208, 257]


def test_the_bound_is_where_so_few_have_a_chance_of_5_percent() -> None:
    assert float(exact_cdf(3, 100, Fraction(clopper_pearson_upper(3, 100)))) == pytest.approx(0.05, abs=1e-10)
    assert clopper_pearson_upper(0, 98) == pytest.approx(1 - 0.05 ** (1 / 98), abs=1e-12)
    assert clopper_pearson_upper(0, 0) == clopper_pearson_upper(7, 7) == 1.0


@given(st.integers(1, 200_000), st.sampled_from([0.01, 0.03, 0.05]))
@settings(max_examples=40)
def test_the_bound_and_the_limit_say_the_same(n: int, cap: float) -> None:
    x = largest_drops(n, cap)
    if x >= 0:
        assert clopper_pearson_upper(x, n) <= cap + 1e-12
    assert clopper_pearson_upper(x + 1, n) > cap


@pytest.mark.parametrize(
    ("drops", "answers", "confidence"), [(-1, 10, 0.95), (11, 10, 0.95), (1, 10, 1.0), (0, -1, 0.9)]
)
def test_impossible_counts_have_no_bound(drops: int, answers: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no bound"):
        clopper_pearson_upper(drops, answers, confidence)


def test_caps_at_the_ends() -> None:
    assert largest_drops(1_000, 0.0) == -1
    assert largest_drops(1_000, math.nan) == -1
    assert largest_drops(1_000, 1.0) == 1_000
    assert largest_drops(0, CAP) == largest_drops(-5, CAP) == -1


def test_a_million_answers_cost_microseconds() -> None:
    began = time.process_time()
    for n in range(900_000, 1_000_000):
        largest_drops(n, 0.0301)
    assert time.process_time() - began < 100_000 * 5e-6
    assert (
        largest_drops(1_000_000, CAP) == 29_719
    )  # by decimal arithmetic with 40 digits: cdf 0.04989, of one more 0.05050
