"""A recorded campaign, played again: the k-th dial meets whom the k-th recorded one met, at other settings or the same.

People keep what is theirs: who picks up after how long, how long he talks and his agent wraps up, and when he hangs up
if nobody speaks to him. What was never seen is drawn from what was: the talks of people who were abandoned, the fates
of attempts that we ended ourselves (from those that rang at least as long) or of which nobody knows, and whoever is
dialled beyond the record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from msgspec.structs import replace

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignPolicy
from engine.domain.policy import TrunkPolicy
from engine.domain.recorded import RecordedCampaign, RecordedDial, RecordedSpan
from engine.errors import RecordTooThin
from engine.simulation.chance import Stream
from engine.simulation.changes import Changes
from engine.simulation.distributions import Constant
from engine.simulation.fates import BUSY, NO_ANSWER, SECOND, Picks
from engine.simulation.presence import Presence
from engine.simulation.result import RecordedSums
from engine.simulation.scenario import Agents, Calls, Campaign, Limits, Scenario
from engine.simulation.series import MINUTE

SOONEST_US = 50_000
"""No call ends sooner after it was dialled: a dial that fails in its own instant would be repeated in it for ever."""
_LONGEST_RING_US = 60 * SECOND
_NEVER_LEFT = (Outcome.REFUSED, Outcome.NOT_DIALLED)
_UNSEEN = (None, Outcome.LOST, Outcome.CANCELLED)
"""Nobody knows what would have become of these, except of who is talking still."""


class Fate(NamedTuple):
    """What became of one dial. `talk_us` None: nobody was joined, or he talks still."""

    picks: Picks
    after_us: int
    cause: int = 0
    talk_us: int | None = None
    wrap_us: int | None = None
    verdict_us: int | None = None
    patience_us: int | None = None


class Record:
    """A recorded campaign that can be played again.

    :raises RecordTooThin: no attempts, nobody at work, or nobody talked: nothing could be played of it.
    """

    def __init__(self, recorded: RecordedCampaign) -> None:
        dials = sorted(
            (each for each in recorded.dials if each.outcome not in _NEVER_LEFT), key=lambda each: each.dialled_at
        )
        self.policy = recorded.policy
        self._trunks = recorded.trunks
        if not dials:
            raise _too_thin(self.policy, "it has no attempts in that time", "Choose another time (--from, --to).")
        self._dials = dials
        self._known = [_fate(each) for each in dials if _is_seen(each)]
        self._talked = [each for each in self._known if each.talk_us is not None and each.patience_us is None]
        if not self._talked:
            raise _too_thin(self.policy, "nobody was talked to in that time", "Nobody knows how long people talk.")
        begin, end = dials[0].dialled_at, max(map(_decided_at, dials))
        rings_out = min(_LONGEST_RING_US, max(_decided_at(each) - each.dialled_at for each in dials))
        self._presence = Presence(_ringing_out(recorded, rings_out), begin, end)
        if not self._presence.staffed_us:
            raise _too_thin(self.policy, "nobody was at work in that time", "Choose another time (--from, --to).")
        self.quiet = self._quiet(rings_out if recorded.running else 0, end - dials[-1].dialled_at)
        """When nothing was dialled, (from, to) in µs of the played day: it was paused, or its last dial was out."""
        self.sums = self._sums(begin, end)
        live = sorted((each for each in dials if _is_live(each) and not _talks(each)), key=lambda each: each.ended_at)
        self._settled_at = [each.ended_at for each in live]
        self._drops = [0, *accumulate(each.outcome is Outcome.ABANDONED for each in live)]

    def __len__(self) -> int:
        return len(self._dials)

    def dialled_at(self, number: int) -> int:
        """When dial `number` (from 0) left (UTC µs); beyond the record, when the last did."""
        return self._dials[min(number, len(self._dials) - 1)].dialled_at

    def settled(self, at: int) -> tuple[int, int]:
        """The record's live answers whose outcome was sure by `at` (UTC µs), and those of them that were abandoned."""
        answers = bisect_right(self._settled_at, at)
        return answers, self._drops[answers]

    def _quiet(self, rings_out: int, tail: int) -> tuple[tuple[int, int], ...]:
        """Before nobody is left, as agents stay at work for what rings; and at the end."""
        length, steps = self._presence.length_us, [*self._presence.steps, (self._presence.length_us / MINUTE, 0)]
        pauses = [
            (round(minute * MINUTE) - rings_out, round(later * MINUTE))
            for (minute, count), (later, _) in pairwise(steps)
            if count == 0 and minute and rings_out
        ]
        found: list[tuple[int, int]] = []
        for begin, end in [*pauses, (length - tail + 1, length)]:
            since = max(begin, found[-1][1] if found else 1)
            if since < end:
                found.append((since, end))
        return tuple(found)

    def _sums(self, begin: int, end: int) -> RecordedSums:
        busy = sum(
            max(0, min(end, _free_again_at(each, end)) - max(begin, each.connected_at))
            for each in self._dials
            if each.outcome is Outcome.CONNECTED or _talks(each)
        )
        return RecordedSums(
            attempts=len(self._dials),
            live_answers=sum(map(_is_live, self._dials)),
            abandoned=sum(each.outcome is Outcome.ABANDONED for each in self._dials),
            agent_utilisation=round(min(1.0, busy / self._presence.staffed_us), 6),
        )

    def people(self, seed: int) -> RecordedPeople:
        """The called people; what was never seen of them is drawn by the seed."""
        return RecordedPeople(self._dials, self._known, self._talked, seed)

    def scenario(self, changes: Changes) -> Scenario:
        """The day of the record: its agents and limits, changed. Its calls are means: people come from `people`.

        :raises UsageError: see `Changes`.
        """
        policy, known = self.policy, self._known
        persons = [each for each in known if each.picks is Picks.PERSON]
        calls = Calls(
            answer_rate=((0.0, len(persons) / len(known)),),
            machine_rate=sum(each.picks is Picks.MACHINE for each in known) / len(known),
            talk_s=_mean([each.talk_us or 0 for each in self._talked]),
            wrap_s=_mean([each.wrap_us or 0 for each in self._talked]),
            ring_s=_mean([each.after_us for each in persons]),
            no_answer_s=policy.ring_s,
        )
        return Scenario(
            name=str(policy.id),
            hours=self._presence.length_us / 3_600 / SECOND,
            warmup_minutes=0.0,
            agents=Agents(count=changes.staffed(self._presence.steps)),
            campaigns=(Campaign(name=str(policy.id), calls=calls, prior_answer_rate=policy.answer_rate),),
            limits=changes.limited(_limits(policy, self._trunks)),
        )


class RecordedPeople:
    """The people of a record, see `engine.simulation.fates.People`. `asked`: how many of them were dialled."""

    def __init__(self, dials: Sequence[RecordedDial], known: Sequence[Fate], talked: Sequence[Fate], seed: int) -> None:
        self._talked = talked
        self._others, self._talks = Stream(seed, "recorded", "fate"), Stream(seed, "recorded", "talk")
        self.asked = 0
        seen = iter(known)
        self._fates = [
            next(seen) if _is_seen(each) else self._unseen(number, each, known) for number, each in enumerate(dials)
        ]

    def _unseen(self, number: int, dial: RecordedDial, known: Sequence[Fate]) -> Fate:
        age = dial.ended_at - dial.dialled_at if dial.outcome is Outcome.CANCELLED else 0
        return _one_of([each for each in known if each.after_us >= age] or known, self._others.at(number))

    def _fate(self, number: int) -> Fate:
        if number < len(self._fates):
            return self._fates[number]
        return _one_of(self._fates, self._others.at(number))

    def _talk(self, number: int) -> Fate:
        fate = self._fate(number)
        return fate if fate.talk_us is not None else _one_of(self._talked, self._talks.at(number))

    def dialled(self, number: int, offset: int) -> tuple[Picks, int, int]:
        """See `People`."""
        self.asked = max(self.asked, number + 1)
        fate = self._fate(number)
        return fate.picks, fate.after_us, fate.cause

    def talk_us(self, number: int) -> int:
        """See `People`."""
        return self._talk(number).talk_us or 0

    def wrap_us(self, number: int) -> int:
        """See `People`."""
        return self._talk(number).wrap_us or 0

    def called_machine(self, number: int, picks: Picks) -> bool:
        """See `People`."""
        return self._fate(number).verdict_us is not None

    def verdict_us(self, number: int) -> int:
        """See `People`."""
        return self._fate(number).verdict_us or 0

    def patience_us(self, number: int) -> int | None:
        """See `People`."""
        return self._fate(number).patience_us


def _ringing_out(recorded: RecordedCampaign, rings_out: int) -> RecordedCampaign:
    """With agents at work so long after each stop or pause: calls that rang then found somebody."""
    running = tuple(RecordedSpan(begin=each.begin, end=each.end + rings_out) for each in recorded.running)
    return replace(recorded, running=running)  # type: ignore[type-var]


def _talks(dial: RecordedDial) -> bool:
    """Whether the talk is not over yet."""
    return dial.outcome is None and dial.connected_at > 0


def _is_seen(dial: RecordedDial) -> bool:
    return dial.outcome not in _UNSEEN or _talks(dial)


def _is_live(dial: RecordedDial) -> bool:
    return _talks(dial) or (dial.outcome is not None and dial.outcome.live_answer)


def _free_again_at(dial: RecordedDial, end: int) -> int:
    """When its agent was done with it; of one who is not, `end`."""
    if _talks(dial):
        return end
    if dial.talk_us is None:
        return dial.ended_at + (dial.wrap_us or 0)
    return dial.connected_at + dial.talk_us + (dial.wrap_us or 0)


def _decided_at(dial: RecordedDial) -> int:
    """When it was known who gets it: talks that go on after the last dial would be time in which nobody was dialled."""
    return max(dial.dialled_at, dial.connected_at or dial.ended_at)


def _fate(dial: RecordedDial) -> Fate:
    outcome = dial.outcome
    answered = dial.answered_at or dial.ended_at
    after = max(SOONEST_US, answered - dial.dialled_at)
    if outcome is Outcome.MACHINE:
        return Fate(Picks.MACHINE, after, verdict_us=max(0, dial.ended_at - answered))
    if outcome is Outcome.HUNG_UP_EARLY:
        patience = max(0, dial.ended_at - answered)
        return Fate(Picks.PERSON, after, talk_us=patience, wrap_us=0, patience_us=patience)
    if outcome is Outcome.CONNECTED:
        talk_us = max(0, dial.ended_at - dial.connected_at) if dial.talk_us is None else dial.talk_us
        return Fate(Picks.PERSON, after, talk_us=talk_us, wrap_us=dial.wrap_us or 0)
    if outcome in (Outcome.ABANDONED, Outcome.MESSAGE) or _talks(dial):
        return Fate(Picks.PERSON, after)
    after = max(SOONEST_US, dial.ended_at - dial.dialled_at)
    return Fate(Picks.NOBODY, after, dial.cause or (BUSY if outcome is Outcome.BUSY else NO_ANSWER))


def _limits(policy: CampaignPolicy, trunks: Sequence[TrunkPolicy]) -> Limits:
    return Limits(
        lines=round(_tightest(policy.lines, [each.lines for each in trunks])),
        calls_per_second=_tightest(policy.calls_per_second, [each.calls_per_second for each in trunks]),
        abandon_cap=min((each.cap for each in policy.budgets), default=Limits().abandon_cap),
        connect_deadline_s=policy.connect_limit_s,
    )


def _tightest(own: float, of_trunks: Sequence[float]) -> float:
    """A campaign's own limit or that of all its trunks together; 0: none."""
    together = sum(of_trunks) if of_trunks and all(of_trunks) else 0
    return min((each for each in (own, together) if each), default=0)


def _mean(durations_us: Sequence[int]) -> Constant:
    """At least a tenth of a second, so that no model divides by nothing."""
    return Constant(value=max(0.1, sum(durations_us) / len(durations_us) / SECOND))


def _one_of(fates: Sequence[Fate], u: float) -> Fate:
    return fates[int(u * len(fates))]


def _too_thin(policy: CampaignPolicy, what: str, mend: str) -> RecordTooThin:
    return RecordTooThin(f"campaign {policy.id} cannot be played again: {what}", where="--replay", mend=mend)
