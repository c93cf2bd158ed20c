"""The fact tables catch up with the journal: what a replay finds is told to them in batches, one at a time.

The replay runs in a thread and waits while a batch is written, so tables that are millions of facts behind cost the
memory of one batch, not of the whole journal.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, Future
from typing import Protocol

import structlog

from engine.domain.events import AnyEvent
from engine.errors import StoreUnavailable
from engine.store.projector import Batch
from engine.store.vault import Vault

log = structlog.get_logger(__name__)

REPLAY_BATCH = 500
"""Facts with events in one transaction."""
SAY_EVERY = 50_000


class Tables(Protocol):
    """What takes the batches: the projector."""

    async def apply_all(self, batch: Batch, vault: Vault | None = None) -> None:
        """Apply a batch in one transaction; what was applied before is passed over."""


class CatchingUp:
    """Stands between a replay in a thread and the tables on the event loop.

        async with CatchingUp(projector, vault) as telling:
            await asyncio.to_thread(belief.restore, folder, telling.take, after)

    What remains is told at the end of the block; after an error, or when it is cancelled, no more is told.
    """

    def __init__(self, tables: Tables, vault: Vault | None, size: int = REPLAY_BATCH) -> None:
        self._tables = tables
        self._vault = vault
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._batch: list[tuple[int, list[AnyEvent]]] = []
        self._told: Future[None] | None = None
        self._over = False
        self.facts = 0
        """Facts with events that were taken."""

    async def __aenter__(self) -> CatchingUp:
        """Begin."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Tell what remains, unless something went wrong."""
        self._over = True
        if kind is not None:
            if self._told is not None:
                self._told.cancel()
            return
        if self._batch:
            await self._tables.apply_all(self._batch, self._vault)
        if self.facts:
            log.info("the fact tables have caught up", facts=self.facts)

    def take(self, seq: int, events: list[AnyEvent]) -> None:
        """Take what fact `seq` caused, in the replay's thread. Returns when there is room for more.

        :raises StoreUnavailable: the tables cannot be written, or nobody wants to know any more.
        """
        self._batch.append((seq, events))
        self.facts += 1
        if len(self._batch) >= self._size:
            batch, self._batch = self._batch, []
            self._tell(batch)
            if self.facts == self._size or self.facts % SAY_EVERY < self._size:
                log.info("telling the fact tables what they missed", so_far=self.facts, seq=seq)

    def _tell(self, batch: list[tuple[int, list[AnyEvent]]]) -> None:
        if self._over:
            raise StoreUnavailable("the fact tables were not told everything: the engine stops")
        self._told = asyncio.run_coroutine_threadsafe(self._apply(batch), self._loop)
        try:
            self._told.result()
        except CancelledError:
            raise StoreUnavailable("the fact tables were not told everything: the engine stops") from None

    async def _apply(self, batch: Batch) -> None:
        await self._tables.apply_all(batch, self._vault)
