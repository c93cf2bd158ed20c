"""The holes of panoramisk 1.4's FastAGI server, shown on the stock code with real bytes.

Each has its counterpart in `test_server.py` or below, showing ours closed. When one of these fails, upstream has mended
it, and what we do about it may go.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from panoramisk import fast_agi

from engine.agi.call import AgiSession
from engine.errors import AgiCommandInvalid
from engine.testing.agi_peer import AgiPeer
from tests.agi.desk import PATIENCE, SECRET, call, open_door

FROZEN = """
import asyncio
from panoramisk import fast_agi

async def main():
    server = await asyncio.start_server(fast_agi.Application().handler, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.close()
    print("closed", flush=True)
    for _ in range(5):
        await asyncio.sleep(0.01)
    print("alive", flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def stock(endpoint: Callable[[fast_agi.Request], Awaitable[None]]) -> AsyncIterator[int]:
    """The stock server with one route, `flow`; its port."""
    application = fast_agi.Application(loop=asyncio.get_running_loop())
    application.add_route("flow", endpoint)
    server = await asyncio.start_server(application.handler, "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE), server:
        yield server.sockets[0].getsockname()[1]


def test_stock_freezes_when_a_peer_connects_and_closes() -> None:
    with subprocess.Popen([sys.executable, "-c", FROZEN], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "closed\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(timeout=1.0)
        finally:
            child.kill()


async def test_ours_goes_on_when_a_peer_connects_and_closes() -> None:
    async with open_door() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await call(server, AgiPeer("1.1", SECRET))
        assert server.stats["served"] == 1


async def test_stock_sends_a_second_command_hidden_in_a_value() -> None:
    async def flow(request: fast_agi.Request) -> None:
        await request.send_command('SET VARIABLE NAME "x\nHANGUP"')

    async with stock(flow) as port:
        peer = AgiPeer("1.1", SECRET)
        await peer.call("127.0.0.1", port)
    assert ("HANGUP",) in peer.commands


async def test_ours_refuses_a_command_hidden_in_a_value() -> None:
    async def flow(session: AgiSession) -> None:
        with pytest.raises(AgiCommandInvalid, match="value holds the character U\\+000A"):
            await session.set_variable("NAME", "x\nHANGUP")

    async with open_door(flow) as server:
        peer = await call(server, AgiPeer("1.1", SECRET))
        assert server.stats["served"] == 1
    assert peer.commands == []


async def test_stock_swallows_cancellation() -> None:
    inside, returned = asyncio.Event(), asyncio.Event()

    async def flow(_: fast_agi.Request) -> None:
        inside.set()
        await asyncio.Event().wait()

    application = fast_agi.Application(loop=asyncio.get_running_loop())
    application.add_route("flow", flow)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(application.handler(reader, writer))
        await inside.wait()
        task.cancel()
        await task  # raises CancelledError if the handler lets it through
        returned.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE), server:
        await AgiPeer("1.1", SECRET).call(*server.sockets[0].getsockname()[:2])
        await returned.wait()


async def test_stock_is_out_of_step_after_a_usage_error() -> None:
    replies: list[dict[str, object]] = []

    async def flow(request: fast_agi.Request) -> None:
        replies.append(await request.send_command("STREAM FILE"))
        replies.append(await request.send_command("GET VARIABLE NAME"))

    async with stock(flow) as port:
        await AgiPeer("1.1", SECRET, variables={"NAME": "x"}).call("127.0.0.1", port)
    # The second command's reply is still a line of the usage text, on which the parser breaks.
    assert len(replies) == 1


async def test_stock_never_closes_on_a_name_that_is_not_utf_8() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    async def flow(_: fast_agi.Request) -> None:
        raise AssertionError("never reached")

    async with stock(flow) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"agi_network_script: flow\nagi_calleridname: Zo\xeb\n\n")
        await reader.read()
        writer.close()
    assert isinstance(reported[0], UnicodeDecodeError)


async def test_ours_serves_a_caller_whose_name_is_not_utf_8() -> None:
    names: list[str] = []

    async def flow(session: AgiSession) -> None:
        names.append(session.request.calleridname)

    environment = AgiPeer("1.1", SECRET, calleridname="Zoë").environment().decode().encode("latin-1")
    async with open_door(flow) as server, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(environment)
        await reader.read()
        writer.close()
    assert names == ["Zoë"]
