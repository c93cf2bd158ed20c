"""What stands around the link in tests: an outbox in memory, an independent subscriber, a running link."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import msgspec

from engine.bus.board import StateBoard
from engine.bus.connection import BrokerAddress
from engine.bus.link import LinkReport, LinkState, MqttLink, Pauses
from engine.bus.outbox import OutboxRow, OutboxSource

PATIENCE_S = 20.0


class MemoryOutbox:
    """An outbox that obeys `OutboxSource`, counts what it hands out, and fails when told to."""

    def __init__(self, rows: Sequence[OutboxRow] = ()) -> None:
        self.rows = list(rows)
        self.largest_batch = 0
        self.broken = False
        self._last = 0
        self._empty = asyncio.Event()

    def add(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self._last += 1
        self.rows.append((self._last, topic, payload, retained))
        self._empty.clear()

    async def emptied(self) -> None:
        """Wait until every row is confirmed."""
        async with asyncio.timeout(PATIENCE_S):
            await self._empty.wait()

    async def pending(self, limit: int) -> Sequence[OutboxRow]:
        if self.broken:
            raise OSError("database is locked")
        batch = self.rows[:limit]
        self.largest_batch = max(self.largest_batch, len(batch))
        return batch

    async def done(self, seq: int) -> None:
        if self.broken:
            raise OSError("database is locked")
        self.rows = [row for row in self.rows if row[0] > seq]
        if not self.rows:
            self._empty.set()


@dataclass
class Observer:
    """An independent client: everything it received, in order, as (topic, payload, retained)."""

    received: list[tuple[str, bytes, bool]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            async with self._news:
                assert isinstance(message.payload, bytes)
                self.received.append((message.topic.value, message.payload, message.retain))
                self._news.notify_all()

    async def until(self, true: Callable[[Observer], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: true(self))

    def on(self, topic: str) -> list[bytes]:
        return [payload for where, payload, _ in self.received if where == topic]

    def states(self, topic: str) -> list[str]:
        return [state_of(payload) for payload in self.on(topic)]


def data_of(payload: bytes) -> dict[str, Any]:
    """The `data` of an envelope."""
    data: dict[str, Any] = msgspec.json.decode(payload)["data"]
    return data


def state_of(payload: bytes) -> str:
    return str(data_of(payload)["state"])


@asynccontextmanager
async def observing(port: int, topic_filter: str = "callwright/#") -> AsyncIterator[Observer]:
    """Subscribe as somebody else would, and collect."""
    observer = Observer()
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic_filter, qos=1)
        listening = asyncio.create_task(observer.listen(client))
        try:
            yield observer
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@dataclass
class Reports:
    """What a link said about itself."""

    all: list[LinkReport] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, report: LinkReport) -> None:
        self.all.append(report)
        self._changed.set()

    async def next(self, state: LinkState, *, after: int = 0) -> LinkReport:
        """Wait for a report of that state among those from index `after` on."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._changed.clear()
                for report in self.all[after:]:
                    if report.state is state:
                        return report
                await self._changed.wait()


def quick(seed: int = 7) -> Pauses:
    """Pauses short enough for tests."""
    return Pauses(first_s=0.02, longest_s=0.2, chance=random.Random(seed))


@asynccontextmanager
async def linked(
    port: int, source: OutboxSource, *, board: StateBoard | None = None, **address: Any
) -> AsyncIterator[tuple[MqttLink, Reports]]:
    """Run a link for the length of a block; it must not end by itself."""
    reports = Reports()
    link = MqttLink(BrokerAddress(port=port, **address), source, reports, board=board, pauses=quick())
    running = asyncio.create_task(link.run())
    try:
        yield link, reports
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
