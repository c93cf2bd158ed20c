"""Room on a trunk, its breaker, and the meaning of causes."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dialer.trunks import (
    BY_CAUSE,
    BY_SIP,
    IN_A_ROW_US,
    LONGEST_PAUSE_US,
    PAUSE_US,
    PROBE_LIMIT_US,
    UNLIMITED,
    Breaker,
    TrunkState,
    choose,
    classify,
    failed,
    freed,
    next_room_at,
    room,
    succeeded,
    took,
)
from engine.domain.attempt import Outcome
from engine.domain.campaign import TrunkId
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND

NOW = 1_750_000_000 * SECOND
FREE = TrunkPolicy(id="a", host="a.example")


def limited(lines: int = 0, per_second: float = 0.0) -> TrunkPolicy:
    return TrunkPolicy(id="a", host="a.example", lines=lines, calls_per_second=per_second)


def opened(now: int = NOW) -> TrunkState:
    state = TrunkState()
    verdicts = [failed(state, now) for _ in range(5)]
    assert verdicts == [False] * 4 + [True]
    return state


# --- lines and calls per second --------------------------------------------------------------------------------------


def test_without_limits_there_is_room() -> None:
    assert room(FREE, TrunkState(in_use=9_999), NOW) == UNLIMITED
    assert next_room_at(FREE, TrunkState(), NOW) is None


def test_lines_are_calls_at_once() -> None:
    policy, state = limited(lines=2), TrunkState()
    took(policy, state, NOW)
    assert room(policy, state, NOW) == 1
    took(policy, state, NOW)
    assert (room(policy, state, NOW), next_room_at(policy, state, NOW)) == (0, None)
    freed(state)
    assert room(policy, state, NOW) == 1
    assert room(policy, TrunkState(in_use=7), NOW) == 0  # the policy was lowered meanwhile


def test_calls_are_spaced() -> None:
    policy, state = limited(per_second=10), TrunkState()
    assert room(policy, state, NOW) == 1
    took(policy, state, NOW)
    assert (room(policy, state, NOW), next_room_at(policy, state, NOW)) == (0, NOW + SECOND // 10)
    assert room(policy, state, NOW + SECOND // 10 - 1) == 0
    assert room(policy, state, NOW + SECOND // 10) == 1
    assert room(policy, state, NOW + 3_600 * SECOND) == 1  # nothing is saved up


RATES = st.one_of(st.integers(1, 500).map(float), st.floats(0.05, 60.0))


@given(RATES, st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 60)), max_size=60))
def test_no_second_sees_more_calls_than_allowed(rate: float, asks: list[tuple[int, int]]) -> None:
    policy, state, now = limited(per_second=rate), TrunkState(), NOW
    placed: list[int] = []
    for pause, wanted in asks:
        now += pause
        for _ in range(min(wanted, room(policy, state, now))):
            took(policy, state, now)
            placed.append(now)
    for first in placed:
        assert sum(first <= at < first + SECOND for at in placed) <= -(-rate // 1)


@given(RATES, st.integers(1, 400))
def test_waiting_until_the_next_room_uses_up_the_rate(rate: float, calls: int) -> None:
    policy, state, now = limited(per_second=rate), TrunkState(), NOW
    for _ in range(calls):
        at = next_room_at(policy, state, now)
        if at is not None:
            assert at > now
            assert room(policy, state, at - 1) == 0
            now = at
        assert room(policy, state, now) > 0
        took(policy, state, now)
    assert now - NOW <= (calls / (rate * 0.94)) * SECOND + calls


# --- the breaker -----------------------------------------------------------------------------------------------------


def test_five_failures_in_a_row_open_it() -> None:
    state = opened()
    assert (room(FREE, state, NOW), next_room_at(FREE, state, NOW)) == (0, NOW + PAUSE_US)
    assert room(FREE, state, NOW + PAUSE_US) == 1


def test_a_sign_of_life_between_keeps_it_closed() -> None:
    state = TrunkState()
    for _ in range(4):
        assert not any(failed(state, NOW) for _ in range(4))
        succeeded(state, NOW)
    assert state == TrunkState()


def test_time_outs_one_after_the_other_open_it_too() -> None:
    state = TrunkState()
    assert [failed(state, NOW + i * 32 * SECOND) for i in range(5)] == [False] * 4 + [True]
    state = TrunkState()
    assert not any(failed(state, NOW + i * (IN_A_ROW_US + 1)) for i in range(20))


def test_one_probe_closes_or_opens_it_again() -> None:
    state, now = opened(), NOW
    pauses = []
    for _ in range(7):
        now = state.retry_at
        assert room(FREE, state, now) == 1
        took(FREE, state, now)
        assert (state.state, room(FREE, state, now)) == (Breaker.PROBING, 0)
        assert failed(state, now)
        freed(state)
        pauses.append((state.retry_at - now) // SECOND)
    assert pauses == [20, 40, 80, 160, 300, 300, 300]
    took(FREE, state, state.retry_at)
    succeeded(state, state.retry_at + 1)
    assert state == TrunkState(in_use=1)


def test_a_probe_that_proves_nothing_is_followed_by_another() -> None:
    state = opened()
    due = NOW + PAUSE_US
    took(FREE, state, due)
    freed(state)
    assert room(FREE, state, due) == 1
    took(FREE, state, due)
    took(FREE, state, due)  # one more that nobody asked room for
    freed(state)
    assert (room(FREE, state, due), next_room_at(FREE, state, due)) == (0, due + PROBE_LIMIT_US)
    assert room(FREE, state, due + PROBE_LIMIT_US) == 1


def test_what_was_placed_before_the_failures_proves_nothing() -> None:
    state = opened()
    succeeded(state, NOW + SECOND)
    assert state.state is Breaker.OPEN
    assert not failed(state, NOW + SECOND)
    assert state.retry_at == NOW + PAUSE_US


def test_it_leaves_the_far_side_alone_for_as_long_as_asked() -> None:
    state = TrunkState()
    assert failed(state, NOW, retry_after_s=30)
    assert state.retry_at == NOW + 30 * SECOND
    assert not failed(state, NOW + SECOND, retry_after_s=86_400)
    assert state.retry_at == NOW + SECOND + LONGEST_PAUSE_US


def test_it_is_kept_with_the_floor() -> None:
    state = opened()
    assert msgspec.json.decode(msgspec.json.encode(state), type=TrunkState) == state


@given(st.lists(st.tuples(st.sampled_from(["failed", "succeeded", "took", "freed"]), st.integers(0, 40)), max_size=80))
def test_a_trunk_is_never_shut_for_ever_and_never_flooded(steps: list[tuple[str, int]]) -> None:
    state, now = TrunkState(), NOW
    for what, seconds in steps:
        now += seconds * SECOND
        if what == "took" and room(FREE, state, now) > 0:
            took(FREE, state, now)
        elif what == "failed":
            failed(state, now)
        elif what == "succeeded":
            succeeded(state, now)
        elif what == "freed":
            freed(state)
        assert room(FREE, state, now) <= (UNLIMITED if state.state is Breaker.CLOSED else 1)
        at = next_room_at(FREE, state, now)
        assert (at is None) == (room(FREE, state, now) > 0)
        assert at is None or (now < at <= now + LONGEST_PAUSE_US and room(FREE, state, at) > 0)


# --- the choice ------------------------------------------------------------------------------------------------------


def test_the_first_with_room_is_chosen_and_a_dead_one_passed_over() -> None:
    a, b, unknown = TrunkId("a"), TrunkId("b"), TrunkId("c")
    policies = {a: limited(lines=1), b: TrunkPolicy(id="b", host="b.example")}
    assert choose((unknown, a, b), policies, {}, NOW) == a
    assert choose((a, b), policies, {a: TrunkState(in_use=1)}, NOW) == b
    assert choose((a, b), policies, {a: opened()}, NOW) == b
    assert choose((a,), policies, {a: opened()}, NOW) is None
    assert choose((), policies, {}, NOW) is None


# --- causes ----------------------------------------------------------------------------------------------------------

LONG = 25 * SECOND


@pytest.mark.parametrize(
    ("cause", "sip", "rang", "age_us", "outcome"),
    [
        (17, 0, None, 1, Outcome.BUSY),
        (17, 486, True, 1, Outcome.BUSY),
        (19, 0, None, LONG, Outcome.NO_ANSWER),
        (19, 480, True, LONG, Outcome.NO_ANSWER),
        (19, 480, False, SECOND, Outcome.NO_ANSWER),  # the phone is off
        (19, 480, False, LONG, Outcome.TRUNK),  # swallowed until our own time was over
        (18, 408, False, 32 * SECOND, Outcome.TRUNK),
        (18, 0, None, 32 * SECOND, Outcome.TRUNK),
        (18, 408, True, LONG, Outcome.NO_ANSWER),
        (1, 404, None, 1, Outcome.UNALLOCATED),
        (28, 0, None, 1, Outcome.UNALLOCATED),
        (21, 0, None, 1, Outcome.REJECTED),
        (21, 0, True, 1, Outcome.REJECTED),
        (21, 0, False, 1, Outcome.TRUNK),
        (21, 603, False, 1, Outcome.REJECTED),
        (21, 403, False, 1, Outcome.TRUNK),
        (21, 401, None, 1, Outcome.TRUNK),
        (34, 503, False, 1, Outcome.TRUNK),
        (34, 503, True, 9, Outcome.NETWORK),
        (34, 0, None, 1, Outcome.TRUNK),
        (38, 500, None, 1, Outcome.TRUNK),
        (27, 502, None, 1, Outcome.NETWORK),
        (3, 0, None, 1, Outcome.TRUNK),
        (20, 0, False, 1, Outcome.TRUNK),
        (127, 488, False, 1, Outcome.TRUNK),
        (127, 487, True, LONG, Outcome.NO_ANSWER),
        (16, 0, False, LONG, Outcome.TRUNK),
        (0, 0, None, 0, Outcome.TRUNK),
        (23, 302, None, 0, Outcome.NETWORK),
        (0, 200, True, 0, Outcome.NETWORK),  # no final refusal: as if unknown
    ],
)
def test_what_an_end_means(cause: int, sip: int, rang: bool | None, age_us: int, outcome: Outcome) -> None:
    assert classify(cause, sip, rang=rang, age_us=age_us) is outcome


SIP_TO_CAUSE = {
    401: 21,
    403: 21,
    404: 1,
    408: 18,
    410: 22,
    480: 19,
    484: 28,
    485: 1,
    486: 17,
    487: 127,
    488: 58,
    500: 38,
}
SIP_TO_CAUSE |= {501: 29, 502: 27, 503: 34, 504: 102, 600: 17, 603: 21, 604: 1}
"""From res/res_pjsip.c, ast_sip_hangup_sip2cause (Asterisk 22)."""


@pytest.mark.parametrize(("sip", "cause"), SIP_TO_CAUSE.items())
def test_a_cause_alone_never_burns_a_lead_that_the_status_would_spare(sip: int, cause: int) -> None:
    if classify(cause, sip, rang=False) is Outcome.TRUNK:
        assert classify(cause, rang=False) is Outcome.TRUNK


def test_after_ringing_nothing_is_the_trunks_fault() -> None:
    for cause, sip in product(range(128), [0, *range(300, 700)]):
        assert classify(cause, sip, rang=True) is not Outcome.TRUNK


def test_an_unanswered_call_is_never_taken_for_an_answered_one() -> None:
    outcomes = {each for pair in (*BY_SIP.values(), *BY_CAUSE.values()) for each in pair}
    assert not any(each.live_answer for each in outcomes)
    assert Outcome.MACHINE not in outcomes
