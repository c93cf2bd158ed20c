"""What several peers' rules are made of: the beat of a loop, running means, the cap of a policy."""

from __future__ import annotations

import msgspec

from engine.dialer.pacing import Proposal, Sight
from engine.domain.campaign import CampaignPolicy
from engine.domain.values import SECOND

DEFAULT_CAP = 0.03


class Beat(msgspec.Struct):
    """A loop that runs each `every_us` µs. It starts with the first call of `due` and skips beats that were missed."""

    every_us: int
    next_at: int | None = None

    def due(self, now: int) -> bool:
        """Whether a pass of the loop falls at or before `now` and has not run yet."""
        if self.next_at is None:
            self.next_at = now
        if now < self.next_at:
            return False
        self.next_at += ((now - self.next_at) // self.every_us + 1) * self.every_us
        return True


class Mean(msgspec.Struct):
    """A mean over everything so far; `start` until something was added."""

    start: float
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Count one more value."""
        self.total += value
        self.count += 1

    @property
    def value(self) -> float:
        """The mean, in the unit of what was added."""
        return self.total / self.count if self.count else self.start


class Smoothed(msgspec.Struct):
    """An exponentially weighted mean: each value counts `weight`, what was before the rest. None until the first."""

    weight: float
    value: float | None = None

    def add(self, value: float) -> None:
        """Count one more value; the first is taken whole."""
        self.value = value if self.value is None else self.value + self.weight * (value - self.value)


def seconds(age_us: int) -> float:
    """µs as seconds."""
    return age_us / SECOND


def cap_of(policy: CampaignPolicy) -> float:
    """The strictest abandonment cap of a campaign, as a share of its live answers."""
    return min((budget.cap for budget in policy.budgets), default=DEFAULT_CAP)


def propose(sight: Sight, dials: float, reason: str, **figures: float) -> Proposal:
    """At most as many calls as there are lines, none without agents; `dials` is cut to a whole number."""
    if sight.staffed <= 0:
        return Proposal(dials=0, reason="no-agents", figures=figures)
    return Proposal(dials=max(0, min(int(dials), sight.lines)), reason=reason, figures=figures)
