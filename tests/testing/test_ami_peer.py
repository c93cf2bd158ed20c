"""The in-memory manager says what Asterisk says: raw bytes in, raw bytes out, and the life of legs and bridges."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.ami import action
from engine.ami.codec import Action, Decoder, Message, encode
from engine.errors import AmiRefused
from engine.testing.ami_model import Leg
from engine.testing.ami_peer import AmiPeer
from tests.ami.conftest import Line, running


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


@pytest.fixture
async def line(peer: AmiPeer) -> AsyncIterator[Line]:
    async with running(Line(peer.address)) as line:
        await line.up()
        yield line


def story(line: Line, *uniqueids: str) -> list[str]:
    """What was told of some legs: `event` or `event detail`, in order."""
    names = []
    for each in line.events:
        detail = each.get("Phase") or each.get("Cause") or each.get("ChannelStateDesc")
        if each.get("Uniqueid") in uniqueids:
            names.append(f"{each.event} {detail}".strip())
    return names


def ondemand(channel_id: str) -> Action:
    return action.originate(
        channel="PJSIP/agent1", channel_id=channel_id, context="callwright-agents", exten="ondemand", timeout_ms=20_000
    )


def idle(channel_id: str) -> Action:
    return action.originate(
        channel="PJSIP/agent1", channel_id=channel_id, context="callwright-agents", exten="idle", timeout_ms=20_000
    )


# The protocol ---------------------------------------------------------------------------------------------------------


async def test_the_wire_is_asterisks() -> None:
    async with AmiPeer() as peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(b"Action: Ping\r\n\r\n")
        writer.write(b"action: login\nUSERNAME: callwright\nsecret: secret\nActionID: 7\n\n")
        assert await reader.readuntil(b"\r\n") == b"Asterisk Call Manager/11.0.0\r\n"
        assert b"Permission denied" in await reader.readuntil(b"\r\n\r\n")
        welcome = await reader.readuntil(b"\r\n\r\n")
        assert welcome == b"Response: Success\r\nActionID: 7\r\nMessage: Authentication accepted\r\n\r\n"
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"Event: FullyBooted\r\n")
        writer.write(b"Action: Nonsense\r\nActionID: 8\r\n\r\nAction: Logoff\r\n\r\n")
        assert b"Invalid/unknown command" in await reader.readuntil(b"\r\n\r\n")
        assert b"Response: Goodbye" in await reader.read()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("action_bytes", [b"Action: Ping\r\nX: " + b"y" * 2000, b"Action: Ping" + b"\r\nX: y" * 128])
async def test_what_asterisk_would_not_read_is_refused(action_bytes: bytes) -> None:
    async with AmiPeer() as peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(encode(action.login(peer.username, peer.secret, events=False)) + action_bytes + b"\r\n\r\n")
        decoder = Decoder()
        answers: list[Message] = []
        while len(answers) < 2:
            answers += decoder.feed(await reader.read(1000))
        assert [each.success for each in answers] == [True, False]
        writer.close()
        await writer.wait_closed()


# Calls ----------------------------------------------------------------------------------------------------------------


async def test_a_caller_arrives_and_leaves(peer: AmiPeer, line: Line) -> None:
    leg = peer.call_in("+442079460000", "+442071234567")
    peer.answer(leg.uniqueid)
    peer.user_event(leg.uniqueid, "hold")
    peer.hangup(leg.uniqueid)
    await line.event("Hangup")
    assert story(line, leg.uniqueid) == ["Newchannel Ring", "Newstate Up", "UserEvent hold", "Hangup 16"]
    came = await line.event("Newchannel")
    assert (came["Context"], came["Exten"]) == ("callwright-inbound", "+442079460000")
    assert came["CallerIDNum"] == "+442071234567"
    assert peer.model.legs == {}


async def test_a_nailed_up_agent_says_idle_after_every_call(peer: AmiPeer, line: Line) -> None:
    peer.on_ring = lambda leg: peer.answer(leg.uniqueid)
    await line.client.send(idle("agent_1"))
    await line.event("UserEvent")
    caller = peer.call_in("+4420", "+4471")
    peer.answer(caller.uniqueid)
    await line.client.send(action.bridge(caller.name, peer.model.leg("agent_1").name))
    assert len(await line.client.collect(action.bridge_list())) == 1
    peer.hangup(caller.uniqueid)
    await line.event("UserEvent", 2)
    assert story(line, "agent_1") == [
        "Newchannel Down",
        "Newstate Up",
        "OriginateResponse",
        "UserEvent idle",
        "BridgeEnter Up",
        "BridgeLeave Up",
        "UserEvent idle",
    ]
    assert await line.client.collect(action.bridge_list()) == []


async def test_an_on_demand_agent_is_rung_and_gone_after_the_call(peer: AmiPeer, line: Line) -> None:
    rung: asyncio.Future[Leg] = asyncio.get_running_loop().create_future()
    peer.on_ring = rung.set_result
    await line.client.send(ondemand("leg_1"))
    leg = await rung
    peer.model.ring(leg.uniqueid)
    peer.answer(leg.uniqueid)
    caller = peer.call_in("+4420", "+4471")
    await line.client.send(action.bridge(caller.name, leg.name))
    peer.hangup(caller.uniqueid)
    await line.event("Hangup", 2)
    assert story(line, "leg_1") == [
        "Newchannel Down",
        "Newstate Ringing",
        "Newstate Up",
        "OriginateResponse",
        "UserEvent ringed",
        "BridgeEnter Up",
        "BridgeLeave Up",
        "Hangup 16",
    ]


@pytest.mark.parametrize(("cause", "reason"), [(17, "0"), (19, "3"), (34, "8")])
async def test_a_call_that_fails_is_known_by_its_cause(peer: AmiPeer, line: Line, cause: int, reason: str) -> None:
    """Busy gives reason 0, as if nothing had happened: outcomes come from Hangup's Cause."""
    peer.on_ring = lambda leg: peer.hangup(leg.uniqueid, cause)
    await line.client.send(ondemand("leg_1"))
    await line.event("Hangup")
    assert story(line, "leg_1")[-2:] == ["OriginateResponse", f"Hangup {cause}"]
    answered = await line.event("OriginateResponse")
    assert (answered["ActionID"], answered["Response"], answered["Reason"]) == ("leg_1", "Failure", reason)


async def test_a_phone_that_is_not_answered_stops_ringing(peer: AmiPeer, line: Line) -> None:
    wanted = action.originate(channel="PJSIP/a", channel_id="leg_1", context="c", exten="e", timeout_ms=20)
    await line.client.send(wanted)
    assert (await line.event("Hangup"))["Cause"] == "19"


async def test_an_id_in_use_is_never_dialled_again(peer: AmiPeer, line: Line) -> None:
    await line.client.send(ondemand("leg_1"))
    await line.client.send(ondemand("leg_1"))
    assert (await line.event("OriginateResponse"))["Response"] == "Failure"
    assert [each.event for each in line.events].count("Newchannel") == 1


async def test_the_other_actions(peer: AmiPeer, line: Line) -> None:
    send, collect = line.client.send, line.client.collect
    leg = peer.call_in("+4420", "+4471")
    await send(action.setvar(leg.uniqueid, "CW_ID", "int_1"))
    assert (await send(action.getvar(leg.name, "CW_ID")))["Value"] == "int_1"
    (status,) = await collect(action.status(("CW_ID", "CW_NEXT")))
    assert status.get_all("Variable") == ("CW_ID=int_1", "CW_NEXT=(null)")
    await send(action.redirect(leg.uniqueid, context="callwright-call", exten="hold"))
    (shown,) = await collect(action.core_show_channels())
    assert (shown["Context"], shown["Exten"]) == ("callwright-call", "hold")
    peer.model.device("PJSIP/a", "NOT_INUSE")
    peer.model.contact("a", "sip:a@127.0.0.1", reachable=True)
    assert [each["State"] for each in await collect(action.device_state_list())] == ["NOT_INUSE"]
    assert (await line.event("ContactStatus"))["ContactStatus"] == "Reachable"
    await send(action.mixmonitor_mute(leg.uniqueid, on=True))
    assert (await send(action.core_settings()))["AsteriskVersion"] == "22.10.1"
    assert (await send(action.core_status()))["CoreCurrentCalls"] == "1"
    await send(action.user_event("Callwright", {"Phase": "test"}))
    assert "Channel" not in await line.event("UserEvent")
    await send(action.events("off"))
    with pytest.raises(AmiRefused, match="Channel2 does not exist: PJSIP/nobody"):
        await send(action.bridge(leg.name, "PJSIP/nobody-1"))
    with pytest.raises(AmiRefused, match="BridgeUniqueid not found"):
        await collect(action.bridge_info("nothing"))
    assert [each["Action"] for each in peer.sent("Status")] == ["Status"]


async def test_a_bridge_is_left_for_another(peer: AmiPeer, line: Line) -> None:
    """A transfer: the leg that was left alone goes on in its dialplan, the new pair is whole."""
    first, second, third = (peer.call_in("+4420", f"+447{each}") for each in range(3))
    await line.client.send(action.bridge(first.name, second.name))
    await line.client.send(action.bridge(first.name, third.name))
    (bridge,) = await line.client.collect(action.bridge_list())
    inside = await line.client.collect(action.bridge_info(bridge["BridgeUniqueid"]))
    assert {each["Uniqueid"] for each in inside} == {first.uniqueid, third.uniqueid}
    assert second.bridge == ""


# Faults ---------------------------------------------------------------------------------------------------------------


async def test_late_events_keep_their_order(peer: AmiPeer, line: Line) -> None:
    peer.faults.delay = 0.02
    legs = [peer.call_in("+4420", "+4471") for _ in range(5)]
    assert len(await line.client.collect(action.core_show_channels())) == 5
    await line.event("Newchannel", 5)
    assert [each["Uniqueid"] for each in line.events if each.event == "Newchannel"] == [leg.uniqueid for leg in legs]


async def test_shuffled_events_are_all_there(peer: AmiPeer, line: Line) -> None:
    peer.faults.reorder = 10
    legs = [peer.call_in("+4420", "+4471") for _ in range(10)]
    await line.event("Newchannel", 10)
    seen = [each["Uniqueid"] for each in line.events if each.event == "Newchannel"]
    assert seen != [leg.uniqueid for leg in legs]
    assert sorted(seen) == sorted(leg.uniqueid for leg in legs)


async def test_dropped_events_are_gone_and_doubled_ones_come_twice(peer: AmiPeer, line: Line) -> None:
    peer.faults.drop = {"Newchannel"}
    peer.faults.duplicate = {"Hangup"}
    peer.hangup(peer.call_in("+4420", "+4471").uniqueid)
    await line.event("Hangup", 2)
    assert [each.event for each in line.events] == ["FullyBooted", "Hangup", "Hangup"]


async def test_the_port_is_kept_over_a_stop(peer: AmiPeer, line: Line) -> None:
    port = peer.port
    await peer.stop()
    await peer.start()
    assert peer.port == port
    await line.up(2)


async def test_raw_bytes_reach_who_listens(peer: AmiPeer, line: Line) -> None:
    peer.emit(b"Event: Odd\nX: 1\r\n\n")
    assert (await line.event("Odd"))["X"] == "1"
