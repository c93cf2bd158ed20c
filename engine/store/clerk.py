"""The clerk: the one task that writes facts, tokens and events down, in groups, in the right order.

    every 50 ms, or at once for a barrier:   new tokens -> journal -> durable       (local files, a thread)
    every 250 ms, only what is durable:      tokens + fact tables + outbox          (database, one transaction)

The two are apart so that a slow, locked or absent database delays no barrier and loses nothing: the journal goes on,
and what waits for the database is bounded in memory by `behind`, which tells the edges to take on less. A full disk
holds the barriers until there is space; nothing is acknowledged that is not on disk.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, islice

import structlog

from engine.domain.events import AnyEvent
from engine.domain.facts import AnyFact
from engine.errors import CallwrightError, StoreUnavailable
from engine.store.journal import Journal
from engine.store.projector import Projector
from engine.store.vault import Vault

log = structlog.get_logger(__name__)

GROUP_S = 0.05
TABLES_GROUP_S = 0.25
"""A transaction costs about the same for one event or a hundred; pages hear of events without it."""
BATCH = 500
"""Facts whose events go into one transaction: about 20 ms of database work."""
RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0
FACTS_LIMIT = 20_000
EVENTS_LIMIT = 50_000
PENDING_BYTES_LIMIT = 65_536
"""Once so many bytes of tokens wait in the vault's file, the next transaction is synced and the file emptied."""


class Clerk:
    """Writes everything down. `append` and `note` are for the event loop and never wait."""

    def __init__(
        self,
        journal: Journal,
        vault: Vault,
        projector: Projector,
        *,
        group_s: float = GROUP_S,
        tables_group_s: float = TABLES_GROUP_S,
        facts_limit: int = FACTS_LIMIT,
        events_limit: int = EVENTS_LIMIT,
        on_trouble: Callable[[CallwrightError | None], None] = lambda _trouble: None,
    ) -> None:
        self._journal = journal
        self._vault = vault
        self._projector = projector
        self._group_s = group_s
        self._tables_group_s = tables_group_s
        self._limits = (facts_limit, events_limit)
        self._on_trouble = on_trouble
        self._troubles: dict[str, CallwrightError] = {}
        self._noted: deque[tuple[int, Sequence[AnyEvent]]] = deque()
        self._events = 0
        self._barriers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = count()
        self._appended = asyncio.Event()
        self._urgent = asyncio.Event()
        self._to_project = asyncio.Event()
        self._closing = asyncio.Event()
        self._projecting = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def append(self, fact: AnyFact, now: int) -> int:
        """Take a fact into the journal's buffer and return its number."""
        seq = self._journal.append(fact, now)
        self._appended.set()
        return seq

    def note(self, seq: int, events: Sequence[AnyEvent]) -> None:
        """Keep the events that fact `seq` caused for the fact tables and the outbox."""
        self._noted.append((seq, events))
        self._events += len(events)
        if seq <= self._journal.durable_seq:
            self._to_project.set()

    async def barrier(self, seq: int) -> None:
        """Return when everything up to fact `seq` is on disk, tokens included. Waits as long as that takes.

        :raises StoreUnavailable: the clerk was closed before.
        """
        if seq <= self._journal.durable_seq:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._barriers, (seq, next(self._ticket), done))
        self._urgent.set()
        await done

    @property
    def durable_seq(self) -> int:
        """Up to which fact the journal is on disk."""
        return self._journal.durable_seq

    @property
    def behind(self) -> bool:
        """Whether so much waits to be written that the edges should take on nothing new."""
        facts, events = self._limits
        return self._journal.waiting > facts or self._events > events

    @property
    def trouble(self) -> CallwrightError | None:
        """What keeps the clerk from writing now, or None."""
        return next(iter(self._troubles.values()), None)

    async def snapshot(self, seq: int, state: bytes) -> None:
        """Keep the floor's state after fact `seq`.

        :raises JournalUnwritable: no snapshot was added.
        """
        await self.barrier(seq)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._journal.snapshot, seq, state)

    async def run(self) -> None:
        """Write until `close`. Cancelling it loses nothing that `close` would not write."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_journal(), name="clerk-journal")
            tasks.create_task(self._keep_tables(), name="clerk-tables")

    async def close(self, within_s: float = 10.0) -> None:
        """Write down what is left and stop `run`. What the database does not take in time, the next start replays.

        :raises JournalUnwritable: the journal could not be completed.
        """
        self._closing.set()
        for event in (self._appended, self._urgent, self._to_project):
            event.set()
        try:
            await self._flush()
            with suppress(TimeoutError, StoreUnavailable):
                async with asyncio.timeout(within_s):
                    while await self._project(durable=True):
                        pass
                    await self._projector.apply_all([(self.durable_seq, ())], self._vault, durable=True)
        finally:
            for _, _, done in self._barriers:
                if not done.done():
                    done.set_exception(StoreUnavailable("the engine stopped before this was on disk"))
            self._barriers.clear()
            self._thread.shutdown(wait=True)

    async def _keep_journal(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self._closing.is_set():
            await self._appended.wait()
            await self._pause(self._urgent, self._group_s)
            self._appended.clear()
            self._urgent.clear()
            try:
                await self._flush()
            except CallwrightError as trouble:
                self._report("journal", trouble)
                self._appended.set()
                await self._pause(self._closing, wait_s)
                wait_s = min(2 * wait_s, RETRY_LAST_S)
                continue
            self._report("journal", None)
            wait_s = RETRY_FIRST_S

    async def _keep_tables(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self._closing.is_set():
            await self._to_project.wait()
            if len(self._noted) < BATCH:
                await self._pause(self._closing, self._tables_group_s)
            self._to_project.clear()
            try:
                while await self._project() and not self._closing.is_set():
                    self._report("tables", None)
            except StoreUnavailable as trouble:
                self._report("tables", trouble)
                self._to_project.set()
                await self._pause(self._closing, wait_s)
                wait_s = min(2 * wait_s, RETRY_LAST_S)
                continue
            self._report("tables", None)
            wait_s = RETRY_FIRST_S

    async def _flush(self) -> None:
        """Bring tokens and journal to disk, then let the barriers go."""
        upto = self._journal.last_seq
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write_files, upto)
        while self._barriers and self._barriers[0][0] <= self._journal.durable_seq:
            done = heapq.heappop(self._barriers)[2]
            if not done.done():
                done.set_result(None)
        if self._noted or self._vault.unsaved:
            self._to_project.set()

    def _write_files(self, upto: int) -> None:
        # Every token that facts up to `upto` mention is in the vault by now: it goes first.
        self._vault.flush()
        self._journal.flush(upto)

    async def _project(self, *, durable: bool = False) -> bool:
        """Apply the oldest durable events and the new tokens; return whether there was anything."""
        async with self._projecting:
            limit = self._journal.durable_seq
            batch = [noted for noted in islice(self._noted, BATCH) if noted[0] <= limit]
            if not batch and not self._vault.unsaved:
                return False
            durable = durable or self._vault.pending_bytes > PENDING_BYTES_LIMIT
            await self._projector.apply_all(batch, self._vault, durable=durable)
            for _ in batch:
                self._events -= len(self._noted.popleft()[1])
            return bool(batch)

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        """Return after a time, or at once when the event is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def _report(self, part: str, trouble: CallwrightError | None) -> None:
        known = self._troubles.pop(part, None)
        if trouble is not None:
            self._troubles[part] = trouble
        if (known is None) != (trouble is None):
            log.warning("store in trouble" if trouble else "store is well again", part=part, reason=str(trouble or ""))
            self._on_trouble(self.trouble)
