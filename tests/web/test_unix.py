"""The socket: private, exclusive, gone afterwards."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from engine.errors import ConfigError, Conflict
from engine.web import create_app, serve_unix
from tests.web.memory import MemoryConsole


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "callwright.sock"


def rights(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def precious(path: Path) -> Path:
    """A file where the socket should be."""
    path.parent.mkdir()
    path.write_text("precious")
    return path


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The API on a socket, until the block ends."""
    task = asyncio.create_task(serve_unix(create_app(MemoryConsole()), path))
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
            await answering(client, task)
            yield client
    finally:
        task.cancel()
        await asyncio.wait([task])


async def answering(client: httpx.AsyncClient, task: asyncio.Task[None]) -> None:
    """Return once the socket answers."""
    async with asyncio.timeout(10):
        while not task.done():
            try:
                await client.get("/healthz")
            except httpx.ConnectError:
                await asyncio.sleep(0.01)
            else:
                return
    await task


async def test_it_answers_and_only_its_owner_may_ask(path: Path) -> None:
    async with served(path) as client:
        assert (await client.get("/healthz")).json() == {"ok": True}
        assert rights(path) == 0o600
        assert rights(path.parent) == 0o700
    with pytest.raises(FileNotFoundError):
        rights(path)


async def test_a_second_engine_is_refused_and_the_first_goes_on(path: Path) -> None:
    async with served(path) as client:
        with pytest.raises(Conflict, match="another engine"):
            await serve_unix(create_app(MemoryConsole()), path)
        assert (await client.get("/healthz")).status_code == 200


async def test_a_dead_engines_socket_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with served(path) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_file_in_the_way_is_left_alone(precious: Path) -> None:
    with pytest.raises(ConfigError, match="no socket"):
        await serve_unix(create_app(MemoryConsole()), precious)
    with precious.open() as kept:
        assert kept.read() == "precious"


async def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        await serve_unix(create_app(MemoryConsole()), tmp_path / ("x" * 120))


async def test_a_request_under_way_is_answered_before_the_end(path: Path) -> None:
    console = MemoryConsole()
    begun, go_on = asyncio.Event(), asyncio.Event()
    healthy = console.health

    async def slow() -> object:
        begun.set()
        await go_on.wait()
        return await healthy()

    console.health = slow  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(serve_unix(create_app(console), path))
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://engine") as client:
        await answering(client, task)
        asking = asyncio.create_task(client.get("/readyz"))
        await begun.wait()
        task.cancel()
        go_on.set()
        assert (await asking).status_code == 200
    await asyncio.wait([task])
    assert task.cancelled()


async def test_garbage_on_the_socket_harms_nobody(path: Path) -> None:
    async with served(path) as client:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"\x00\xffnot http at all\r\n\r\n")
        await writer.drain()
        assert b"400" in await reader.readline()
        writer.close()
        assert (await client.get("/healthz")).status_code == 200
