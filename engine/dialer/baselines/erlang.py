"""An open loop: a constant pace at which Erlang's loss formula promises the cap.

Source: US patent 5,991,393 (Kamen, expired): solve P(all agents busy) = limit for the traffic, take inbound off, and
dial traffic / (handle time x hit rate) calls a second. What is free, ringing or talking right now does not matter.
Calls are spaced evenly, which after the ring's own chance is as good as a Poisson stream.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from engine.dialer.baselines.pieces import Mean, Smoothed, cap_of, propose, seconds
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy

UNKNOWN_TALK_S = 120.0
UNKNOWN_WRAP_S = 20.0
ENOUGH_TALKS = 30
MEMORY_DIALS = 500
LEAST_HIT_RATE = 0.01


def blocking(agents: int, traffic: float) -> float:
    """Erlang's B: the share of Poisson calls that find all `agents` busy at `traffic` erlang."""
    loss = 1.0
    for agent in range(1, agents + 1):
        loss = traffic * loss / (agent + traffic * loss)
    return loss


@lru_cache(maxsize=4096)
def traffic_at(agents: int, loss: float) -> float:
    """The traffic, in erlang, at which a share `loss` finds all `agents` busy; to 1e-6."""
    low, high = 0.0, float(agents)
    while blocking(agents, high) < loss:
        high *= 2
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if blocking(agents, middle) < loss else (low, middle)
    return low


class ErlangB(msgspec.Struct):
    """One campaign. `limit`: the wanted share of abandoned calls, 0 for the campaign's cap."""

    policy: CampaignPolicy
    limit: float = 0.0

    talk: Mean = msgspec.field(default_factory=lambda: Mean(UNKNOWN_TALK_S))
    wrap: Mean = msgspec.field(default_factory=lambda: Mean(UNKNOWN_WRAP_S))
    hits: Smoothed = msgspec.field(default_factory=lambda: Smoothed(1 / MEMORY_DIALS))
    credit: float = 0.0
    asked_at: int | None = None

    def decide(self, sight: Sight) -> Proposal:
        """As many whole calls as the pace has earned since the last one; one per free agent until talks are known."""
        earned_s = seconds(sight.now - (sight.now if self.asked_at is None else self.asked_at))
        self.asked_at = sight.now
        if self.talk.count < ENOUGH_TALKS or self.hits.value is None:
            return propose(sight, sight.free - sight.waiting - len(sight.ringing), "warm-up")
        handle_s = self.talk.value + self.wrap.value
        traffic = traffic_at(sight.staffed, self.limit or cap_of(self.policy)) - sight.inbound_rate * handle_s
        pace = max(0.0, traffic) / (handle_s * max(self.hits.value, LEAST_HIT_RATE))
        self.credit += pace * earned_s
        dials = int(self.credit)
        self.credit -= dials
        return propose(sight, dials, "peer", pace=pace, traffic=traffic)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Average talk and wrap-up, smooth the hit rate."""
        match lesson:
            case Lesson.ANSWERED:
                self._hit(1.0)
            case Lesson.FAILED | Lesson.MACHINE:
                self._hit(0.0)
            case Lesson.TALKED:
                self.talk.add(seconds(age_us))
            case Lesson.WRAPPED:
                self.wrap.add(seconds(age_us))
            case _:
                pass

    def _hit(self, value: float) -> None:
        if self.hits.value is None:
            self.hits.value = self.policy.answer_rate
        self.hits.add(value)
