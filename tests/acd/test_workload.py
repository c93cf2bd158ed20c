"""Handle time and occupancy, and the splitting of time at the edges of an interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.acd.figures import Unit
from engine.acd.workload import (
    HANDLE_TIMES,
    OCCUPANCIES,
    Contact,
    Handled,
    Span,
    StateTimes,
    clip,
    handle_time,
    handled,
    occupancy,
    state_times,
)
from engine.domain.agent import AgentState
from engine.domain.values import SECOND
from engine.errors import BrokenInvariant, NotFound

S = AgentState
MINUTE = 60 * SECOND


def test_handle_time_by_every_formula() -> None:
    counted = handled(
        [
            Contact(talk_us=100 * SECOND, hold_us=20 * SECOND, wrap_up_us=30 * SECOND, dial_us=8 * SECOND),
            Contact(talk_us=50 * SECOND),
        ]
    )
    got = {name: handle_time(counted, name).value for name in HANDLE_TIMES}
    assert got == {"aht.callwright/1": 100.0, "aht.genesys/1": 104.0, "aht.vicidial_daily/1": 100.0}


def test_occupancy_by_every_formula() -> None:
    minutes = {
        S.OFFLINE: 600,
        S.NOT_READY: 20,
        S.AVAILABLE: 20,
        S.RINGING: 9,
        S.RESERVED: 1,
        S.TALKING: 25,
        S.WRAP_UP: 5,
    }
    times = state_times(Span(state=state, from_us=0, to_us=m * MINUTE) for state, m in minutes.items())
    got = {name: (occupancy(times, name).part // MINUTE, occupancy(times, name).n // MINUTE) for name in OCCUPANCIES}
    assert got == {"occupancy.callwright/1": (30, 60), "occupancy.amazon/1": (30, 50), "occupancy.cms/1": (30, 80)}


def test_nothing_counted_gives_no_value() -> None:
    assert handle_time(Handled()).value is None
    offline = state_times([Span(state=S.OFFLINE, from_us=0, to_us=5)])
    assert occupancy(offline).value is None
    assert occupancy(offline).unit is Unit.RATIO


def test_an_unknown_formula_is_named() -> None:
    with pytest.raises(NotFound, match=r"aht\.callwright/1"):
        handle_time(Handled(), "aht.callwright/9")
    with pytest.raises(NotFound, match=r"occupancy\.cms/1"):
        occupancy(StateTimes(by_state={}), "occupancy.cms/9")


def test_a_call_over_the_hour_is_split_at_the_hour() -> None:
    call = [Span(state=S.TALKING, from_us=50 * MINUTE, to_us=80 * MINUTE)]
    assert state_times(clip(call, 0, 60 * MINUTE)).by_state == {S.TALKING: 10 * MINUTE}
    assert state_times(clip(call, 60 * MINUTE, 120 * MINUTE)).by_state == {S.TALKING: 20 * MINUTE}
    assert clip(call, 80 * MINUTE, 120 * MINUTE) == []


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(BrokenInvariant, match="talking from 9 back to 3"):
        state_times([Span(state=S.TALKING, from_us=9, to_us=3)])


spans = st.lists(
    st.builds(
        lambda state, start, length: Span(state=state, from_us=start, to_us=start + length),
        st.sampled_from(AgentState),
        st.integers(0, 1000),
        st.integers(0, 1000),
    ),
    max_size=12,
)


@given(spans, st.integers(0, 2000))
def test_the_halves_of_a_day_add_up_to_the_day(day: list[Span], noon: int) -> None:
    whole = state_times(clip(day, 0, 2001))
    halves = state_times([*clip(day, 0, noon), *clip(day, noon, 2001)])
    assert halves == whole
    assert sum(whole.by_state.values()) == sum(span.to_us - span.from_us for span in day)


@given(spans)
def test_nobody_is_busier_than_all_the_time(day: list[Span]) -> None:
    times = state_times(day)
    for name in OCCUPANCIES:
        assert 0 <= occupancy(times, name).part <= occupancy(times, name).n
