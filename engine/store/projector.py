"""The projector: events in, fact tables and outbox out, each journal number exactly once.

Everything a batch causes is one transaction, together with the number of the last fact: after a crash the journal is
replayed from there, and what was applied already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, StatementError

from engine.domain.events import AnyEvent
from engine.errors import Conflict, StoreWentBack
from engine.store.database import Database
from engine.store.dnc import keep_opt_out
from engine.store.fold import Changes, Update, fold
from engine.store.outbox import Outbox
from engine.store.outcomes import end_attempts, move_campaigns
from engine.store.statements import insert_new
from engine.store.tables import (
    AgentSpan,
    CampaignSpan,
    Outgoing,
    Projection,
    RescueCallback,
    Segment,
    Session,
    TrunkSpan,
    table,
)
from engine.store.vault import Sealed, Vault

log = structlog.get_logger(__name__)

Batch = Sequence[tuple[int, Sequence[AnyEvent]]]
"""(journal number of the fact, the events that it caused), in order."""
Topics = Callable[[AnyEvent, int], Sequence[tuple[str, bytes, bool]]]
"""What the bus shall say of an event with this journal number: (topic, payload, retained). Pure: called in a thread."""

_PROJECTION = table(Projection)
_OUTBOX = table(Outgoing)
_OPEN_WHILE_NULL = {
    AgentSpan: "end_us",
    CampaignSpan: "end_us",
    RescueCallback: "promised_us",
    Segment: "end_us",
    Session: "end_us",
    TrunkSpan: "end_us",
}


def no_topics(_event: AnyEvent, _seq: int) -> Sequence[tuple[str, bytes, bool]]:
    """Say nothing on the bus."""
    return ()


class Projector:
    """Fills the fact tables and the outbox. One at a time per database."""

    def __init__(self, database: Database, *, topics: Topics = no_topics, outbox: Outbox | None = None) -> None:
        self._database = database
        self._topics = topics
        self._outbox = outbox
        self._applied = 0
        self.skipped = 0
        """Facts whose events the database refused for good: a bug, logged, and not allowed to stop the rest."""

    async def attach(self, journal: str, *, adopt: bool = False) -> int:
        """Tie the tables to a journal (by its seed) and return the last fact they hold: replay follows from there.

        `adopt` starts over at 0 with a new journal and keeps the old one's facts.

        :raises Conflict: the tables belong to another journal.
        """
        self._applied = 0
        async with self._database.writing() as connection:
            row = (await connection.execute(select(_PROJECTION))).one_or_none()
            if row is None:
                await connection.execute(insert(_PROJECTION).values(id=1, journal=journal, last_seq=0, skipped=0))
                return 0
            if row.journal == journal:
                return int(row.last_seq)
            if not adopt:
                raise Conflict(
                    f"the database was filled from journal {row.journal}, this one is {journal}",
                    where="store",
                    mend="Use the journal that belongs to this database, or adopt the new one and keep the old facts.",
                )
            await connection.execute(update(_PROJECTION).values(journal=journal, last_seq=0))
            return 0

    async def last_seq(self) -> int:
        """Return the number of the last fact that the tables hold; 0 before `attach`."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(_PROJECTION.c.last_seq))).scalar_one_or_none() or 0

    async def apply(self, seq: int, events: Sequence[AnyEvent]) -> None:
        """Apply what fact `seq` caused; nothing if it was applied before.

        :raises StoreUnavailable: nothing was changed; call again.
        """
        await self.apply_all([(seq, events)])

    async def apply_all(self, batch: Batch, vault: Vault | None = None, *, durable: bool = False) -> None:
        """Apply a batch in one transaction, with the vault's new tokens.

        A fact whose events the database refuses for good is left out alone, counted and logged.

        :raises StoreUnavailable: nothing was changed; call again.
        :raises StoreWentBack: the database lost facts that it had.
        """
        try:
            await self._apply(batch, vault, durable=durable)
        except (DBAPIError, StatementError) as refused:
            await self._apply_apart(batch, refused)
        if batch:
            self._applied = max(self._applied, batch[-1][0])
        if self._outbox is not None:
            self._outbox.filled.set()

    async def _apply(self, batch: Batch, vault: Vault | None, *, durable: bool, skipped: int = 0) -> None:
        if vault is None:
            await self._database.write(lambda connection: self._write(connection, batch, skipped), durable=durable)
            return

        def write(connection: Connection) -> Sequence[Sealed]:
            saved = vault.save(connection)
            self._write(connection, batch, skipped)
            return saved

        async with vault.turn:
            await vault.saved(await self._database.write(write, durable=durable), durable=durable)

    async def _apply_apart(self, batch: Batch, refused: Exception) -> None:
        """Find the facts that the database refuses, by halving. The vault is left out: it comes with the next batch."""
        try:
            await self._apply(batch, None, durable=False)
        except (DBAPIError, StatementError) as again:
            if len(batch) > 1:
                await self._apply_apart(batch[: len(batch) // 2], again)
                await self._apply_apart(batch[len(batch) // 2 :], again)
                return
            self.skipped += 1
            [(seq, events)] = batch
            kinds = [type(event).__name__ for event in events]
            log.error("events refused by the database", seq=seq, events=kinds, reason=type(again).__name__)
            await self._apply([(seq, ())], None, durable=False, skipped=1)
        else:
            log.error("tokens refused by the database", reason=type(refused).__name__)

    def _write(self, connection: Connection, batch: Batch, skipped: int) -> None:
        lock = select(_PROJECTION.c.last_seq).with_for_update()
        last = connection.execute(lock).scalar_one()
        if last < self._applied:
            # A restored backup, or a standby that had not caught up: going on would leave a gap for ever.
            raise StoreWentBack(
                f"the database holds facts up to {last}, but had {self._applied} before",
                where="store.url",
                mend="Restart the engine: it replays the journal from there.",
            )
        news = [(seq, events) for seq, events in batch if seq > last]
        if not news:
            return
        _execute(connection, fold(news))
        messages = [
            {"topic": topic, "payload": payload, "retained": retained, "created_us": event.at}
            for seq, events in news
            for event in events
            for topic, payload, retained in self._topics(event, seq)
        ]
        if messages:
            connection.execute(insert(_OUTBOX), messages)
        columns = {"last_seq": news[-1][0], "skipped": _PROJECTION.c.skipped + skipped}
        connection.execute(update(_PROJECTION).values(columns))


def _execute(connection: Connection, changes: Changes) -> None:
    for shape, rows in changes.updates().items():
        connection.execute(_statement(shape), rows)
    for row, rows in changes.inserts().items():
        connection.execute(insert_new(table(row), connection), rows)
    for opted_out in changes.opted_out:  # kept long ago, unless a backup was brought back since
        keep_opt_out(connection, opted_out.attempt_id, opted_out.at)
    end_attempts(connection, changes.ended)
    move_campaigns(connection, changes.moved)


def _statement(shape: Update) -> Any:
    into = table(shape.row)
    statement = update(into).where(*(into.c[name] == bindparam(f"key_{name}") for name in shape.key))
    if open_while_null := _OPEN_WHILE_NULL.get(shape.row):
        statement = statement.where(into.c[open_while_null].is_(None))
    return statement
