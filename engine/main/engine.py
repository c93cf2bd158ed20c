"""One running engine: everything built, joined, started in order, drained and stopped."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import structlog

from engine.asterisk import phone_desk
from engine.asterisk.recordings import DiskLimits, Recordings
from engine.bus.board import StateBoard
from engine.bus.broker import EmbeddedBroker
from engine.bus.connection import BrokerAddress
from engine.bus.link import LinkReport, MqttLink
from engine.bus.topics import Announcer
from engine.domain.agent import AgentState
from engine.domain.commands import AnyCommand, Dial, Release
from engine.domain.events import AnyEvent, InteractionEnded
from engine.domain.facts import DrainStarted, EngineStarted
from engine.domain.values import SECOND
from engine.errors import CallwrightError, JournalBroken, StoreUnavailable
from engine.floor import Floor, phrases
from engine.main import belief, switch, timekeeping
from engine.main.catching_up import CatchingUp
from engine.main.definitions import PhoneCredentials, read_flows, refresh, texts
from engine.main.missed import MissedCalls
from engine.main.outbound import OPT_OUTS_BACK_US, OutboundDesk
from engine.main.rescue import RescueDesk
from engine.runtime.clock import Clock
from engine.runtime.loop import FloorLoop
from engine.runtime.ports import Telephony
from engine.settings import Settings
from engine.store.budgets import Budgets
from engine.store.clerk import Clerk
from engine.store.database import Database, open_database
from engine.store.definitions import Definitions
from engine.store.dnc import DoNotCallList
from engine.store.journal import Journal
from engine.store.leads import Leads
from engine.store.ledger import Ledger
from engine.store.outbox import Outbox
from engine.store.projector import Projector, no_topics
from engine.store.rescue import Rescue
from engine.store.schema import upgrade_database
from engine.store.vault import Vault

log = structlog.get_logger(__name__)

VERSION = version("callwright")
SNAPSHOT_EVERY = 10_000
DRAIN_CALLERS_S = 20.0
"""How long callers may hear a question out when the engine stops; with the two below it makes at most 30 s."""
DRAIN_JOURNAL_S = 3.0
DRAIN_TABLES_S = 5.0
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
    recordings: Recordings
    rescue: RescueDesk
    missed: MissedCalls
    outbound: OutboundDesk

    def __init__(self, settings: Settings, *, snapshot_every: int = SNAPSHOT_EVERY) -> None:
        self.settings = settings
        self._snapshot_every = snapshot_every
        self._snapshot_seq = 0
        self._hurried = False
        self._away_since = 0
        self.mqtt: MqttLink | None = None
        self.mqtt_report: LinkReport | None = None
        self.broker: EmbeddedBroker | None = None
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._projected = 0
        self._closed = False
        self.heartbeat: Heartbeat = lambda: None
        """Called twice a second from within the event loop, from the moment on that the journal is ours.

        So neither a journal of millions of facts nor a long migration makes the watch kill it, start after start."""

    async def __aenter__(self) -> Engine:
        """Open the store, restore the floor, build the edges. Nothing is dialled, bridged or answered yet.

        Raises:
            CallwrightError: what is wrong, where, and what to do.
        """
        beating: asyncio.Task[None] | None = None
        try:
            await self._open_journal()
            beating = asyncio.create_task(self._beat(), name="heartbeat of the start")
            await self._open_store()
            await self._restore_floor()
            self._build()
        except BaseException:
            await self._stack.aclose()  # who enters not does not exit either
            raise
        finally:
            if beating is not None:
                beating.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write down what is left and close."""
        await self._stack.aclose()

    async def _open_journal(self) -> None:
        """The journal first: its lock keeps a second engine from touching anything else."""
        paths = self.settings.paths
        self.journal = await asyncio.to_thread(_open_journal, paths.data, paths.journal)
        self._stack.push_async_callback(asyncio.to_thread, self.journal.close)
        if self.journal.torn is not None:
            log.warning("the journal's last line was torn and is cut off", size=self.journal.torn.size)

    async def _open_store(self) -> None:
        settings = self.settings
        self.database = await asyncio.to_thread(open_database, settings.database_url)
        self._stack.push_async_callback(self.database.close)
        await upgrade_database(self.database)
        self.vault = await Vault.open(self.database, settings.paths.data)
        self.outbox = Outbox(self.database)
        # Without a broker nobody would ever take the messages out again.
        topics = Announcer(settings.site.name) if settings.mqtt.wanted else no_topics
        self.projector = Projector(self.database, topics=topics, outbox=self.outbox)
        self._projected = await self.projector.attach(self.journal.seed)
        self.definitions = Definitions(self.database)

    async def _restore_floor(self) -> None:
        """The floor as it was; what the fact tables had not been told yet is told now."""
        async with CatchingUp(self.projector, self.vault) as telling:
            restored = await asyncio.to_thread(
                belief.restore, self.settings.paths.journal, telling.take, self._projected
            )
        known = max(restored.seq, self._projected)
        if known > self.journal.last_seq:
            raise JournalBroken(
                f"it ends with fact {self.journal.last_seq}, but {known} are known",
                where=str(self.settings.paths.journal),
                mend="Restore the journal's last files: the fact tables (or a snapshot) are newer than it is.",
            )
        self.floor = restored.floor
        self._away_since = self.floor.state.now
        self._snapshot_seq = restored.snapshot_seq

    async def _tell_tables_again(self, upto: int) -> None:
        """What the clerk let go while the database was away: told from the journal, beside the live floor."""
        after = await self.projector.last_seq()
        async with CatchingUp(self.projector, self.vault) as telling:
            await asyncio.to_thread(belief.restore, self.settings.paths.journal, telling.take, after, upto)

    def _build(self) -> None:
        settings = self.settings
        self.clerk = Clerk(self.journal, self.vault, self.projector, reread=self._tell_tables_again)
        self._stack.push_async_callback(self._close_clerk)
        self.board = StateBoard(settings.site.name)
        clock = Clock(not_before=self.floor.state.now)
        if ahead := timekeeping.future(clock.ahead):
            log.warning(ahead, mend=timekeeping.MEND)
        relay = _Relay()
        credentials = PhoneCredentials(self.definitions, clock.now)
        self.loop = FloorLoop(self.floor, clock, self.clerk, relay, (self._on_event,))
        self.outbound = OutboundDesk(
            Leads(self.database),
            Ledger(self.database),
            Budgets(self.database),
            DoNotCallList(self.database, self.vault),
            settings.asterisk.cel,
            self.floor,
            self.loop,
            clock.now,
            clock.machine,
            self.clerk.told_until,
        )
        desk = self.outbound
        self.switch = switch.build(settings, self.floor, desk, self.vault, credentials, desk.intend)
        self.recordings = Recordings(
            settings.asterisk.recordings,
            is_live=lambda interaction_id: self.floor.interaction(interaction_id) is not None,
            limits=DiskLimits(settings.recording.min_free_mb * 10**6, settings.recording.min_free_percent / 100),
        )
        rescue = Rescue(self.database, self.vault, settings.asterisk.rescue_spool)
        self.rescue = RescueDesk(rescue, self.floor, self.loop)
        telephony = self.switch.telephony
        self.missed = MissedCalls(
            settings.asterisk.cel, self.database, self.floor, self.loop, telephony, self.floor.state.now
        )
        relay.telephony, relay.recordings, relay.outbound = self.switch.telephony, self.recordings, desk
        self._seat_board()

    def _seat_board(self) -> None:
        self._match_board()
        for interaction in self.floor.state.interactions.values():
            if interaction.queue_id is not None and interaction.state.value in ("waiting", "offered"):
                self.board.place(interaction.id, interaction.queue_id, interaction.entered_at, seq=0)

    def _match_board(self) -> None:
        """Show exactly the agents and queues that the floor has."""
        state = self.floor.state
        self.board.keep_only(state.agents.keys(), state.queues.keys())
        for queue_id in state.queues:
            self.board.open_queue(queue_id, state.now)
        for agent in state.agents.values():
            if not self.board.knows_agent(agent.profile.id):
                self.board.seat(
                    agent.profile.id, agent.state, agent.since, seq=0, reason=agent.reason, mode=str(agent.mode)
                )

    async def _keep_board(self) -> None:
        """Definitions come and go without an event."""
        while True:
            self._match_board()
            await asyncio.sleep(1.0)

    def _on_event(self, seq: int, event: AnyEvent) -> None:
        self.board.apply(event, seq)
        if isinstance(event, InteractionEnded) and event.interaction_id is not None:
            self.recordings.ended(event.interaction_id)
        if self.mqtt is not None:
            self.mqtt.wake()

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(self, *, extra: tuple[Callable[[], Awaitable[None]], ...] = ()) -> None:
        """Live until `stop`. `extra` are tasks that live as long (the HTTP API, recordings, the rescue import)."""
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:

            def begin(name: str, work: Coroutine[Any, Any, None]) -> None:
                tasks.append(group.create_task(work, name=name))

            begin("heartbeat", self._beat())
            clerk = group.create_task(self.clerk.run(), name="clerk")
            await self._prepare_unless_stopped(group)
            begin("loop", self.loop.run(lambda: self.switch.telephony.resync("inbox overflow")))
            begin("telephony", self.switch.telephony.run())
            begin("agi", self.switch.agi.run())
            begin("snapshots", self._keep_snapshots())
            for number, make in enumerate(extra):
                begin(f"extra-{number}", _coroutine(make))
            if self.mqtt is not None:
                begin("board", self._keep_board())
                begin("mqtt", self.mqtt.run())
            await self._stopping.wait()
            await self._drain()
            for task in tasks:
                task.cancel()
            await self._close_clerk()
            await clerk

    async def _prepare_unless_stopped(self, group: asyncio.TaskGroup) -> None:
        preparing = group.create_task(self._prepare(), name="prepare")
        stopping = group.create_task(self._stopping.wait(), name="stopping")
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        preparing.cancel()
        stopping.cancel()

    async def _prepare(self) -> None:
        """What must be so before the first caller: definitions, callbacks from while we were away, spoken prompts."""
        await self._start_bus()
        self.loop.handle(EngineStarted(version=VERSION, epoch=self.floor.state.epoch + 1))
        await refresh(self.definitions, self.settings.paths.flows, self.floor, self.loop)
        await self.rescue.look()
        await self.outbound.look_up_open()
        await self.outbound.look_up_opt_outs(self._away_since - OPT_OUTS_BACK_US)
        await self.recordings.look_at_disk()
        await self._speak_ahead()

    async def _close_clerk(self) -> None:
        """Once: by `run` at its end, or on the way out of an engine that never ran."""
        if not self._closed:
            self._closed = True
            await self.clerk.close(0.0 if self._hurried else DRAIN_TABLES_S)

    def stop(self) -> None:
        """Ask to stop: what is being said to callers is finished, then Asterisk keeps them for the successor."""
        self._stopping.set()

    def hurry(self) -> None:
        """Stop without waiting for callers or the database. The journal is still completed."""
        self._hurried = True
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
        while True:
            await asyncio.sleep(1.0)
            if self.loop.last_seq - self._snapshot_seq < self._snapshot_every:
                continue
            self._snapshot_seq, state = self.loop.last_seq, self.floor.snapshot()
            try:
                await self.clerk.snapshot(self._snapshot_seq, state)
            except CallwrightError as failed:  # a snapshot only saves time; the journal holds everything
                log.warning("no snapshot", why=str(failed))

    async def _beat(self) -> None:
        """Tell the watch outside the loop that the loop is alive."""
        while True:
            self.heartbeat()
            await asyncio.sleep(0.5)

    async def _drain(self) -> None:
        """Nothing new; callers in the middle of a question hear it out; all that was decided is on disk."""
        self.switch.agi.shut_door()
        self.loop.put(DrainStarted())
        ends = self.loop.clock.now() + round(DRAIN_CALLERS_S * SECOND)
        while (self.switch.agi.live or self.loop.backlog) and self.loop.clock.now() < ends and not self._hurried:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(DRAIN_JOURNAL_S):
                await self.clerk.barrier(self.loop.last_seq)
        except (TimeoutError, StoreUnavailable):
            log.error("the journal's last facts are not on disk", trouble=str(self.clerk.trouble or ""))
        log.info("drained", sessions_left=self.switch.agi.live)

    @property
    def signed_in(self) -> int:
        """How many agents are signed in."""
        return sum(1 for agent in self.floor.state.agents.values() if agent.state is not AgentState.OFFLINE)


def _open_journal(data: Path, journal: Path) -> Journal:
    """Belongs in a thread."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal.open(journal, secrets.token_hex(16), engine=VERSION)


class _Relay:
    """Telephony needs the loop and the loop needs telephony: this stands between while both are built."""

    telephony: Telephony
    recordings: Recordings
    outbound: OutboundDesk

    def start(self, command: AnyCommand) -> None:
        if self.outbound.start(command):
            return
        if isinstance(command, Release | Dial) and command.record and not self.recordings.may_record():
            command = msgspec.structs.replace(command, record="")  # type: ignore[type-var]
        self.telephony.start(command)


async def _coroutine(make: Callable[[], Awaitable[None]]) -> None:
    await make()
