"""What the abandonment budgets are measured against: live answers and dropped ones, per window, from the ledger.

Whole hours come from `live_answers_hour`, which grows with the hours a campaign works and not with its calls; only the
hour in which a window begins is counted attempt by attempt. So a book is read in well under 5 ms at a million attempts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, case, func, select, text

from engine.domain.attempt import Outcome
from engine.domain.campaign import Budget, CampaignPolicy, Tally, Window
from engine.store.campaigns import Standing, standing
from engine.store.database import Database
from engine.store.outcomes import HOUR_US
from engine.store.tables import LIVE, DialAttempt, LiveAnswersHour, table
from engine.store.timezones import keep_zones

DAY_US = 24 * HOUR_US
THIRTY_DAYS_US = 30 * DAY_US

_ATTEMPT = table(DialAttempt)
_HOUR = table(LiveAnswersHour)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Budgets:
    """Reads the sums. `now` is the engine's, UTC µs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tallies(self, policy: CampaignPolicy, now: int) -> tuple[Tally, ...]:
        """Return the sums of each of a campaign's budgets, in their order.

        :raises NotFound: no such campaign.
        :raises StoreUnavailable: the ledger cannot be read: nothing may be dialled on older sums.
        """
        async with self._database.reading() as connection:
            campaign = await connection.run_sync(standing, policy.id)
            await keep_zones((_zone(campaign),))
            return await connection.run_sync(_tallies, policy, campaign, now)


def begin_of(window: Window, now: int, begun_us: int, timezone: str = "UTC") -> int:
    """Return when the present window began (µs). `begun_us`: when the campaign did; months are those of `timezone`."""
    if window is Window.RUN:
        return begun_us
    if window is Window.ROLLING_30_DAYS:
        return now - THIRTY_DAYS_US
    if window is Window.BLOCK_30_DAYS:
        return now - (now - begun_us) % THIRTY_DAYS_US if now >= begun_us else begun_us
    if window is Window.DAY:
        return now - DAY_US
    local = (_EPOCH + timedelta(microseconds=now)).astimezone(ZoneInfo(timezone))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _zone(campaign: Standing) -> str:
    return campaign.terms.timezone or "UTC"


def _tallies(connection: Connection, policy: CampaignPolicy, campaign: Standing, now: int) -> tuple[Tally, ...]:
    run = _since(connection, _whose(policy, of_seller=False), campaign.begun_us or 0)
    left = max(0, policy.forecast_answers - run[0])
    return tuple(_tally(connection, policy, campaign, budget, left, now) for budget in policy.budgets)


def _tally(
    connection: Connection, policy: CampaignPolicy, campaign: Standing, budget: Budget, left: int, now: int
) -> Tally:
    # A campaign that was never begun has nothing to count; its seller's others may have.
    begun_us = campaign.begun_us or 0
    begin = begin_of(budget.window, now, begun_us, _zone(campaign))
    answers, drops = _since(connection, _whose(policy, of_seller=budget.of_seller), begin)
    return Tally(window=budget.window, of_seller=budget.of_seller, answers=answers, drops=drops, forecast=left)


def _whose(policy: CampaignPolicy, *, of_seller: bool) -> tuple[str, str]:
    return ("seller", policy.seller) if of_seller else ("campaign_id", policy.id)


def _since(connection: Connection, whose: tuple[str, str], begin: int) -> tuple[int, int]:
    """Return (live answers, drops) from an instant on."""
    name, value = whose
    first_whole = -(-begin // HOUR_US) * HOUR_US
    hours = select(func.coalesce(func.sum(_HOUR.c.answers), 0), func.coalesce(func.sum(_HOUR.c.drops), 0)).where(
        _HOUR.c[name] == value, _HOUR.c.hour_us >= first_whole
    )
    answers, drops = connection.execute(hours).one()
    if begin < first_whole:
        dropped: ColumnElement[Any] = case((_ATTEMPT.c.outcome == Outcome.ABANDONED.value, 1), else_=0)
        edge = select(func.count(), func.coalesce(func.sum(dropped), 0)).where(
            _ATTEMPT.c[name] == value,
            _ATTEMPT.c.answered_us >= begin,
            _ATTEMPT.c.answered_us < first_whole,
            text(LIVE),  # letter for letter the condition of the partial index
        )
        early_answers, early_drops = connection.execute(edge).one()
        answers, drops = answers + early_answers, drops + early_drops
    return int(answers), int(drops)
