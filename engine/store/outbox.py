"""Messages for the bus that are still to be sent, oldest first. The bus deletes what its broker has taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import delete, func, select

from engine.store.database import Database
from engine.store.tables import Outgoing, table

_OUTBOX = table(Outgoing)

Waiting = tuple[int, str, bytes, bool]
"""(seq, topic, payload, retained). `seq` grows and is never used twice."""


class Outbox:
    """The outbox table as the bus sees it. `filled` is set whenever a commit may have added rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.filled = asyncio.Event()

    async def pending(self, limit: int) -> Sequence[Waiting]:
        """Return the oldest rows, at most `limit`.

        :raises StoreUnavailable: the database is away.
        """
        self.filled.clear()
        columns = select(_OUTBOX.c.seq, _OUTBOX.c.topic, _OUTBOX.c.payload, _OUTBOX.c.retained)
        async with self._database.reading() as connection:
            rows = await connection.execute(columns.order_by(_OUTBOX.c.seq).limit(limit))
            return [(row.seq, row.topic, row.payload, row.retained) for row in rows]

    async def done(self, seq: int) -> None:
        """Delete every row up to and including `seq`. Should a power cut bring them back, they are sent twice.

        :raises StoreUnavailable: the database is away, locked or full.
        """
        async with self._database.writing(durable=False) as connection:
            await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.seq <= seq))

    async def size(self) -> int:
        """Return how many messages wait."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(func.count()).select_from(_OUTBOX))).scalar_one()
