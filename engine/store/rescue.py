"""Imports what the rescue script wrote while the engine was away: every caller exactly once.

The script (dialplans/agi/rescue.py) appends lines of JSON to `rescue-YYYYMMDD.jsonl`. A caller goes from there to a
promise in four steps, and a kill between any two repeats none and skips none:

1. the line becomes a row of `rescue_callback`; its id is the key, so reading the file again adds nothing;
2. `waiting` hands out rows that no promise is known for, each once per process;
3. the engine journals the fact `CallbackTaken`, and the floor answers with the event `CallbackPromised`;
4. the projector marks the row, in the transaction that holds the event.

After a crash between 2 and 4 the journal decides: replay it into the tables first, and then ask for `waiting`: rows
without a mark are not in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import structlog
from sqlalchemy import select

from engine.domain.values import LegId, Token, Value
from engine.store.database import Database
from engine.store.statements import insert_new
from engine.store.tables import RescueCallback, table
from engine.store.vault import Vault

log = structlog.get_logger(__name__)

CALLBACK = "callback"
LONGEST_LINE = 4_096
LINES_AT_ONCE = 500
_BEGINNING = b'{"id":'
_Text = Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")]
"""What every database takes: PostgreSQL has no NUL."""
_Instant = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_ROWS = table(RescueCallback)


class RescueLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the spool. Fields that we do not know are left alone: the script may be newer."""

    id: _Text
    at: _Instant
    uniqueid: _Text
    number: _Text
    dialled: str = ""
    caller: _Text = ""
    outcome: _Text = CALLBACK
    language: _Text = "en"


class RescuedCall(Value):
    """A caller who is owed a call back. `number` is a token, `at` UTC µs."""

    spool_id: str
    uniqueid: LegId
    number: Token
    language: str
    at: int


class BadLine(NamedTuple):
    """A line of the spool that cannot be read."""

    file: str
    line: int
    reason: str


class Rescue:
    """Takes callers from the spool folder into the store, and from there to the engine."""

    def __init__(self, database: Database, vault: Vault, spool: Path) -> None:
        self._database = database
        self._vault = vault
        self._spool = spool
        self._read: dict[str, tuple[int, int]] = {}
        """File -> (bytes, lines) that are in the store."""
        self._handed_out: set[str] = set()
        self.bad: list[BadLine] = []
        self._said: set[BadLine] = set()

    async def collect(self) -> int:
        """Bring new lines of the spool into the store; return how many were new to this process.

        A last line without its newline is still being written and waits. Lines that cannot be read are listed in `bad`.

        :raises StoreUnavailable: the database is away; the lines wait in the spool.
        :raises OSError: the spool cannot be read.
        """
        count = 0
        for name, text in await asyncio.to_thread(self._news):
            size, lines = self._read.get(name, (0, 0))
            parsed = list(self._parse(name, lines, text))
            for start in range(0, len(parsed), LINES_AT_ONCE):
                await self._store(parsed[start : start + LINES_AT_ONCE])
            self._read[name] = (size + len(text), lines + text.count(b"\n"))
            count += len(parsed)
        return count

    async def waiting(self) -> list[RescuedCall]:
        """Return callers who are owed a call back and were not handed out before, oldest first.

        Call it only when the fact tables have caught up with the journal.

        :raises StoreUnavailable: the database is away.
        """
        wanted = select(_ROWS).where(_ROWS.c.promised_us.is_(None), _ROWS.c.outcome == CALLBACK)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.order_by(_ROWS.c.taken_us, _ROWS.c.id))).all()
        calls = [
            RescuedCall(
                spool_id=row.id,
                uniqueid=LegId(row.uniqueid),
                number=Token(row.number),
                language=row.language,
                at=row.taken_us,
            )
            for row in rows
            if row.id not in self._handed_out
        ]
        self._handed_out.update(call.spool_id for call in calls)
        return calls

    def unread(self) -> int:
        """Count lines of the spool that are not in the store. Belongs in a thread.

        :raises OSError: the spool cannot be read.
        """
        return sum(text.count(b"\n") for _, text in self._news())

    def _news(self) -> list[tuple[str, bytes]]:
        """Return (file, whole lines that were not read yet) of every file that grew."""
        news = []
        for path in sorted(self._spool.glob("rescue-*.jsonl")):
            size, _ = self._read.get(path.name, (0, 0))
            with path.open("rb") as spool:
                spool.seek(size)
                text = spool.read()
            if whole := text[: text.rfind(b"\n") + 1]:
                news.append((path.name, whole))
        return news

    def _parse(self, name: str, lines: int, text: bytes) -> Iterator[RescueLine]:
        for number, raw in enumerate(text.split(b"\n"), start=lines + 1):
            if not raw.strip():
                continue
            # A line that a full disk cut short has no newline: the next one is found behind it.
            begin = max(raw.rfind(_BEGINNING), 0)
            if begin or len(raw) > LONGEST_LINE:
                self._refuse(name, number, "the line was cut short")
            try:
                yield msgspec.json.decode(raw[begin : begin + LONGEST_LINE], type=RescueLine)
            except (msgspec.DecodeError, UnicodeDecodeError) as broken:
                self._refuse(name, number, str(broken))

    def _refuse(self, name: str, number: int, reason: str) -> None:
        bad = BadLine(name, number, reason)
        if bad in self._said:
            return  # the database was away, and the file is read once more
        self._said.add(bad)
        self.bad.append(bad)
        log.error("rescue line cannot be read", file=name, line=number, reason=reason)

    async def _store(self, lines: Iterable[RescueLine]) -> None:
        rows = [self._row(line) for line in lines]
        async with self._vault.turn:
            async with self._database.writing() as connection:
                saved = await connection.run_sync(self._vault.save)
                await connection.execute(insert_new(_ROWS, connection), rows)
            await self._vault.saved(saved, durable=True)

    def _row(self, line: RescueLine) -> dict[str, object]:
        return {
            "id": line.id,
            "uniqueid": line.uniqueid,
            "dialled": line.dialled.replace("\0", ""),
            "caller": self._vault.token("number", line.caller) if line.caller else None,
            "number": self._vault.token("number", line.number) if line.number else None,
            "outcome": line.outcome if line.number else "hung-up",
            "language": line.language,
            "taken_us": line.at,
            "promised_us": None,
        }
