"""Leads, rejected rows, imports and attempts as lists that people read, page by page. Nothing is changed here.

Pages are cut by key, so a page costs the same wherever it lies. A lead's id grows with the time of its import, but not
within one millisecond. Numbers come back as they are: whoever shows them masks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, func, or_, select

from engine.errors import NotFound, UsageError
from engine.store.database import Database
from engine.store.leads import LeadState
from engine.store.tables import DialAttempt, Lead, LeadGroup, LeadImport, PersonalData, RejectedRow, table

_LEAD = table(Lead)
_GROUP = table(LeadGroup)
_TOKEN = table(PersonalData)
_ATTEMPT = table(DialAttempt)
_IMPORT = table(LeadImport)
_REJECTED = table(RejectedRow)


class ListedLead(NamedTuple):
    """A lead with his number (None once erased), priority and time zones."""

    id: str
    campaign_id: str
    number: str | None
    segment: str
    priority: int
    zones: tuple[str, ...]
    state: str
    attempts: int
    last_outcome: str | None
    next_us: int
    import_id: str
    unrung: int


class ListedRow(NamedTuple):
    """A rejected row and the file it came from. `begun_us` and `line` are its place in the order."""

    import_id: str
    source: str
    begun_us: int
    line: int
    reason: str
    masked: str


class LeadLists:
    """Reads lists. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, campaign_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return by campaign how many leads are in each state; walks an index of the lists."""
        found: dict[str, dict[str, int]] = {id_: {state.value: 0 for state in LeadState} for id_ in campaign_ids}
        counted = select(_LEAD.c.campaign_id, _LEAD.c.state, func.count()).where(_LEAD.c.campaign_id.in_(campaign_ids))
        async with self._database.reading() as connection:
            rows = await connection.execute(counted.group_by(_LEAD.c.campaign_id, _LEAD.c.state))
            for campaign_id, state, count in rows:
                found[campaign_id][state] = count
        return found

    async def leads(self, campaign_id: str, import_id: str, state: str, after: str, limit: int) -> list[ListedLead]:
        """Return leads by id, those after an id; of a campaign, of an import and in a state unless that is "".

        :raises UsageError: there is no such state.
        """
        if state and state not in list(LeadState):
            names = ", ".join(LeadState)
            raise UsageError(f"there is no state {state!r} of leads", where="state", mend=f"States: {names}.")
        wanted = _LEADS.where(_LEAD.c.id > after).order_by(_LEAD.c.id).limit(limit)
        if campaign_id:
            wanted = wanted.where(_LEAD.c.campaign_id == campaign_id)
        if import_id:
            wanted = wanted.where(_LEAD.c.import_id == import_id)
        if state:
            wanted = wanted.where(_LEAD.c.state == state)
        async with self._database.reading() as connection:
            return [_listed(row) for row in await connection.execute(wanted)]

    async def lead(self, lead_id: str) -> tuple[ListedLead, list[Row[Any]]]:
        """Return a lead and his attempts (rows of the ledger), first to last.

        :raises NotFound: there is none.
        """
        tried = select(_ATTEMPT).where(_ATTEMPT.c.lead_id == lead_id).order_by(_ATTEMPT.c.intent_us, _ATTEMPT.c.id)
        async with self._database.reading() as connection:
            row = (await connection.execute(_LEADS.where(_LEAD.c.id == lead_id))).one_or_none()
            if row is None:
                raise NotFound(f"there is no lead {lead_id}", where="lead", mend="See `callwright lead list`.")
            # By number first: the ledger has an index of numbers, and none of leads.
            tried = tried.where(_ATTEMPT.c.number == row.token)
            return _listed(row), list(await connection.execute(tried))

    async def imports(self, campaign_id: str) -> list[tuple[Row[Any], dict[str, int]]]:
        """Return a campaign's imports, latest first, each with its rejected rows by reason."""
        wanted = select(_IMPORT).where(_IMPORT.c.campaign_id == campaign_id)
        reasons = (
            select(_REJECTED.c.import_id, _REJECTED.c.reason, func.count())
            .join(_IMPORT, _IMPORT.c.id == _REJECTED.c.import_id)
            .where(_IMPORT.c.campaign_id == campaign_id)
            .group_by(_REJECTED.c.import_id, _REJECTED.c.reason)
        )
        async with self._database.reading() as connection:
            by_import: dict[str, dict[str, int]] = {}
            for import_id, reason, count in await connection.execute(reasons):
                by_import.setdefault(import_id, {})[reason] = count
            rows = await connection.execute(wanted.order_by(_IMPORT.c.begun_us.desc(), _IMPORT.c.id.desc()))
            return [(row, by_import.get(row.id, {})) for row in rows]

    async def check_import(self, import_id: str) -> None:
        """Refuse an import that never was.

        :raises NotFound: there is none of this id.
        """
        async with self._database.reading() as connection:
            found = (await connection.execute(select(_IMPORT.c.id).where(_IMPORT.c.id == import_id))).one_or_none()
        if found is None:
            mend = "`callwright lead list --rejected` shows the imports that left rows."
            raise NotFound(f"there is no import {import_id}", where="import", mend=mend)

    async def rejected(
        self, campaign_id: str, import_id: str, after: tuple[int, str, int], limit: int
    ) -> list[ListedRow]:
        """Return rejected rows by import (first to last) and line, those after (begun µs, import id, line).

        Of a campaign and of one import unless that is "".
        """
        begun_us, last_import, line = after
        beyond = or_(
            _IMPORT.c.begun_us > begun_us,
            and_(_IMPORT.c.begun_us == begun_us, _IMPORT.c.id > last_import),
            and_(_IMPORT.c.id == last_import, _REJECTED.c.line > line),
        )
        wanted = (
            select(_REJECTED, _IMPORT.c.source, _IMPORT.c.begun_us)
            .join(_IMPORT, _IMPORT.c.id == _REJECTED.c.import_id)
            .where(beyond)
            .order_by(_IMPORT.c.begun_us, _IMPORT.c.id, _REJECTED.c.line)
            .limit(limit)
        )
        if campaign_id:
            wanted = wanted.where(_IMPORT.c.campaign_id == campaign_id)
        if import_id:
            wanted = wanted.where(_IMPORT.c.id == import_id)
        async with self._database.reading() as connection:
            return [
                ListedRow(row.import_id, row.source, row.begun_us, row.line, row.reason, row.masked)
                for row in await connection.execute(wanted)
            ]


_LEADS = (
    select(_LEAD, _LEAD.c.number.label("token"), _TOKEN.c.value, _GROUP.c.priority, _GROUP.c.zones)
    .join(_GROUP, _GROUP.c.id == _LEAD.c.group_id)
    .outerjoin(_TOKEN, _TOKEN.c.id == _LEAD.c.number)
)


def _listed(row: Any) -> ListedLead:
    return ListedLead(
        id=row.id,
        campaign_id=row.campaign_id,
        number=row.value,
        segment=row.segment,
        priority=row.priority,
        zones=tuple(row.zones.split(",")) if row.zones else (),
        state=row.state,
        attempts=row.attempts,
        last_outcome=row.last_outcome,
        next_us=row.next_us,
        import_id=row.import_id,
        unrung=row.unrung,
    )
