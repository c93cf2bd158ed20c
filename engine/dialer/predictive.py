"""Predictive pacing: dial while the next call's risk of finding no agent is below a price that learns.

The *risk* of one more call: the chance, averaged over the instants at which a person may answer it, that all agents who
are free by then, or become free within the connect limit, are claimed by calls that answered before. It is computed
from what is known of each call in flight (how long it rings) and each busy agent (how long he talks or wraps up). The
*price* is learnt from the calls that were abandoned. See docs/pacing.md.
"""

from __future__ import annotations

import numpy as np

from engine.dialer.estimators import increments
from engine.dialer.hazards import BINS, HORIZONS, RING_BINS, Tables, bins_of
from engine.dialer.learnt import Learnt
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.dialer.poisson_binomial import Balance, ExactBalance, Floats, NormalBalance
from engine.domain.campaign import CampaignPolicy

WARM_UP_DIALS = 10
AIM = 1.0
"""The share of what may be abandoned that the price aims at."""
_SMALL_TEAM = 20
_SMALL_VARIANCE = 3.0
_CAUTION = 0.5
"""Standard errors added to the answer rate."""
_RATE_STEP = 0.02
"""Relative change of the answer rate that makes new tables worth their time."""
_REACTION_S = 0.3
"""Of the connect limit: what joining the agent takes, at worst."""


class Predictive:
    """The marginal-block index over one campaign's `Learnt`."""

    def __init__(self, policy: CampaignPolicy, learnt: Learnt) -> None:
        self._learnt = learnt
        self._grace_s = max(policy.connect_limit_s - _REACTION_S, 0.0)
        self._version = -1
        self._rate = -1.0
        self._tables: Tables
        self._increments: Floats
        self._table: Floats
        self._moments: Floats
        self._fresh: Floats

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """See `Pacing`."""
        learnt = self._learnt
        if lesson is Lesson.DIALLED:
            self._advance(now)
            learnt.rate.dialled(now)
        elif lesson is Lesson.ANSWERED:
            learnt.rate.answered()
            learnt.clocks.answered.add(age_us)
        elif lesson is Lesson.FAILED or lesson is Lesson.MACHINE:
            learnt.clocks.failed.add(age_us)
        elif lesson is Lesson.TALKED:
            learnt.clocks.talk.add(age_us)
        elif lesson is Lesson.WRAPPED:
            learnt.clocks.wrap.add(age_us)
        else:
            learnt.price.settle(lesson is Lesson.ABANDONED)

    def decide(self, sight: Sight) -> Proposal:
        """See `Pacing`."""
        learnt = self._learnt
        learnt.price.target = AIM * max(sight.allowance, 0.0)
        self._advance(sight.now)
        if sight.staffed <= 0:
            return Proposal(0, "no-agents")
        sure = max(sight.free - sight.waiting - len(sight.ringing), 0)
        if learnt.rate.dials < WARM_UP_DIALS or sight.allowance <= 0.0:
            reason = "free-agents" if learnt.rate.dials >= WARM_UP_DIALS else "warm-up"
            return Proposal(min(sure, max(sight.lines, 0)), reason)
        return self._weigh(sight, sure)

    def _weigh(self, sight: Sight, sure: int) -> Proposal:
        self._refresh()
        price = self._learnt.price.value
        balance = self._balance(sight)
        dials, risk = _most_dials(balance, price, sure, max(sight.lines, 0))
        figures = {
            "free": float(sight.free),
            "ringing": float(len(sight.ringing)),
            "answer_rate": self._learnt.rate_used,
            "price": price,
            "risk": risk,
        }
        return Proposal(dials, "risk" if dials else "risk-high", figures)

    def _advance(self, now: int) -> None:
        """Time has passed for the calls in flight."""
        self._refresh_clocks()
        self._learnt.rate.advance(now, self._increments)

    def _refresh_clocks(self) -> None:
        """Tables of agents and ring times that follow from the clocks, and from nothing else."""
        clocks = self._learnt.clocks
        version = clocks.version
        if version != self._version:
            self._version = version
            self._rate = -1.0
            self._tables = Tables(clocks, self._grace_s)
            self._increments = increments(clocks.answered.cdf())
            none = np.zeros((RING_BINS, HORIZONS))
            self._table = np.concatenate((none, self._tables.talking, self._tables.wrapping))
            self._moments = _moments(self._table)

    def _refresh(self) -> None:
        """The rows of ringing calls, which follow the answer rate too."""
        learnt = self._learnt
        rate = min(learnt.rate.mean + _CAUTION * learnt.rate.deviation, 1.0)
        if abs(rate - learnt.rate_used) > _RATE_STEP * learnt.rate_used:
            learnt.rate_used = rate
        if learnt.rate_used != self._rate:
            self._rate = learnt.rate_used
            ringing, self._fresh = self._tables.rates(self._rate)
            self._table[:RING_BINS] = ringing
            self._moments[:RING_BINS] = _moments(ringing)

    def _balance(self, sight: Sight) -> Balance:
        """Agents less claims, by horizon, without any more dials."""
        ringing, talking, wrapping = len(sight.ringing), len(sight.talking), len(sight.wrapping)
        since = np.array([*sight.ringing, *sight.talking, *sight.wrapping], dtype=np.int64)
        rows = bins_of(sight.now - since)
        np.minimum(rows[:ringing], RING_BINS - 1, out=rows[:ringing])
        rows[ringing:] += RING_BINS
        rows[ringing + talking :] += BINS
        arrivals = sight.inbound_rate * self._tables.horizons_s if sight.inbound_rate > 0.0 else None
        ready = sight.free - sight.waiting
        base = ready - ringing
        if sight.free + talking + wrapping > _SMALL_TEAM:
            moments = np.add.reduce(self._moments.take(rows, axis=0), axis=0).reshape(3, -1)
            if float(moments[1].min()) >= _SMALL_VARIANCE:
                return NormalBalance(base, moments, self._fresh, arrivals)
        most = max(ready, 0) + talking + wrapping
        return ExactBalance(base, self._table.take(rows, axis=0), self._fresh, arrivals, most)


def _moments(chances: Floats) -> Floats:
    """For each row q, q(1-q) and q(1-q)(1-2q), beside each other."""
    spread = chances * (1.0 - chances)
    return np.concatenate((chances, spread, spread * (1.0 - 2.0 * chances)), axis=1)


def _most_dials(balance: Balance, price: float, sure: int, lines: int) -> tuple[int, float]:
    """The largest number of dials, at least `sure`, whose last call's risk is at most `price`; and that risk.

    With none, it is the risk that one would carry. There are no more than `lines`, so no more are asked about.
    """

    def risk(dials: int) -> float:
        return float(balance.short(dials - 1) @ _EQUALLY)

    most = min(lines, _MOST_DIALS)
    if sure >= most:
        return most, risk(max(most, 1))
    first = risk(sure + 1)
    if first > price:
        return (sure, risk(sure)) if sure else (0, first)
    good, step, at_good, bad = sure + 1, 1, first, 0
    while good < most and (not bad or bad - good > 1):
        probe = (good + bad) // 2 if bad else min(good + step, most)
        at_probe = risk(probe)
        if at_probe <= price:
            good, at_good, step = probe, at_probe, step * 2
        else:
            bad = probe
    return good, at_good


_MOST_DIALS = 10_000
_EQUALLY = np.full(HORIZONS, 1.0 / HORIZONS)
