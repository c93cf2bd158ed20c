"""What a campaign's pacing has learnt: plain data, part of the floor's snapshot."""

from __future__ import annotations

import math

import msgspec

from engine.dialer.estimators import AnswerRate
from engine.dialer.hazards import Clocks, Histogram, lognormal, mixed
from engine.domain.campaign import CampaignPolicy

LEAST_PRICE, MOST_PRICE = 5e-4, 0.5
_LEARNING_RATE = 0.05
_FIRST_CORRECTION = -0.3
_MOST_CORRECTION = 3.0
_PRIOR_WEIGHT = 12.0


class Price(msgspec.Struct):
    """How much risk of leaving a person without an agent one more call may carry.

    If the tables were right, the share abandoned would be about the price; so the price is the target, times a
    correction for whatever they get wrong. The correction falls when more live answers were abandoned than the target
    allows and rises when fewer were: log correction += rate x (target - abandoned), for each live answer.
    """

    correction: float = _FIRST_CORRECTION
    target: float = 0.0
    answers: int = 0
    abandoned: int = 0

    @property
    def value(self) -> float:
        """The price, a probability."""
        return min(max(self.target * math.exp(self.correction), LEAST_PRICE), MOST_PRICE)

    def settle(self, abandoned: bool) -> None:
        """A person who answered was joined in time, or was not."""
        self.answers += 1
        self.abandoned += abandoned
        moved = self.correction + _LEARNING_RATE * (self.target - abandoned)
        self.correction = min(max(moved, -_MOST_CORRECTION), _MOST_CORRECTION)


class Learnt(msgspec.Struct):
    """Everything a pacing must remember. `rate_used`: the answer rate that its tables are made with."""

    rate: AnswerRate
    clocks: Clocks
    price: Price = msgspec.field(default_factory=Price)
    rate_used: float = 0.0


def fresh(policy: CampaignPolicy) -> Learnt:
    """What is believed of a campaign before anything was seen."""
    ring_s = max(policy.ring_s, 2.0)
    failed = mixed(
        lognormal(3.0, 2.0, 0.15 * _PRIOR_WEIGHT),
        lognormal(0.8 * ring_s, 3.0, 0.25 * _PRIOR_WEIGHT),
        lognormal(ring_s, 0.5, 0.6 * _PRIOR_WEIGHT),
    )
    clocks = Clocks(
        answered=Histogram(weights=lognormal(11.0, 5.0, _PRIOR_WEIGHT)),
        failed=Histogram(weights=failed),
        talk=Histogram(weights=lognormal(120.0, 150.0, _PRIOR_WEIGHT)),
        wrap=Histogram(weights=lognormal(20.0, 15.0, _PRIOR_WEIGHT)),
    )
    return Learnt(rate=AnswerRate(prior=policy.answer_rate), clocks=clocks, rate_used=policy.answer_rate)
