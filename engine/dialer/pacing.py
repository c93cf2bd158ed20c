"""The contract between the floor and a pacing rule.

A pacing is asked once per instant, after all facts of that instant, and at least each 0.5 s while its campaign runs. It
proposes; the governor, the trunks and the stock of leads come after it. It is told everything it could learn from
through `learn`. What it has learnt is a plain struct that a snapshot of the floor holds; anything else it keeps is a
cache that must follow from that struct alone, or replay would reach another pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

DECIDE_EVERY_US = 500_000
"""A pacing is asked at least so often while its campaign runs."""


class Sight(msgspec.Struct, gc=False):
    """What a pacing sees at one instant. Instants and ages are µs.

    `free`: agents who would be given a live answer now; the reserve for inbound is taken off already. `waiting`: live
    answers without an agent. `ringing`: when each call in flight was dialled, oldest first. `talking`, `wrapping`:
    since when each agent of this campaign talks (or is being joined), or wraps up; longest first. `staffed`: all agents
    at work for it, free ones too. `paused`: signed in but not ready. `lines`: how many more calls could be placed at
    once. `inbound_rate`: calls per second that these agents also get from elsewhere.
    """

    now: int
    free: int
    waiting: int
    ringing: Sequence[int]
    talking: Sequence[int]
    wrapping: Sequence[int]
    staffed: int
    paused: int = 0
    lines: int = 1_000_000
    inbound_rate: float = 0.0
    allowance: float = 0.03
    """The share of further live answers that may still be abandoned: what the budgets leave, at most the cap."""


class Proposal(msgspec.Struct, gc=False):
    """`dials` more calls now, because of `reason` (a stable id, see `REASONS`); `figures` are what it rests on."""

    dials: int
    reason: str
    figures: dict[str, float] = {}


class Lesson(StrEnum):
    """Something that happened in a campaign, of which a pacing may learn. The age is µs."""

    DIALLED = "dialled"  # age 0
    ANSWERED = "answered"  # age: from dialling to a person's answer
    MACHINE = "machine"  # age: from dialling to a machine's answer
    FAILED = "failed"  # age: from dialling to busy, no answer, any end without an answer
    CONNECTED = "connected"  # age: from the answer to the agent
    ABANDONED = "abandoned"  # age: from the answer until it was given up
    HUNG_UP_EARLY = "hung-up-early"  # age: from the answer until the person hung up
    TALKED = "talked"  # age: how long the agent talked
    WRAPPED = "wrapped"  # age: how long he wrapped up


class Pacing(Protocol):
    """One campaign's pacing rule."""

    def decide(self, sight: Sight) -> Proposal:
        """How many more calls to place at this instant."""

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """Something happened at `now`."""


REASONS: dict[str, str] = {
    "no-agents": "nobody is signed in and ready to work",
    "free-agents": "one call for each free agent",
    "ratio": "a fixed number of lines for each free agent",
    "risk": "as many calls as keep the risk of an unanswered person at its price",
    "risk-high": "one more call would risk more than its price",
    "warm-up": "one call for each free agent until something is known",
    "preview": "an agent looks at the lead first",
    "lines": "as many calls as there are lines",
    "peer": "as many calls as another dialler's rule would place",
}
"""Why a pace is what it is, in words. The governor, the trunks and the stock have reasons of their own."""
