"""Lists from CSV files: every row becomes a lead, a duplicate, or a rejected row with its line and its reason.

The file is read in a stream and written batch by batch, each batch one synced transaction with the tokens of its
numbers; so it may have any size, and an import that was cut off is begun again with the same file: what is there
already counts as duplicate. Encoding: UTF-8 with or without mark. Separator: comma, semicolon or tab, told from the
header.

Numbers go into the vault. A rejected row keeps only its line and a masked number; the file itself has the rest.
"""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from zoneinfo import available_timezones

from sqlalchemy import Connection, Select, insert, select, update
from ulid import ULID

from engine.domain.campaign import CampaignId
from engine.domain.values import Token, Value
from engine.errors import ConfigError, NotFound
from engine.store.campaigns import standing
from engine.store.database import Database
from engine.store.dialable import Dialable, Undialable, read_number
from engine.store.dnc import unwanted
from engine.store.statements import insert_new
from engine.store.tables import Lead, LeadGroup, LeadImport, RejectedRow, table
from engine.store.timezones import keep_zones
from engine.store.vault import Sealed, Vault, mask

ROWS_AT_ONCE = 500
LONGEST_FIELD = 8_192
LONGEST_SEGMENT = 64
PRIORITIES = range(1, 10)
"""1 is called first."""
USUAL_PRIORITY = 5

FIELDS: Mapping[str, tuple[str, ...]] = {
    "number": ("number", "phone", "telephone", "tel", "mobile", "msisdn", "phone_number", "phonenumber", "e164"),
    "segment": ("segment", "list", "group"),
    "priority": ("priority", "prio"),
    "timezone": ("timezone", "time_zone", "tz"),
}
"""What a lead is made of, and how columns are called that hold it (in any case, spaces and - read as _)."""

_LEAD = table(Lead)
_GROUP = table(LeadGroup)
_IMPORT = table(LeadImport)
_REJECTED = table(RejectedRow)


class Imported(Value):
    """What an import came to so far. `reasons`: rejected rows by reason. `done` when the whole file was read."""

    import_id: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: dict[str, int] = {}
    done: bool = False


class Rejected(Value):
    """A row that became no lead."""

    line: int
    reason: str
    masked: str


class Columns(NamedTuple):
    """Which column (its name in the header) holds what; "" where there is none."""

    number: str
    segment: str = ""
    priority: str = ""
    timezone: str = ""


class _Good(NamedTuple):
    line: int
    number: Dialable
    segment: str
    priority: int


class _Bad(NamedTuple):
    line: int
    reason: str
    masked: str


class Imports:
    """Imports lists into campaigns. `now` is the engine's, UTC µs."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def import_csv(
        self,
        campaign_id: CampaignId,
        file: Path,
        now: int,
        *,
        columns: Mapping[str, str] | None = None,
        region: str | None = None,
        progress: Callable[[Imported], None] | None = None,
    ) -> Imported:
        """Import a file. `columns` names columns where their names do not tell: {"number": "Rufnummer"}.

        `region` overrides the campaign's country for numbers without country code. `progress` is told after each batch.

        :raises NotFound: no such campaign, or no such file.
        :raises ConfigError: the file is no CSV with a number column; nothing was imported.
        :raises StoreUnavailable: the rest was not imported; import the file again.
        """
        async with self._database.reading() as connection:
            campaign = await connection.run_sync(standing, campaign_id)
        region = campaign.terms.region if region is None else region
        rows = await asyncio.to_thread(_open, file, columns or {})
        result = Imported(import_id=f"imp_{ULID()}")
        begun = {"id": result.import_id, "campaign_id": campaign_id, "source": file.name, "begun_us": now}
        await self._database.write(lambda connection: connection.execute(insert(_IMPORT).values(begun)))
        with rows.file:
            while batch := await asyncio.to_thread(_read, rows, region):
                result = await self._store(campaign_id, batch, result, now)
                if progress is not None:
                    progress(result)
        ended = update(_IMPORT).where(_IMPORT.c.id == result.import_id).values(ended_us=now)
        await self._database.write(lambda connection: connection.execute(ended))
        return Imported(
            import_id=result.import_id,
            accepted=result.accepted,
            duplicates=result.duplicates,
            rejected=result.rejected,
            reasons=result.reasons,
            done=True,
        )

    async def rejected(self, import_id: str, *, limit: int = 1_000, after: int = 0) -> list[Rejected]:
        """Return rejected rows by line, those after a line.

        :raises StoreUnavailable: the database is away.
        """
        wanted = (
            select(_REJECTED)
            .where(_REJECTED.c.import_id == import_id, _REJECTED.c.line > after)
            .order_by(_REJECTED.c.line)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [
                Rejected(line=row.line, reason=row.reason, masked=row.masked)
                for row in await connection.execute(wanted)
            ]

    async def _store(self, campaign_id: str, batch: Sequence[_Good | _Bad], result: Imported, now: int) -> Imported:
        """Write one batch in one synced transaction, and return the new sums."""
        good = [row for row in batch if isinstance(row, _Good)]
        tokens = await self._vault.tokens("number", [row.number.e164 for row in good])
        bad = [row for row in batch if isinstance(row, _Bad)]
        await keep_zones({zone for row in good for zone in row.number.zones})

        def work(connection: Connection) -> tuple[Imported, Sequence[Sealed]]:
            saved = self._vault.save(connection)
            return _write(connection, campaign_id, good, bad, tokens, result, now), saved

        async with self._vault.turn:
            sums, saved = await self._database.write(work)
            await self._vault.saved(saved, durable=True)
        return sums


class _Rows(NamedTuple):
    file: TextIO
    reader: Any
    columns: Columns


def _open(path: Path, wanted: Mapping[str, str]) -> _Rows:
    """Open a file and read its header.

    :raises NotFound: it is not there.
    :raises ConfigError: it has no header that names a number's column.
    """
    try:
        file = path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as gone:
        raise NotFound(f"this file cannot be read: {gone.strerror}", where=str(path), mend="Name another.") from gone
    csv.field_size_limit(LONGEST_FIELD)
    try:
        header = file.readline(LONGEST_FIELD)
        separator = max(",;\t", key=header.count)
        names = next(csv.reader([header], delimiter=separator), [])
        columns = find_columns(names, wanted, where=path.name)
    except (ConfigError, csv.Error) as wrong:
        file.close()
        if isinstance(wrong, ConfigError):
            raise
        raise ConfigError(f"this is no CSV: {wrong}", where=path.name, mend="Export it as CSV in UTF-8.") from wrong
    return _Rows(file, csv.DictReader(file, fieldnames=names, delimiter=separator), columns)


def find_columns(names: Sequence[str], wanted: Mapping[str, str], *, where: str = "header") -> Columns:
    """Return which columns of a header hold what: as told, else by their names.

    :raises ConfigError: a column that was told is not there, or none could be the number's.
    """
    for field, name in wanted.items():
        if field not in FIELDS or name not in names:
            raise ConfigError(
                f"there is no column {name!r} for {field!r}",
                where=where,
                mend=f"Fields: {', '.join(FIELDS)}. Columns of this file: {', '.join(map(repr, names))[:300]}.",
            )
    plain = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    found = {
        field: wanted.get(field) or next((plain[guess] for guess in guesses if guess in plain), "")
        for field, guesses in FIELDS.items()
    }
    if not found["number"]:
        raise ConfigError(
            "no column holds the telephone numbers",
            where=where,
            mend=f"Name it: --column COLUMN. Columns of this file: {', '.join(map(repr, names))[:300]}.",
        )
    return Columns(**found)


def _read(rows: _Rows, region: str) -> list[_Good | _Bad]:
    """Return the next rows, read as far as they can be without a database. Empty lines are passed over."""
    return list(islice(_judged(rows, region), ROWS_AT_ONCE))


def _judged(rows: _Rows, region: str) -> Iterator[_Good | _Bad]:
    while True:
        try:
            row = next(rows.reader)
        except StopIteration:
            return
        except csv.Error:
            yield _Bad(rows.reader.line_num + 1, "unreadable", "")
            continue
        line = rows.reader.line_num + 1  # the header was read apart
        yield _judge(row, rows.columns, region, line)


def _judge(row: Mapping[str | None, Any], columns: Columns, region: str, line: int) -> _Good | _Bad:
    raw = str(row.get(columns.number) or "")
    try:
        number = read_number(raw, region)
    except Undialable as wrong:
        return _Bad(line, wrong.reason, _masked(raw))
    zone = str(row.get(columns.timezone) or "").strip()
    if zone and zone not in _known_zones():
        return _Bad(line, "timezone", mask(number.e164))
    priority = str(row.get(columns.priority) or "").strip() or str(USUAL_PRIORITY)
    if priority not in map(str, PRIORITIES):
        return _Bad(line, "priority", mask(number.e164))
    segment = str(row.get(columns.segment) or "").strip()
    if len(segment) > LONGEST_SEGMENT or not segment.isprintable():
        return _Bad(line, "segment", mask(number.e164))
    return _Good(line, Dialable(number.e164, (zone,)) if zone else number, segment, int(priority))


@cache
def _known_zones() -> frozenset[str]:
    # it reads a folder of the system each time, which would be once for each row
    return frozenset(available_timezones())


def _masked(raw: str) -> str:
    """Return a hint of what stood there: how many digits, and the last two of many."""
    digits = [char for char in raw if char.isdigit()]
    return f"{len(digits)} digits" + (f", ••••{''.join(digits[-2:])}" if len(digits) > 5 else "")


def _write(
    connection: Connection,
    campaign_id: str,
    good: Sequence[_Good],
    bad: Sequence[_Bad],
    tokens: Mapping[str, Token],
    before: Imported,
    now: int,
) -> Imported:
    listed = unwanted(connection, list(tokens.values()))
    bad = [
        *bad,
        *(_Bad(row.line, "do-not-call", mask(row.number.e164)) for row in good if tokens[row.number.e164] in listed),
    ]
    leads = [row for row in good if tokens[row.number.e164] not in listed]
    known = set(connection.execute(_known(campaign_id, [tokens[row.number.e164] for row in leads])).scalars())
    news = {tokens[row.number.e164]: row for row in reversed(leads) if tokens[row.number.e164] not in known}
    if news:
        groups = _groups(connection, campaign_id, news.values())
        rows = [
            _lead(campaign_id, number, row, groups, before.import_id, now) for number, row in reversed(news.items())
        ]
        connection.execute(insert_new(_LEAD, connection), rows)
    accepted = len(news)
    if bad:
        connection.execute(insert_new(_REJECTED, connection), [_rejected(before.import_id, row) for row in bad])
    sums = Imported(
        import_id=before.import_id,
        accepted=before.accepted + accepted,
        duplicates=before.duplicates + len(leads) - accepted,
        rejected=before.rejected + len(bad),
        reasons=dict(Counter(before.reasons) + Counter(row.reason for row in bad)),
    )
    counted = {"accepted": sums.accepted, "duplicates": sums.duplicates, "rejected": sums.rejected}
    connection.execute(update(_IMPORT).where(_IMPORT.c.id == before.import_id).values(counted))
    return sums


def _known(campaign_id: str, numbers: Sequence[str]) -> Select[str]:
    return select(_LEAD.c.number).where(_LEAD.c.campaign_id == campaign_id, _LEAD.c.number.in_(numbers))


def _lead(
    campaign_id: str, number: str, row: _Good, groups: Mapping[tuple[int, str], int], import_id: str, now: int
) -> dict[str, Any]:
    return {
        "id": f"lead_{ULID()}",
        "campaign_id": campaign_id,
        "group_id": groups[row.priority, ",".join(row.number.zones)],
        "number": number,
        "segment": row.segment,
        "state": "new",
        "attempts": 0,
        "next_us": now,
        "import_id": import_id,
    }


def _rejected(import_id: str, row: _Bad) -> dict[str, Any]:
    return {"import_id": import_id, "line": row.line, "reason": row.reason, "masked": row.masked}


def _groups(connection: Connection, campaign_id: str, leads: Iterable[_Good]) -> dict[tuple[int, str], int]:
    """Return the ids of the groups that some leads belong to; new ones are made."""
    wanted = {(row.priority, ",".join(row.number.zones)) for row in leads}
    for priority, zones in sorted(wanted):
        group = {"campaign_id": campaign_id, "priority": priority, "zones": zones}
        connection.execute(insert_new(_GROUP, connection), group)
    found = connection.execute(select(_GROUP).where(_GROUP.c.campaign_id == campaign_id))
    return {(row.priority, row.zones): row.id for row in found if (row.priority, row.zones) in wanted}
