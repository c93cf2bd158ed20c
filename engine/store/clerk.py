"""The clerk: the one task that writes facts, tokens and events down, in groups, in the right order.

    every 50 ms, or at once for a barrier:   new tokens -> journal -> durable       (local files, a thread)
    every 250 ms, only what is durable:      tokens + fact tables + outbox          (database, one transaction)

The two are apart so that a slow, locked or absent database delays no barrier and loses nothing: the journal goes on,
and calls with it. What waits for the database is bounded in memory: beyond `EVENTS_LIMIT` events it is let go, and when
the database serves again the journal is read once more from where the tables stand (`Reread`). Of callers who are new
meanwhile one token each stays in memory, some 500 bytes.

A full disk holds the barriers until there is space; nothing is acknowledged that is not on disk. Facts then wait in
memory without limit, some 300 bytes each: an hour of 1,000 calls takes about 10 MB. There is nowhere else to put them,
and callers are better served than refused.

`behind` says that either has happened. It refuses nobody; `/readyz`, a gauge and one line in the log tell a person.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
RETRY_LAST_S = 2.0
"""No longer: campaigns dial again when the tables hold all that happened."""
FACTS_LIMIT = 20_000
EVENTS_LIMIT = 50_000
PENDING_BYTES_LIMIT = 65_536
"""Once so many bytes of tokens wait in the vault's file, the next transaction is synced and the file emptied."""
Reread = Callable[[int], Awaitable[None]]
"""Tells the projector everything that it lacks up to this fact, from the journal, where that fact is durable.

Raises `StoreUnavailable` when the database does not serve: called again later. May be cancelled at any point."""


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
        reread: Reread | None = None,
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
        self._reread = reread
        self._let_go_upto = 0
        self._said_behind = False
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
        if self._events > self._limits[1] and self._reread is not None:
            self._noted.clear()
            self._events, self._let_go_upto = 0, seq
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
        """Whether far more waits to be written than should: see above."""
        facts, events = self._limits
        return self._journal.waiting > facts or self._events > events or self.let_go

    @property
    def let_go(self) -> bool:
        """Whether events were let go and the journal has to be read again for the fact tables."""
        return self._let_go_upto > 0

    @property
    def waiting(self) -> int:
        """Events in memory that wait for the database."""
        return self._events

    def told_until(self, now: int) -> int:
        """Up to which instant (µs, `now` at most) the fact tables hold everything that happened; 0 while unknown."""
        if self.let_go:
            return 0
        waiting = next((events[0].at for _, events in self._noted if events), None)
        return now if waiting is None else min(now, waiting - 1)

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
                    if not self.let_go:  # else the tables would seem to hold what the next start has to tell them
                        await self._tell_end()
        finally:
            for _, _, done in self._barriers:
                if not done.done():
                    done.set_exception(StoreUnavailable("the engine stopped before this was on disk"))
            self._barriers.clear()
            self._thread.shutdown(wait=True)

    async def _tell_end(self) -> None:
        await self._projector.apply_all([(self.durable_seq, ())], self._vault, durable=True)

    async def _keep_journal(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self._closing.is_set():
            await self._appended.wait()
            await self._pause(self._urgent, self._group_s)
            self._appended.clear()
            self._urgent.clear()
            self._say_whether_behind()
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
            self._say_whether_behind()
            wait_s = RETRY_FIRST_S

    async def _flush(self) -> None:
        """Bring tokens and journal to disk, then let the barriers go."""
        upto = self._journal.last_seq
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write_files, upto)
        while self._barriers and self._barriers[0][0] <= self._journal.durable_seq:
            done = heapq.heappop(self._barriers)[2]
            if not done.done():
                done.set_result(None)
        if self._noted or self._vault.unsaved or self.let_go:
            self._to_project.set()

    def _write_files(self, upto: int) -> None:
        # Every token that facts up to `upto` mention is in the vault by now: it goes first.
        self._vault.flush()
        self._journal.flush(upto)

    async def _project(self, *, durable: bool = False) -> bool:
        """Apply the oldest durable events and the new tokens; return whether there was anything."""
        async with self._projecting:
            limit = self._journal.durable_seq
            if self.let_go:
                return self._let_go_upto <= limit and await self._catch_up()
            batch = [noted for noted in islice(self._noted, BATCH) if noted[0] <= limit]
            if not batch and not self._vault.unsaved:
                return False
            durable = durable or self._vault.pending_bytes > PENDING_BYTES_LIMIT
            await self._projector.apply_all(batch, self._vault, durable=durable)
            while batch and self._noted and self._noted[0][0] <= batch[-1][0]:  # unless they were let go meanwhile
                self._events -= len(self._noted.popleft()[1])
            return bool(batch)

    async def _catch_up(self) -> bool:
        """Have the journal read again for what was let go. Not while closing: the next start does the same."""
        assert self._reread is not None  # noqa: S101 - else nothing is let go
        await self._projector.apply_all((), self._vault)  # the replay is long: see first whether anybody listens
        upto = self._let_go_upto
        rereading = asyncio.ensure_future(self._reread(upto))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({rereading, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not rereading.done():
                return False
            rereading.result()
        finally:
            closing.cancel()
            rereading.cancel()
        if self._let_go_upto == upto:  # else more was let go meanwhile
            self._let_go_upto = 0
        return True

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        """Return after a time, or at once when the event is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def _say_whether_behind(self) -> None:
        """One line when it begins, and one when it is well over: not one for each fact around the limit."""
        facts, events = self._limits
        if self.behind and not self._said_behind:
            self._said_behind = True
            log.warning(
                "far too much waits to be written; calls go on",
                facts_not_on_disk=self._journal.waiting,
                events_for_tables=self._events,
                journal_is_read_again=self.let_go,
            )
        elif self._said_behind and not self.let_go and self._journal.waiting * 2 < facts and self._events * 2 < events:
            self._said_behind = False
            log.info("no longer behind with writing")

    def _report(self, part: str, trouble: CallwrightError | None) -> None:
        known = self._troubles.pop(part, None)
        if trouble is not None:
            self._troubles[part] = trouble
        if (known is None) != (trouble is None):
            log.warning("store in trouble" if trouble else "store is well again", part=part, reason=str(trouble or ""))
            self._on_trouble(self.trouble)
