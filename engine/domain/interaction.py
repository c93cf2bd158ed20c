"""The life of an interaction, from arrival to the end of wrap-up.

An interaction arrives, walks through a flow, waits in a queue, is offered to one agent, is talked through and wrapped
up. An offer that fails (nobody picks up, the agent's phone vanished) returns it to the queue with its original time.
It may end from every live state, because callers hang up in every state.

    arrived ─ in-flow ─ waiting ─ offered ─ talking ─ wrap-up ─ ended

A person whom we called skips the flow: his answer is his arrival in the campaign's queue.

`TRANSITIONS` is the only place where an arrow may be added; the diagram in docs/states.md is drawn from it.
"""

from enum import StrEnum


class InteractionState(StrEnum):
    """Where an interaction stands."""

    ARRIVED = "arrived"
    IN_FLOW = "in-flow"
    WAITING = "waiting"
    OFFERED = "offered"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    ENDED = "ended"


_S = InteractionState

TRANSITIONS: dict[InteractionState, frozenset[InteractionState]] = {
    # straight to a queue: a person whom we called has answered
    _S.ARRIVED: frozenset({_S.IN_FLOW, _S.WAITING, _S.ENDED}),
    _S.IN_FLOW: frozenset({_S.WAITING, _S.ENDED}),
    # back to the flow: the queue's longest wait is over, or the flow offers something else
    _S.WAITING: frozenset({_S.OFFERED, _S.IN_FLOW, _S.ENDED}),
    # back to waiting: the agent did not answer
    _S.OFFERED: frozenset({_S.TALKING, _S.WAITING, _S.ENDED}),
    # back to the flow or the queue: the agent left first, or transferred
    _S.TALKING: frozenset({_S.WRAP_UP, _S.IN_FLOW, _S.WAITING, _S.ENDED}),
    _S.WRAP_UP: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class Ending(StrEnum):
    """How an interaction counts once it has left the queue (or never entered one).

    offered = answered + abandoned + overflowed + callback + in progress, always.
    """

    IN_FLOW = "ended-in-flow"  # never entered a queue
    ANSWERED = "answered"  # joined to an agent at least once
    ABANDONED = "abandoned"  # the caller hung up while waiting or being offered
    OVERFLOWED = "overflowed"  # left the queue by its longest wait and ended without an agent
    CALLBACK = "callback"  # left the queue for a promised call back
    LOST = "lost"  # Asterisk itself lost the call
