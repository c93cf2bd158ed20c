"""The life of an attempt: one dialled number with exactly one outcome.

Most attempts are never answered and end as they began, on a line. One that is answered becomes an interaction too
(direction outbound), which lives by its own table; the attempt then tells what the law and the campaign count.

    dialling ─ answered ─ connected ─ ended

An answered attempt is connected when an agent was joined within the legal limit. Once the identifying message has
begun it is abandoned, whatever follows. `TRANSITIONS` is the only place where an arrow may be added.
"""

from enum import StrEnum


class AttemptState(StrEnum):
    """Where an attempt stands."""

    DIALLING = "dialling"
    ANSWERED = "answered"
    CONNECTED = "connected"
    ENDED = "ended"


_S = AttemptState

TRANSITIONS: dict[AttemptState, frozenset[AttemptState]] = {
    _S.DIALLING: frozenset({_S.ANSWERED, _S.ENDED}),
    _S.ANSWERED: frozenset({_S.CONNECTED, _S.ENDED}),
    _S.CONNECTED: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class Outcome(StrEnum):
    """The one terminal outcome of an attempt. The first block was answered; `REFUSED` was never dialled."""

    CONNECTED = "connected"  # a person, joined to an agent in time
    ABANDONED = "abandoned"  # a person, and no agent in time: he heard the message, or we let him go
    HUNG_UP_EARLY = "hung-up-early"  # a person who hung up before the limit; counted as a live answer
    MACHINE = "machine"  # something answered that is no person
    MESSAGE = "message"  # agentless: the campaign's own message was played
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNALLOCATED = "unallocated"
    REJECTED = "rejected"
    NETWORK = "network"  # the network failed; the trunk itself is well
    TRUNK = "trunk"  # the trunk failed: the lead is not used up
    CANCELLED = "cancelled"  # we hung up before anybody answered
    NOT_DIALLED = "not-dialled"  # the INTENT was written, but nothing left for the network: the lead is not used up
    LOST = "lost"  # nobody will ever know: quarantined
    REFUSED = "refused"  # a rule forbade it at the moment of dialling

    @property
    def live_answer(self) -> bool:
        """Whether a person answered (16 CFR 310.4(b)(4)(i) counts these)."""
        return self in _LIVE


_LIVE = frozenset({Outcome.CONNECTED, Outcome.ABANDONED, Outcome.HUNG_UP_EARLY})
