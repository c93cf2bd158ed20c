"""The distribution of a sum of independent yes/no variables with unequal chances, as far as a pacing needs it.

A *balance* is `base` plus such variables: agents who become free, calls that have not answered yet. The question is
always the same: how likely is it that the balance is zero or less, with `others` more calls dialled beside? Two
answers: `ExactBalance` inverts the characteristic function by a discrete Fourier transform (Hong 2013, "On computing
the distribution function for the Poisson binomial distribution"), `NormalBalance` is the normal approximation with
continuity and skewness corrections (the "refined normal approximation" in the same paper).

All arrays run over horizons in their last or only axis, shape (horizons,).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_LEAST_VARIANCE = 1e-9


class Balance(Protocol):
    """Agents free by each horizon, less the calls that will have claimed one."""

    def short(self, others: int) -> Floats:
        """For each horizon: the chance that nobody is left, with `others` more calls dialled now."""


class NormalBalance:
    """By mean, variance and skewness. Good from a variance of about 3 on.

    `moments`: sums of q, q(1-q) and q(1-q)(1-2q) over the variables, shape (3, horizons). `idle`: the chance that a
    call dialled now has claimed nobody by each horizon. `arrivals`: mean number of other arrivals (Poisson) by then.
    """

    __slots__ = ("_mean", "_mean_each", "_skew", "_skew_each", "_variance", "_variance_each")

    def __init__(self, base: float, moments: Floats, idle: Floats, arrivals: Floats | None = None) -> None:
        self._mean, self._variance, self._skew = base + moments[0], moments[1], moments[2]
        if arrivals is not None:
            self._mean = self._mean - arrivals
            self._variance = self._variance + arrivals
            self._skew = self._skew - arrivals
        self._mean_each = idle - 1.0
        self._variance_each = idle * (1.0 - idle)
        self._skew_each = self._variance_each * (1.0 - 2.0 * idle)

    def short(self, others: int) -> Floats:
        """See `Balance`."""
        variance = self._variance + others * self._variance_each + _LEAST_VARIANCE
        deviation = np.sqrt(variance)
        x = (0.5 - self._mean - others * self._mean_each) / deviation
        skew = (self._skew + others * self._skew_each) / (variance * deviation)
        square = x * x
        density = np.exp(-0.5 * square)
        chance = ndtr(x) + skew * (1.0 - square) * density * _SIXTH_OF_DENSITY
        clipped: Floats = np.minimum(np.maximum(chance, 0.0), 1.0)
        return clipped


_SIXTH_OF_DENSITY = 1.0 / (6.0 * math.sqrt(2.0 * math.pi))


class ExactBalance:
    """Exact but for rounding, for groups of a few dozen.

    `chances`: of each variable at each horizon, shape (variables, horizons). `most`: the largest value the balance can
    have. The rest as in `NormalBalance`.
    """

    __slots__ = ("_each", "_spectrum", "_weights")

    def __init__(self, base: int, chances: Floats, idle: Floats, arrivals: Floats | None, most: int) -> None:
        points = _points(most, base, chances, idle, arrivals)
        turn, self._weights = _frequencies(points, most)
        back: Complexes = np.conj(turn)
        spectrum: Complexes = np.multiply.reduce(1.0 + chances[:, :, None] * (turn - 1.0), axis=0)
        spectrum *= turn**base if base >= 0 else back**-base
        if arrivals is not None:
            spectrum *= np.exp(arrivals[:, None] * (back - 1.0))
        self._spectrum = spectrum
        self._each: Complexes = back + idle[:, None] * (1.0 - back)

    def short(self, others: int) -> Floats:
        """See `Balance`."""
        spectrum = self._spectrum * self._each**others if others else self._spectrum
        chance = (spectrum @ self._weights).real
        clipped: Floats = np.minimum(np.maximum(chance, 0.0), 1.0)
        return clipped


_ROOM = 4.0
"""Values below the mean that must have room in the transform, in standard deviations."""


def _points(most: int, base: int, chances: Floats, idle: Floats, arrivals: Floats | None) -> int:
    """How long the transform must be: what falls below its window would be taken for a large balance."""
    mean = base + float(chances.sum(axis=0).min())
    variance = 0.25 * len(chances) + 2.0 + float(idle[-1] * (1.0 - idle[-1])) * 4.0
    if arrivals is not None:
        mean -= float(arrivals[-1])
        variance += float(arrivals[-1])
    needed = most + 2 - min(0.0, mean - _ROOM * math.sqrt(variance))
    return max(32, 1 << math.ceil(math.log2(needed)))


@lru_cache(maxsize=256)
def _frequencies(points: int, most: int) -> tuple[Complexes, Complexes]:
    """Roots of unity, half of them (the other half is conjugate), and the weights that sum the balances up to zero."""
    half = points // 2
    angle = 2.0 * np.pi * np.arange(half + 1) / points
    values = np.arange(most - points + 1, 1)
    weights = np.exp(-1j * np.outer(angle, values)).sum(axis=1) * (2.0 / points)
    weights[0] *= 0.5
    weights[half] *= 0.5
    return np.exp(1j * angle), weights
