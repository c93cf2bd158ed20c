"""The tasks that live as long as the engine and are no part of a call: HTTP API, recordings, rescue import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.main.engine import Engine

Companion = Callable[[], Awaitable[None]]


def companions(engine: Engine) -> tuple[Companion, ...]:
    """What runs beside the floor."""
    found: list[Companion] = []
    return tuple(found)
