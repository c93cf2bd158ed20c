"""How the call centre module of Issabel paces (dialerd).

Read in setup/dialer_process/dialer/{CampaignProcess,Predictor,Campania,ConfigDB,QueueShadow}.class.php
(IssabelFoundation/callcenter@861d2849); in own words:
- Each 5 s: calls = free agents + agents soon free - callers waiting - calls that ring. A wrap-up that is only the
  queue's wrapuptime does not show, so that agents in it look free; one taken as a pause does, which is the default here
  because it serves the rule better.
- Soon free: an agent who talks so long that 1 - exp(-(time to answer + elapsed) / mean talk) reaches 0.97, which is the
  distribution of the whole talk and not of what is left. The mean is over talks of more than 10 s, 10 of them or more.
- Time to answer: mean of the last 20 waits, failed dials among them, filled up with 8 s.
- Overcommit (off by default): with 10 calls in 30 minutes, divide by the share of them that was answered, 0.2 or more.
- Abandoned calls change nothing.
"""

from __future__ import annotations

import math

import msgspec

from engine.dialer.baselines.pieces import Beat, Mean, propose, seconds
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy
from engine.domain.values import SECOND

WAITS = 20
UNKNOWN_WAIT_S = 8.0
SHORT_TALK_S = 10.0
ENOUGH_TALKS = 10
ENOUGH_CALLS = 10
LEAST_ANSWERED = 0.2
MINUTE_US = 60 * SECOND
MINUTES = 30


class Minute(msgspec.Struct):
    """Dials that ended in the minute `number` since 1970, and those of them that a person answered."""

    number: int
    calls: int = 0
    answers: int = 0


class Issabel(msgspec.Struct):
    """One campaign. `quality`: dialer.qos. `extra`: dialer.forzar_sobrecolocar. `overcommit`: dialer.overcommit.

    `wrap_up_shows`: 0 where wrap-up is the queue's wrapuptime only.
    """

    policy: CampaignPolicy
    overcommit: bool = False
    quality: float = 0.97
    extra: float = 0.0
    wrap_up_shows: float = 1.0

    waits_s: list[float] = []
    talk: Mean = msgspec.field(default_factory=lambda: Mean(0.0))
    minutes: list[Minute] = []
    beat: Beat = msgspec.field(default_factory=lambda: Beat(5 * SECOND))

    def decide(self, sight: Sight) -> Proposal:
        """One pass each 5 s."""
        if not self.beat.due(sight.now):
            return propose(sight, 0, "peer")
        soon = self._soon_free(sight)
        free = sight.free + (0 if self.wrap_up_shows else len(sight.wrapping))
        calls = float(max(0, free + soon - sight.waiting))
        calls += self.extra if calls > 0 else 0
        calls -= len(sight.ringing)
        share = self._answered(sight.now)
        if self.overcommit and share is not None and calls > 0:
            calls = math.floor(calls / max(LEAST_ANSWERED, share) + 0.5)
        return propose(sight, calls, "peer", soon_free=soon)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Keep waits and talks, and what became of the dials of the last 30 minutes."""
        if lesson in {Lesson.ANSWERED, Lesson.FAILED, Lesson.MACHINE}:
            self.waits_s = [*self.waits_s[1 - WAITS :], seconds(age_us)]
            minute = self._minute(now)
            minute.calls += 1
            minute.answers += lesson is Lesson.ANSWERED
        elif lesson is Lesson.TALKED and seconds(age_us) > SHORT_TALK_S:
            self.talk.add(seconds(age_us))

    def _soon_free(self, sight: Sight) -> int:
        if self.talk.count < ENOUGH_TALKS:
            return 0
        wait_s = (sum(self.waits_s) + UNKNOWN_WAIT_S * (WAITS - len(self.waits_s))) / WAITS
        enough_s = -math.log(1 - self.quality) * self.talk.value - wait_s
        return sum(seconds(sight.now - since) >= enough_s for since in sight.talking)

    def _answered(self, now: int) -> float | None:
        """The share of the last 30 minutes' dials that a person answered; None while there were too few."""
        oldest = now // MINUTE_US - MINUTES
        recent = [minute for minute in self.minutes if minute.number > oldest]
        calls = sum(minute.calls for minute in recent)
        return sum(minute.answers for minute in recent) / calls if calls >= ENOUGH_CALLS else None

    def _minute(self, now: int) -> Minute:
        number = now // MINUTE_US
        if not self.minutes or self.minutes[-1].number != number:
            self.minutes = [*self.minutes[-MINUTES:], Minute(number)]
        return self.minutes[-1]
