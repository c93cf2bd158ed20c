"""The states of an agent.

An agent who signs in is not ready until he says so. `reserved` exists so that two callers can never win one agent:
it is entered in the same step that decides the match. With a nailed-up leg reserved leads straight to talking; an
on-demand phone rings first. Ring-no-answer and a vanished phone lead to not-ready, never back to available.
Signing out is possible everywhere except while talking (the call ends first).

`TRANSITIONS` is the only place where an arrow may be added; the diagram in docs/states.md is drawn from it.
"""

from enum import StrEnum


class AgentState(StrEnum):
    """What an agent is doing, per the voice channel."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    NOT_READY = "not-ready"


_S = AgentState

TRANSITIONS: dict[AgentState, frozenset[AgentState]] = {
    _S.OFFLINE: frozenset({_S.NOT_READY, _S.AVAILABLE}),
    _S.AVAILABLE: frozenset({_S.RESERVED, _S.NOT_READY, _S.OFFLINE}),
    _S.RESERVED: frozenset({_S.RINGING, _S.TALKING, _S.AVAILABLE, _S.NOT_READY, _S.OFFLINE}),
    _S.RINGING: frozenset({_S.TALKING, _S.AVAILABLE, _S.NOT_READY, _S.OFFLINE}),
    _S.TALKING: frozenset({_S.WRAP_UP, _S.AVAILABLE, _S.NOT_READY, _S.OFFLINE}),
    _S.WRAP_UP: frozenset({_S.AVAILABLE, _S.NOT_READY, _S.OFFLINE}),
    _S.NOT_READY: frozenset({_S.AVAILABLE, _S.OFFLINE}),
}
