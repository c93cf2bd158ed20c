"""Inbound calls and a campaign with the same agents: how many free agents the campaign must leave alone.

The rule is a threshold: the campaign takes a free agent only while more than `reserve` are free. It is optimal where
inbound and outbound calls take equally long and very good elsewhere (Bhulai and Koole, IEEE Transactions on Automatic
Control 48 (2003)), and grows like the logarithm of the team, not like its root (Pang and Perry, Management Science 61
(2015)): the campaign fills whatever inbound leaves, so busy agents never fall below N - reserve, and nearly every
inbound call meets somebody free.

With that rule and calls of equal length the number of calls is a birth-death chain from N - c upwards: inbound arrives
with rate λ, each busy agent ends with rate μ, and at N - c the campaign replaces whoever ends. Hence Erlang's delay
formula without its lower part: with a(k) for N - k busy agents, a(0) = 1 and a(k) = a(k - 1) (N - k + 1) μ / λ,

    P(wait) = 1 / (1 - ρ) / (a(1) + ... + a(c) + 1 / (1 - ρ)),     P(wait > t) = P(wait) exp(-(N μ - λ) t),

ρ = λ / (N μ). The reserve is the smallest c for which 1 - P(wait > t) meets the service level.

An inbound call that waits is taken to be first in line for whoever becomes free. A campaign that dials ahead must count
it so: what waits inbound is demand before its own answers (`Sight.waiting`), or these will overtake it.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from engine.domain.values import SECOND

QUICK_S: Final = 60.0
STEADY_S: Final = 600.0
BURST_DEVIATIONS: Final = 2.0
"""So many standard deviations above the steady rate the last minute must lie to be believed at once."""


def reserve(
    inbound_rate: float,
    handle_s: float,
    agents: int,
    service_level: tuple[float, float] = (0.8, 20.0),
    waiting_inbound: int = 0,
) -> int:
    """How many free agents to keep for inbound calls, 0 to `agents`.

    `inbound_rate`: calls a second; `handle_s`: talk and wrap-up of a call, in the mean over both kinds, seconds;
    `agents`: all at work for both, free and busy; `service_level`: the share that must be answered, and within how many
    seconds; `waiting_inbound`: inbound calls in the queue now, each of which needs an agent beyond the reserve.

    All agents where inbound alone is more than they can do, or the level cannot be met. A campaign that dials ahead
    takes its answered calls to reserved agents rather than abandon them: the reserve is what it counts on, not a wall.
    """
    if agents <= 0 or (inbound_rate <= 0 and waiting_inbound <= 0):
        return 0
    share, within_s = service_level
    kept = _threshold(inbound_rate, handle_s, agents, share, within_s) if inbound_rate > 0 else 0
    return min(agents, kept + max(0, waiting_inbound))


def _threshold(rate: float, handle_s: float, agents: int, share: float, within_s: float) -> int:
    load = rate * handle_s
    if load <= 0 or share <= 0:
        return 0
    if load >= agents or share >= 1:
        return agents
    tail = 1.0 / (1.0 - load / agents)
    late = tail * math.exp(-(agents - load) * max(0.0, within_s) / handle_s)
    weight, total = 1.0, tail
    for kept in range(agents):
        if late <= (1.0 - share) * total:
            return kept
        weight *= (agents - kept) / load
        total += weight
    return agents


class Arrivals(msgspec.Struct):
    """How often inbound calls come, learned and forgotten: a steady rate over ten minutes, and the last minute.

    A burst is believed as soon as the last minute lies well above the steady rate, a lull only as the steady rate
    falls: a needless reserve costs a little time, a missing one the service level. `quick` and `steady` are counts
    that fade with `QUICK_S` and `STEADY_S`, as of `at`; `since` is when counting began. Instants are UTC µs.
    """

    quick: float = 0.0
    steady: float = 0.0
    at: int = 0
    since: int = 0

    def watch(self, now: int) -> None:
        """Counting begins, unless it has: from here on no arrival means that none came."""
        if not self.since:
            self.since = self.at = now

    def arrived(self, now: int) -> None:
        """An inbound call came."""
        self.watch(now)
        self.quick = self.quick * _left(now - self.at, QUICK_S) + 1.0
        self.steady = self.steady * _left(now - self.at, STEADY_S) + 1.0
        self.at = max(self.at, now)

    def rate(self, now: int) -> float:
        """Calls per second to be reckoned with."""
        if not self.since:
            return 0.0
        quick = self.quick * _left(now - self.at, QUICK_S) / self._seen(now, QUICK_S)
        steady = self.steady * _left(now - self.at, STEADY_S) / self._seen(now, STEADY_S)
        # a count that fades over T has the variance rate * T / 2
        spread = math.sqrt(max(steady, 1.0 / STEADY_S) / (2.0 * QUICK_S))
        return quick if quick > steady + BURST_DEVIATIONS * spread else steady

    def _seen(self, now: int, fading_s: float) -> float:
        """Seconds of full weight behind a fading count; a minute at least, that one early call is no burst."""
        seconds = max((now - self.since) / SECOND, QUICK_S)
        return fading_s * -math.expm1(-seconds / fading_s)


def _left(age_us: int, fading_s: float) -> float:
    return math.exp(-max(0, age_us) / (fading_s * SECOND))
