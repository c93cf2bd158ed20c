"""The tasks that live as long as the engine and are no part of a call: HTTP API, recordings, imports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.main.console import LiveConsole
from engine.main.engine import Engine
from engine.web.app import create_app
from engine.web.unix import serve_unix

Companion = Callable[[], Awaitable[None]]


def companions(engine: Engine) -> tuple[Companion, ...]:
    """What runs beside the floor, for `Engine.run`."""
    api = create_app(LiveConsole(engine))
    return (
        engine.recordings.run,
        engine.rescue.run,
        engine.missed.run,
        lambda: serve_unix(api, engine.settings.paths.socket),
    )
