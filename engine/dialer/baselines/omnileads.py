"""How OMniLeads paces (omnidialer, predictive mode).

Read in docs/dialer_modes.md and workers/handle-campaign/src/handler/{predictive_pacer,naive}.py
(Freetech-Solutions/omnidialer@38261e87); in own words:
- Each second: dials = floor((free + soon free - ringing x hit rate) / hit rate x brake), at most 3 a second.
- Soon free: for each agent who talks or wraps up, 1 - exp(-ring / max(1 s, mean - elapsed)), the mean being talk and
  wrap-up while he talks, wrap-up alone after. Ring: mean time to an answer, 15 s until one was seen.
- Hit rate: each answer 1, each failed dial 0, the latest weighing 0.1; never below 0.05.
- Recent drops: each answer 0, each abandoned call 1, the latest weighing 0.1. The brake is the boost up to half of the
  limit, falls to 0.2 at the limit and stays there; five passes at the limit switch to one call per free agent until
  drops are below 0.8 of the limit.
- The first 50 handled calls are dialled with one call per free agent.
"""

from __future__ import annotations

import math

import msgspec

from engine.dialer.baselines.pieces import Beat, Mean, Smoothed, cap_of, propose, seconds
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy
from engine.domain.values import SECOND

WARM_UP_CALLS = 50
UNKNOWN_RING_S = 15.0
LEAST_HIT_RATE = 0.05
LEAST_BRAKE = 0.2
LATCH_PASSES = 5
RELEASE = 0.8
WEIGHT = 0.1


class OMniLeads(msgspec.Struct):
    """One campaign. `boost`: initial_boost_factor, within 0.1 and 5. `limit`: DIALER_MAX_ABANDON_RATE, 0 for the
    campaign's cap. `calls_per_second`: DIALER_CAPS.
    """

    policy: CampaignPolicy
    boost: float = 1.0
    limit: float = 0.0
    calls_per_second: float = 3.0

    ring: Mean = msgspec.field(default_factory=lambda: Mean(UNKNOWN_RING_S))
    talk: Mean = msgspec.field(default_factory=lambda: Mean(0.0))
    wrap: Mean = msgspec.field(default_factory=lambda: Mean(0.0))
    hits: Smoothed = msgspec.field(default_factory=lambda: Smoothed(WEIGHT))
    drops: Smoothed = msgspec.field(default_factory=lambda: Smoothed(WEIGHT))
    passes_at_limit: int = 0
    latched: bool = False
    beat: Beat = msgspec.field(default_factory=lambda: Beat(SECOND))

    def decide(self, sight: Sight) -> Proposal:
        """One pass a second."""
        if not self.beat.due(sight.now):
            return propose(sight, 0, "peer")
        if self.talk.count < WARM_UP_CALLS or self.hits.value is None:
            return self._progressive(sight, "warm-up")
        self._mind_the_limit()
        if self.latched:
            return self._progressive(sight, "free-agents")
        rate = max(self.hits.value, LEAST_HIT_RATE)
        soon = self._soon_free(sight)
        dials = math.floor((sight.free + soon - len(sight.ringing) * rate) / rate * self._brake())
        return propose(sight, min(dials, self.calls_per_second), "peer", hit_rate=rate, soon_free=soon)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Smooth hits and drops, average ring, talk and wrap-up."""
        match lesson:
            case Lesson.ANSWERED:
                self.ring.add(seconds(age_us))
                self.hits.add(1.0)
                self.drops.add(0.0)
            case Lesson.FAILED | Lesson.MACHINE:
                self.hits.add(0.0)
            case Lesson.ABANDONED | Lesson.HUNG_UP_EARLY:
                self.drops.add(1.0)
            case Lesson.TALKED:
                self.talk.add(seconds(age_us))
            case Lesson.WRAPPED:
                self.wrap.add(seconds(age_us))
            case _:
                pass

    def _progressive(self, sight: Sight, reason: str) -> Proposal:
        missing = sight.free - len(sight.ringing) - sight.waiting
        return propose(sight, min(missing, self.calls_per_second), reason)

    def _soon_free(self, sight: Sight) -> float:
        handle = self.talk.value + self.wrap.value
        return sum(self._frees(sight.now - since, handle) for since in sight.talking) + sum(
            self._frees(sight.now - since, self.wrap.value) for since in sight.wrapping
        )

    def _frees(self, age_us: int, mean_s: float) -> float:
        return 1 - math.exp(-self.ring.value / max(1.0, mean_s - seconds(age_us)))

    def _recent(self) -> tuple[float, float]:
        """Recent drops, and the limit on them."""
        return self.drops.value or 0.0, self.limit or cap_of(self.policy)

    def _mind_the_limit(self) -> None:
        drops, limit = self._recent()
        self.passes_at_limit = self.passes_at_limit + 1 if drops >= limit else 0
        if self.latched:
            self.latched = drops >= RELEASE * limit
        else:
            self.latched = self.passes_at_limit >= LATCH_PASSES

    def _brake(self) -> float:
        drops, limit = self._recent()
        boost = min(max(self.boost, 0.1), 5.0)
        least = min(LEAST_BRAKE, boost)
        left = min(max((limit - drops) / (limit / 2), 0.0), 1.0)
        return least + left * (boost - least)
