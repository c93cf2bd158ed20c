"""What the engine leans on is away: the database is locked, the broker is dead, the recordings' disk is full."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.domain.interaction import InteractionState as S
from engine.settings import Mqtt
from tests.live.hall import Hall, open_hall
from tests.servers import MosquittoServer, mosquitto_server

__all__ = ["mosquitto_server"]
pytestmark = pytest.mark.timeout(240)
LOCKED_S = 10.0


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process's long write (here another connection's, which is the same to SQLite)."""
    connection = sqlite3.connect(database, timeout=20.0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.rollback()
        connection.close()


async def a_call_through(hall: Hall) -> float:
    """One caller reaches the agent, talks a second and hangs up. Seconds from dialling to hearing the agent."""
    [call] = await hall.call(1, talk=1.0, wait=60.0)
    await hall.until_over([call])
    leg = hall.leg(call)
    assert leg.heard, "he never heard the agent"
    return leg.heard[0] - leg.started


async def test_sqlite_locked_for_ten_seconds() -> None:
    async with open_hall(nailed=1) as hall:
        await hall.sign_in("1001")
        usual = await a_call_through(hall)
        with locked(hall.engine.settings.paths.data / "callwright.db"):
            began = time.monotonic()
            took = await a_call_through(hall)
            await hall.until_counted({S.WRAP_UP: 0}, 10.0)
            while time.monotonic() - began < LOCKED_S:  # noqa: ASYNC110 - the fault lasts this long
                await asyncio.sleep(0.2)
        print(f"dialled to agent: {usual:.2f} s usually, {took:.2f} s with the database locked")
        assert took < usual + 1.5
        await a_call_through(hall)
        await hall.all_is_well(3, {"answered": 3})
        assert len(hall.engine.starts) == 1


async def test_the_broker_is_killed_and_comes_back(mosquitto_server: MosquittoServer) -> None:
    mqtt = Mqtt(host="127.0.0.1", port=mosquitto_server.port)
    async with open_hall(nailed=1, mqtt=mqtt) as hall:
        await hall.sign_in("1001")
        usual = await a_call_through(hall)
        mosquitto_server.kill()
        took = await a_call_through(hall)
        await hall.until_told()
        waiting = _waiting(hall)
        print(f"dialled to agent: {usual:.2f} s usually, {took:.2f} s without a broker; {waiting} messages kept")
        assert took < usual + 1.5
        assert waiting > 0
        mosquitto_server.start()
        async with asyncio.timeout(40):
            while _waiting(hall):  # noqa: ASYNC110 - another process's table
                await asyncio.sleep(0.2)
        await hall.all_is_well(2, {"answered": 2})
        assert len(hall.engine.starts) == 1


async def test_the_recordings_disk_is_full() -> None:
    async with open_hall(nailed=1) as hall:
        folder = hall.site.asterisk.recordings
        with full(folder):
            await hall.sign_in("1001")
            took = await a_call_through(hall)
            again = await a_call_through(hall)
            print(f"dialled to agent with a full disk: {took:.2f} s and {again:.2f} s")
            await hall.verify()
        await hall.all_is_well(2, {"answered": 2})
        assert len(hall.engine.starts) == 1


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """A file system of 16 KiB over this folder, and nothing left in it."""
    owner = folder.stat()
    mount = ["mount", "-t", "tmpfs", "-o", f"size=16k,uid={owner.st_uid},gid={owner.st_gid}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting needs rights that this account has not: {done.stderr.strip()}")
    try:
        with (folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _waiting(hall: Hall) -> int:
    """Messages in the outbox."""
    path = hall.engine.settings.paths.data / "callwright.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (many,) = database.execute("SELECT count(*) FROM outbox").fetchone()
    database.close()
    return int(many)
