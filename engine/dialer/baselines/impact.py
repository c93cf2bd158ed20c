"""How Impact Dialing paced: a ratio that a replay of stored attempts found best. The only peer that simulates.

Read in app/models/{predictive,simulated_values,simulated_caller,simulated_call_attempt,twilio_limit}.rb and
concerns/fcc_compliance.rb (impactdialing/impactdialing@1e585bcd); in own words:
- Each second: calls = whole part of (factor x callers on hold - ringing - presented). The factor is 1 without dials in
  the last 10 minutes, at least 1 and 0.75 x best while the campaign's abandon rate is over its limit, else best.
  TwilioLimit (4 unless set at run time) bounds best; it only ever takes utilisation away, so it is off here by default.
- Each 60 s a replay chooses best: with fewer than 5 callers or 50 attempts it is 1. Else up to 100 attempts are
  replayed for 240 s with the ratios i/6 x attempts / answered (i = 1...6, at least 1), and the one with the highest
  utilisation among those that abandon less than the limit wins; none does: 1.
- The attempts are the first 100 of the last 30 minutes. (As written the window begins 30 minutes before the program was
  started, so that the campaign's first 100 are replayed for good: `window_moves` 0. It serves the rule worse.)
In the replay an answered attempt rings 10 s and any other 15 s, talks as recorded, wraps up 5 s, and may be dialled
again. Attempts are drawn by lot there; here, without dice, the oldest that is idle goes first. Who is on hold is looked
up once a second, so callers are given two calls answered in one second: only a second in which nobody was on hold
abandons.
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec

from engine.dialer.baselines.pieces import Beat, cap_of, propose, seconds
from engine.dialer.pacing import Lesson, Proposal, Sight
from engine.domain.campaign import CampaignPolicy
from engine.domain.values import SECOND

POOL = 100
ENOUGH_ATTEMPTS = 50
ENOUGH_CALLERS = 5
REPLAY_S = 240
RATIOS = 6
RING_ANSWERED_S = 10
RING_FAILED_S = 15
WRAP_S = 5
QUIET_US = 600 * SECOND
WINDOW_US = 1800 * SECOND
SLOWER = 0.75


class Attempt(msgspec.Struct):
    """A stored attempt: how long a person talked (0: nobody answered, or not known yet), and when (µs) it came."""

    talk_s: int = 0
    at: int = 0


class Replayed(msgspec.Struct):
    """What a replay came to."""

    answered: int = 0
    abandoned: int = 0
    on_call_s: int = 0
    on_hold_s: int = 0


def replay(attempts: list[Attempt], callers: int, ratio: float) -> Replayed:
    """Replay 240 s with `ratio` lines for each caller on hold, second by second."""
    result, idle = Replayed(), list(range(len(attempts)))
    ends: list[list[int]] = [[] for _ in range(REPLAY_S + 1)]  # failed attempts, by the second that frees them
    answers: list[list[int]] = [[] for _ in range(REPLAY_S + 1)]
    frees: list[list[tuple[int, bool]]] = [[] for _ in range(REPLAY_S + 1)]
    on_hold, ringing = callers, 0
    for second in range(REPLAY_S):
        result.on_hold_s += on_hold
        result.on_call_s += callers - on_hold
        for attempt, caller in frees[second]:
            heappush(idle, attempt)
            on_hold += caller
        ringing -= len(ends[second]) + len(answers[second])
        for attempt in ends[second]:
            heappush(idle, attempt)
        for _ in range(min(int(on_hold * ratio - ringing), len(idle))):
            attempt = heappop(idle)
            ringing += 1
            rings_s = RING_ANSWERED_S if attempts[attempt].talk_s else RING_FAILED_S
            where = answers if attempts[attempt].talk_s else ends
            where[min(second + rings_s, REPLAY_S)].append(attempt)
        somebody = on_hold > 0
        for attempt in answers[second]:
            result.answered += 1
            if not somebody:
                result.abandoned += 1
                heappush(idle, attempt)
                continue
            taken = on_hold > 0
            on_hold -= taken
            frees[min(second + attempts[attempt].talk_s + WRAP_S, REPLAY_S)].append((attempt, taken))
    return result


def best_ratio(attempts: list[Attempt], callers: int, limit: float) -> float:
    """The ratio with the highest utilisation among those that abandon less than `limit`; 1 where none does."""
    answered = sum(attempt.talk_s > 0 for attempt in attempts)
    best, best_use = 1.0, 0.0
    for step in range(1, RATIOS + 1):
        ratio = max(1.0, step / RATIOS * len(attempts) / answered) if answered else 1.0
        result = replay(attempts, callers, ratio)
        use = result.on_call_s / max(1, result.on_call_s + result.on_hold_s)
        if result.answered and result.abandoned / result.answered < limit and use > best_use:
            best, best_use = ratio, use
    return best


class Impact(msgspec.Struct):
    """One campaign. `limit`: acceptable_abandon_rate, 0 for the campaign's cap. `most`: TwilioLimit, 0 for none.

    `window_moves`: 0 to replay the campaign's first attempts for good. `talks_owed` are places in the pool, counted
    from the campaign's first attempt, as is `forgotten`, the place of the pool's first.
    """

    policy: CampaignPolicy
    limit: float = 0.0
    most: float = 0.0
    window_moves: float = 1.0

    pool: list[Attempt] = []
    forgotten: int = 0
    talks_owed: list[int] = []
    answered: int = 0
    abandoned: int = 0
    best: float = 1.0
    dialled_at: int | None = None
    beat: Beat = msgspec.field(default_factory=lambda: Beat(SECOND))
    replaying: Beat = msgspec.field(default_factory=lambda: Beat(60 * SECOND))

    def decide(self, sight: Sight) -> Proposal:
        """One pass a second, a replay each minute."""
        if self.replaying.due(sight.now):
            self._forget(sight.now)
            self._choose(sight.staffed)
        if not self.beat.due(sight.now):
            return propose(sight, 0, "peer")
        factor = self._factor(sight.now)
        dials = factor * sight.free - len(sight.ringing) - sight.waiting
        return propose(sight, dials, "peer", factor=factor)

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Store the first 100 attempts; count answered and abandoned calls over the whole campaign."""
        match lesson:
            case Lesson.DIALLED:
                self.dialled_at = now
            case Lesson.FAILED | Lesson.MACHINE:
                self._store(now, answered=False)
            case Lesson.ANSWERED:
                self._store(now, answered=True)
            case Lesson.ABANDONED | Lesson.HUNG_UP_EARLY:
                self.abandoned += 1
                if self.talks_owed:
                    self.talks_owed.pop()
            case Lesson.TALKED:
                self.answered += 1
                if self.talks_owed:
                    self.pool[self.talks_owed.pop(0) - self.forgotten].talk_s = max(1, int(seconds(age_us)))
            case _:
                pass

    def _store(self, now: int, *, answered: bool) -> None:
        """Lessons name no attempt: the next talk to end is given to the oldest answered one, talks being alike."""
        if self.window_moves or len(self.pool) < POOL:
            self.pool.append(Attempt(at=now))
            if answered:
                self.talks_owed.append(self.forgotten + len(self.pool) - 1)

    def _forget(self, now: int) -> None:
        if self.window_moves:
            old = sum(attempt.at < now - WINDOW_US for attempt in self.pool)
            self.pool, self.forgotten = self.pool[old:], self.forgotten + old
            self.talks_owed = [place for place in self.talks_owed if place >= self.forgotten]

    def _choose(self, callers: int) -> None:
        self.best = 1.0
        pool = self.pool[:POOL]
        if callers >= ENOUGH_CALLERS and len(pool) >= ENOUGH_ATTEMPTS:
            self.best = best_ratio(pool, callers, self.limit or cap_of(self.policy))

    def _factor(self, now: int) -> float:
        if self.dialled_at is None or now - self.dialled_at > QUIET_US:
            return 1.0
        best = min(self.best, self.most or self.best)
        rate = self.abandoned / max(1, self.answered + self.abandoned)
        return max(1.0, SLOWER * best) if rate > (self.limit or cap_of(self.policy)) else best
