"""What panoramisk 1.4 gets wrong, on real bytes: each hole is shown in the stock class and closed in ours.

When a test named `stock` fails, upstream has mended that hole: look whether our correction in `engine/ami/link.py` can
go. The FastAGI hole (a peer that connects and closes freezes the loop) is in tests/agi.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from panoramisk import Manager
from panoramisk.actions import Action as StockAction
from panoramisk.message import Message as StockMessage

from engine.ami import action
from engine.ami.client import LinkState
from engine.ami.codec import Action, Decoder, encode
from engine.errors import AmiHeaderMissing, AmiLost, AmiUnencodable
from engine.testing.ami_peer import AmiPeer
from tests.ami.conftest import Line

EVIL = "PJSIP/a\r\nAction: Command\r\nCommand: core stop now"


@asynccontextmanager
async def stock(peer: AmiPeer, **config: Any) -> AsyncIterator[Any]:
    """The stock manager, signed in to the peer; reconnects at once, pings never by itself."""
    settings = {"username": peer.username, "secret": peer.secret, "reconnect_timeout": 0, "ping_delay": 3600}
    manager: Any = Manager(host="127.0.0.1", port=peer.port, loop=asyncio.get_running_loop(), **(settings | config))
    await manager.connect()
    await peer.until(lambda: peer.logins == 1)
    try:
        yield manager
    finally:
        manager.close()
        await peer.until(lambda: peer.sessions == 0)


# A line end in a value ------------------------------------------------------------------------------------------------


async def test_stock_sends_line_ends_as_they_are() -> None:
    assert "\r\nAction: Command\r\n" in str(StockAction({"Action": "Hangup", "Channel": EVIL}))


async def test_ours_refuses_line_ends(line: Line, peer: AmiPeer) -> None:
    with pytest.raises(AmiUnencodable):
        encode(Action("Hangup", (("Channel", EVIL),)))
    with pytest.raises(AmiUnencodable):
        await line.client.send(Action("Hangup", (("Channel", EVIL),)))
    assert peer.actions == []


# A character cut at a read boundary -----------------------------------------------------------------------------------


async def test_stock_loses_characters_that_are_cut(peer: AmiPeer) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with stock(peer) as manager:
        manager.register_event("Newchannel", lambda _, event: heard.set_result(event.calleridname))
        peer.faults.slice = 1
        peer.call_in("+4420", "+4471", caller_name="张伟")
        async with asyncio.timeout(5):
            assert await heard == ""


async def test_ours_keeps_them(line: Line, peer: AmiPeer) -> None:
    peer.faults.slice = 1
    peer.call_in("+4420", "+4471", caller_name="张伟")
    assert (await line.event("Newchannel"))["CallerIDName"] == "张伟"


# A header that is not there -------------------------------------------------------------------------------------------


def test_stock_reads_a_missing_header_as_empty() -> None:
    assert StockMessage({"Event": "Hangup"}).uniqueid == ""


def test_ours_raises() -> None:
    (message,) = Decoder().feed(b"Asterisk Call Manager/11\r\nEvent: Hangup\r\n\r\n")
    with pytest.raises(AmiHeaderMissing):
        message["Uniqueid"]


# A link that is half open ---------------------------------------------------------------------------------------------


async def test_stock_never_misses_a_pong(peer: AmiPeer) -> None:
    async with stock(peer) as manager:
        peer.faults.blackhole = True
        for _ in range(100):  # 100 pings without one answer, and it calls itself connected
            manager.ping()
            manager.pinger.cancel()
        await asyncio.sleep(0)
        assert not manager.protocol.closed
        assert len(manager.protocol.responses) >= 100


async def test_ours_leaves_a_half_open_link(line: Line, peer: AmiPeer) -> None:
    peer.faults.blackhole = True
    await line.until(lambda: line.client.state is not LinkState.UP)
    assert "silent" in line.client.trouble


# Lists ----------------------------------------------------------------------------------------------------------------


async def test_stock_waits_for_ever_on_words_that_sound_like_a_list() -> None:
    asked: Any = StockAction({"Action": "Hangup"})
    asked.add_message(StockMessage({"Response": "Success", "Message": "The hangup will follow"}))
    assert not asked.future.done()


async def test_stock_ends_a_list_at_an_item_that_sounds_like_its_end() -> None:
    asked: Any = StockAction({"Action": "X"})
    for headers in (
        {"Response": "Success", "EventList": "start", "Message": ""},
        {"Event": "TransferComplete"},  # an item
    ):
        asked.add_message(StockMessage(headers))
    assert asked.future.done()


# (ours: tests/ami/test_session.py::test_a_list_is_known_by_its_headers_never_by_its_words)


# A login that is refused ----------------------------------------------------------------------------------------------


async def test_stock_says_nothing_of_a_refused_login(peer: AmiPeer) -> None:
    said: list[str] = []
    gone = asyncio.Event()
    manager: Any = Manager(
        host="127.0.0.1",
        port=peer.port,
        loop=asyncio.get_running_loop(),
        username=peer.username,
        secret="wrong",
        reconnect_timeout=3600,
        on_login=lambda _: said.append("in"),
        on_disconnect=lambda *_: gone.set(),
    )
    await manager.connect()
    async with asyncio.timeout(5):
        await gone.wait()
    assert said == []
    assert not manager.authenticated


# (ours: tests/ami/test_client.py::test_a_refused_login_is_told_and_tried_again)


# Actions of a lost link -----------------------------------------------------------------------------------------------


async def test_stock_sends_old_actions_again_on_a_new_link(peer: AmiPeer) -> None:
    async with stock(peer) as manager:
        peer.faults.deaf = True
        future = manager.send_action({"Action": "Hangup", "Channel": "1.1"})
        await asyncio.sleep(0)
        peer.cut()
        peer.faults.deaf = False
        await peer.action("Hangup")
        assert not future.cancelled()


async def test_ours_fails_them(line: Line, peer: AmiPeer) -> None:
    peer.faults.deaf = True
    waits = asyncio.create_task(line.client.send(action.hangup("1.1")))
    await asyncio.sleep(0)
    peer.cut()
    peer.faults.deaf = False
    with pytest.raises(AmiLost):
        await waits
    await line.up(2)
    await line.client.send(action.ping())
    assert peer.sent("Hangup") == []
