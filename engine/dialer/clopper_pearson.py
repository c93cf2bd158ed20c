"""What a count of abandoned calls proves about their rate: Clopper and Pearson's exact bound, one-sided, 95 %.

After `answers` live answers, `drops` of them abandoned, the bound is the rate *p* at which so few drops would have had
a chance of 5 %: `BinomCDF(drops; answers, p) = 0.05` (Clopper and Pearson, Biometrika 26 (1934) 404-413). It falls with
answers and rises with drops, so "the bound is within the cap" is the same as `BinomCDF(drops; answers, cap) <= 0.05`,
and asking for the most drops that a cap bears needs no search for *p*.

Nothing here is approximated. A single probability comes from Loader's form of the binomial (Fast and Accurate
Computation of Binomial Probabilities, 2000), good to some 1e-14 also at a million answers, where a difference of
log-gammas would keep nine digits. What comes within 1e-9 of the limit counts as beyond it.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import Final

CONFIDENCE: Final = 0.95

_DOUBT: Final = 1.0 - CONFIDENCE
_LIMIT: Final = _DOUBT * (1.0 - 1e-9)
_BLOCK: Final = 256
"""Answers for which the limits are worked out at once: one exact start, then a recurrence of some 0.3 µs each."""

_STIRLING_BELOW_16: Final = tuple(
    math.log(math.factorial(n)) - ((n + 0.5) * math.log(n or 1) - n + 0.5 * math.log(2.0 * math.pi)) for n in range(16)
)


def largest_drops(answers: int, cap: float) -> int:
    """The most drops among `answers` whose bound is within `cap`, or -1 when even none at all proves too little.

    3 % needs 99 answers before 0 drops are enough, 157 for one, 208 for two. A cap of 1 or more forbids nothing, one of
    0 or less cannot be proved. Answers come one by one, so neighbours are worked out together and kept: below 1 µs on
    average, 0.5 ms where no neighbour was asked for before, up to a million answers and beyond.
    """
    if cap >= 1.0:
        return max(answers, -1)
    if answers < 1 or not cap > 0.0:
        return -1
    return _block(answers // _BLOCK, cap)[answers % _BLOCK]


def clopper_pearson_upper(drops: int, answers: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper bound on the rate behind `drops` of `answers`, within 1e-12, never below the exact one.

    1.0 where nothing is known (no answers) or everything was dropped.

    Raises:
        ValueError: the counts are impossible, or `confidence` is not between 0 and 1.
    """
    if not 0 <= drops <= answers or not 0.0 < confidence < 1.0:
        raise ValueError(f"no bound for {drops} of {answers} at confidence {confidence}")
    if drops >= answers:
        return 1.0
    low, high = drops / answers, 1.0
    while high - low > 1e-13 and low < (middle := 0.5 * (low + high)) < high:
        if _cdf(drops, answers, middle) <= 1.0 - confidence:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=512)
def _block(number: int, cap: float) -> array[int]:
    """`largest_drops` of the `_BLOCK` counts from `number * _BLOCK` on.

    Kept are x, the candidate that is still too many (x - 1 is within the limit), its cdf and its probability. One
    answer more takes `cap * probability` off the cdf; from one x to the next the probability changes by a quotient.
    """
    first = max(number * _BLOCK, 1)
    limits = array("q", [-1] * (first - number * _BLOCK))
    x, cdf, chance = _first_beyond(first, cap)
    odds = cap / (1.0 - cap)
    for n in range(first, (number + 1) * _BLOCK):
        limits.append(x - 1)
        cdf -= cap * chance
        chance *= (1.0 - cap) * (n + 1) / (n + 1 - x)
        while cdf <= _LIMIT:
            chance *= odds * (n + 1 - x) / (x + 1)
            x += 1
            cdf += chance
    return limits


def _first_beyond(n: int, cap: float) -> tuple[int, float, float]:
    """The fewest drops among `n` that are too many, with their cdf and probability at `cap`."""
    mean, deviation = n * cap, math.sqrt(n * cap * (1.0 - cap))
    x = min(n, max(0, int(mean - 1.645 * deviation)))
    cdf, chance = _cdf(x, n, cap), _pmf(x, n, cap)
    odds = cap / (1.0 - cap)
    while cdf <= _LIMIT:
        chance *= odds * (n - x) / (x + 1)
        x += 1
        cdf += chance
    while x > 0 and cdf - chance > _LIMIT:
        cdf -= chance
        chance *= x / (odds * (n - x + 1))
        x -= 1
    return x, cdf, chance


def _cdf(x: int, n: int, p: float) -> float:
    """BinomCDF(x; n, p) for p between 0 and 1, summed from x downwards; x is at or below the mean wherever we ask."""
    term = total = _pmf(x, n, p)
    inverse = (1.0 - p) / p
    for k in range(x, 0, -1):
        term *= inverse * k / (n - k + 1)
        total += term
        if term < 1e-17 * total:
            break
    return min(total, 1.0)


def _pmf(x: int, n: int, p: float) -> float:
    if x == 0:
        return math.exp(n * math.log1p(-p))
    if x == n:
        return math.exp(n * math.log(p))
    exponent = (
        _stirling_error(n)
        - _stirling_error(x)
        - _stirling_error(n - x)
        - _deviance(x, n * p)
        - _deviance(n - x, n * (1.0 - p))
    )
    return math.exp(exponent) * math.sqrt(n / (2.0 * math.pi * x * (n - x)))


def _stirling_error(n: int) -> float:
    """What ln n! is beyond Stirling's formula."""
    if n < 16:
        return _STIRLING_BELOW_16[n]
    square = 1.0 / (n * n)
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - square / 1188) * square) * square) * square) / n


def _deviance(x: int, mean: float) -> float:
    """X ln(x / mean) + mean - x, by its series where the two are near and the sum would cancel."""
    apart = x - mean
    if abs(apart) >= 0.1 * (x + mean):
        return x * math.log(x / mean) - apart
    ratio = apart / (x + mean)
    total, term, square = apart * ratio, 2.0 * x * ratio, ratio * ratio
    for j in range(3, 2001, 2):
        term *= square
        larger = total + term / j
        if larger == total:
            break
        total = larger
    return total
