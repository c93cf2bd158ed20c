"""One connection against peers that misbehave: no error but MqttError, no socket and no task left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from engine.bus.connection import BrokerAddress, connected, is_loopback
from engine.bus.link import LinkState
from engine.bus.topics import Message
from engine.errors import ConfigError
from tests.bus.peers import MemoryOutbox, linked
from tests.servers import MosquittoServer

WILL = Message("callwright/v1/main/engine/status", b"gone", retained=True)
CONNACK = b"\x20\x02\x00\x00"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that answers as a test says, and counts who is still connected."""

    def __init__(self, answer: Answer) -> None:
        self.open = 0
        self.port = 0
        self._answer = answer
        self._changed = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._count(+1)
        try:
            await self._answer(reader, writer)
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()
            await self._count(-1)

    async def until(self, number: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.open == number)

    async def _count(self, step: int) -> None:
        async with self._changed:
            self.open += step
            self._changed.notify_all()


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[Peer]:
    made = Peer(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


async def silence(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept and say nothing."""


async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xff\xff\xff\xff")


async def refusal(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x20\x02\x00\x05")


async def slam(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def lie(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept the connection, confirm things nobody asked, send messages nobody subscribed to, then nothing more."""
    stray_publish = b"\x30\x06\x00\x01xabc"
    writer.write(CONNACK + b"\x40\x02\xff\xfe" + b"\x90\x03\xff\xfd\x00" + stray_publish * 100)


def others() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@pytest.mark.parametrize("answer", [silence, garbage, refusal, slam])
async def test_a_failed_connect_leaves_nothing_behind(answer: Answer) -> None:
    async with peer(answer) as bad:
        address = BrokerAddress(port=bad.port, timeout_s=0.3, keepalive_s=60)
        with pytest.raises(aiomqtt.MqttError):
            async with connected(address, WILL):
                pytest.fail("that was no broker")
        await bad.until(0)
    await asyncio.sleep(0)
    assert not [task for task in others() if "aiomqtt" in repr(task)]
    gc.collect()  # a socket left open would warn here, and warnings are errors


async def test_cancelled_while_connecting_leaves_nothing_behind() -> None:
    async with peer(silence) as bad:
        link = asyncio.create_task(_stay(BrokerAddress(port=bad.port, timeout_s=1.0, keepalive_s=60)))
        await bad.until(1)
        link.cancel()
        with pytest.raises(asyncio.CancelledError):
            await link
        await bad.until(0)
    await asyncio.sleep(0)
    assert not [task for task in others() if "aiomqtt" in repr(task)]


async def _stay(address: BrokerAddress) -> None:
    async with connected(address, WILL):
        await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [silence, garbage, refusal, slam, lie])
async def test_the_link_outlives_every_such_peer(answer: Answer) -> None:
    source = MemoryOutbox()
    source.add("callwright/v1/main/x", b"{}")
    async with peer(answer) as bad, linked(bad.port, source, timeout_s=0.2) as (_, reports):
        first = await reports.next(LinkState.AWAY)
        assert first.reason
        await reports.next(LinkState.AWAY, after=len(reports.all))
    assert len(source.rows) == 1


async def test_a_frozen_broker_is_noticed_by_the_keepalive(mosquitto_server: MosquittoServer) -> None:
    """SIGSTOP: the kernel still accepts bytes, nobody answers, nothing is to be published."""

    assert mosquitto_server.process is not None
    async with linked(mosquitto_server.port, MemoryOutbox(), keepalive_s=1, timeout_s=1.0) as (_, reports):
        await reports.next(LinkState.ONLINE)
        heard = len(reports.all)
        os.kill(mosquitto_server.process.pid, signal.SIGSTOP)
        try:
            await reports.next(LinkState.AWAY, after=heard)
        finally:
            os.kill(mosquitto_server.process.pid, signal.SIGCONT)
        await reports.next(LinkState.ONLINE, after=heard)


def test_the_password_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(BrokerAddress(username="engine", password="s3cret"))


def test_loopback_is_told_without_a_name_server() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "mosquitto")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_plain_text_off_this_machine_must_be_said_aloud(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plain text"):
        BrokerAddress(host="mosquitto").check()
    BrokerAddress(host="mosquitto", plain_text=True).check()
    BrokerAddress(host="mosquitto", ca_file="ca.pem").check()
    not_a_certificate = tmp_path / "ca.pem"
    not_a_certificate.write_text("hello")
    for ca_file in (str(not_a_certificate), str(tmp_path / "missing.pem")):
        with pytest.raises(ConfigError) as refused:
            BrokerAddress(ca_file=ca_file).tls_context()
        assert "mqtt.ca_file" in refused.value.where
