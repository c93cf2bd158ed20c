"""The task that keeps other programs informed: connection, engine status, retained state, outbox.

It never raises and never holds anybody up: with the broker down, slow or lying the floor goes on, rows wait in the
store, and the link tries again with growing, jittered pauses. What it has to say about itself it says to `on_state`.

After every connect: status `online` (retained; the last will says `offline`), the whole state board (the broker may
have forgotten it), then rows of the outbox and changed states as they come.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

import aiomqtt
import msgspec

from engine.bus.board import StateBoard
from engine.bus.connection import BrokerAddress, connected
from engine.bus.endings import first_end
from engine.bus.outbox import BATCH, Outbox, OutboxSource, Publish, SourceTrouble
from engine.bus.topics import Envelope, Message, envelope, status_topic
from engine.domain.values import Value
from engine.errors import ConfigError

POLL_S = 1.0
"""Seconds after which the outbox is looked at although nobody called `wake`."""
FAREWELL_S = 1.0
"""Seconds that saying `offline` may take at the end."""


class LinkState(StrEnum):
    """How the link stands."""

    CONNECTING = "connecting"
    ONLINE = "online"
    AWAY = "away"  # the broker cannot be reached, or threw us out
    STUCK = "stuck"  # the broker is there, the store's outbox is not
    REFUSED_ROW = "refused-row"  # one outbox row can never be published and was dropped; ONLINE follows at once


class LinkReport(Value):
    """What the link tells: its state, why, and in how many seconds it tries again."""

    state: LinkState
    reason: str = ""
    retry_in_s: float = 0.0


class Pauses:
    """Growing pauses with jitter: each between half and all of `first_s` × 2ⁿ, never above `longest_s` seconds."""

    def __init__(self, first_s: float = 0.25, longest_s: float = 10.0, chance: random.Random | None = None) -> None:
        self.first_s = first_s
        self.longest_s = longest_s
        self._chance = chance or random.Random()  # noqa: S311 - spreads reconnects, guards nothing
        self._step = 0

    def next(self) -> float:
        """Return the next pause in seconds."""
        ceiling = min(self.longest_s, self.first_s * 2.0**self._step)
        self._step = min(self._step + 1, 30)
        return ceiling * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin anew after a connection that was worth the name."""
        self._step = 0


class MqttLink:
    """One site's link to its broker.

    `source` holds the outbox rows, `board` the retained states (none without it). `on_state` is called in the event
    loop and must not raise. Counters for `/metrics`: `delivered`, `connects`.

    :raises ConfigError: when made, for an address that is unusable or unsafe.
    """

    def __init__(
        self,
        settings: BrokerAddress,
        source: OutboxSource,
        on_state: Callable[[LinkReport], None],
        *,
        board: StateBoard | None = None,
        pauses: Pauses | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        settings.check()
        self.connects = 0
        self.delivered = 0
        self._address = settings
        self._source = source
        self._on_state = on_state
        self._board = board
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._woken = asyncio.Event()
        self._contradicted = False  # somebody wrote over our retained status
        self._said_online_at = 0.0
        self._stuck = False  # told once, not at every poll

    def wake(self) -> None:
        """New rows or states are there: publish them now rather than at the next poll. Call it in the event loop."""
        self._woken.set()

    async def run(self) -> None:
        """Keep the link up until cancelled; then say `offline` and leave."""
        while True:
            self._on_state(LinkReport(state=LinkState.CONNECTING))
            reason = await self._one_connection()
            pause = self._pauses.next()
            self._on_state(LinkReport(state=LinkState.AWAY, reason=reason, retry_in_s=pause))
            await asyncio.sleep(pause)

    async def _one_connection(self) -> str:
        """Connect and serve until it breaks; return why it broke."""
        began = time.monotonic()
        try:
            async with connected(self._address, self._status("offline")) as client:
                await self._serve(client)
        except (aiomqtt.MqttError, OSError, ConfigError) as why:
            return str(why) or type(why).__name__
        except ExceptionGroup as several:
            return "; ".join(dict.fromkeys(str(why) or type(why).__name__ for why in _leaves(several)))
        except Exception as why:  # noqa: BLE001 - a bug in here or in paho must not end the link, let alone the engine
            return f"unexpected {type(why).__name__}: {why}"
        finally:
            # A broker that accepts and drops us at once must not be hammered.
            if time.monotonic() - began > self._pauses.longest_s:
                self._pauses.reset()
        return "the connection ended"

    async def _serve(self, client: aiomqtt.Client) -> None:
        try:
            await first_end(self._listen(client), self._feed(client))
        except asyncio.CancelledError:
            with contextlib.suppress(aiomqtt.MqttError):
                await _publish(client, self._status("offline"), FAREWELL_S)
            raise

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Notice the end of the connection, and a status that is not ours.

        The will of our own half-dead predecessor can arrive after our `online`: then it has to be said again.
        """
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes) and _says_offline(payload):
                self._contradicted = True
                self.wake()

    async def _feed(self, client: aiomqtt.Client) -> None:
        await self._say_online(client)
        await client.subscribe(status_topic(self._address.site), qos=1)
        self.connects += 1
        self._on_state(LinkReport(state=LinkState.ONLINE))
        outbox = Outbox(self._source, _publisher(client), on_refused=self._row_refused)
        await _publish_all(client, self._board.current() if self._board else ())
        while True:
            self._woken.clear()
            if self._contradicted and time.monotonic() - self._said_online_at > POLL_S:
                await self._say_online(client)
            await _publish_all(client, self._board.take_changed() if self._board else ())
            if not await self._step(outbox):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()

    async def _step(self, outbox: Outbox) -> bool:
        """Move a batch; whether to go on at once."""
        before = outbox.delivered
        try:
            more = await outbox.step() > 0
        except SourceTrouble as trouble:
            if not self._stuck:
                self._on_state(LinkReport(state=LinkState.STUCK, reason=str(trouble), retry_in_s=POLL_S))
            self._stuck = True
            return False
        finally:
            self.delivered += outbox.delivered - before
        if self._stuck:
            self._stuck = False
            self._on_state(LinkReport(state=LinkState.ONLINE))
        return more

    async def _say_online(self, client: aiomqtt.Client) -> None:
        self._contradicted = False
        self._said_online_at = time.monotonic()
        await _publish(client, self._status("online"), self._address.timeout_s)

    def _status(self, state: str) -> Message:
        """The engine's status message. The will's `at` is the time of the connect: brokers send it as it was given."""
        site = self._address.site
        data = {"state": state, "client_id": self._address.identifier}
        payload = envelope(site=site, seq=0, at=self._clock(), event="engine.status", data=data)
        return Message(status_topic(site), payload, retained=True)

    def _row_refused(self, seq: int, why: str) -> None:
        self._on_state(LinkReport(state=LinkState.REFUSED_ROW, reason=f"outbox row {seq} was dropped: {why}"))
        self._on_state(LinkReport(state=LinkState.ONLINE))  # the last report always says how the link stands


def _publisher(client: aiomqtt.Client) -> Publish:
    async def publish(topic: str, payload: bytes, retained: bool) -> None:
        await _publish(client, Message(topic, payload, retained), client.timeout)

    return publish


async def _publish(client: aiomqtt.Client, message: Message, timeout_s: float) -> None:
    await client.publish(message.topic, message.payload, message.qos, message.retained, timeout=timeout_s)


async def _publish_all(client: aiomqtt.Client, messages: Sequence[Message]) -> None:
    """Publish in batches: each message has `timeout_s` of its own, so a slow broker must not be given all at once."""
    for start in range(0, len(messages), BATCH):
        async with asyncio.TaskGroup() as group:
            for message in messages[start : start + BATCH]:
                group.create_task(_publish(client, message, client.timeout))


def _says_offline(payload: bytes) -> bool:
    try:
        data = msgspec.json.decode(msgspec.json.decode(payload, type=Envelope).data, type=dict[str, object])
    except msgspec.DecodeError:
        return True  # whatever it is, it is not ours
    return data.get("state") != "online"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for inner in group.exceptions:
        if isinstance(inner, BaseExceptionGroup):
            yield from _leaves(inner)
        else:
            yield inner
