"""Figures of a campaign from the ledger and the fact tables: what became of its attempts, and who took its calls."""

from __future__ import annotations

import math
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select

from engine.domain.attempt import Outcome
from engine.domain.values import SECOND
from engine.store.database import Database
from engine.store.tables import Conversation, DialAttempt, table

_ATTEMPT = table(DialAttempt)
_CONVERSATION = table(Conversation)

NEVER_LEFT = (Outcome.REFUSED.value, Outcome.NOT_DIALLED.value)
"""Outcomes of attempts that never left for the network."""
ENOUGH_ATTEMPTS = 100
ENOUGH_TALKS = 30
"""Fewer tell too little about an answer rate or a handling time."""
LATEST = 1_000
"""So many of the latest talks tell how long one takes."""


class Attempts(NamedTuple):
    """Attempts begun in an interval: by outcome, without one, and the refused by rule."""

    outcomes: dict[str, int]
    open: int
    refused: dict[str, int]

    @property
    def dialled(self) -> int:
        """How many left for the network, as far as anybody knows."""
        return self.open + sum(count for name, count in self.outcomes.items() if name not in NEVER_LEFT)

    @property
    def live_answers(self) -> int:
        """How many a person answered."""
        return sum(count for name, count in self.outcomes.items() if Outcome(name).live_answer)


class CampaignFigures:
    """Reads the figures. Instants are UTC µs; every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attempts(self, campaign_id: str, from_us: int, to_us: int) -> Attempts:
        """Count the attempts that were begun in an interval; every outcome is there."""
        inside = _inside(campaign_id, from_us, to_us)
        counted = select(_ATTEMPT.c.outcome, _ATTEMPT.c.rule, func.count()).where(*inside)
        outcomes = {outcome.value: 0 for outcome in Outcome}
        refused: dict[str, int] = {}
        still_open = 0
        async with self._database.reading() as connection:
            rows = await connection.execute(counted.group_by(_ATTEMPT.c.outcome, _ATTEMPT.c.rule))
            for outcome, rule, count in rows:
                if outcome is None:
                    still_open += count
                    continue
                outcomes[outcome] += count
                if outcome == Outcome.REFUSED.value:
                    refused[rule] = refused.get(rule, 0) + count
        return Attempts(outcomes, still_open, refused)

    async def waits(self, campaign_id: str, from_us: int, to_us: int, shares: tuple[float, ...]) -> list[float | None]:
        """Return for each share the time (ms) within which so many of the connected had their agent."""
        inside = (*_inside(campaign_id, from_us, to_us), _ATTEMPT.c.wait_us.is_not(None))
        found: list[float | None] = []
        async with self._database.reading() as connection:
            count = (await connection.execute(select(func.count()).where(*inside))).scalar_one()
            for share in shares:
                place = max(0, math.ceil(share * count) - 1)
                ordered = select(_ATTEMPT.c.wait_us).where(*inside).order_by(_ATTEMPT.c.wait_us)
                wait = (await connection.execute(ordered.limit(1).offset(place))).scalar_one_or_none()
                found.append(None if wait is None else round(wait / 1000, 1))
        return found

    async def worked(self, campaign_id: str, from_us: int, to_us: int) -> tuple[set[str], int, int]:
        """Return who was joined to its calls, and when the first and the last attempt of the interval were begun."""
        inside = _inside(campaign_id, from_us, to_us)
        who = select(_ATTEMPT.c.agent_id).where(*inside, _ATTEMPT.c.agent_id.is_not(None)).distinct()
        when = select(func.min(_ATTEMPT.c.intent_us), func.max(_ATTEMPT.c.intent_us)).where(*inside)
        async with self._database.reading() as connection:
            agents = set((await connection.execute(who)).scalars())
            first, last = (await connection.execute(when)).one()
        return agents, first or 0, last or 0

    async def answer_rate(self, campaign_id: str, now: int) -> float | None:
        """Return the share of the attempts so far that a person answered; None while they are few."""
        seen = await self.attempts(campaign_id, 0, now + 1)
        ended = seen.dialled - seen.open
        return seen.live_answers / ended if ended >= ENOUGH_ATTEMPTS else None

    async def handle_s(self, campaign_id: str) -> float | None:
        """Return the mean of talk and wrap-up (s) over the latest talks; None while they are few."""
        columns = _CONVERSATION.c
        latest = (
            select((columns.talk_us + columns.wrap_up_us).label("us"))
            .where(columns.campaign_id == campaign_id, columns.talk_us > 0, columns.ended_us.is_not(None))
            .order_by(columns.arrived_us.desc())
            .limit(LATEST)
            .subquery()
        )
        async with self._database.reading() as connection:
            count, mean = (await connection.execute(select(func.count(), func.avg(latest.c.us)))).one()
        return float(mean) / SECOND if count >= ENOUGH_TALKS else None


def _inside(campaign_id: str, from_us: int, to_us: int) -> tuple[ColumnElement[bool], ...]:
    columns = _ATTEMPT.c
    return (columns.campaign_id == campaign_id, columns.intent_us >= from_us, columns.intent_us < to_us)
