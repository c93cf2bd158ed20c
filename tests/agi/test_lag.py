"""Hostile peers do not hold up the event loop. `connect_and_close` and `stopped_readers` also serve the benchmark."""

import asyncio
import socket
import sys
from contextlib import suppress

from engine.agi.call import AgiSession
from engine.agi.server import AgiLimits
from engine.testing.agi_peer import AgiPeer
from tests.agi.desk import PATIENCE, SECRET, LagMeter, open_door

LAG_LIMIT_S = 0.05


KNOCK = """
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    socket.create_connection(("127.0.0.1", port), timeout=20).close()
"""
"""Another process, so that its own work does not count as the loop's lag."""


async def connect_and_close(count: int) -> float:
    """Let `count` peers connect and close at once; the loop's p99 lag in seconds."""
    async with open_door() as server, LagMeter() as meter:
        knocking = await asyncio.create_subprocess_exec(sys.executable, "-c", KNOCK, str(server.port), str(count))
        try:
            async with asyncio.timeout(PATIENCE + count / 100):
                assert await knocking.wait() == 0
                while server.stats["no-environment"] < count:  # noqa: ASYNC110 - the meter must go on ticking
                    await asyncio.sleep(0.001)
        finally:
            with suppress(ProcessLookupError):
                knocking.kill()
        return meter.p99


async def stopped_readers(count: int) -> float:
    """Let `count` peers open a session and never read nor answer; the loop's p99 lag in seconds.

    Each holds no more than the one command that waits for its reply.
    """

    async def flow(session: AgiSession) -> None:
        while True:
            await session.set_variable("X", "v" * 1000)

    async with open_door(flow, limits=AgiLimits(connections=count, connections_per_peer=count)) as server:
        deaf: list[socket.socket] = []
        async with LagMeter() as meter:
            for n in range(count):
                peer = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
                peer.sendall(AgiPeer(f"1.{n}", SECRET).environment())
                deaf.append(peer)
                await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                while server.live < count:  # noqa: ASYNC110 - the meter must go on ticking
                    await asyncio.sleep(0.001)
            lag = meter.p99
        for peer in deaf:
            peer.close()
        return lag


async def test_a_thousand_peers_that_connect_and_close() -> None:
    assert await connect_and_close(1000) < LAG_LIMIT_S


async def test_peers_that_never_read() -> None:
    assert await stopped_readers(100) < LAG_LIMIT_S
