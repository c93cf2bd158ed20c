"""How ViciDial paces (GOautodial ships the same engine): a slow level, lines per agent who is not in wrap-up.

Read in ViciDial 2.14, bin/AST_VDauto_dial.pl and bin/AST_VDadapt.pl (BezaluLLC/ViciDial@f1430484); in own words:
- The dial loop sleeps 2.5 s. It wants round(level x agents) calls, where agents are those ready or in a call: an agent
  in wrap-up is PAUSED and not seen. Calls that exist (ringing, waiting, talking) are taken off. It spaces what it
  places by the server's calls per second.
- The level loop looks each second at ready agents less waiting calls, and each 15 s multiplies the level by
  1 + mean difference of the last 15 looks / agents signed in (paused ones too), within 1 and the maximum level.
- Drops since midnight are counted once a minute, over live answers that are dispositioned or dropped. Beyond 50 calls,
  a share over the limit sets the level to 1 (HARD), halves it (AVERAGE), or scales it by the HHMM that are left until
  the latest hour, in thousands (TAPERED). More drops than half of the last minute's calls halve it in all methods.
A call dropped by its caller while it waits is a DROP too.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from engine.dialer.baselines.pieces import Beat, cap_of, propose
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy
from engine.domain.values import SECOND

DAY_US = 86_400 * SECOND
MINUTE_US = 60 * SECOND
LOOKS = 15
ENOUGH_CALLS_A_DAY = 50
ENOUGH_CALLS_A_MINUTE = 20
BAD_MINUTE = 0.5


class Method(StrEnum):
    """dial_method ADAPT_*: what too many drops do to the level."""

    HARD = "hard"
    AVERAGE = "average"
    TAPERED = "tapered"


class Counts(msgspec.Struct):
    """Calls placed, drops and dispositioned live answers of a period."""

    calls: int = 0
    drops: int = 0
    handled: int = 0

    @property
    def drop_share(self) -> float:
        """Drops over live answers."""
        return self.drops / max(1, self.drops + self.handled)


class ViciDial(msgspec.Struct):
    """One campaign under ADAPT_HARD_LIMIT, ADAPT_AVERAGE or ADAPT_TAPERED.

    `maximum_level`: adaptive_maximum_level. `dropped_percentage`: adaptive_dropped_percentage, 0 for the campaign's
    cap. `difference_target`: adaptive_dl_diff_target. `intensity`: adaptive_intensity, percent. `latest` and `opens`:
    hours as HHMM; the day is taken to open with the first sight. `calls_per_second`: outbound_calls_per_second.
    """

    policy: CampaignPolicy
    method: Method = Method.HARD
    maximum_level: float = 3.0
    dropped_percentage: float = 0.0
    difference_target: float = 0.0
    intensity: float = 0.0
    latest: float = 2100
    opens: float = 900
    calls_per_second: float = 10.0

    level: float = 1.0
    began: int | None = None
    day: int = 0
    today: Counts = msgspec.field(default_factory=Counts)
    minute: Counts = msgspec.field(default_factory=Counts)
    last_minute: Counts = msgspec.field(default_factory=Counts)
    drop_share: float = 0.0
    looks: list[tuple[int, int]] = []
    dialling: Beat = msgspec.field(default_factory=lambda: Beat(5 * SECOND // 2))
    looking: Beat = msgspec.field(default_factory=lambda: Beat(SECOND))
    counting: Beat = msgspec.field(default_factory=lambda: Beat(MINUTE_US))
    adapting: Beat = msgspec.field(default_factory=lambda: Beat(15 * SECOND))

    def decide(self, sight: Sight) -> Proposal:
        """Run the loops that are due; place calls in a pass of the dial loop only."""
        self._turn_of_day(sight.now)
        if self.looking.due(sight.now):
            self.looks = [*self.looks[1 - LOOKS :], (sight.free - sight.waiting, sight.staffed + sight.paused)]
        if self.counting.due(sight.now):
            self.last_minute, self.minute = self.minute, Counts()
            self.drop_share = self.today.drop_share
        if self.adapting.due(sight.now):
            self._adapt(sight.now)
        dials = self._missing(sight) if self.dialling.due(sight.now) else 0
        return propose(sight, dials, "peer", level=self.level, drop_share=self.drop_share)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Count calls, drops and dispositioned calls; an answer counts only when it is over."""
        for counts in (self.today, self.minute):
            if lesson is Lesson.DIALLED:
                counts.calls += 1
            elif lesson in {Lesson.ABANDONED, Lesson.HUNG_UP_EARLY}:
                counts.drops += 1
            elif lesson is Lesson.TALKED:
                counts.handled += 1

    def _missing(self, sight: Sight) -> int:
        agents = sight.free + len(sight.talking)
        exist = len(sight.ringing) + sight.waiting + len(sight.talking)
        room = round(self.calls_per_second * self.dialling.every_us / SECOND)
        return min(round(self.level * agents) - exist, room)

    def _adapt(self, now: int) -> None:
        agents = sum(agents for _, agents in self.looks)
        if not agents:
            return
        change = (sum(free for free, _ in self.looks) + self.difference_target * len(self.looks)) / agents
        change *= abs(self.intensity / 100 - 1) if change < 0 else self.intensity / 100 + 1
        level = min(max(self.level * (1 + change), 1.0), self.maximum_level)
        recent = self.last_minute
        if recent.calls > ENOUGH_CALLS_A_MINUTE and recent.drops > BAD_MINUTE * recent.calls:
            level /= 2
        limit = self.dropped_percentage / 100 or cap_of(self.policy)
        if self.today.calls > ENOUGH_CALLS_A_DAY and self.drop_share > limit:
            level = self._braked(level, now)
        self.level = max(1.0, level)

    def _braked(self, level: float, now: int) -> float:
        if self.method is Method.HARD:
            return 1.0
        if self.method is Method.AVERAGE:
            return level / 2
        left = self.latest - self._clock(now)
        return level * min(1.0, left / 1000) if left > 0 else 1.0

    def _clock(self, now: int) -> int:
        """The time of day as HHMM, the arithmetic the rule is written in."""
        opened = int(self.opens // 100 * 60 + self.opens % 100)
        minutes = opened + (now - (self.began or 0)) % DAY_US // MINUTE_US
        return minutes // 60 % 24 * 100 + minutes % 60

    def _turn_of_day(self, now: int) -> None:
        if self.began is None:
            self.began = now
        day = (now - self.began) // DAY_US
        if day != self.day:
            self.day, self.today, self.drop_share = day, Counts(), 0.0
