"""The two state tables: complete, and nobody can be stuck in them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from engine.domain import agent, interaction
from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState

State = TypeVar("State", bound=StrEnum)


def reached(table: Mapping[State, frozenset[State]], start: State) -> set[State]:
    seen, ahead = {start}, [start]
    while ahead:
        for target in table[ahead.pop()] - seen:
            seen.add(target)
            ahead.append(target)
    return seen


def test_the_tables_know_every_state() -> None:
    assert set(interaction.TRANSITIONS) == set(InteractionState)
    assert set(agent.TRANSITIONS) == set(AgentState)
    assert reached(interaction.TRANSITIONS, InteractionState.ARRIVED) == set(InteractionState)
    assert reached(agent.TRANSITIONS, AgentState.OFFLINE) == set(AgentState)


def test_nothing_leads_from_a_state_to_itself() -> None:
    assert all(state not in targets for state, targets in interaction.TRANSITIONS.items())
    assert all(state not in targets for state, targets in agent.TRANSITIONS.items())


def test_a_caller_may_hang_up_in_every_state_and_never_comes_back() -> None:
    for state, targets in interaction.TRANSITIONS.items():
        assert (InteractionState.ENDED in targets) == (state is not InteractionState.ENDED)
    assert interaction.TRANSITIONS[InteractionState.ENDED] == frozenset()


def test_an_agent_can_go_home_from_every_state() -> None:
    for state in AgentState:
        assert AgentState.OFFLINE in reached(agent.TRANSITIONS, state)


def test_only_a_reserved_agent_is_rung_and_only_an_available_one_reserved() -> None:
    to_ringing = {state for state, targets in agent.TRANSITIONS.items() if AgentState.RINGING in targets}
    to_reserved = {state for state, targets in agent.TRANSITIONS.items() if AgentState.RESERVED in targets}
    assert (to_ringing, to_reserved) == ({AgentState.RESERVED}, {AgentState.AVAILABLE})
