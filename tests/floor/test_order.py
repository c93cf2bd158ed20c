"""The facts of one whole call, told in slightly different orders and partly twice, end in the same sums.

Every swap keeps the invariants (the hall checks them); those that can really happen change nothing at all.
"""

from __future__ import annotations

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.facts import AnyFact
from engine.domain.values import AgentId
from engine.floor import Floor
from tests.floor.hall import NAILED, RUNG, START, Hall
from tests.floor.test_machine import replay

SETTLED = 60.0
"""Seconds after which every wrap-up, ring and repeated try is over."""

FROM_OUTSIDE = (f.CallArrived, f.ControlGained, f.Asked, f.LegHeld, f.LegAnswered, f.LegJoined, f.LegLeft, f.LegEnded)


def recorded(agent_id: AgentId, *, agent_leaves_first: bool) -> list[tuple[AnyFact, int]]:
    """A whole call to a sales agent, as it was told."""
    hall = Hall()
    hall.ready(agent_id)
    call = hall.waiting("1")
    if agent_id == RUNG:
        hall.pick_up()
    call.bridged()
    hall.wait(20)
    if agent_leaves_first:
        bridge, agent_leg = hall.floor.state.legs[call.leg].bridge, call.agent_leg
        hall.tell(f.LegLeft(leg=agent_leg, bridge=bridge))
        hall.tell(f.LegLeft(leg=call.leg, bridge=bridge))
        call.control("after")
        hall.tell(f.LegEnded(leg=call.leg))
    else:
        call.hang_up()
    if agent_id == NAILED:
        hall.idle(NAILED)
    return hall.told


def told(recording: list[tuple[AnyFact, int]], order: list[int]) -> Hall:
    """A hall that heard the recorded facts in this order: indexes, some perhaps twice. Time never runs backwards."""
    hall = Hall()
    hall.floor, hall.told, hall.steps = Floor(), [], []
    for ledger in (hall.ledger.agents, hall.ledger.states):
        ledger.clear()
    hall.now = START
    for index in order:
        fact, at = recording[index]
        hall.now = max(hall.now, at)
        hall.tell(fact)
    hall.wait(SETTLED)
    return hall


CASES = [(agent, first) for agent in (NAILED, RUNG) for first in (False, True)]


@pytest.mark.parametrize(("agent_id", "agent_leaves_first"), CASES)
def test_adjacent_facts_may_change_places(agent_id: AgentId, agent_leaves_first: bool) -> None:
    recording = recorded(agent_id, agent_leaves_first=agent_leaves_first)
    places = range(len(recording))
    swaps = [
        n
        for n in places[:-1]
        if isinstance(recording[n][0], FROM_OUTSIDE) and isinstance(recording[n + 1][0], FROM_OUTSIDE)
    ]
    swapped = []
    for n in swaps:
        order = [*places[:n], n + 1, n, *places[n + 2 :]]
        hall = told(recording, order)
        pair = f"{type(recording[n][0]).__name__} after {type(recording[n + 1][0]).__name__}"
        if may_swap(recording[n], recording[n + 1]):
            swapped.append(pair)
            assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}, pair
            assert hall.agent_state(agent_id) is AgentState.AVAILABLE, pair
    assert len(swapped) >= 2


def may_swap(one: tuple[AnyFact, int], other: tuple[AnyFact, int]) -> bool:
    """Whether Asterisk may tell these two in either order.

    They are of one moment and of two channels; or a channel's end of talk (AMI) meets its dialplan's question (AGI).
    Any other pair of one channel is bound: its dialplan goes on only when we have answered.
    """
    if one[1] != other[1]:
        return False
    if getattr(one[0], "leg", "") != getattr(other[0], "leg", ""):
        return True
    return isinstance(one[0], f.LegLeft | f.LegEnded) and isinstance(other[0], f.ControlGained)


@pytest.mark.parametrize(("agent_id", "agent_leaves_first"), CASES)
@pytest.mark.parametrize("distance", [0, 1, 3])
def test_any_fact_may_be_told_twice(agent_id: AgentId, agent_leaves_first: bool, distance: int) -> None:
    recording = recorded(agent_id, agent_leaves_first=agent_leaves_first)
    places = range(len(recording))
    for n in places:
        # the edge remembers its dead, and a dialplan asks only while its channel lives
        if not isinstance(recording[n][0], FROM_OUTSIDE):
            continue
        order = [*places[: n + 1 + distance], n, *places[n + 1 + distance :]]
        hall = told(recording, order)
        twice = f"{type(recording[n][0]).__name__} again {distance} facts later"
        assert hall.sums() == {"arrived": 1, "offered": 1, "answered": 1}, twice
        assert hall.agent_state(agent_id) is AgentState.AVAILABLE, twice


def test_a_recording_replays_to_the_same_bytes() -> None:
    recording = recorded(NAILED, agent_leaves_first=True)
    commands, snapshot = replay(recording)
    floor = Floor()
    halfway = len(recording) // 2
    again = [floor.handle(fact, now) for fact, now in recording[:halfway]]
    floor = Floor.restore(floor.snapshot())
    again += [floor.handle(fact, now) for fact, now in recording[halfway:]]
    assert (again, floor.snapshot()) == (commands, snapshot)
