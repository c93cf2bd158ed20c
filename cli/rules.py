"""The choices of `callwright flow run`: apart from the play itself, which loads much that help pages do without."""

from __future__ import annotations

from enum import StrEnum


class Rules(StrEnum):
    """How a flow is played: by telephone (keys) or by text (replies)."""

    PHONE = "phone"
    TEXT = "text"


class Outcome(StrEnum):
    """What becomes of a played caller in a queue."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    CLOSED = "closed"
