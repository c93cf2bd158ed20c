"""The embedded broker as a thing of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiomqtt
import pytest

from engine.bus.broker import MOST_CONNECTIONS, EmbeddedBroker
from engine.errors import ConfigError, Conflict
from tests.bus.peers import observing


async def test_port_0_becomes_a_free_port_on_loopback_and_stays() -> None:
    broker = EmbeddedBroker()
    await broker.start()
    await broker.start()
    port = broker.port
    assert port > 0
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish("a/b", b"kept", qos=1, retain=True)
    async with observing(port, "a/b") as observer:
        await observer.until(lambda seen: seen.received == [("a/b", b"kept", True)])
    await broker.stop()
    await broker.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await broker.start()
    assert broker.port == port
    await broker.stop()


async def test_a_taken_port_is_a_clear_conflict() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Conflict) as refusal:
            await EmbeddedBroker(port).start()
    assert str(port) in refusal.value.what
    assert refusal.value.mend


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match="is no port"):
        EmbeddedBroker(port)


async def test_it_keeps_quiet_whatever_clients_send(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedBroker()
    await broker.start()
    for rubbish in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\x7f", b"\x00" * 64, b"\x10\x02\x00\x04"):
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.write(rubbish)
        writer.write_eof()
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("still/here", b"", qos=1)
    await broker.stop()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert not caplog.records


async def test_stop_ends_clients_that_never_spoke_and_too_many_are_turned_away() -> None:
    broker = EmbeddedBroker()
    await broker.start()
    mute = [await asyncio.open_connection("127.0.0.1", broker.port) for _ in range(MOST_CONNECTIONS)]
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    async with asyncio.timeout(10):
        assert await reader.read() == b"", "one too many was kept"
        await broker.stop()
        for each, _ in mute:
            assert await each.read() == b""
    for each_writer in [writer, *(pair[1] for pair in mute)]:
        each_writer.close()
        with contextlib.suppress(ConnectionError):
            await each_writer.wait_closed()
