"""What the server tests share: a running door, and a meter of how late the event loop is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

from engine.agi.call import AgiSession
from engine.agi.codec import AgiRequest
from engine.agi.server import ADMITTED, AgiLimits, AgiServer, AgiVerdict
from engine.testing.agi_peer import AgiPeer

SECRET = "a-secret-of-the-tests"
LOOPBACK = (ip_network("127.0.0.0/8"),)
PATIENCE = 20.0
"""Seconds after which a test stops waiting for what should have happened long ago."""


async def admit_all(_: AgiRequest) -> AgiVerdict:
    return ADMITTED


async def serve_nothing(_: AgiSession) -> None:
    return


@asynccontextmanager
async def open_door(
    serve: Callable[[AgiSession], Awaitable[None]] = serve_nothing,
    *,
    admit: Callable[[AgiRequest], Awaitable[AgiVerdict]] = admit_all,
    limits: AgiLimits | None = None,
    allow: str = "127.0.0.0/8",
    routes: dict[str, Callable[[AgiSession], Awaitable[None]]] | None = None,
) -> AsyncIterator[AgiServer]:
    server = AgiServer(
        ("127.0.0.1", 0),
        secret=SECRET,
        allow=(ip_network(allow),),
        admit=admit,
        serve=serve,
        routes=routes,
        limits=limits,
    )
    running = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await server.wait_listening()
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def call(server: AgiServer, peer: AgiPeer) -> AgiPeer:
    async with asyncio.timeout(PATIENCE):
        await peer.call("127.0.0.1", server.port)
    return peer


class LagMeter:
    """Measures a timer that is due every millisecond: how late it runs, and how long the loop worked in between.

    `lags` are wall-clock seconds, the figure a caller feels; on a shared machine they hold what other processes took.
    `turns` are seconds of this thread's own CPU, for which only our code can be blamed.
    """

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.turns: list[float] = []

    async def __aenter__(self) -> "LagMeter":
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            due, worked = time.perf_counter() + 0.001, time.thread_time()
            await asyncio.sleep(0.001)
            self.lags.append(max(0.0, time.perf_counter() - due))
            self.turns.append(time.thread_time() - worked)

    @property
    def p99(self) -> float:
        """The 99th percentile of the lag, in wall-clock seconds."""
        return _p99(self.lags)

    @property
    def busy_p99(self) -> float:
        """The 99th percentile of the loop's own work between two ticks, in CPU seconds."""
        return _p99(self.turns)


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.99)] if ordered else 0.0
