"""What utilisation a campaign may hope for, before anybody is called: two closed forms and a table of optima.

Progressive is exact: an agent who is free waits for a person to answer, and until then each of his calls either answers
or fails, one after the other:

    u = S / (S + R_answer + (1 - p) / p * R_fail)

Predictive is read from the optimum of a Markov model (occupation linear programme: exponential handling and ringing,
failures revealed as fast as answers): a reference that a good rule comes near, and no promise. The table gives the
share of idle time; between its points idle time is interpolated in logarithms, as it falls by powers. Below five agents
the gain over progressive falls to nothing at one agent, who cannot be predicted for.

Source: the project's study of pacing, section 5 (S = 150 s, R = 10 s, 3 %; sensitivities at p = 0.3).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from engine.domain.values import Value

_AGENTS: Final = (5, 10, 20, 50, 100)
_RATES: Final = (0.1, 0.3, 0.6, 1.0)
_IDLE: Final = (
    (0.220, 0.143, 0.092, 0.060),
    (0.157, 0.121, 0.086, 0.058),
    (0.107, 0.093, 0.074, 0.055),
    (0.061, 0.057, 0.050, 0.042),
    (0.039, 0.037, 0.034, 0.030),
)
"""Idle share by agents (rows) and answer rate (columns)."""
_RATIOS: Final = (5.0, 15.0, 30.0)
_IDLE_OF_RATIO: Final = (
    (0.278, 0.143, 0.084),
    (0.207, 0.121, 0.075),
    (0.143, 0.093, 0.063),
    (0.081, 0.057, 0.042),
    (0.051, 0.037, 0.029),
)
"""Idle share at answer rate 0.3 by agents (rows) and S / R (columns)."""
_IDLE_AT_1_PERCENT: Final = (0.165, 0.146, 0.115, 0.072, 0.048)
_IDLE_AT_3_PERCENT: Final = tuple(row[1] for row in _IDLE)
_BEYOND: Final = 0.7
"""Above 100 agents idle time falls with this power of their number (200: 2.3 %, 400: 1.4 %)."""


class Conditions(Value):
    """What a forecast rests on. Seconds; `answer_rate` is the share of dials that a person answers, above 0 to 1.

    `handle_s`: talk and wrap-up. `answer_s`: from dialling to an answer. `fail_s`: how long a call rings that nobody
    answers, on average.
    """

    agents: int
    answer_rate: float
    handle_s: float = 150.0
    answer_s: float = 11.0
    fail_s: float = 20.0
    cap: float = 0.03


class Needs(Value):
    """What a utilisation takes: lines in use on average, and calls begun per second."""

    lines: float
    calls_per_second: float


def progressive(conditions: Conditions) -> float:
    """The utilisation of one call per free agent, 0 to 1."""
    rate = _rate(conditions)
    waits = conditions.answer_s + (1.0 - rate) / rate * conditions.fail_s
    return conditions.handle_s / (conditions.handle_s + waits)


def predictive(conditions: Conditions) -> float:
    """The utilisation that predictive dialling may come near, 0 to 1; never below progressive."""
    floor = progressive(conditions)
    if conditions.agents <= 1 or conditions.cap <= 0.0:
        return floor
    best = max(floor, 1.0 - _idle(max(conditions.agents, _AGENTS[0]), conditions))
    few = min(1.0, (conditions.agents - 1) / (_AGENTS[0] - 1))
    return floor + (best - floor) * few


def needs(conditions: Conditions, utilisation: float) -> Needs:
    """The lines and calls per second that so much utilisation takes, on average; peaks are about half as much again."""
    rate = _rate(conditions)
    connects = conditions.agents * utilisation / conditions.handle_s
    dials = connects / rate
    ringing = dials * (rate * conditions.answer_s + (1.0 - rate) * conditions.fail_s)
    return Needs(lines=conditions.agents * utilisation + ringing, calls_per_second=dials)


def _rate(conditions: Conditions) -> float:
    return min(1.0, max(conditions.answer_rate, 0.001))


def _idle(agents: int, conditions: Conditions) -> float:
    """The idle share of five agents and more."""
    within = min(agents, _AGENTS[-1])
    by_agents = [math.exp(_between(_RATES, [math.log(each) for each in row], _rate(conditions))) for row in _IDLE]
    usual = _across(by_agents, within)
    ratio = min(max(conditions.handle_s / max(conditions.answer_s, 1.0), 1.0), 100.0)
    of_ratio = [_between(_RATIOS, [math.log(each) for each in row], ratio) for row in _IDLE_OF_RATIO]
    handling = _across([math.exp(each) for each in of_ratio], within) / _across(_IDLE_AT_3_PERCENT, within)
    strict = _across(_IDLE_AT_1_PERCENT, within) / _across(_IDLE_AT_3_PERCENT, within)
    caps = math.exp(_between((0.01, 0.03), (math.log(strict), 0.0), min(max(conditions.cap, 0.002), 0.05)))
    return min(1.0, usual * handling * caps * math.pow(within / agents, _BEYOND))


def _across(idle: Sequence[float], agents: int) -> float:
    return math.exp(_between(_AGENTS, [math.log(each) for each in idle], agents))


def _between(points: Sequence[float], values: Sequence[float], at: float) -> float:
    """The value at a point, linear in the logarithm of the points; beyond the ends the last line goes on."""
    index = min(max(bisect_right(points, at) - 1, 0), len(points) - 2)
    low, high = math.log(points[index]), math.log(points[index + 1])
    share = (math.log(at) - low) / (high - low)
    return values[index] + share * (values[index + 1] - values[index])
