"""What the loop needs of the edges, as small contracts. Edges implement them; `engine.main` joins them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.domain.commands import AnyCommand
from engine.domain.events import AnyEvent
from engine.domain.facts import AnyFact
from engine.domain.values import Token


class FactSink(Protocol):
    """Where edges put what they saw. Never blocks, never fails; order is kept."""

    def put(self, fact: AnyFact) -> None:
        """Hand over one fact."""


class Telephony(Protocol):
    """Carries out commands on the telephone side. The result comes back as a fact."""

    def start(self, command: AnyCommand) -> None:
        """Begin to carry out one command. Must not block."""


class Recorder(Protocol):
    """Keeps facts and events. Buffered: written in groups within 50 ms."""

    def append(self, fact: AnyFact, now: int) -> int:
        """Add a fact to the journal and return its sequence number."""

    def note(self, seq: int, events: Sequence[AnyEvent]) -> None:
        """Keep the events that fact `seq` caused."""

    async def barrier(self, seq: int) -> None:
        """Return when everything up to `seq` is durable."""


class Vault(Protocol):
    """Turns numbers, names and digits into tokens and back."""

    def token(self, kind: str, value: str) -> Token:
        """The token of this value: the same for the same kind and value."""
