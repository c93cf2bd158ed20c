"""The client against a peer on a real socket: what it tells, how it loses a link and comes back."""

import asyncio
import logging
import socket
import time

import msgspec
import pytest

from engine.ami import action
from engine.ami.client import AmiClient, LinkState, Pace
from engine.ami.codec import Action, Anomaly, Message
from engine.ami.link import AmiAddress
from engine.errors import AmiBusy, AmiLost, AmiRefused, AmiTimeout, AmiUnencodable
from engine.testing.ami_peer import AmiPeer
from tests.ami.conftest import BRISK, Line, running

CONNECTING, UP, DOWN = LinkState.CONNECTING, LinkState.UP, LinkState.DOWN


async def test_up_is_told_after_the_login_and_before_the_first_event(line: Line) -> None:
    await line.event("FullyBooted")
    assert [each if isinstance(each, LinkState) else each.event for each in line.told] == [
        CONNECTING,
        UP,
        "FullyBooted",
    ]
    assert line.client.trouble == ""


async def test_events_are_handed_on_in_order_and_answers_find_their_action(peer: AmiPeer, line: Line) -> None:
    legs = [peer.call_in("+4420", f"+447100{number}") for number in range(50)]
    answers = await asyncio.gather(
        *(line.client.send(action.getvar(leg.uniqueid, f"V{leg.uniqueid[-1]}")) for leg in legs)
    )
    assert [each["Variable"][1:] for each in answers] == [leg.uniqueid[-1] for leg in legs]
    seen = [each["Uniqueid"] for each in line.events if each.event == "Newchannel"]
    assert seen == [leg.uniqueid for leg in legs]


async def test_a_list_comes_whole(peer: AmiPeer, line: Line) -> None:
    assert await line.client.collect(action.core_show_channels()) == []
    legs = {peer.call_in("+4420", "+4471").uniqueid for _ in range(200)}
    assert {each["Uniqueid"] for each in await line.client.collect(action.core_show_channels())} == legs


async def test_a_refusal_says_what_asterisk_said(line: Line) -> None:
    with pytest.raises(AmiRefused, match="No such channel") as refused:
        await line.client.send(action.hangup("nobody.1"))
    assert refused.value.where == "test, action 'Hangup'"
    assert ("Response", "Error") in refused.value.headers
    with pytest.raises(AmiRefused, match="Permission denied"):
        await line.client.collect(Action("PJSIPShowContacts"))


async def test_the_action_connection_hears_no_events(peer: AmiPeer) -> None:
    async with running(Line(peer.address, events=False)) as line:
        await line.up()
        leg = peer.call_in("+4420", "+4471")
        assert (await line.client.send(action.hangup(leg.uniqueid)))["Message"] == "Channel Hungup"
        assert line.events == []


async def test_what_cannot_be_sent_is_refused_and_the_link_lives(line: Line) -> None:
    with pytest.raises(AmiUnencodable, match="field 'Channel'"):
        await line.client.send(Action("Hangup", (("Channel", "a\r\nAction: Command"),)))
    assert (await line.client.send(action.ping()))["Ping"] == "Pong"


async def test_no_answer_in_time(peer: AmiPeer, line: Line) -> None:
    peer.faults.deaf = True
    with pytest.raises(AmiTimeout, match=r"no answer in 0\.02 s"):
        await line.client.send(action.core_status(), timeout=0.02)


async def test_a_caller_who_gives_up_leaves_nothing_behind(peer: AmiPeer, line: Line) -> None:
    peer.faults.deaf = True
    waits = asyncio.create_task(line.client.send(action.core_status()))
    await asyncio.sleep(0)
    link = line.client._link
    assert link is not None
    assert link.session.waiting == 1
    waits.cancel()
    await asyncio.wait([waits])
    assert link.session.waiting == 0
    assert not link._futures


# Losing a link --------------------------------------------------------------------------------------------------------


async def test_a_reset_link_fails_who_waits_and_comes_back(peer: AmiPeer, line: Line) -> None:
    peer.faults.deaf = True
    waits = [asyncio.create_task(line.client.send(action.core_status())) for _ in range(3)]
    await asyncio.sleep(0)
    peer.cut()
    for each in waits:
        with pytest.raises(AmiLost, match="the link to Asterisk ended"):
            await each
    peer.faults.deaf = False
    await line.up(2)
    assert line.states == [CONNECTING, UP, DOWN, CONNECTING, UP]
    assert (await line.client.send(action.ping())).success


async def test_a_lost_action_is_never_sent_again(peer: AmiPeer, line: Line) -> None:
    """panoramisk would send it after the next FullyBooted: a call dialled hours late."""
    peer.faults.blackhole = True
    leg = peer.call_in("+4420", "+4471")
    with pytest.raises(AmiLost):
        await line.client.send(action.hangup(leg.uniqueid))
    peer.faults.blackhole = False
    peer.cut()
    await line.up(2)
    assert (await line.client.send(action.ping())).success
    assert peer.sent("Hangup") == []


async def test_while_down_nothing_is_sent(peer: AmiPeer, line: Line) -> None:
    await peer.stop()
    await line.until(lambda: line.client.state is not UP)
    with pytest.raises(AmiLost, match="nothing was sent"):
        await line.client.send(action.ping())
    await peer.start()
    await line.up(2)


async def test_a_blackhole_is_noticed(peer: AmiPeer, line: Line) -> None:
    """Periods of 100 ms here; the same arithmetic at 2 s is in test_session: 5.5 s at most."""
    peer.faults.blackhole = True
    began = time.monotonic()
    await line.until(lambda: line.client.state is not UP)
    assert time.monotonic() - began < 2.0  # three periods, and a slow machine
    assert "silent" in line.client.trouble
    peer.faults.blackhole = False
    await line.up(2)


async def test_a_peer_that_accepts_and_says_nothing_is_left(peer: AmiPeer) -> None:
    peer.faults.blackhole = True
    async with running(Line(peer.address)) as line:
        await line.until(lambda: line.states.count(DOWN) >= 1)
        assert "no answer to the greeting" in line.client.trouble
        peer.faults.blackhole = False
        await line.up()


async def test_a_refused_login_is_told_and_tried_again(peer: AmiPeer) -> None:
    peer.secret = "another"
    async with running(Line(AmiAddress("127.0.0.1", peer.port, "callwright", "secret"))) as line:
        await line.until(lambda: line.states.count(DOWN) >= 2)
        assert line.client.trouble == "Asterisk refused the login: Authentication failed"
        assert UP not in line.states
        peer.secret = "secret"
        await line.up()


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    """The same trouble is logged once, not twice a second all night."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with caplog.at_level(logging.WARNING):
            async with running(Line(AmiAddress("127.0.0.1", taken.getsockname()[1], "u", "s"))) as line:
                await line.until(lambda: line.states.count(DOWN) >= 3)
    assert "no connection to 127.0.0.1" in line.client.trouble
    assert sum("no connection" in record.message for record in caplog.records) == 1


async def test_a_bad_secret_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(AmiUnencodable, match="field 'Secret'"):
        Line(AmiAddress("127.0.0.1", 1, "u", "a\nb"))


def test_the_secret_is_never_shown() -> None:
    assert "s3cret" not in repr(AmiAddress("127.0.0.1", 5038, "u", "s3cret"))


def test_attempts_are_spread_and_slow_down() -> None:
    client = AmiClient(
        AmiAddress("127.0.0.1", 1, "u", "s"), name="x", events=True, on_event=print, on_state=print, pace=Pace()
    )
    for retries, most in ((1, 0.2), (3, 0.8), (10, 5.0), (10_000, 5.0)):
        pauses = [client._pause(retries) for _ in range(200)]
        assert min(pauses) >= 0.1
        assert max(pauses) <= most
        assert max(pauses) - min(pauses) > most / 4


async def test_an_asterisk_that_restarts_is_seen_as_a_new_link(peer: AmiPeer, line: Line) -> None:
    peer.call_in("+4420", "+4471")
    await line.event("Newchannel")
    peer.restart()
    await line.event("FullyBooted", 2)
    assert await line.client.collect(action.core_show_channels()) == []


# Bytes on the way -----------------------------------------------------------------------------------------------------


async def test_one_byte_at_a_time(peer: AmiPeer, line: Line) -> None:
    peer.faults.slice = 1
    peer.call_in("+4420", "+4471", caller_name="张伟")
    assert (await line.event("Newchannel"))["CallerIDName"] == "张伟"


async def test_garbage_between_events(peer: AmiPeer, line: Line) -> None:
    peer.faults.garbage = b"\xff\x00 no message\r\n\r\n\n\n"
    leg = peer.call_in("+4420", "+4471")
    peer.hangup(leg.uniqueid)
    await line.event("Hangup")
    assert [each.event for each in line.events] == ["FullyBooted", "Newchannel", "Hangup"]
    assert line.client.oddities()[Anomaly.NO_COLON] == 2
    peer.cut()
    await line.until(lambda: line.client.state is not UP)
    assert line.client.oddities()[Anomaly.NO_COLON] == 2  # kept after the link


async def test_events_that_are_lost_doubled_and_shuffled_do_not_hurt_the_link(peer: AmiPeer, line: Line) -> None:
    peer.faults.drop = {"Newchannel"}
    peer.faults.duplicate = {"Hangup"}
    peer.faults.reorder = 4
    legs = [peer.call_in("+4420", "+4471") for _ in range(2)]
    for leg in legs:
        peer.hangup(leg.uniqueid)
    await line.event("Hangup", 4)
    assert (await line.client.send(action.ping())).success
    assert "Newchannel" not in [each.event for each in line.events]


@pytest.mark.parametrize(
    "number", ["1\r\nEvent: Hangup\r\nUniqueid: 1.1", "1\r\n\r\nEvent: Hangup\r\nUniqueid: 1.1", "1\nActionID: x"]
)
async def test_an_evil_caller_number_is_no_event_that_is_believed(peer: AmiPeer, line: Line, number: str) -> None:
    peer.call_in("+4420", number, caller_name=',"()[]${}\\n张伟')
    peer.call_in("+4420", "+4471")
    await line.until(lambda: any(each.get("CallerIDNum") == "+4471" for each in line.events))
    believed = [each for each in line.events if not each.repeated and "Uniqueid" in each]
    assert {each.event for each in believed} == {"Newchannel"}


# What the owner does --------------------------------------------------------------------------------------------------


async def test_an_event_that_cannot_be_digested_costs_no_other(peer: AmiPeer, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    done = asyncio.Event()

    def digest(message: Message) -> None:
        seen.append(message.event)
        if message.event == "Newchannel":
            raise ValueError("no")
        if message.event == "Hangup":
            done.set()

    line = Line(peer.address)
    line.client._on_event = digest
    async with running(line):
        await line.up()
        leg = peer.call_in("+4420", "+4471999")
        peer.hangup(leg.uniqueid)
        async with asyncio.timeout(2):
            await done.wait()
    assert seen == ["FullyBooted", "Newchannel", "Hangup"]
    assert "test: Event: Newchannel was not digested" in caplog.text
    assert "4471999" not in caplog.text


async def test_a_peer_that_reads_nothing_is_not_written_to_for_ever(line: Line) -> None:
    link = line.client._link
    assert link is not None
    link.pause_writing()
    with pytest.raises(AmiBusy, match="does not read"):
        await line.client.send(action.ping())
    link.resume_writing()
    assert (await line.client.send(action.ping())).success


async def test_the_kernel_watches_the_socket_too(line: Line) -> None:
    link = line.client._link
    assert link is not None
    sock = link.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0


async def test_a_burst_of_events_is_drained_fast(peer: AmiPeer) -> None:
    """15,000 events must take the whole engine less than 2 s; the link may take half of it."""
    async with running(Line(peer.address, pace=Pace())) as line:
        await line.up()
        leg = peer.call_in("+4420", "+4471")
        await line.event("Newchannel")
        lines = "".join(f"{name}: {value}\r\n" for name, value in leg.headers())
        burst = f"Event: Newstate\r\nPrivilege: call,all\r\n{lines}\r\n".encode() * 15_000
        began = time.process_time()
        peer.emit(burst)
        await line.until(lambda: len(line.told) >= 15_000, within=30)
        assert time.process_time() - began < 1.0
        assert line.client.links == 1


async def test_cancelled_while_connecting_leaves_no_connection(peer: AmiPeer) -> None:
    line = Line(peer.address, pace=BRISK)
    for turns in range(12):
        task = asyncio.create_task(line.client.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert line.client.state is DOWN
    await peer.until(lambda: peer.sessions == 0)


@pytest.mark.parametrize(("steady_after", "retries"), [(0.0, [1, 1, 1]), (3600.0, [1, 2, 3])])
async def test_a_link_that_held_starts_the_waits_anew(peer: AmiPeer, steady_after: float, retries: list[int]) -> None:
    """A link that comes up and falls at once, over and over, must not be tried ten times a second."""
    asked: list[int] = []

    class Impatient(AmiClient):
        def _pause(self, retries: int) -> float:
            asked.append(retries)
            return 0.0

    line = Line(peer.address, pace=msgspec.structs.replace(BRISK, steady_after=steady_after), kind=Impatient)
    async with running(line):
        for times in range(1, 4):
            await line.up(times)
            peer.cut()
        await line.up(4)
    assert asked == retries
