"""The link against real brokers: mosquitto and amqtt."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiomqtt
import pytest

from engine.bus.board import StateBoard
from engine.bus.connection import BrokerAddress
from engine.bus.link import LinkState, MqttLink, Pauses
from engine.bus.topics import status_topic, topics
from engine.domain import events
from engine.domain.agent import AgentState
from engine.domain.values import AgentId, InteractionId, QueueId
from engine.errors import ConfigError
from tests.bus.conftest import AnyBroker
from tests.bus.peers import MemoryOutbox, Reports, data_of, linked, observing
from tests.servers import MosquittoServer

STATUS = status_topic("main")
ROOT = Path(__file__).parents[2]


def stepped(number: int) -> tuple[str, bytes]:
    event = events.FlowStepped(
        at=1_700_000_000_000_000 + number, interaction_id=InteractionId("in_1"), flow="hello", node=f"n{number}"
    )
    message = topics(event, number, "main")[0]
    return message.topic, message.payload


async def test_status_is_retained_online_and_offline_after_a_farewell(broker: AnyBroker) -> None:
    async with linked(broker.port, MemoryOutbox()) as (_, reports):
        await reports.next(LinkState.ONLINE)
        async with observing(broker.port, STATUS) as late_comer:
            await late_comer.until(lambda seen: seen.states(STATUS) == ["online"])
            assert late_comer.received[0][2], "not retained"
    async with observing(broker.port, STATUS) as afterwards:
        await afterwards.until(lambda seen: seen.states(STATUS) == ["offline"])


async def test_kill_9_of_the_engine_publishes_the_last_will(broker: AnyBroker) -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bus.lone_link", str(broker.port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdout is not None
    async with observing(broker.port, STATUS) as observer:
        try:
            assert await asyncio.wait_for(engine.stdout.readline(), 20) == b"online\n"
            await observer.until(lambda seen: "online" in seen.states(STATUS))
        finally:
            os.kill(engine.pid, signal.SIGKILL)
            await engine.wait()
        await observer.until(lambda seen: seen.states(STATUS)[-1] == "offline")
    async with observing(broker.port, STATUS) as late_comer:
        await late_comer.until(lambda seen: seen.states(STATUS) == ["offline"])


async def test_rows_reach_the_broker_in_order_and_leave_the_outbox(broker: AnyBroker) -> None:
    source = MemoryOutbox()
    async with observing(broker.port) as observer, linked(broker.port, source) as (link, reports):
        await reports.next(LinkState.ONLINE)
        for number in range(300):
            source.add(*stepped(number))
        link.wake()
        where = stepped(0)[0]
        await observer.until(lambda seen: len(seen.on(where)) == 300)
        assert [data_of(payload)["node"] for payload in observer.on(where)] == [f"n{number}" for number in range(300)]
        await source.emptied()
        assert link.delivered == 300


async def test_nothing_is_lost_while_the_broker_is_away(broker: AnyBroker) -> None:
    source = MemoryOutbox()
    where = stepped(0)[0]
    async with linked(broker.port, source) as (link, reports):
        await reports.next(LinkState.ONLINE)
        async with observing(broker.port) as observer:
            source.add(*stepped(0))
            link.wake()
            await observer.until(lambda seen: len(seen.on(where)) == 1)
        heard = len(reports.all)
        await broker.vanish()
        for number in range(1, 500):
            source.add(*stepped(number))
        link.wake()
        away = await reports.next(LinkState.AWAY, after=heard)
        assert away.reason
        assert away.retry_in_s > 0
        assert len(source.rows) >= 499
        await broker.come_back()
        # The link may be quicker than this observer, so it must see them retained-free: hold the link's rows back.
        source.broken = True
        await reports.next(LinkState.ONLINE, after=heard)
        async with observing(broker.port) as observer:
            before = len(source.rows)
            source.broken = False
            link.wake()
            await observer.until(lambda seen: len(set(seen.on(where))) >= before)
        nodes = list(dict.fromkeys(data_of(payload)["node"] for payload in observer.on(where)))
        assert nodes == sorted(nodes, key=lambda node: int(node[1:]))
        assert source.largest_batch <= 64


async def test_a_killed_broker_loses_no_row_of_a_running_stream(mosquitto_server: MosquittoServer) -> None:
    """Each row is seen by the broker before or after its kill -9; the source holds every row that was not confirmed."""
    source = MemoryOutbox()
    where = stepped(0)[0]
    async with linked(mosquitto_server.port, source) as (link, reports):
        await reports.next(LinkState.ONLINE)
        async with observing(mosquitto_server.port) as first:
            for number in range(2000):
                source.add(*stepped(number))
            link.wake()
            await first.until(lambda seen: len(seen.on(where)) > 50)
            mosquitto_server.kill()
        kept = {row[2] for row in source.rows}
        assert kept, "the stream was over before the kill"
        # The observer was cut off too, so it proves only a part; what it saw and what is kept must leave no gap.
        confirmed = 2000 - len(kept)
        assert [data_of(row[1])["node"] for row in first.received if row[0] == where] == [
            f"n{number}" for number in range(len(first.on(where)))
        ]
        assert {stepped(number)[1] for number in range(confirmed, 2000)} == kept
        source.broken = True
        heard = len(reports.all)
        mosquitto_server.start()
        await reports.next(LinkState.ONLINE, after=heard)
        async with observing(mosquitto_server.port) as second:
            source.broken = False
            link.wake()
            await second.until(lambda seen: set(seen.on(where)) >= kept)
        in_order = list(dict.fromkeys(second.on(where)))
        assert in_order == [stepped(number)[1] for number in range(2000 - len(in_order), 2000)]


async def test_states_are_retained_and_come_back_with_a_broker_that_forgot(broker: AnyBroker) -> None:
    board = StateBoard("main")
    board.seat(AgentId("anna"), AgentState.AVAILABLE, 1_700_000_000_000_000)
    board.open_queue(QueueId("support"), 1_700_000_000_000_000)
    anna, support = "callwright/v1/main/agent/anna/state", "callwright/v1/main/queue/support/state"
    async with linked(broker.port, MemoryOutbox(), board=board) as (link, reports):
        await reports.next(LinkState.ONLINE)
        async with observing(broker.port) as observer:
            await observer.until(lambda seen: seen.states(anna) == ["available"] and bool(seen.on(support)))
            moved = events.AgentMoved(
                at=1_700_000_001_000_000,
                agent_id=AgentId("anna"),
                old=AgentState.AVAILABLE,
                new=AgentState.NOT_READY,
                reason="lunch",
            )
            board.apply(moved, 12)
            link.wake()
            await observer.until(lambda seen: seen.states(anna)[-1] == "not-ready")
        heard = len(reports.all)
        await broker.vanish()
        await reports.next(LinkState.AWAY, after=heard)
        await broker.come_back()
        await reports.next(LinkState.ONLINE, after=heard)
        async with observing(broker.port) as observer:
            await observer.until(lambda seen: seen.states(anna) == ["not-ready"] and bool(seen.on(support)))
            assert data_of(observer.on(anna)[0])["reason"] == "lunch"


async def test_a_foreign_offline_is_contradicted(broker: AnyBroker) -> None:
    """The will of our half-dead predecessor may arrive after our own `online`."""
    async with observing(broker.port, STATUS) as observer, linked(broker.port, MemoryOutbox()) as (_, reports):
        await reports.next(LinkState.ONLINE)
        async with aiomqtt.Client("127.0.0.1", broker.port) as stranger:
            await stranger.publish(STATUS, b'{"no": "envelope"}', qos=1, retain=True)
        await observer.until(lambda seen: seen.on(STATUS).count(b'{"no": "envelope"}') == 1)
        await observer.until(lambda seen: b'"online"' in seen.on(STATUS)[-1])


async def test_a_locked_store_is_reported_and_the_link_stays(broker: AnyBroker) -> None:
    source = MemoryOutbox()
    source.broken = True
    source.add(*stepped(1))
    async with observing(broker.port) as observer, linked(broker.port, source) as (link, reports):
        stuck = await reports.next(LinkState.STUCK)
        assert "database is locked" in stuck.reason
        source.broken = False
        link.wake()
        await observer.until(lambda seen: len(seen.on(stepped(1)[0])) == 1)
        assert link.connects == 1


async def test_a_row_that_no_broker_takes_is_dropped_and_told(broker: AnyBroker) -> None:
    source = MemoryOutbox()
    source.add("callwright/v1/main/queue/+/evil", b"{}")
    source.add(*stepped(2))
    async with observing(broker.port) as observer, linked(broker.port, source) as (link, reports):
        refused = await reports.next(LinkState.REFUSED_ROW)
        assert "row 1" in refused.reason
        await observer.until(lambda seen: len(seen.on(stepped(2)[0])) == 1)
        assert link.delivered == 1


async def test_nobody_listens_is_a_report_not_an_error() -> None:
    closed = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    async with linked(port, MemoryOutbox()) as (_, reports):
        assert "refused" in (await reports.next(LinkState.AWAY)).reason.lower()
        await reports.next(LinkState.AWAY, after=6)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"site": "a/b"}, "site.name"),
        ({"site": ""}, "site.name"),
        ({"client_id": "#"}, "the MQTT client_id"),
        ({"port": 0}, "mqtt.port"),
        ({"host": "broker.example.com"}, "mqtt.ca_file"),
        ({"cert_file": "us.pem"}, "the MQTT cert_file, key_file"),
        ({"keepalive_s": 0}, "the MQTT keepalive_s, timeout_s"),
    ],
)
async def test_unusable_addresses_are_refused_when_the_link_is_made(settings: dict[str, object], where: str) -> None:
    address = BrokerAddress(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as refusal:
        MqttLink(address, MemoryOutbox(), Reports())
    assert refusal.value.where == where


def test_pauses_grow_with_jitter_to_their_limit_and_begin_anew() -> None:
    pauses = Pauses(first_s=1.0, longest_s=8.0)
    seen = [pauses.next() for _ in range(6)]
    for pause, ceiling in zip(seen, [1, 2, 4, 8, 8, 8], strict=True):
        assert ceiling / 2 <= pause <= ceiling
    pauses.reset()
    assert pauses.next() <= 1.0
