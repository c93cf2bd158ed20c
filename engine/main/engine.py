"""One running engine: everything built, joined, started in order, drained and stopped."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version

import structlog

from engine.asterisk import phone_desk
from engine.bus.board import StateBoard
from engine.bus.broker import EmbeddedBroker
from engine.bus.connection import BrokerAddress
from engine.bus.link import LinkReport, MqttLink
from engine.bus.topics import Announcer
from engine.domain.agent import AgentState
from engine.domain.commands import AnyCommand
from engine.domain.events import AnyEvent
from engine.domain.facts import DrainStarted, EngineStarted
from engine.domain.values import SECOND
from engine.errors import CallwrightError
from engine.floor import Floor, phrases
from engine.main import belief, switch
from engine.main.definitions import PhoneCredentials, read_flows, refresh, texts
from engine.runtime.clock import Clock
from engine.runtime.loop import FloorLoop
from engine.runtime.ports import Telephony
from engine.settings import Settings
from engine.store.clerk import Clerk
from engine.store.database import Database, open_database
from engine.store.definitions import Definitions
from engine.store.journal import Journal
from engine.store.lines import segment_paths
from engine.store.outbox import Outbox
from engine.store.projector import Projector
from engine.store.schema import upgrade_database
from engine.store.vault import Vault

log = structlog.get_logger(__name__)

SNAPSHOT_EVERY = 10_000
DRAIN_S = 30.0
Heartbeat = Callable[[], None]


class Engine:
    """Everything of one engine. `start` builds it up to the first heartbeat, `run` lives until `stop` is called."""

    settings: Settings
    database: Database
    vault: Vault
    journal: Journal
    clerk: Clerk
    definitions: Definitions
    outbox: Outbox
    floor: Floor
    loop: FloorLoop
    switch: switch.Switch
    board: StateBoard

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mqtt: MqttLink | None = None
        self.mqtt_report: LinkReport | None = None
        self.broker: EmbeddedBroker | None = None
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._projected = 0
        self._closed = False

    async def __aenter__(self) -> Engine:
        """Open the store, restore the floor, build the edges. Nothing is dialled, bridged or answered yet.

        Raises:
            CallwrightError: what is wrong, where, and what to do.
        """
        data = self.settings.paths.data
        await asyncio.to_thread(data.mkdir, mode=0o700, parents=True, exist_ok=True)
        await self._open_store()
        await self._restore_floor()
        self._build()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write down what is left and close."""
        await self._stack.aclose()

    async def _open_store(self) -> None:
        settings = self.settings
        self.database = open_database(settings.database_url)
        self._stack.push_async_callback(self.database.close)
        await upgrade_database(self.database)
        self.vault = await Vault.open(self.database, settings.paths.data)
        journal = settings.paths.journal
        known = await asyncio.to_thread(segment_paths, journal) if journal.is_dir() else []
        seed = belief.seed_of(journal) if known else secrets.token_hex(16)
        self.journal = await asyncio.to_thread(Journal.open, journal, seed, engine=version("callwright"))
        if self.journal.torn is not None:
            log.warning("the journal's last line was torn and is cut off", size=self.journal.torn.size)
        self.outbox = Outbox(self.database)
        self.projector = Projector(self.database, topics=Announcer(settings.site.name), outbox=self.outbox)
        self._projected = await self.projector.attach(seed)
        self.definitions = Definitions(self.database)

    async def _restore_floor(self) -> None:
        """The floor as it was; what the fact tables had not been told yet is told now."""
        missed: list[tuple[int, list[AnyEvent]]] = []
        restored = await asyncio.to_thread(
            belief.restore,
            self.settings.paths.journal,
            lambda seq, events: missed.append((seq, events)),
            self._projected,
        )
        if missed:
            log.info("telling the fact tables what they missed", facts=len(missed))
            await self.projector.apply_all(missed, self.vault)
        self.floor = restored.floor

    def _build(self) -> None:
        settings = self.settings
        self.clerk = Clerk(self.journal, self.vault, self.projector)
        self._stack.push_async_callback(self._close_clerk)
        self.board = StateBoard(settings.site.name)
        clock = Clock(not_before=self.floor.state.now)
        relay = _Relay()
        credentials = PhoneCredentials(self.definitions, clock.now)
        self.loop = FloorLoop(self.floor, clock, self.clerk, relay, (self._on_event,))
        self.switch = switch.build(settings, self.floor, self.loop, self.vault, credentials)
        relay.telephony = self.switch.telephony
        self._seat_board()

    def _seat_board(self) -> None:
        for queue_id in self.floor.state.queues:
            self.board.open_queue(queue_id, self.floor.state.now)
        for agent in self.floor.state.agents.values():
            self.board.seat(
                agent.profile.id, agent.state, agent.since, seq=0, reason=agent.reason, mode=str(agent.mode)
            )
        for interaction in self.floor.state.interactions.values():
            if interaction.queue_id is not None and interaction.state.value in ("waiting", "offered"):
                self.board.place(interaction.id, interaction.queue_id, interaction.entered_at, seq=0)

    def _on_event(self, seq: int, event: AnyEvent) -> None:
        self.board.apply(event, seq)
        if self.mqtt is not None:
            self.mqtt.wake()

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(
        self, *, extra: tuple[Callable[[], Awaitable[None]], ...] = (), heartbeat: Heartbeat = lambda: None
    ) -> None:
        """Live until `stop`. `extra` are tasks that live as long (the HTTP API, recordings, the rescue import)."""
        await self._start_bus()
        self.loop.handle(EngineStarted(version=version("callwright"), epoch=self.floor.state.epoch + 1))
        await refresh(self.definitions, self.settings.paths.flows, self.floor, self.loop)
        await self._speak_ahead()
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for name, work in (
                ("clerk", self.clerk.run()),
                ("loop", self.loop.run(lambda: self.switch.telephony.resync("inbox overflow"))),
                ("telephony", self.switch.telephony.run()),
                ("agi", self.switch.agi.run()),
                ("snapshots", self._keep_snapshots()),
                ("heartbeat", self._beat(heartbeat)),
                *((f"extra-{n}", _coroutine(make)) for n, make in enumerate(extra)),
            ):
                tasks.append(group.create_task(work, name=name))
            if self.mqtt is not None:
                tasks.append(group.create_task(self.mqtt.run(), name="mqtt"))
            await self._stopping.wait()
            await self._drain()
            await self.clerk.barrier(self.loop.last_seq)
            for task in tasks:
                if task.get_name() != "clerk":
                    task.cancel()
            await self._close_clerk()

    async def _close_clerk(self) -> None:
        """Once: by `run` at its end, or on the way out of an engine that never ran."""
        if not self._closed:
            self._closed = True
            await self.clerk.close()

    def stop(self) -> None:
        """Ask to stop: what is being said to callers is finished, then Asterisk keeps them for the successor."""
        self._stopping.set()

    async def _speak_ahead(self) -> None:
        """Speech is made before anybody has to wait for it; from the second start on it is in the cache."""
        flows = await asyncio.to_thread(read_flows, self.settings.paths.flows)
        wanted = {*phone_desk.TEXTS, *phrases.every(), *texts(flows)}
        try:
            await self.switch.prompts.speak_all(sorted(wanted))
        except* CallwrightError as missing:
            log.error("some prompts cannot be spoken", texts=len(missing.exceptions), why=str(missing.exceptions[0]))

    async def _start_bus(self) -> None:
        mqtt = self.settings.mqtt
        host, port = mqtt.host, mqtt.port
        if mqtt.embedded:
            self.broker = EmbeddedBroker(port if mqtt.host else 0)
            await self.broker.start()
            self._stack.push_async_callback(self.broker.stop)
            host, port = "127.0.0.1", self.broker.port
        if host:
            address = BrokerAddress(
                site=self.settings.site.name,
                host=host,
                port=port,
                username=mqtt.username or None,
                password=mqtt.password.get_secret_value() or None,
                ca_file=mqtt.ca_file,
                plain_text=mqtt.plain_text,
            )
            self.mqtt = MqttLink(address, self.outbox, self._on_mqtt, board=self.board)

    def _on_mqtt(self, report: LinkReport) -> None:
        if self.mqtt_report is None or self.mqtt_report.state is not report.state:
            log.info("mqtt", state=str(report.state), reason=report.reason)
        self.mqtt_report = report

    async def _keep_snapshots(self) -> None:
        """The floor's state beside the journal, every 10,000 facts: restart and `explain` begin there."""
        last = self.journal.last_seq
        while True:
            await asyncio.sleep(1.0)
            if self.journal.last_seq - last < SNAPSHOT_EVERY:
                continue
            last = self.loop.last_seq
            state = self.floor.snapshot()
            try:
                await self.clerk.snapshot(last, state)
            except Exception as failed:  # noqa: BLE001 - a snapshot only saves time; the journal holds everything
                log.warning("no snapshot", why=str(failed))

    @staticmethod
    async def _beat(heartbeat: Heartbeat) -> None:
        """Tell the watch outside the loop that the loop is alive."""
        while True:
            heartbeat()
            await asyncio.sleep(0.5)

    async def _drain(self) -> None:
        """Nothing new; callers in the middle of a question hear it out. Bounded by `DRAIN_S`."""
        self.switch.agi.shut_door()
        self.loop.put(DrainStarted())
        ends = self.loop.clock.now() + round((DRAIN_S - 5) * SECOND)
        while (self.switch.agi.live or self.loop.backlog) and self.loop.clock.now() < ends:  # noqa: ASYNC110 - of two parts
            await asyncio.sleep(0.05)
        log.info("drained", sessions_left=self.switch.agi.live)

    @property
    def signed_in(self) -> int:
        """How many agents are signed in."""
        return sum(1 for agent in self.floor.state.agents.values() if agent.state is not AgentState.OFFLINE)


class _Relay:
    """Telephony needs the loop and the loop needs telephony: this stands between while both are built."""

    telephony: Telephony

    def start(self, command: AnyCommand) -> None:
        self.telephony.start(command)


async def _coroutine(make: Callable[[], Awaitable[None]]) -> None:
    await make()
