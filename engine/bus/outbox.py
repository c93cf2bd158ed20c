"""Rows of a store go to the broker in order and at least once.

A row leaves the store only after the broker's PUBACK (QoS 1). Lost connection, crash, locked store: the row stays and
is sent again, with the same envelope id. Only one batch is ever in memory, whatever has piled up in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from typing import Protocol

BATCH = 64
"""Rows read and in flight at once. MQTT keeps their order on one connection (3.1.1, section 4.6)."""

OutboxRow = tuple[int, str, bytes, bool]
"""(seq, topic, payload, retained). `seq` is the outbox's own number, growing."""
Publish = Callable[[str, bytes, bool], Awaitable[None]]
"""Publishes (topic, payload, retained) and returns after the PUBACK; ValueError: it can never be published."""


class OutboxSource(Protocol):
    """Where the rows are. Both calls may raise whatever the store raises; nothing is lost by that."""

    async def pending(self, limit: int) -> Sequence[OutboxRow]:
        """Return the oldest rows, at most `limit`, by growing seq."""
        ...

    async def done(self, seq: int) -> None:
        """The broker has every row up to and including `seq`: delete them."""
        ...


class SourceTrouble(Exception):
    """The store could not be read or written; its own error is the cause. Try again later."""


class Outbox:
    """Moves rows from a source to `publish`. `delivered` and `refused` count since it was made.

    `refused` rows are those that no broker can take (a wildcard in the topic, from a version with a bug): kept at the
    head they would block all others for ever, so they are counted, told to `on_refused` and dropped.
    """

    def __init__(
        self,
        source: OutboxSource,
        publish: Publish,
        *,
        batch: int = BATCH,
        on_refused: Callable[[int, str], None] = lambda _seq, _why: None,
    ) -> None:
        self.delivered = 0
        self.refused = 0
        self._source = source
        self._publish = publish
        self._batch = batch
        self._on_refused = on_refused

    async def step(self) -> int:
        """Move one batch; return how many rows it had, 0 if nothing waits.

        :raises SourceTrouble: the store failed.
        :raises ExceptionGroup: of what `publish` raised. Rows before the first failure are done; the others stay.

        Safe to cancel: what was acknowledged in order is done, the rest is sent again.
        """
        rows = await self._pending()
        if not rows:
            return 0
        sending: list[asyncio.Task[bool]] = []
        try:
            async with asyncio.TaskGroup() as group:
                # Tasks start in the order they are made, and each writes its PUBLISH before it first waits.
                sending = [group.create_task(self._send(row)) for row in rows]
        except BaseException:
            # Confirm what did arrive; a store in trouble must not take the place of the cancellation or the error.
            with contextlib.suppress(SourceTrouble):
                await self._confirm(rows, sending)
            raise
        await self._confirm(rows, sending)
        return len(rows)

    async def _confirm(self, rows: Sequence[OutboxRow], sending: Sequence[asyncio.Task[bool]]) -> None:
        """Delete the rows before the first one that did not arrive."""
        acknowledged = list(takewhile(_succeeded, sending))
        if acknowledged:
            self.delivered += sum(task.result() for task in acknowledged)
            await self._done(rows[len(acknowledged) - 1][0])

    async def _send(self, row: OutboxRow) -> bool:
        """Publish one row; whether it went out."""
        seq, topic, payload, retained = row
        try:
            await self._publish(topic, payload, retained)
        except ValueError as why:
            self.refused += 1
            self._on_refused(seq, str(why))
            return False
        return True

    async def _pending(self) -> Sequence[OutboxRow]:
        try:
            return await self._source.pending(self._batch)
        except Exception as trouble:  # the store's errors are its own; to us they all mean: later
            raise SourceTrouble(f"the outbox cannot be read: {trouble}") from trouble

    async def _done(self, seq: int) -> None:
        try:
            await self._source.done(seq)
        except Exception as trouble:  # as above; the rows will be sent twice
            raise SourceTrouble(f"delivered rows cannot be deleted from the outbox: {trouble}") from trouble


def _succeeded(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
