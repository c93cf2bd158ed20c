"""What share of the dials a person answers, from dials of which many still ring.

Answers come sooner than failures, so that counting what has ended would believe every rise too much. Instead each
dial earns *exposure* while it ages: the share of answers that would have come by then. Answers over exposure is
unbiased at any moment, whatever still rings, and sees a change as soon as the ring times allow. Both fade with the
exposure of `MEMORY` dials. Two CUSUM charts (Page 1954) on the Poisson likelihood ratio watch for a step up or down;
one that fires leaves only what was seen since the step began.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from engine.dialer.hazards import EDGES_S, STEP_S, STEP_US
from engine.dialer.poisson_binomial import Floats

MEMORY = 300.0
"""Dials after which an observation weighs 1/e."""
PRIOR_DIALS = 15.0
"""What is believed beforehand weighs as much as so many dials."""
_STEPS = 128
_RISE = 1.6
_ALARM = 6.0
_KNOWN = 50.0
"""Exposure below which nothing is firm enough to have changed."""
_LEAST, _MOST = 0.005, 0.98


class Chart(msgspec.Struct):
    """One CUSUM chart: `score`, and what was seen since it last stood at zero, against the rate believed then."""

    factor: float
    rate: float = 0.0
    score: float = 0.0
    answers: float = 0.0
    exposure: float = 0.0

    def see(self, answers: float, exposure: float, rate: float) -> bool:
        """Whether these answers, where `rate` was believed, make the step certain enough."""
        if self.score <= 0.0:
            self.restart(rate)
        self.score += answers * math.log(self.factor) - (self.factor - 1.0) * self.rate * exposure
        self.answers += answers
        self.exposure += exposure
        return self.score >= _ALARM

    def restart(self, rate: float) -> None:
        """Nothing is suspected."""
        self.rate = rate
        self.score = self.answers = self.exposure = 0.0


class AnswerRate(msgspec.Struct):
    """The share of dials that a person answers.

    `slot`: the half second that `cohorts` are aligned to: how many were dialled in it, in the one before, and so on.
    """

    prior: float
    answers: float = 0.0
    exposure: float = 0.0
    fresh: int = 0
    dials: int = 0
    slot: int = 0
    cohorts: list[int] = msgspec.field(default_factory=lambda: [0] * _STEPS)
    rise: Chart = msgspec.field(default_factory=lambda: Chart(factor=_RISE))
    fall: Chart = msgspec.field(default_factory=lambda: Chart(factor=1.0 / _RISE))
    steps: int = 0

    @property
    def mean(self) -> float:
        """The best estimate."""
        rate = (self.answers + self.prior * PRIOR_DIALS) / (self.exposure + PRIOR_DIALS)
        return min(max(rate, _LEAST), _MOST)

    @property
    def deviation(self) -> float:
        """Its standard error."""
        mean = self.mean
        return math.sqrt(mean * (1.0 - mean) / (self.exposure + PRIOR_DIALS))

    def dialled(self, now: int) -> None:
        """One more dial. `advance` must have been called up to some instant before."""
        if self.slot == 0:
            self.slot = now // STEP_US
        behind = min(max(self.slot - now // STEP_US, 0), _STEPS - 1)
        self.cohorts[behind] += 1
        self.dials += 1

    def answered(self) -> None:
        """A person answered."""
        self.fresh += 1

    def advance(self, now: int, increments: Floats) -> None:
        """Time has passed: calls in flight earn exposure. `increments`: see `increments`."""
        slot = now // STEP_US
        passed = slot - self.slot
        if passed <= 0:
            return
        if self.slot:
            self._expose(min(passed, _STEPS), increments)
        self.slot = slot

    def _expose(self, passed: int, increments: Floats) -> None:
        earned = 0.0
        for _ in range(passed):
            earned += float(np.dot(np.array(self.cohorts, dtype=np.float64), increments))
            self.cohorts.insert(0, 0)
            self.cohorts.pop()
        if earned == 0.0 and self.fresh == 0:
            return
        self._weigh(float(self.fresh), earned)
        self.fresh = 0

    def _weigh(self, answers: float, exposure: float) -> None:
        rate, known = self.mean, self.exposure >= _KNOWN
        keep = math.exp(-exposure / MEMORY)
        self.answers = self.answers * keep + answers
        self.exposure = self.exposure * keep + exposure
        for chart in (self.rise, self.fall) if known else ():
            if chart.see(answers, exposure, rate):
                self._step(chart)
                break

    def _step(self, chart: Chart) -> None:
        """Begin anew from what was seen since the step."""
        self.answers, self.exposure = chart.answers, max(chart.exposure, 1.0)
        self.prior = min(max(self.answers / self.exposure, _LEAST), _MOST)
        self.steps += 1
        for each in (self.rise, self.fall):
            each.restart(self.mean)


def increments(answered_cdf: Floats) -> Floats:
    """By age in half seconds: the share of the answers that comes in the next half second. Shape (128,)."""
    at = STEP_S * (np.arange(_STEPS + 1) + 0.5)
    at[0], at[-1] = 0.0, EDGES_S[-1]
    return np.diff(np.interp(at, EDGES_S, answered_cdf))
