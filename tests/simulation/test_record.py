"""A recorded campaign played again: the same under its own pacing, otherwise under another, and honest about gaps."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain import events as e
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy
from engine.domain.policy import TrunkPolicy
from engine.domain.recorded import RecordedCampaign, RecordedDial, RecordedSpan
from engine.domain.values import SECOND, AgentId, QueueId
from engine.errors import RecordTooThin, UsageError
from engine.floor import Floor
from engine.simulation.changes import Changes, parse_changes
from engine.simulation.fates import Picks
from engine.simulation.presence import LONGEST_GAP_US, Presence
from engine.simulation.record import Record
from engine.simulation.replay import NOT_RECALLED, Memory, recall, replay
from engine.simulation.result import result
from engine.simulation.series import MINUTE
from engine.simulation.world import FIRST_DAY
from tests.simulation.studio import Played, play, scenario

POLICY = CampaignPolicy(id=CampaignId("small"), name="small", queue_id=QueueId("q"), answer_rate=0.4)
ANN, BEN = AgentId("ann"), AgentId("ben")


def recorded_of(played: Played) -> RecordedCampaign:
    """What the store would have kept of a simulated day."""
    attempt_of = {each.interaction_id: each.attempt_id for each in played.heard(e.InteractionArrived)}
    talks = {attempt_of[each.interaction_id]: each for each in played.heard(e.InteractionEnded)}
    dials = []
    for event in played.heard(e.AttemptEnded):
        talk = talks.get(event.attempt_id)
        dials.append(
            RecordedDial(
                dialled_at=event.dialled_at,
                outcome=event.outcome,
                answered_at=event.answered_at,
                connected_at=event.connected_at,
                ended_at=event.at,
                cause=event.cause,
                talk_us=talk.talk_us if talk is not None and event.connected_at else None,
                wrap_us=talk.wrap_up_us if talk is not None and event.connected_at else None,
            )
        )
    return RecordedCampaign(policy=POLICY, dials=tuple(dials), at_work=tuple(spans_of(played)))


def spans_of(played: Played) -> Iterable[RecordedSpan]:
    since: dict[AgentId, int] = {}
    for event in played.heard(e.AgentMoved):
        if event.new in (AgentState.OFFLINE, AgentState.NOT_READY):
            begun = since.pop(event.agent_id, None)
            if begun is not None:
                yield RecordedSpan(agent_id=event.agent_id, begin=begun, end=event.at)
        else:
            since.setdefault(event.agent_id, event.at)


def part_of(played: Played, begin_minute: float, end_minute: float) -> RecordedCampaign:
    """What the store tells of the dials of a part of the day."""
    whole = recorded_of(played)
    begin, end = (FIRST_DAY + round(minute * MINUTE) for minute in (begin_minute, end_minute))
    dials = sorted((each for each in whole.dials if begin <= each.dialled_at < end), key=lambda each: each.dialled_at)
    first, last = dials[0].dialled_at, max(each.ended_at for each in dials)
    spans = (
        RecordedSpan(agent_id=each.agent_id, begin=max(first, each.begin), end=min(last, each.end))
        for each in whole.at_work
    )
    return replace(  # type: ignore[type-var]
        whole, dials=tuple(dials), at_work=tuple(each for each in spans if each.begin < each.end)
    )


def memory_of(played: Played, part: RecordedCampaign) -> Memory:
    """What the journal tells of that part."""
    told = ((FIRST_DAY + round(at * SECOND), fact) for at, fact in played.told)
    end = max(each.ended_at for each in part.dials)
    found = recall(POLICY.id, Floor(), told, part.dials[0].dialled_at, end)
    assert found is not None
    return found


def sure(value: float | None) -> float:
    assert value is not None
    return value


# --- played again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pacing", ["progressive", "predictive"])
def test_the_same_pacing_comes_to_the_same(pacing: str) -> None:
    whole = scenario(hours=2.0, warmup=0, count="[[0, 10], [60, 14]]")
    played = play(whole, pacing)
    once = result(played.world.tally, scenario="", pacing=pacing, seed=1, wall_s=0)
    again = replay(Record(recorded_of(played)), pacing)
    assert again.recorded is not None
    assert again.recorded.attempts == once.attempts
    assert again.recorded.agent_utilisation == pytest.approx(sure(once.agent_utilisation), abs=0.01)
    assert again.attempts == pytest.approx(sure(once.attempts), rel=0.03)
    assert again.live_answers == pytest.approx(sure(once.live_answers), rel=0.03)
    assert again.agent_utilisation == pytest.approx(sure(once.agent_utilisation), abs=0.02)
    assert abs(sure(again.abandoned) - sure(once.abandoned)) <= 5
    assert set(again.record()) - {"note"} == {*once.record(), "recorded"}


def test_another_pacing_comes_to_something_else() -> None:
    record = Record(recorded_of(play(scenario(hours=1.0, warmup=0), "progressive")))
    faster = replay(record, "ratio")
    assert sure(faster.agent_utilisation) > sure(record.sums.agent_utilisation) + 0.03
    assert sure(faster.attempts) > record.sums.attempts
    assert "beyond the record" in faster.note
    assert replay(record, "ratio").attempts == faster.attempts
    bound = replay(record, "bound")
    assert bound.recorded == record.sums


def test_agents_and_limits_may_be_others() -> None:
    record = Record(recorded_of(play(scenario(hours=1.0, warmup=0), "progressive")))
    more = replay(record, "progressive", changes=parse_changes(["agents=+10"]))
    few_lines = replay(record, "progressive", changes=parse_changes(["agents=20", "lines=5"]))
    assert sure(more.live_answers) > 1.6 * record.sums.live_answers
    assert sure(few_lines.live_answers) < 0.6 * sure(more.live_answers)


# --- with what was known then -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_day() -> Played:
    """Twelve agents over four hours, of whom up to two are at a break: what is recorded is a part of it."""
    breaks = [[10 * step, 12 - step % 3] for step in range(24)]
    return play(scenario(hours=4.0, warmup=0, count=str(breaks)), "predictive")


@pytest.mark.parametrize(("begin", "end"), [(0, 40), (90, 130), (180, 239)])
def test_a_part_of_a_day_goes_as_it_went(long_day: Played, begin: float, end: float) -> None:
    """Under its own settings, with the forecast of the whole day and all that was learnt before it."""
    part = part_of(long_day, begin, end)
    memory = memory_of(long_day, part)
    record = Record(memory.applied(part))
    again = replay(record, "predictive", memory=memory)
    assert again.agent_utilisation == pytest.approx(sure(record.sums.agent_utilisation), abs=0.03)
    assert again.attempts == pytest.approx(record.sums.attempts, rel=0.06)
    assert again.live_answers == pytest.approx(record.sums.live_answers, rel=0.06)
    assert abs(sure(again.abandoned) - record.sums.abandoned) <= 6
    assert NOT_RECALLED not in again.note


def test_without_a_memory_it_says_so_and_has_nothing_to_spend(long_day: Played) -> None:
    record = Record(part_of(long_day, 0, 40))
    blind = replay(record, "predictive")
    assert NOT_RECALLED in blind.note
    assert NOT_RECALLED not in replay(record, "ratio").note
    assert sure(blind.agent_utilisation) < sure(record.sums.agent_utilisation) - 0.05


# --- fates ------------------------------------------------------------------------------------------------------------


def dial(second: int, outcome: Outcome | None, **more: int) -> RecordedDial:
    """A dial that is answered after 5 s, if it is, and ends after 30 s."""
    at = second * SECOND
    known: dict[str, int] = {"ended_at": at + 30 * SECOND}
    if outcome is not None and outcome.live_answer:
        known["answered_at"] = at + 5 * SECOND
    if outcome is Outcome.CONNECTED:
        known |= {"connected_at": at + 6 * SECOND, "talk_us": 24 * SECOND, "wrap_us": 9 * SECOND}
    return RecordedDial(dialled_at=at, outcome=outcome, **known | more)


def record_of(*dials: RecordedDial, **more: object) -> Record:
    spans = (RecordedSpan(agent_id=ANN, begin=0, end=3_600 * SECOND),)
    return Record(RecordedCampaign(**{"policy": POLICY, "dials": dials, "at_work": spans} | more))  # type: ignore[arg-type]


def test_everybody_keeps_what_is_his() -> None:
    people = record_of(
        dial(3, Outcome.BUSY, cause=17, ended_at=4 * SECOND),
        dial(1, Outcome.CONNECTED),
        dial(5, Outcome.ABANDONED),
        dial(6, Outcome.HUNG_UP_EARLY, ended_at=11_400_000),
        dial(7, Outcome.MACHINE, answered_at=20 * SECOND, ended_at=22 * SECOND),
        dial(8, Outcome.MACHINE, answered_at=0, ended_at=20 * SECOND),
        dial(9, Outcome.MACHINE, answered_at=20 * SECOND, connected_at=21 * SECOND),
        dial(10, Outcome.NO_ANSWER),
        dial(11, Outcome.REFUSED),
    ).people(seed=1)
    told = [people.dialled(number, 0) for number in range(8)]
    assert told == [
        (Picks.PERSON, 5 * SECOND, 0),  # by the instant of dialling
        (Picks.NOBODY, 1 * SECOND, 17),
        (Picks.PERSON, 5 * SECOND, 0),
        (Picks.PERSON, 5 * SECOND, 0),
        (Picks.MACHINE, 13 * SECOND, 0),
        (Picks.MACHINE, 12 * SECOND, 0),
        (Picks.MACHINE, 11 * SECOND, 0),
        (Picks.NOBODY, 30 * SECOND, 19),
    ]
    assert (people.talk_us(0), people.wrap_us(0)) == (24 * SECOND, 9 * SECOND)
    assert (people.talk_us(2), people.wrap_us(2)) == (24 * SECOND, 9 * SECOND)  # drawn from the only one who talked
    assert [people.patience_us(number) for number in (0, 2, 3)] == [None, None, 400_000]
    machines = [(people.called_machine(n, Picks.MACHINE), people.verdict_us(n)) for n in (4, 5, 6)]
    assert machines == [(True, 2 * SECOND), (True, 0), (True, 19 * SECOND)]
    assert not people.called_machine(0, Picks.PERSON)


def test_an_agent_is_held_by_a_machine_as_long_as_he_was() -> None:
    played = play(scenario(hours=0.5, warmup=0, machines=0.3, false_negative=1.0), "progressive")
    whole = recorded_of(played)
    slow = replay(Record(whole), "progressive")
    assert slow.attempts == pytest.approx(len(whole.dials), rel=0.05)
    quick = [
        replace(each, ended_at=each.connected_at + SECOND)  # type: ignore[type-var]
        if each.outcome is Outcome.MACHINE
        else each
        for each in whole.dials
    ]
    sooner = replay(Record(replace(whole, dials=tuple(quick))), "progressive")  # type: ignore[type-var]
    assert sure(sooner.attempts) > 1.05 * sure(slow.attempts)


def test_who_answers_after_a_stop_still_finds_his_agent() -> None:
    """Nothing is dialled while the recorded campaign was paused, and nobody goes home before what rings is over."""
    played = play(scenario(hours=1.0, warmup=0), "progressive")
    whole = recorded_of(played)
    begin = min(each.dialled_at for each in whole.dials)
    pause, again = begin + 1_200 * SECOND, begin + 1_800 * SECOND
    dials = tuple(each for each in whole.dials if not pause <= each.dialled_at < again)
    running = (RecordedSpan(begin=begin, end=pause), RecordedSpan(begin=again, end=begin + 3_600 * SECOND))
    record = Record(replace(whole, dials=dials, running=running))  # type: ignore[type-var]
    (stopped, started), (last, _) = record.quiet
    assert stopped == pytest.approx(1_200 * SECOND, abs=2)
    assert started == pytest.approx(1_800 * SECOND, abs=2)
    assert last == pytest.approx(max(each.dialled_at for each in dials) - begin, abs=2)
    found = replay(record, "progressive")
    assert found.abandoned == record.sums.abandoned == 0
    assert found.attempts == pytest.approx(len(dials), rel=0.1)  # after it everybody is free, as they were not then


def test_what_was_broken_off_is_drawn_from_what_rang_as_long() -> None:
    cut = dial(3, Outcome.CANCELLED, ended_at=13 * SECOND)
    record = record_of(
        dial(1, Outcome.CONNECTED), dial(2, Outcome.NO_ANSWER), cut, dial(4, None), dial(5, Outcome.LOST)
    )
    for seed in range(20):
        people = record.people(seed)
        assert people.dialled(2, 0) == (Picks.NOBODY, 30 * SECOND, 19)
        assert people.dialled(3, 0)[0] in (Picks.PERSON, Picks.NOBODY)
        assert people.dialled(99, 0) == record.people(seed).dialled(99, 0)


def test_who_is_talking_still_is_a_person_and_at_work_to_the_end() -> None:
    record = record_of(
        dial(1, Outcome.CONNECTED),
        dial(50, None, answered_at=53 * SECOND, connected_at=54 * SECOND, ended_at=0),
        dial(84, Outcome.NO_ANSWER),
    )
    assert record.sums.live_answers == 2
    assert sure(record.sums.agent_utilisation) == pytest.approx((33 + 60) / 113)
    people = record.people(seed=1)
    assert people.dialled(1, 0) == (Picks.PERSON, 3 * SECOND, 0)
    assert people.talk_us(1) == 24 * SECOND  # drawn from who is done
    assert record.settled(31 * SECOND) == (1, 0)
    assert record.settled(1_000 * SECOND) == (1, 0)
    assert [record.dialled_at(number) for number in (0, 2, 9)] == [SECOND, 84 * SECOND, 84 * SECOND]


@pytest.mark.parametrize(
    ("dials", "changes", "word"),
    [
        ((), {}, "no attempts"),
        ((dial(1, Outcome.REFUSED), dial(1, Outcome.NOT_DIALLED)), {}, "no attempts"),
        ((dial(1, Outcome.BUSY),), {}, "nobody was talked to"),
        ((dial(1, Outcome.CONNECTED),), {"at_work": ()}, "nobody was at work"),
    ],
)
def test_too_thin_a_record_is_refused(dials: tuple[RecordedDial, ...], changes: dict[str, object], word: str) -> None:
    with pytest.raises(RecordTooThin, match=word) as refused:
        record_of(*dials, **changes)
    assert (refused.value.error_id, refused.value.exit_code) == ("record-too-thin", 3)


def test_the_limits_are_the_campaigns_and_its_trunks() -> None:
    trunks = (TrunkPolicy(id="a", host="a", lines=10), TrunkPolicy(id="b", host="b", lines=20, calls_per_second=3))
    policy = replace(POLICY, lines=40, budgets=(Budget(cap=0.05), Budget(cap=0.01)))  # type: ignore[type-var]
    limits = record_of(dial(1, Outcome.CONNECTED), policy=policy, trunks=trunks).scenario(Changes()).limits
    assert (limits.lines, limits.calls_per_second, limits.abandon_cap, limits.connect_deadline_s) == (30, 0, 0.01, 2.0)
    changed = record_of(dial(1, Outcome.CONNECTED)).scenario(
        parse_changes(["cap=0.02", "lines=7", "calls_per_second=1.5", "connect_limit_s=1"])
    )
    assert [getattr(changed.limits, name) for name in ("abandon_cap", "lines", "calls_per_second")] == [0.02, 7, 1.5]
    assert changed.limits.connect_deadline_s == 1


@pytest.mark.parametrize("text", ["agents", "agents=", "agents=1.5", "lines=-1", "cap=2", "cap=nan", "agent=3", "x=1"])
def test_settings_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        parse_changes([text])


def test_somebody_must_be_left_at_work() -> None:
    with pytest.raises(UsageError, match="agents"):
        record_of(dial(1, Outcome.CONNECTED)).scenario(parse_changes(["agents=-1"]))


# --- who was at work --------------------------------------------------------------------------------------------------


def span(agent_id: AgentId | None, begin: float, end: float) -> RecordedSpan:
    return RecordedSpan(agent_id=agent_id, begin=round(begin * MINUTE), end=round(end * MINUTE))


def presence(
    length: float,
    at_work: list[RecordedSpan],
    elsewhere: tuple[RecordedSpan, ...] = (),
    running: tuple[RecordedSpan, ...] = (),
) -> Presence:
    recorded = RecordedCampaign(policy=POLICY, dials=(), at_work=tuple(at_work), elsewhere=elsewhere, running=running)
    return Presence(recorded, 0, round(length * MINUTE))


def test_agents_become_steps() -> None:
    here = [span(ANN, -5, 10), span(ANN, 10, 30), span(BEN, 5, 40), span(BEN, 41, 90)]
    assert presence(60, here).steps == ((0, 1), (5, 2), (30, 1), (40, 0), (41, 1))
    elsewhere = (span(ANN, 8, 12), span(BEN, 0, 6))
    assert presence(60, here, elsewhere=elsewhere).steps == (
        *((0, 1), (6, 2), (8, 1), (12, 2)),
        *((30, 1), (40, 0), (41, 1)),
    )
    assert presence(60, here, running=(span(None, 20, 35),)).steps == ((0, 0), (15, 2), (25, 1), (30, 0))


def test_nights_are_cut() -> None:
    found = presence(24 * 60, [span(ANN, 0, 60), span(ANN, 20 * 60, 24 * 60)])
    gap = LONGEST_GAP_US / MINUTE
    assert list(found.steps) == [(0, 1), (60, 0), (60 + gap, 1)]
    assert found.length_us == (5 * 60 + gap) * MINUTE
    assert found.staffed_us == 5 * 60 * MINUTE


@given(
    st.lists(
        st.tuples(st.sampled_from([ANN, BEN]), st.integers(-20, 130), st.integers(1, 40), st.booleans()), max_size=12
    )
)
def test_steps_hold_as_many_as_are_there(spans: list[tuple[AgentId, int, int, bool]]) -> None:
    """Counted minute by minute, without gaps that are long enough to be cut."""
    here = [(who, begin, begin + length) for who, begin, length, away in spans if not away]
    away = [(who, begin, begin + length) for who, begin, length, away in spans if away]

    def there(minute: int) -> int:
        def covers(many: list[tuple[AgentId, int, int]], who: AgentId) -> bool:
            return any(each == who and begin <= minute < end for each, begin, end in many)

        return sum(covers(here, who) and not covers(away, who) for who in (ANN, BEN))

    counts = [there(minute) for minute in range(100)]
    found = presence(100, [span(*each) for each in here], elsewhere=tuple(span(*each) for each in away))
    assert found.staffed_us == sum(counts) * MINUTE
    if found.length_us == 100 * MINUTE:
        steps = dict(found.steps)
        now, seen = 0, []
        for minute in range(100):
            now = steps.get(minute, now)
            seen.append(now)
        assert seen == counts
