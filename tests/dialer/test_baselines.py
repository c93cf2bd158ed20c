"""The peers' rules, one arithmetic fact each, and what all of them owe: whole numbers, bounds, no dice, own beats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.baselines import BASELINES, SETTINGS
from engine.dialer.baselines.erlang import ErlangB, blocking, traffic_at
from engine.dialer.baselines.impact import Attempt, Impact, best_ratio, replay
from engine.dialer.baselines.issabel import Issabel
from engine.dialer.baselines.omnileads import OMniLeads
from engine.dialer.baselines.per_agent import Ratio
from engine.dialer.baselines.pieces import Beat
from engine.dialer.baselines.vicidial import Method, ViciDial
from engine.dialer.pacing import REASONS, Lesson, Pacing, Sight
from engine.domain.campaign import CampaignId, CampaignPolicy
from engine.domain.values import SECOND, QueueId

BEGIN = 1_700_000_000 * SECOND
POLICY = CampaignPolicy(id=CampaignId("spring"), name="Spring", queue_id=QueueId("sales"))
NAMES = sorted(BASELINES)


def at(second: float) -> int:
    return BEGIN + round(second * SECOND)


def sight(
    second: float,
    free: int = 0,
    *,
    ringing: int = 0,
    waiting: int = 0,
    talking: Sequence[float] = (),
    wrapping: int = 0,
) -> Sight:
    """What is seen `second` seconds after the beginning; talks are given by their ages in seconds."""
    return Sight(
        now=at(second),
        free=free,
        waiting=waiting,
        ringing=[at(second)] * ringing,
        talking=[at(second - age) for age in talking],
        wrapping=[at(second)] * wrapping,
        staffed=free + len(talking) + wrapping,
    )


def teach(pacing: Pacing, lesson: Lesson, times: int, age_s: float = 0.0, second: float = 0.0) -> None:
    for _ in range(times):
        pacing.learn(lesson, at(second), round(age_s * SECOND))


def test_names_are_those_of_the_command() -> None:
    names = "erlang-b impact issabel issabel-overcommit omnileads progressive ratio"
    assert " ".join(NAMES) == names + " vicidial-average vicidial-hard vicidial-tapered"
    assert set(SETTINGS) == set(BASELINES)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_taken_and_changes_the_state_only(name: str) -> None:
    for setting in SETTINGS[name]:
        pacing = BASELINES[name](POLICY, **setting)
        assert {key: getattr(pacing, key) for key in setting} == setting


STEPS = st.lists(
    st.tuples(
        st.integers(0, 400_000),
        st.integers(0, 6),
        st.integers(0, 3),
        st.lists(st.integers(0, 300), max_size=6),
        st.integers(0, 4),
        st.lists(st.tuples(st.sampled_from(Lesson), st.integers(0, 200)), max_size=8),
    ),
    max_size=30,
)


def run(make: Callable[..., Pacing], steps: object) -> list[tuple[int, str]]:
    pacing, second, dials = make(POLICY), 0.0, []
    for milliseconds, free, waiting, talking, wrapping, lessons in steps:  # type: ignore[attr-defined]
        second += milliseconds / 1000
        for lesson, age_s in lessons:
            teach(pacing, lesson, 1, age_s, second)
        seen = sight(second, free, waiting=waiting, talking=talking, wrapping=wrapping)
        seen.lines = 20
        proposal = pacing.decide(seen)
        assert 0 <= proposal.dials <= seen.lines
        assert isinstance(proposal.dials, int)
        assert proposal.reason in REASONS
        assert all(math.isfinite(figure) for figure in proposal.figures.values())
        assert proposal.dials == 0 or seen.staffed
        dials.append((proposal.dials, proposal.reason))
    return dials


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(steps=STEPS)
def test_proposals_are_possible_and_the_same_again(name: str, steps: object) -> None:
    assert run(BASELINES[name], steps) == run(BASELINES[name], steps)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_is_one_plain_struct(name: str) -> None:
    pacing = BASELINES[name](POLICY)
    for second in range(120):
        teach(pacing, Lesson.DIALLED, 2, second=second)
        teach(pacing, Lesson.ANSWERED, 1, 11, second)
        teach(pacing, Lesson.TALKED, 1, 90, second)
        pacing.decide(sight(second, 3, talking=[5.0]))
    again = msgspec.json.decode(msgspec.json.encode(pacing), type=type(pacing))
    assert again == pacing
    assert again.decide(sight(121, 3)) == pacing.decide(sight(121, 3))


def test_a_beat_skips_what_it_missed_and_keeps_its_phase() -> None:
    beat = Beat(5 * SECOND // 2)
    assert [second / 2 for second in range(12) if beat.due(at(second / 2))] == [0.0, 2.5, 5.0]
    assert beat.due(at(61))
    assert not beat.due(at(62))
    assert beat.due(at(62.5))


def test_ratio_counts_what_rings_and_what_waits() -> None:
    assert Ratio(POLICY, lines_per_agent=2.5).decide(sight(0, 3, ringing=2)).dials == 5
    assert Ratio(POLICY, lines_per_agent=2.5).decide(sight(0, 1, waiting=1)).dials == 0
    assert Ratio(POLICY).decide(sight(0, 4)).dials == 6  # the policy's 1.5


def test_vicidial_does_not_see_agents_in_wrap_up() -> None:
    pacing = ViciDial(POLICY, level=1.5, adapting=Beat(SECOND, next_at=at(15)))
    assert pacing.decide(sight(0, 2, talking=[10.0] * 4, wrapping=4)).dials == round(1.5 * 6) - 4


def test_vicidial_dials_each_2_5_s_only() -> None:
    pacing = ViciDial(POLICY)
    placed = [second / 2 for second in range(20) if pacing.decide(sight(second / 2, 5)).dials]
    assert placed == [0.0, 2.5, 5.0, 7.5]


def test_vicidial_level_grows_with_idle_agents_up_to_its_maximum() -> None:
    pacing = ViciDial(POLICY)
    for second in range(46):
        pacing.decide(sight(second, 2, talking=[1.0] * 8))
    assert pacing.level == pytest.approx(1.2**4)  # passes at 0, 15, 30 and 45 s, each by 2/10
    for second in range(46, 600):
        pacing.decide(sight(second, 2, talking=[1.0] * 8))
    assert pacing.level == 3.0


@pytest.mark.parametrize(
    ("method", "opens", "level"),
    [
        (Method.HARD, 900, 1.0),
        (Method.AVERAGE, 900, 1.5),
        (Method.TAPERED, 900, 3.0),  # 1200 left: no brake yet
        (Method.TAPERED, 1800, 3.0 * 0.3),  # 300 left
        (Method.TAPERED, 2130, 1.0),  # past the latest hour
    ],
)
def test_vicidial_brakes_when_the_day_has_dropped_too_many(method: Method, opens: float, level: float) -> None:
    pacing = ViciDial(POLICY, method=method, opens=opens, level=3.0)
    teach(pacing, Lesson.DIALLED, 200)
    teach(pacing, Lesson.TALKED, 96)
    teach(pacing, Lesson.ABANDONED, 4)
    pacing.decide(sight(0, 0, talking=[1.0] * 10))
    assert pacing.level == pytest.approx(max(1.0, level))


def test_vicidial_halves_the_level_after_a_bad_minute() -> None:
    pacing = ViciDial(POLICY, level=3.0, dropped_percentage=100)
    teach(pacing, Lesson.DIALLED, 30)
    teach(pacing, Lesson.ABANDONED, 16)
    pacing.decide(sight(0, 0, talking=[1.0] * 10))
    assert pacing.level == 1.5


def test_vicidial_forgets_at_midnight() -> None:
    pacing = ViciDial(POLICY, level=3.0)
    teach(pacing, Lesson.DIALLED, 200)
    teach(pacing, Lesson.ABANDONED, 4)
    pacing.decide(sight(0, 1))
    assert pacing.drop_share == 1.0
    pacing.decide(sight(86_400, 1))
    assert pacing.drop_share == 0.0


def warmed_up() -> OMniLeads:
    pacing = OMniLeads(POLICY, calls_per_second=100)
    pacing.hits.value = 0.25
    teach(pacing, Lesson.TALKED, 50, 100)
    teach(pacing, Lesson.WRAPPED, 50, 20)
    pacing.ring.add(10)
    return pacing


def test_omnileads_warms_up_with_one_call_for_each_free_agent() -> None:
    pacing = OMniLeads(POLICY)
    teach(pacing, Lesson.ANSWERED, 49, 10)
    teach(pacing, Lesson.TALKED, 49, 100)
    proposal = pacing.decide(sight(0, 3, ringing=1))
    assert (proposal.dials, proposal.reason) == (2, "warm-up")


def test_omnileads_expects_agents_by_the_mean_less_the_elapsed() -> None:
    seen = sight(0, 1, ringing=4, talking=[20.0, 500.0])
    soon = (1 - math.exp(-10 / 100)) + (1 - math.exp(-10 / 1))
    assert warmed_up().decide(seen).dials == math.floor((1 + soon - 4 * 0.25) / 0.25)


@pytest.mark.parametrize(("drops", "brake"), [(0.0, 1.0), (0.015, 1.0), (0.0225, 0.6), (0.03, 0.2), (0.5, 0.2)])
def test_omnileads_brakes_between_half_of_the_limit_and_the_limit(drops: float, brake: float) -> None:
    pacing = warmed_up()
    pacing.drops.value = drops
    assert pacing.decide(sight(0, 10)).dials == math.floor(10 / 0.25 * brake)


def test_omnileads_latches_after_five_passes_and_releases_below_the_limit() -> None:
    pacing = warmed_up()
    pacing.drops.value = 0.03
    reasons = [pacing.decide(sight(second, 1)).reason for second in range(6)]
    assert reasons == ["peer"] * 4 + ["free-agents"] * 2
    pacing.drops.value = 0.025
    assert pacing.decide(sight(6, 1)).reason == "free-agents"
    pacing.drops.value = 0.0239
    assert pacing.decide(sight(7, 1)).reason == "peer"


def test_issabel_counts_agents_who_talk_three_and_a_half_means() -> None:
    pacing = Issabel(POLICY)
    teach(pacing, Lesson.TALKED, 10, 100)
    enough = -math.log(0.03) * 100 - 8
    assert pacing.decide(sight(0, 2, ringing=1, talking=[enough - 1, enough + 1], wrapping=3)).dials == 2
    assert Issabel(POLICY, wrap_up_shows=0).decide(sight(0, 2, wrapping=3)).dials == 5


def test_issabel_overcommits_by_the_answers_of_30_minutes() -> None:
    pacing = Issabel(POLICY, overcommit=True)
    teach(pacing, Lesson.FAILED, 6, 25)
    teach(pacing, Lesson.ANSWERED, 4, 10)
    assert pacing.decide(sight(0, 3, ringing=1)).dials == 5  # 2 / 0.4
    assert pacing.decide(sight(31 * 60, 3, ringing=1)).dials == 2


def test_impact_replays_to_more_lines_where_few_answer() -> None:
    attempts = [Attempt(120 if number % 4 == 0 else 0) for number in range(100)]
    one, more = replay(attempts, 10, 1.0), replay(attempts, 10, 2.0)
    assert one.on_call_s + one.on_hold_s == more.on_call_s + more.on_hold_s == 10 * 240
    assert more.on_call_s > one.on_call_s
    assert one.abandoned == 0
    assert best_ratio(attempts, 10, 0.03) > 1.0
    assert best_ratio(attempts, 10, 0.0) == 1.0


def test_impact_slows_down_while_over_its_limit() -> None:
    pacing = Impact(POLICY, best=3.0)
    pacing.replaying.next_at = at(3600)
    teach(pacing, Lesson.DIALLED, 1)
    assert pacing.decide(sight(1, 4)).dials == 12
    teach(pacing, Lesson.ABANDONED, 1)
    assert pacing.decide(sight(2, 4)).dials == 9
    assert pacing.decide(sight(700, 4)).dials == 4  # nothing dialled for 10 minutes


def test_impact_gives_talks_to_answered_attempts_in_order() -> None:
    pacing = Impact(POLICY)
    teach(pacing, Lesson.ANSWERED, 3)
    teach(pacing, Lesson.ABANDONED, 1)
    teach(pacing, Lesson.TALKED, 1, 70)
    teach(pacing, Lesson.FAILED, 1)
    assert [attempt.talk_s for attempt in pacing.pool] == [70, 0, 0, 0]


def test_impact_keeps_its_first_attempts_or_those_of_30_minutes() -> None:
    frozen, moving = Impact(POLICY, window_moves=0), Impact(POLICY)
    for pacing in (frozen, moving):
        teach(pacing, Lesson.ANSWERED, 1)
        teach(pacing, Lesson.FAILED, 99)
        teach(pacing, Lesson.ANSWERED, 30, second=1700)
        teach(pacing, Lesson.TALKED, 2, 70, second=1801)
        pacing.decide(sight(1801, 6))
    assert [len(pacing.pool) for pacing in (frozen, moving)] == [100, 30]
    assert [attempt.talk_s for attempt in moving.pool[:2]] == [70, 0]
    teach(moving, Lesson.TALKED, 1, 80, second=1802)
    assert [attempt.talk_s for attempt in moving.pool[:3]] == [70, 80, 0]


@pytest.mark.parametrize(("agents", "traffic", "share"), [(1, 1.0, 0.5), (10, 5.0, 0.01838), (100, 88.0, 0.02010)])
def test_erlang_b_has_the_tables_values(agents: int, traffic: float, share: float) -> None:
    assert blocking(agents, traffic) == pytest.approx(share, abs=1e-3)
    assert traffic_at(agents, blocking(agents, traffic)) == pytest.approx(traffic, abs=1e-4)


def test_erlang_b_dials_at_a_constant_pace_whatever_is_free() -> None:
    pacing = ErlangB(POLICY)
    teach(pacing, Lesson.TALKED, 30, 120)
    teach(pacing, Lesson.WRAPPED, 30, 20)
    pacing.hits.value = 0.2
    placed = sum(
        pacing.decide(sight(second / 2, second % 3, talking=[1.0] * (10 - second % 3))).dials for second in range(7201)
    )
    assert placed == pytest.approx(3600 * traffic_at(10, 0.03) / (140 * 0.2), abs=1)
