"""Leads: who is to be called, and the atomic claim of those who may be called now.

    new ── claim ──▶ claimed ── INTENT ──▶ dialled ── outcome ──▶ new (again, later) │ done │ dnc
     ▲                 │ returned, lease over │ refused by a rule
     └─────────────────┴──────────────────────┘

Leads lie in groups of equal priority and equal time zones. A claim asks the law once per time zone, then takes the
first of each open group from an index that holds only waiting leads; so its cost follows the number of groups and of
leads that are asked for, never the length of the list. Order: priority (1 first), then `next_us`, then id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal_column, select, update
from ulid import ULID

from engine.dialer.law import Called, Rules, may_dial, opening
from engine.domain.campaign import AttemptId, CampaignId, ClaimedLead, LeadId
from engine.domain.values import SECOND, Token
from engine.errors import ConfigError, NotFound, StoreUnavailable
from engine.store.campaigns import CampaignTerms, standing
from engine.store.checks import rule_fault
from engine.store.database import Database
from engine.store.dnc import unwanted
from engine.store.tables import Lead, LeadGroup, table
from engine.store.timezones import keep_zones

LEASE_S = 60.0
MARGIN_S = 5.0
"""A lead is to be given back so long before its lease ends."""
RESCUED_AT_ONCE = 1_000
OPENINGS_KEPT = 10_000
UNKNOWN_FOR_US = 3_600 * SECOND
"""A law that does not say until when it forbids is asked again after an hour."""
COUNTED_FOR_S = 2.0
COUNTED_FOR_TIMES = 50
COUNTED_WITHIN_S = 0.1
"""Counts are used again for 2 s, or 50 times as long as counting took: a long list must not cost more often."""

_LEAD = table(Lead)
_GROUP = table(LeadGroup)


class LeadState(StrEnum):
    """How a lead stands."""

    NEW = "new"
    CLAIMED = "claimed"
    DIALLED = "dialled"
    DONE = "done"
    DNC = "dnc"


def is_in(state: LeadState) -> ColumnElement[bool]:
    """Return the condition that a lead is in a state. A literal: no database uses a partial index for a parameter."""
    return _LEAD.c.state == literal_column(f"'{state.value}'")


class Claim(NamedTuple):
    """What a claim gave. When it is fewer than asked for, `reasons` and `next_at` (µs) tell of the others.

    They may be seconds old, for a list of a million a minute; empty when counting takes longer than leads may wait.
    """

    leads: tuple[ClaimedLead, ...]
    reasons: dict[str, int] = {}
    next_at: int = 0


class _Opening(NamedTuple):
    """Whether people of some time zones may be called; known for `since` <= now < `until` (µs)."""

    rule: str
    since: int
    until: int


class _Group(NamedTuple):
    id: int
    priority: int
    opening: _Opening


class _Counts(NamedTuple):
    reasons: dict[str, int]
    next_at: int
    good_until: float


_NOTHING_KNOWN = _Counts({}, 0, 0.0)


class Leads:
    """The leads of all campaigns. `now` is the engine's, UTC µs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._openings: dict[tuple[tuple[str, ...], Rules], _Opening] = {}
        self._counts: dict[str, _Counts] = {}
        self._counting: dict[str, asyncio.Task[_Counts]] = {}
        self._known: set[str] = set()

    async def claim(
        self, campaign_id: CampaignId, count: int, now: int, *, lease_s: float = LEASE_S, machine: int = 0
    ) -> Claim:
        """Reserve up to `count` leads that may be called now, each with a new attempt id.

        `machine`: see `Ledger.intend`.

        Nobody else is given them until they are returned, dialled, or their lease is over; expired ones are given out
        again. A crash may forget the claim: nothing was dialled, and INTENT finds out.

        :raises NotFound: no such campaign.
        :raises ConfigError: the campaign's own definition cannot be read.
        :raises StoreUnavailable: nothing was claimed.
        """
        await self._know(campaign_id)
        leads = await self._database.write(
            lambda connection: self._claim(connection, campaign_id, count, (now, machine), lease_s), durable=False
        )
        if len(leads) >= count:
            return Claim(leads)
        counts = await self._counted(campaign_id, now, within_s=COUNTED_WITHIN_S if leads else None)
        return Claim(leads, counts.reasons, counts.next_at)

    async def give_back(self, attempts: Sequence[AttemptId], now: int) -> int:
        """Give claimed leads back undialled, and return how many were. Those with an INTENT stay as they are.

        :raises StoreUnavailable: nothing was changed; their leases end by themselves.
        """
        if not attempts:
            return 0
        statement = update(_LEAD).where(_LEAD.c.attempt_id.in_(attempts), is_in(LeadState.CLAIMED)).values(**RELEASED)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount, durable=False)

    async def counts(self, campaign_id: CampaignId) -> dict[str, int]:
        """Return how many leads a campaign has in each state. Walks an index of the whole list.

        :raises StoreUnavailable: the database is away.
        """
        statement = select(_LEAD.c.state, func.count()).where(_LEAD.c.campaign_id == campaign_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(statement.group_by(_LEAD.c.state))
            return {row[0]: row[1] for row in rows}

    def _claim(
        self, connection: Connection, campaign_id: str, count: int, clocks: tuple[int, int], lease_s: float
    ) -> tuple[ClaimedLead, ...]:
        now, machine = clocks
        terms = standing(connection, campaign_id).terms
        _rescue(connection, now)
        lease_us = now + round(lease_s * SECOND)
        give_back_us = lease_us - round(MARGIN_S * SECOND)
        open_groups = [group for group in self._groups(connection, campaign_id, terms, now) if not group.opening.rule]
        if machine:
            also = self._groups(connection, campaign_id, terms, machine)
            closed = {group.id for group in also if group.opening.rule}
            open_groups = [group for group in open_groups if group.id not in closed]
        taken: list[ClaimedLead] = []
        for priority in sorted({group.priority for group in open_groups}):
            level = {group.id: group.opening.until for group in open_groups if group.priority == priority}
            taken += [
                ClaimedLead(
                    attempt_id=AttemptId(f"att_{ULID()}"),
                    lead_id=LeadId(row.id),
                    number=Token(row.number),
                    not_after=min(give_back_us, level[row.group_id]),
                    segment=row.segment,
                )
                for row in _first(connection, list(level), now, count - len(taken))
            ]
            if len(taken) >= count:
                break
        if taken:
            connection.execute(_CLAIM, [_claimed(lead, lease_us) for lead in taken])
        return tuple(taken)

    async def _know(self, campaign_id: str) -> None:
        """Have the time zones of a campaign's people at hand, the first time it is seen."""
        if campaign_id in self._known:
            return
        async with self._database.reading() as connection:
            terms = (await connection.run_sync(standing, campaign_id)).terms
            lists = (
                await connection.execute(select(_GROUP.c.zones).where(_GROUP.c.campaign_id == campaign_id))
            ).scalars()
        await keep_zones({terms.timezone}.union(*(zones.split(",") for zones in lists)))
        self._known.add(campaign_id)

    def _groups(self, connection: Connection, campaign_id: str, terms: CampaignTerms, now: int) -> list[_Group]:
        """Return the campaign's groups, each with whether its people may be called now."""
        rows = connection.execute(select(_GROUP).where(_GROUP.c.campaign_id == campaign_id))
        return [_Group(row.id, row.priority, self._opening(terms.zones(row.zones), terms.rules, now)) for row in rows]

    def _opening(self, zones: tuple[str, ...], rules: Rules, now: int) -> _Opening:
        """Ask the law, once until its answer may change: a list may reach over dozens of time zones."""
        known = self._openings.get((zones, rules))
        if known is not None and known.since <= now < known.until:
            return known
        if fault := rule_fault(rules):
            rule, until = fault.rule_id, now + UNKNOWN_FOR_US
        else:
            rule = may_dial(Called(zones=zones), rules, now).rule
            until = opening(zones, rules, now)[1] or now + UNKNOWN_FOR_US
        if len(self._openings) >= OPENINGS_KEPT:
            self._openings.clear()
        fresh = self._openings[zones, rules] = _Opening(rule, now, until)
        return fresh

    async def _counted(self, campaign_id: str, now: int, *, within_s: float | None) -> _Counts:
        """Return why the other leads may not be called, from memory while that is fresh, or if counting takes long."""
        known = self._counts.get(campaign_id, _NOTHING_KNOWN)
        if time.monotonic() < known.good_until and not 0 < known.next_at <= now:
            return known
        counting = self._counting.get(campaign_id)
        if counting is None:
            counting = self._counting[campaign_id] = asyncio.create_task(self._count(campaign_id, now), name="counting")
            counting.add_done_callback(lambda _: self._counting.pop(campaign_id, None))
        done, _ = await asyncio.wait({counting}, timeout=within_s)
        return counting.result() if done else known

    async def _count(self, campaign_id: str, now: int) -> _Counts:
        begun = time.monotonic()
        try:
            async with self._database.reading() as connection:
                reasons, next_at = await connection.run_sync(self._reasons, campaign_id, now)
        except (StoreUnavailable, NotFound, ConfigError):  # reasons are a courtesy: who got leads must hear of them
            return self._counts.get(campaign_id, _NOTHING_KNOWN)
        took = time.monotonic() - begun
        fresh = _Counts(reasons, next_at, time.monotonic() + max(COUNTED_FOR_S, took * COUNTED_FOR_TIMES))
        self._counts[campaign_id] = fresh
        return fresh

    def _reasons(self, connection: Connection, campaign_id: str, now: int) -> tuple[dict[str, int], int]:
        terms = standing(connection, campaign_id).terms
        reasons: dict[str, int] = {}
        moments = []
        for group in self._groups(connection, campaign_id, terms, now):
            waiting = select(func.count(), func.min(_LEAD.c.next_us)).where(
                _LEAD.c.group_id == group.id, is_in(LeadState.NEW)
            )
            count, earliest = connection.execute(waiting).one()
            if not count:
                continue
            rule, _, until = group.opening
            reasons[rule or "later"] = reasons.get(rule or "later", 0) + count
            moments.append(max(earliest, until) if rule else earliest)
        states = select(_LEAD.c.state, func.count()).where(
            _LEAD.c.campaign_id == campaign_id, _LEAD.c.state != LeadState.NEW.value
        )
        reasons |= {row[0]: row[1] for row in connection.execute(states.group_by(_LEAD.c.state))}
        return reasons, min(moments, default=0)


RELEASED: dict[str, Any] = {"state": LeadState.NEW.value, "attempt_id": None, "lease_us": None}
"""What a claimed lead becomes when nothing was dialled."""

_CLAIM = (
    update(_LEAD)
    .where(_LEAD.c.id == bindparam("key_id"))
    .values(state=LeadState.CLAIMED.value, attempt_id=bindparam("attempt"), lease_us=bindparam("lease"))
)


def _claimed(lead: ClaimedLead, lease_us: int) -> dict[str, Any]:
    return {"key_id": lead.lead_id, "attempt": lead.attempt_id, "lease": lease_us}


def _rescue(connection: Connection, now: int) -> None:
    """Make leads claimable again whose lease is over. One with an INTENT is `dialled`, so it is never among them."""
    expired = select(_LEAD.c.id).where(is_in(LeadState.CLAIMED), _LEAD.c.lease_us <= now)
    ids = connection.execute(expired.limit(RESCUED_AT_ONCE).with_for_update(skip_locked=True)).scalars().all()
    if ids:
        connection.execute(update(_LEAD).where(_LEAD.c.id.in_(ids)).values(**RELEASED))


def _first(connection: Connection, groups: Sequence[int], now: int, count: int) -> list[Any]:
    """Return and lock the first `count` waiting leads of groups of one priority. Unwanted numbers are set aside."""
    while True:
        rows: list[Any] = []
        for group_id in groups:
            waiting = (
                select(_LEAD.c.id, _LEAD.c.group_id, _LEAD.c.number, _LEAD.c.segment, _LEAD.c.next_us)
                .where(_LEAD.c.group_id == group_id, is_in(LeadState.NEW), _LEAD.c.next_us <= now)
                .order_by(_LEAD.c.next_us, _LEAD.c.id)
                .limit(count)
                .with_for_update(skip_locked=True)
            )
            rows += connection.execute(waiting)
        rows.sort(key=lambda row: (row.next_us, row.id))
        del rows[count:]
        refused = unwanted(connection, [row.number for row in rows])
        if not refused:
            return rows
        aside = update(_LEAD).where(_LEAD.c.id.in_([row.id for row in rows if row.number in refused]))
        connection.execute(aside.values(state=LeadState.DNC.value))
