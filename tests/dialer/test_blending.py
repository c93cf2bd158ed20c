"""The reserve for inbound calls: against a simulated floor, and its laws."""

from __future__ import annotations

import heapq
import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dialer.blending import Arrivals, reserve
from engine.domain.values import SECOND

NOW = 1_750_000_000 * SECOND
LEVEL = (0.8, 20.0)


def served(rate: float, handle_s: float, agents: int, kept: int, within_s: float, calls: int = 40_000) -> float:
    """The share of inbound calls answered in time, simulated call by call; the campaign fills down to `kept` free."""
    dice = random.Random(7)
    ends = [dice.expovariate(1 / handle_s) for _ in range(agents - kept)]
    heapq.heapify(ends)
    queue: list[float] = []
    now, in_time = 0.0, 0
    coming = dice.expovariate(rate)
    answered = 0
    while answered < calls:
        if not ends or coming < ends[0]:
            now = coming
            coming = now + dice.expovariate(rate)
            if len(ends) < agents:
                heapq.heappush(ends, now + dice.expovariate(1 / handle_s))
                in_time, answered = in_time + 1, answered + 1
            else:
                queue.append(now)
            continue
        now = heapq.heappop(ends)
        if queue:
            in_time, answered = in_time + (now - queue.pop(0) <= within_s), answered + 1
            heapq.heappush(ends, now + dice.expovariate(1 / handle_s))
        elif agents - len(ends) > kept:
            heapq.heappush(ends, now + dice.expovariate(1 / handle_s))
    return in_time / calls


@pytest.mark.parametrize(
    ("erlangs", "handle_s", "agents", "level"),
    [(8.0, 180.0, 40, (0.95, 5.0)), (2.0, 120.0, 10, (0.9, 10.0)), (20.0, 150.0, 30, (0.8, 20.0))],
)
def test_it_is_the_smallest_that_meets_the_level(
    erlangs: float, handle_s: float, agents: int, level: tuple[float, float]
) -> None:
    kept = reserve(erlangs / handle_s, handle_s, agents, level)
    assert 0 < kept < agents / 2
    assert served(erlangs / handle_s, handle_s, agents, kept, level[1]) >= level[0] - 0.01
    assert served(erlangs / handle_s, handle_s, agents, kept - 1, level[1]) < level[0] + 0.01


def test_a_large_team_needs_none_for_an_easy_level() -> None:
    # one of 40 busy agents ends every 4.5 s, and an inbound call is first in line: 97 % are answered within 20 s
    assert reserve(8 / 180, 180.0, 40, (0.97, 20.0)) == 0
    assert reserve(8 / 180, 180.0, 40, (0.98, 20.0)) == 1


def test_with_every_agent_kept_it_is_erlangs_delay_formula() -> None:
    # 10 Erlang, 12 agents: C = 0.4494; answered within 20 s of 180: 1 - C exp(-2 * 20 / 180) = 0.640
    assert reserve(10 / 180, 180.0, 12, (0.639, 20.0)) < 12
    assert reserve(10 / 180, 180.0, 12, (0.641, 20.0)) == 12


def test_nothing_comes_and_nothing_is_kept() -> None:
    assert reserve(0.0, 180.0, 40) == 0
    assert reserve(0.01, 180.0, 0) == 0
    assert reserve(0.0, 180.0, 40, LEVEL, waiting_inbound=3) == 3
    assert reserve(0.1, 0.0, 40) == 0
    assert reserve(0.1, 60.0, 40, (0.0, 20.0)) == 0


def test_more_than_the_team_can_do_takes_the_team() -> None:
    assert reserve(1.0, 180.0, 40) == 40
    assert reserve(0.1, 180.0, 40, (1.0, 20.0)) == 40
    assert reserve(0.04, 180.0, 40, LEVEL, waiting_inbound=99) == 40


@given(st.floats(0.0, 3.0), st.floats(1.0, 600.0), st.integers(0, 500), st.floats(0.0, 1.0), st.floats(0.0, 120.0))
def test_it_is_within_the_team_and_grows_with_what_is_asked(
    rate: float, handle_s: float, agents: int, share: float, within_s: float
) -> None:
    kept = reserve(rate, handle_s, agents, (share, within_s))
    assert 0 <= kept <= agents
    assert reserve(rate * 1.1, handle_s, agents, (share, within_s)) >= kept
    assert reserve(rate, handle_s, agents, (min(1.0, share * 1.1), within_s)) >= kept
    assert reserve(rate, handle_s, agents, (share, within_s * 0.9)) >= kept
    assert reserve(rate, handle_s, agents, (share, within_s), 1) == min(agents, kept + 1)


def test_it_grows_like_a_logarithm() -> None:
    kept = [reserve(0.25 * agents / 180, 180.0, agents, (0.95, 0.0)) for agents in (20, 80, 320, 1_280)]
    assert max(kept) <= 4 + math.log(1_280)


# --- how often they come ---------------------------------------------------------------------------------------------


def watched(*arrivals: float) -> Arrivals:
    made = Arrivals()
    made.watch(NOW)
    for second in arrivals:
        made.arrived(NOW + round(second * SECOND))
    return made


def test_a_steady_stream_is_measured() -> None:
    made = watched(*range(0, 3_600, 20))
    assert made.rate(NOW + 3_600 * SECOND) == pytest.approx(0.05, rel=0.03)


def test_without_calls_the_rate_falls_to_nothing() -> None:
    assert Arrivals().rate(NOW) == 0.0
    assert watched().rate(NOW + 3_600 * SECOND) == 0.0
    made = watched(*range(0, 1_800, 20))
    assert made.rate(NOW + 5_400 * SECOND) < 0.001


def test_a_burst_is_believed_within_a_minute() -> None:
    made = watched(*range(0, 1_800, 20), *(1_800 + each * 20 / 3 for each in range(9)))
    assert made.rate(NOW + 1_860 * SECOND) > 0.1


def test_one_early_call_is_no_burst() -> None:
    assert watched(1.0).rate(NOW + 2 * SECOND) < 0.02


def test_chance_is_rarely_taken_for_a_burst() -> None:
    dice, second, times = random.Random(3), 0.0, []
    while second < 36_000:
        second += dice.expovariate(0.05)
        times.append(second)
    made, rates = Arrivals(), []
    for each in times:
        made.arrived(NOW + round(each * SECOND))
        rates.append(made.rate(NOW + round(each * SECOND)))
    assert sum(rates) / len(rates) < 0.05 * 1.35
    assert sum(rate > 0.1 for rate in rates) < 0.1 * len(rates)


def test_a_clock_that_steps_back_harms_nothing() -> None:
    made = watched(100.0)
    made.arrived(NOW)
    assert made.at == NOW + 100 * SECOND
    assert 0 < made.rate(NOW - 50 * SECOND) < 0.05


def test_it_is_kept_with_the_floor() -> None:
    made = watched(1.0, 2.0)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Arrivals) == made
