"""Durations of the scenario file, in seconds, drawn by inverting their distribution function.

Every draw takes exactly one uniform number. So number k of a stream belongs to draw k whatever the distribution, and
two pacings that are compared see the same people (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from engine.domain.values import Value

Quantile = Callable[[float], float]
"""From a uniform number in [0, 1) to seconds."""

_NORMAL = NormalDist()
_LEAST = 1e-12
"""Uniform numbers are kept this far from 0 and 1, where quantiles are infinite."""


class Lognormal(Value, tag_field="dist", tag="lognormal"):
    """Skewed durations with this mean and standard deviation (before `max` cuts them, 0: not at all)."""

    mean: float
    sd: float
    max: float = 0.0

    def quantile(self) -> Quantile:
        """See `Quantile`."""
        if self.sd == 0:
            return constant(self.mean)
        variance = math.log1p((self.sd / self.mean) ** 2)
        mu, sigma, most = math.log(self.mean) - variance / 2, math.sqrt(variance), self.max or math.inf
        inverse, exp = _NORMAL.inv_cdf, math.exp

        def at(u: float) -> float:
            return min(exp(mu + sigma * inverse(min(max(u, _LEAST), 1 - _LEAST))), most)

        return at

    def average(self) -> float:
        """Mean seconds, the cut left out of account."""
        return min(self.mean, self.max or math.inf)


class Exponential(Value, tag_field="dist", tag="exponential"):
    """Memoryless durations, cut at `max` (0: not at all)."""

    mean: float
    max: float = 0.0

    def quantile(self) -> Quantile:
        """See `Quantile`."""
        mean, most, log1p = self.mean, self.max or math.inf, math.log1p
        return lambda u: min(-mean * log1p(-min(u, 1 - _LEAST)), most)

    def average(self) -> float:
        """Mean seconds, the cut left out of account."""
        return min(self.mean, self.max or math.inf)


class Constant(Value, tag_field="dist", tag="constant"):
    """Always the same."""

    value: float

    def quantile(self) -> Quantile:
        """See `Quantile`."""
        return constant(self.value)

    def average(self) -> float:
        """Mean seconds."""
        return self.value


class Uniform(Value, tag_field="dist", tag="uniform"):
    """Equally likely from `low` to `high`."""

    low: float
    high: float

    def quantile(self) -> Quantile:
        """See `Quantile`."""
        low, width = self.low, self.high - self.low
        return lambda u: low + width * u

    def average(self) -> float:
        """Mean seconds."""
        return (self.low + self.high) / 2


class Mixture(Value, tag_field="dist", tag="mixture"):
    """One of several distributions, each with its weight; weights need not sum to 1."""

    mixture: tuple[tuple[float, Lognormal | Exponential | Constant | Uniform], ...]

    def quantile(self) -> Quantile:
        """See `Quantile`. The uniform number chooses the part, and what is left of it the value."""
        whole = sum(weight for weight, _ in self.mixture)
        parts: list[tuple[float, float, Quantile]] = []
        below = 0.0
        for weight, part in self.mixture:
            share = weight / whole
            parts.append((below, share, part.quantile()))
            below += share

        def at(u: float) -> float:
            for start, share, quantile in reversed(parts):
                if u >= start and share > 0:
                    return quantile((u - start) / share)
            return parts[0][2](u)

        return at

    def average(self) -> float:
        """Mean seconds."""
        return sum(weight * part.average() for weight, part in self.mixture) / sum(w for w, _ in self.mixture)


Distribution = Lognormal | Exponential | Constant | Uniform | Mixture


def constant(value: float) -> Quantile:
    """The quantile of what never varies."""
    return lambda u: value


def flaw(given: Distribution) -> str:
    """What is wrong with the figures of a distribution, in words; "" when nothing is."""
    match given:
        case Lognormal():
            wrong = "mean must be above 0, sd and max not below 0"
            return "" if given.mean > 0 and given.sd >= 0 and given.max >= 0 else wrong
        case Exponential():
            return "" if given.mean > 0 and given.max >= 0 else "mean must be above 0, max not below 0"
        case Constant():
            return "" if given.value >= 0 else "value must not be below 0"
        case Uniform():
            return "" if 0 <= given.low <= given.high else "low must not be below 0, nor high below low"
        case Mixture():
            if not given.mixture or any(weight < 0 for weight, _ in given.mixture) or not any(given.mixture):
                return "a mixture needs parts with weights that are not below 0"
            if sum(weight for weight, _ in given.mixture) <= 0:
                return "the weights of a mixture must not all be 0"
            return next((f"in a part: {wrong}" for _, part in given.mixture if (wrong := flaw(part))), "")
