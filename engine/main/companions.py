"""The tasks that live as long as the engine and are no part of a call: HTTP API, recordings, rescue import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.main.engine import Engine

Companion = Callable[[], Awaitable[None]]


def companions(engine: Engine) -> tuple[Companion, ...]:
    """What runs beside the floor, for `Engine.run`."""
    return (engine.recordings.run, engine.rescue.run, lambda: _serve_api(engine))


async def _serve_api(engine: Engine) -> None:
    from engine.main.console import LiveConsole  # the console builds on the engine, and FastAPI takes its time
    from engine.web.app import create_app
    from engine.web.unix import serve_unix

    await serve_unix(create_app(LiveConsole(engine)), engine.settings.paths.socket)
