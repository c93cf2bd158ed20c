"""How long calls ring and agents talk and wrap up, learnt as histograms; and what follows for the next half minute.

Three questions are answered for each horizon h: has a call of age a claimed an agent by then, is an agent free who
talks, or wraps up, since a? The answers are rows of one table of chances, so that a decision only looks up and adds.

Ages are cut at `EDGES_S`: by 0.5 s up to half a minute, coarser the longer it takes, up to four hours.
"""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.dialer.poisson_binomial import Floats

STEP_S = 0.5
STEP_US = 500_000
HORIZONS = 12
"""Instants at which a call dialled now may be answered: the quantiles of the time to an answer, all equally likely."""

_CUTS = ((30.0, 0.5), (120.0, 1.0), (600.0, 4.0), (1800.0, 20.0), (14_400.0, 200.0))
_KEPT = 1500.0
"""A histogram forgets so that it never weighs more observations than this."""
_FIRST_MERGE = 5
_LAST_MERGE = 250
_MERGE_SHARE = 0.08
_TINY = 1e-9


def _edges() -> Floats:
    edges = [0.0]
    for end, width in _CUTS:
        start = edges[-1]
        edges.extend(start + width * k for k in range(1, round((end - start) / width) + 1))
    return np.array(edges)


EDGES_S = _edges()
BINS = len(EDGES_S) - 1
RING_BINS = int(np.searchsorted(EDGES_S, 64.0))
"""Nobody lets it ring longer than these."""
_MIDS_S = 0.5 * (EDGES_S[1:] + EDGES_S[:-1])
_LAST_STEP = int(EDGES_S[-1] / STEP_S) - 1
_BIN_OF_STEP: NDArray[np.int64] = np.minimum(
    np.searchsorted(EDGES_S, STEP_S * np.arange(_LAST_STEP + 1) + 1e-6, side="right") - 1, BINS - 1
)
BIN_OF_STEP: list[int] = _BIN_OF_STEP.tolist()


def bin_of(age_us: int) -> int:
    """In which bin of `EDGES_S` an age lies."""
    return BIN_OF_STEP[min(max(age_us // STEP_US, 0), _LAST_STEP)]


def bins_of(ages_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """`bin_of` for many ages."""
    found: NDArray[np.int64] = _BIN_OF_STEP[np.minimum(np.maximum(ages_us // STEP_US, 0), _LAST_STEP)]
    return found


class Histogram(msgspec.Struct):
    """Weighted observations by bin. New ones are pending until enough of them make it worth rebuilding the tables.

    `weights` begin as the prior, worth a few observations, and fade as others come. `enough`: so many are merged at
    once. `version` counts the merges.
    """

    weights: list[float]
    pending: list[int] = []
    enough: int = _FIRST_MERGE
    version: int = 0

    def add(self, age_us: int) -> None:
        """One more observation."""
        self.pending.append(bin_of(age_us))
        if len(self.pending) >= self.enough:
            self._merge()

    def _merge(self) -> None:
        for at in self.pending:
            self.weights[at] += 1.0
        self.pending.clear()
        total = math.fsum(self.weights)
        if total > _KEPT:
            keep = _KEPT / total
            self.weights = [weight * keep for weight in self.weights]
        self.enough = round(min(max(_FIRST_MERGE, _MERGE_SHARE * total), _LAST_MERGE))
        self.version += 1

    def cdf(self) -> Floats:
        """The share of observations up to each of `EDGES_S`."""
        sums = np.concatenate((np.zeros(1), np.cumsum(np.array(self.weights))))
        share: Floats = sums / max(float(sums[-1]), _TINY)
        return share


def lognormal(mean_s: float, sd_s: float, weight: float) -> list[float]:
    """A prior: `weight` observations spread as a lognormal distribution of this mean and standard deviation."""
    spread = math.log(1.0 + (sd_s / mean_s) ** 2)
    middle = math.log(mean_s) - 0.5 * spread
    scale = math.sqrt(2.0 * spread)
    cdf = [0.0 if x <= 0.0 else 0.5 * math.erfc((middle - math.log(x)) / scale) for x in EDGES_S.tolist()]
    return [weight * (b - a) for a, b in itertools.pairwise(cdf)]


def mixed(*parts: list[float]) -> list[float]:
    """Priors added up."""
    return [math.fsum(column) for column in zip(*parts, strict=True)]


class Clocks(msgspec.Struct):
    """What is known of durations: dialling to a person's answer, dialling to any other end, talk, wrap-up."""

    answered: Histogram
    failed: Histogram
    talk: Histogram
    wrap: Histogram

    @property
    def version(self) -> int:
        """Changes whenever tables made from it are out of date."""
        return self.answered.version + self.failed.version + self.talk.version + self.wrap.version


class Tables:
    """Chances by bin of age (rows) and horizon (columns), made from `Clocks` and an answer rate.

    `grace_s`: how long after its answer a call may still be joined. Shapes: `ringing` (`RING_BINS`, horizons),
    `talking`, `wrapping` (`BINS`, horizons); `fresh` (horizons,), a call dialled now. The first and last say *claims no
    agent*, the others *is free*: a call that was answered, and whose agent is free again within the grace, claims
    nobody.
    """

    def __init__(self, clocks: Clocks, grace_s: float) -> None:
        self._clocks, self._grace_s = clocks, grace_s
        self._answered, self._failed = clocks.answered.cdf(), clocks.failed.cdf()
        shares = (np.arange(HORIZONS) + 0.5) / HORIZONS
        self.horizons_s: Floats = np.interp(shares, self._answered + np.arange(BINS + 1) * 1e-12, EDGES_S)
        self._grid = np.arange(0.0, float(self.horizons_s[-1]) + grace_s + STEP_S, STEP_S)
        self._agents()
        self._calls()

    def _agents(self) -> None:
        ends = self.horizons_s + self._grace_s
        talk, wrap = self._clocks.talk.cdf(), self._clocks.wrap.cdf()
        mids = self._grid[:-1] + 0.5 * STEP_S
        wrapped = np.interp(ends[None, :] - mids[:, None], EDGES_S, wrap, left=0.0)
        talked = np.diff(_later(talk, self._grid), axis=1)
        self.talking: Floats = talked @ wrapped
        self.wrapping: Floats = _later(wrap, ends)
        begun = np.diff(np.interp(self._grid, EDGES_S, talk)) @ wrapped
        self._served = begun  # talk and wrap-up both over, by horizon, when the talk began now
        lags = ends[None, :] - mids[:, None]
        full = np.concatenate((np.zeros(1), ends))
        self._again = np.interp(lags, full, np.concatenate((np.zeros(1), begun)), left=0.0)
        self._before = np.clip((self.horizons_s[None, :] - self._grid[:-1, None]) / STEP_S, 0.0, 1.0)

    def _calls(self) -> None:
        """What does not depend on the answer rate: claims of calls that will be answered, survivors of both kinds."""
        claims = self._before * (1.0 - self._again)  # (steps, horizons): answered in that step, still claims an agent
        self._fresh = np.diff(np.interp(self._grid, EDGES_S, self._answered)) @ claims
        self._claims = np.diff(_later(self._answered, self._grid, RING_BINS), axis=1) @ claims
        self._to_answer = 1.0 - np.interp(_MIDS_S[:RING_BINS], EDGES_S, self._answered)
        self._to_fail = 1.0 - np.interp(_MIDS_S[:RING_BINS], EDGES_S, self._failed)

    def rates(self, answer_rate: float) -> tuple[Floats, Floats]:
        """`ringing` and `fresh` for this answer rate."""
        left = answer_rate * self._to_answer
        chance = left / np.maximum(left + (1.0 - answer_rate) * self._to_fail, _TINY)
        ringing = np.clip(1.0 - chance[:, None] * self._claims, 0.0, 1.0)
        return ringing, np.clip(1.0 - answer_rate * self._fresh, 0.0, 1.0)


def _later(cdf: Floats, ahead_s: Floats, bins: int = BINS) -> Floats:
    """The chance that what has lasted until each bin's middle ends within each of `ahead_s`; shape (bins, ahead)."""
    mids = _MIDS_S[:bins]
    now = np.interp(mids, EDGES_S, cdf)
    then = np.interp((mids[:, None] + ahead_s[None, :]).ravel(), EDGES_S, cdf).reshape(bins, len(ahead_s))
    survivors = np.maximum(1.0 - now, _TINY)
    chance: Floats = np.minimum((then - now[:, None]) / survivors[:, None], 1.0)
    return chance
