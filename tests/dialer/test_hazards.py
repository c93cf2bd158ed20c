"""Histograms of durations, and the chances that follow from them."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.hazards import BINS, EDGES_S, Clocks, Histogram, Tables, bin_of, bins_of, lognormal, mixed

S = 1_000_000
GRACE_S = 1.7


def clocks(talk: Histogram | None = None) -> Clocks:
    return Clocks(
        answered=Histogram(weights=lognormal(11.0, 5.0, 200.0)),
        failed=Histogram(weights=mixed(lognormal(3.0, 1.0, 30.0), lognormal(25.0, 0.3, 170.0))),
        talk=talk or Histogram(weights=lognormal(120.0, 120.0, 200.0)),
        wrap=Histogram(weights=lognormal(20.0, 8.0, 200.0)),
    )


@given(st.integers(min_value=-(10**6), max_value=10**12))
def test_an_age_lies_in_its_bin(age_us: int) -> None:
    at = bin_of(age_us)
    assert at == bins_of(np.array([age_us]))[0]
    if 0 <= age_us < EDGES_S[-1] * S:
        assert EDGES_S[at] * S <= age_us + 1
        assert age_us < EDGES_S[at + 1] * S


@given(st.lists(st.integers(min_value=0, max_value=20_000 * S), max_size=400))
def test_a_distribution_never_falls_and_ends_at_one(ages_us: list[int]) -> None:
    histogram = Histogram(weights=lognormal(20.0, 8.0, 5.0))
    for age_us in ages_us:
        histogram.add(age_us)
    cdf = histogram.cdf()
    assert len(cdf) == BINS + 1
    assert (np.diff(cdf) >= 0.0).all()
    assert cdf[0] == 0.0
    assert cdf[-1] == pytest.approx(1.0)


def test_a_prior_fades() -> None:
    histogram = Histogram(weights=lognormal(120.0, 60.0, 12.0))
    before = float(np.interp(60.0, EDGES_S, histogram.cdf()))
    for _ in range(400):
        histogram.add(30 * S)
    assert before < 0.2
    assert float(np.interp(60.0, EDGES_S, histogram.cdf())) > 0.96


def test_the_past_fades() -> None:
    histogram = Histogram(weights=lognormal(120.0, 60.0, 12.0))
    for age_us in (30 * S, 90 * S):
        for _ in range(5000):
            histogram.add(age_us)
    assert float(np.interp(60.0, EDGES_S, histogram.cdf())) < 0.1


@settings(max_examples=20)
@given(rate=st.floats(min_value=0.005, max_value=0.98), seed=st.integers(min_value=0, max_value=99))
def test_chances_are_chances_and_run_the_right_way(rate: float, seed: int) -> None:
    known = clocks()
    for age in np.random.default_rng(seed).exponential(60.0, size=300):
        known.talk.add(int(age * S))
    tables = Tables(known, GRACE_S)
    ringing, fresh = tables.rates(rate)
    for table in (ringing, tables.talking, tables.wrapping, fresh[None, :]):
        assert ((table >= 0.0) & (table <= 1.0 + 1e-9)).all()
    assert (np.diff(tables.horizons_s) >= 0.0).all()
    assert (np.diff(tables.talking, axis=1) >= -1e-9).all()
    assert (np.diff(tables.wrapping, axis=1) >= -1e-9).all()


def test_a_call_that_keeps_ringing_is_less_and_less_likely_to_be_answered() -> None:
    ringing, fresh = Tables(clocks(), GRACE_S).rates(0.3)
    claims = 1.0 - ringing[:, -1]
    assert 0.2 < 1.0 - fresh[-1] < 0.3
    assert claims[bin_of(24 * S)] < 0.5 * claims[bin_of(12 * S)] < claims[bin_of(5 * S)]


def test_an_agent_in_a_long_talk_is_not_expected_soon() -> None:
    """70 % talk 20 s, 30 % 400 s: who has talked for 60 s talks on for minutes ("mean less elapsed" thinks not)."""
    talk = Histogram(weights=mixed(lognormal(20.0, 2.0, 700.0), lognormal(400.0, 5.0, 300.0)))
    talking = Tables(clocks(talk), GRACE_S).talking[:, -1]
    assert talking[bin_of(60 * S)] < 0.01
    assert talking[bin_of(18 * S)] > 0.2
    assert talking[bin_of(395 * S)] > 0.3


def test_served_and_free_again_within_the_grace_claims_nobody() -> None:
    short = Clocks(
        answered=clocks().answered,
        failed=clocks().failed,
        talk=Histogram(weights=lognormal(0.4, 0.1, 10.0)),
        wrap=Histogram(weights=lognormal(0.4, 0.1, 10.0)),
    )
    _, busy = Tables(clocks(), GRACE_S).rates(0.9)
    _, quick = Tables(short, GRACE_S).rates(0.9)
    assert quick[-1] > 0.8 > busy[-1]


def test_clocks_survive_json() -> None:
    known = clocks()
    for age in range(7):
        known.wrap.add(age * S)
    again = msgspec.json.decode(msgspec.json.encode(known), type=Clocks)
    assert again == known
