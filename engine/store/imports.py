"""Lists from CSV files: every row becomes a lead, a duplicate, or a rejected row with its line and its reason.

The file is read in a stream and written batch by batch, each batch one synced transaction with the tokens of its
numbers; so it may have any size, and an import that was cut off is begun again with the same file: what is there
already counts as duplicate. Encoding, separator and columns: `engine.store.list_files`.

Numbers go into the vault. A rejected row keeps only its line and a masked number; the file itself has the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from msgspec.structs import replace
from sqlalchemy import Connection, Select, insert, select, update
from ulid import ULID

from engine.domain.campaign import CampaignId
from engine.domain.values import Token, Value
from engine.store.campaigns import standing
from engine.store.database import Database
from engine.store.dialable import Dialable, Undialable, read_number
from engine.store.dnc import unwanted
from engine.store.list_files import ListFile, ListRow, open_list
from engine.store.regions import known_region
from engine.store.statements import insert_new
from engine.store.tables import Lead, LeadGroup, LeadImport, RejectedRow, table
from engine.store.timezones import keep_zones
from engine.store.vault import Sealed, Vault, mask

ROWS_AT_ONCE = 500
LONGEST_NAME = 100
LONGEST_SEGMENT = 64
PRIORITIES = range(1, 10)
"""1 is called first."""
USUAL_PRIORITY = 5

_LEAD = table(Lead)
_GROUP = table(LeadGroup)
_IMPORT = table(LeadImport)
_REJECTED = table(RejectedRow)


class Imported(Value):
    """What an import came to so far. `reasons`: rejected rows by reason. `done` when the whole file was read.

    `number_column`: the name of the column that the numbers are taken from.
    """

    import_id: str
    number_column: str = ""
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
        encoding: str = "",
        progress: Callable[[Imported], None] | None = None,
    ) -> Imported:
        """Import a file. `columns` names columns where their names do not tell: {"number": "Rufnummer"}.

        `region` overrides the campaign's country for numbers without country code, `encoding` what the file itself
        tells. `progress` is told after each batch.

        :raises NotFound: no such campaign, or no such file.
        :raises ConfigError: there is no such country or encoding, or the file is no list; nothing was imported.
        :raises StoreUnavailable: the rest was not imported; import the file again.
        """
        async with self._database.reading() as connection:
            campaign = await connection.run_sync(standing, campaign_id)
        region = known_region(campaign.terms.region if region is None else region, "region")
        rows = await asyncio.to_thread(open_list, file, columns or {}, encoding)
        with rows.file:
            result = Imported(import_id=f"imp_{ULID()}", number_column=_name(rows.columns.number))
            begun = {"id": result.import_id, "campaign_id": campaign_id, "source": file.name, "begun_us": now}
            begun |= {"number_column": result.number_column}
            await self._database.write(lambda connection: connection.execute(insert(_IMPORT).values(begun)))
            judged = _judged(rows, region)
            while batch := await asyncio.to_thread(lambda: list(islice(judged, ROWS_AT_ONCE))):
                result = await self._store(campaign_id, batch, result, now)
                if progress is not None:
                    progress(result)
        ended = update(_IMPORT).where(_IMPORT.c.id == result.import_id).values(ended_us=now)
        await self._database.write(lambda connection: connection.execute(ended))
        return replace(result, done=True)  # type: ignore[type-var]

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


def _judged(rows: ListFile, region: str) -> Iterator[_Good | _Bad]:
    """Read rows as far as they can be without a database."""
    places = _Places(*(rows.place(column) for column in rows.columns))
    for row in rows.rows:
        yield _judge(row, places, region)


class _Places(NamedTuple):
    """Where in a row a field's cell stands; -1 for nowhere."""

    number: int
    segment: int
    priority: int
    timezone: int


def _judge(row: ListRow, places: _Places, region: str) -> _Good | _Bad:
    if row.cells is None:
        return _Bad(row.line, "unreadable", "")
    raw, segment, priority, zone = (_cell(row.cells, place) for place in places)
    try:
        number = read_number(raw, region)
    except Undialable as wrong:
        return _Bad(row.line, wrong.reason, _masked(raw))
    if zone and zone not in _known_zones():
        return _Bad(row.line, "timezone", mask(number.e164))
    if (priority or str(USUAL_PRIORITY)) not in map(str, PRIORITIES):
        return _Bad(row.line, "priority", mask(number.e164))
    if len(segment) > LONGEST_SEGMENT or not segment.isprintable():
        return _Bad(row.line, "segment", mask(number.e164))
    return _Good(row.line, Dialable(number.e164, (zone,)) if zone else number, segment, int(priority or USUAL_PRIORITY))


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if 0 <= place < len(cells) else ""


def _name(column: str) -> str:
    """A column's name as a table and a terminal take it."""
    return "".join(char if char.isprintable() else "?" for char in column[:LONGEST_NAME])


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
    sums = replace(  # type: ignore[type-var]
        before,
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
