"""Agents who share one phone in shifts."""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.facts import AgentDefined, AgentSignedIn, AgentSignedOut, AsteriskSeen, EngineStarted
from engine.domain.policy import AgentProfile
from engine.domain.values import AgentId, LegMode
from engine.floor import Floor
from engine.main.switch import who_is_at

EARLY, LATE = AgentId("1001"), AgentId("1002")


def test_a_shared_phone_belongs_to_who_is_signed_in() -> None:
    floor = Floor()
    floor.handle(EngineStarted(version="1", epoch=1), 1)
    floor.handle(AsteriskSeen(legs=(), boot="1"), 1)
    for agent_id in (EARLY, LATE):
        floor.handle(AgentDefined(agent=AgentProfile(id=agent_id, name="A", endpoint="desk-7")), 1)
    assert who_is_at(floor, "desk-7") == EARLY
    floor.handle(AgentSignedIn(agent_id=LATE, mode=LegMode.ON_DEMAND), 2)
    assert who_is_at(floor, "desk-7") == LATE
    refused = floor.handle(AgentSignedIn(agent_id=EARLY, mode=LegMode.ON_DEMAND), 2)
    assert "1002 is signed in at that phone" in str(refused)  # both would be rung on it, each for another caller
    assert floor.state.agents[EARLY].state is AgentState.OFFLINE
    floor.handle(AgentSignedOut(agent_id=LATE), 3)
    assert who_is_at(floor, "desk-7") == EARLY
    assert who_is_at(floor, "desk-8") is None
