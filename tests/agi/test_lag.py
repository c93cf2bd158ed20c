"""Hostile peers do not hold up the event loop. `connect_and_close` and `stopped_readers` also serve the benchmark.

The tests judge the loop's own work (CPU time between two ticks), which neighbours on the machine cannot fake or hide;
the benchmark judges the wall clock (`LagMeter.p99`), on a machine of its own.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from engine.agi.call import AgiSession
from engine.agi.server import AgiLimits
from engine.testing.agi_peer import AgiPeer
from tests.agi.desk import PATIENCE, SECRET, LagMeter, open_door

LAG_LIMIT_S = 0.05


KNOCK = """
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
for _ in range(count):
    socket.create_connection(("127.0.0.1", port), timeout=20).close()
"""

DEAF = """
import socket, sys
port, count, environment = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
sys.stdin.readline()
deaf = []
for n in range(count):
    peer = socket.create_connection(("127.0.0.1", port), timeout=20)
    peer.sendall(environment.replace("UNIQUEID", f"1.{n}").encode())
    deaf.append(peer)
sys.stdin.read()
"""


@asynccontextmanager
async def peers(script: str, *arguments: str) -> AsyncIterator[asyncio.StreamWriter]:
    """Hostile peers in a process of their own, started and waiting for a line on their input.

    Neither their work nor the making of the process shall count as the loop's lag.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *arguments, stdin=pipe)
    assert process.stdin is not None
    try:
        yield process.stdin
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()


async def connect_and_close(count: int) -> LagMeter:
    """Let `count` peers connect and close at once; the loop's lag meanwhile."""
    async with open_door() as server, peers(KNOCK, str(server.port), str(count)) as go, LagMeter() as meter:
        go.write(b"\n")
        async with asyncio.timeout(PATIENCE + count / 100):
            while server.stats["no-environment"] < count:  # noqa: ASYNC110 - the meter must go on ticking
                await asyncio.sleep(0.001)
        return meter


async def stopped_readers(count: int) -> LagMeter:
    """Let `count` peers open a session and never read nor answer; the loop's lag meanwhile.

    Each holds no more than the one command that waits for its reply.
    """

    async def flow(session: AgiSession) -> None:
        while True:
            await session.set_variable("X", "v" * 1000)

    limits = AgiLimits(connections=count, connections_per_peer=count)
    environment = AgiPeer("UNIQUEID", SECRET).environment().decode()
    async with (
        open_door(flow, limits=limits) as server,
        peers(DEAF, str(server.port), str(count), environment) as go,
        LagMeter() as meter,
    ):
        go.write(b"\n")
        async with asyncio.timeout(PATIENCE):
            while server.live < count:  # noqa: ASYNC110 - the meter must go on ticking
                await asyncio.sleep(0.001)
        return meter


async def busy_p99(measured: Callable[[int], Awaitable[LagMeter]], count: int) -> float:
    """The median of three runs, so that one full garbage collection of the test's own heap does not decide."""
    return statistics.median([(await measured(count)).busy_p99 for _ in range(3)])


async def test_a_thousand_peers_that_connect_and_close() -> None:
    assert await busy_p99(connect_and_close, 1000) < LAG_LIMIT_S


async def test_peers_that_never_read() -> None:
    assert await busy_p99(stopped_readers, 100) < LAG_LIMIT_S
