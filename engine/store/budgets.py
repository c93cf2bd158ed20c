"""What the abandonment budgets are measured against: live answers and dropped ones, per window, from the ledger.

Whole hours come from `live_answers_hour`, which grows with the hours a campaign works and not with its calls; only the
hour in which a window begins is counted attempt by attempt. So a book is read in well under 5 ms at a million attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, case, func, literal, select, text, union_all

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignPolicy, Tally, Window
from engine.store.campaigns import Standing, standing
from engine.store.database import Database
from engine.store.forecast import answers_to_come, start_of_day
from engine.store.leads import LeadState, is_in
from engine.store.outcomes import HOUR_US
from engine.store.tables import LIVE, DialAttempt, Lead, LiveAnswersHour, table
from engine.store.timezones import keep_zones

DAY_US = 24 * HOUR_US
THIRTY_DAYS_US = 30 * DAY_US
WORKING_DAY_US = 12 * HOUR_US

_ATTEMPT = table(DialAttempt)
_HOUR = table(LiveAnswersHour)
_LEAD = table(Lead)
MOST_COUNTED = 20_000
"""So many waiting leads are more than any day needs: further ones are not counted."""
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
    begun_us = campaign.begun_us or 0  # one that was never begun has no answers; its seller's others may have
    first = campaign.begun_us or now
    own: tuple[str, str] = ("campaign_id", policy.id)
    periods = [(own, begun_us)]
    for budget in policy.budgets:
        whose = ("seller", policy.seller) if budget.of_seller else own
        begin = begin_of(budget.window, now, begun_us, _zone(campaign))
        periods += [
            (whose, begin),
            (whose, begin + WORKING_DAY_US if _forgets(budget.window, begin, first) else begin),
        ]
    (run, _), *sums = _since(connection, periods)
    left = max(0, policy.forecast_answers - run) or _by_schedule(connection, policy, campaign, now)
    return tuple(
        Tally(
            window=budget.window,
            of_seller=budget.of_seller,
            answers=sums[2 * place + 1][0],
            drops=sums[2 * place][1],
            forecast=_within(budget.window, left, now, first, _zone(campaign)),
        )
        for place, budget in enumerate(policy.budgets)
    )


def _forgets(window: Window, begin: int, begun_us: int) -> bool:
    """Whether a sliding window loses answers of this campaign within a working day from now on.

    They are no proof for drops that it will hold longer, so they are not counted; the drops are.
    """
    return window in (Window.DAY, Window.ROLLING_30_DAYS) and begun_us < begin + WORKING_DAY_US


def _within(window: Window, left: int, now: int, begun_us: int, timezone: str) -> int:
    """Return what of a forecast may be counted on in a window: none where it slides over what was answered before.

    One that ends soon gets the share of a working day that still lies in it; a month is taken to have 28 days.
    """
    begin = begin_of(window, now, begun_us, timezone)
    if _forgets(window, begin, begun_us):
        return 0
    if window in (Window.BLOCK_30_DAYS, Window.CALENDAR_MONTH):
        end = begin + (THIRTY_DAYS_US if window is Window.BLOCK_30_DAYS else 28 * DAY_US)
        return left * min(max(end - now, 0), WORKING_DAY_US) // WORKING_DAY_US
    return left


def _by_schedule(connection: Connection, policy: CampaignPolicy, campaign: Standing, now: int) -> int:
    """Return the live answers still expected today, by the campaign's schedule and list; 0 where it has no schedule."""
    if policy.forecast_answers or not campaign.terms.schedule:
        return 0
    zone = ZoneInfo(_zone(campaign))
    since = max(start_of_day(zone, now), campaign.begun_us or 0)
    [(answers, _)] = _since(connection, [(("campaign_id", policy.id), since)])
    mine = (_ATTEMPT.c.campaign_id == policy.id, _ATTEMPT.c.intent_us >= since)
    attempts = connection.execute(select(func.count()).select_from(_ATTEMPT).where(*mine)).scalar_one()
    waits = select(_LEAD.c.id).where(_LEAD.c.campaign_id == policy.id, is_in(LeadState.NEW)).limit(MOST_COUNTED)
    waiting = connection.execute(select(func.count()).select_from(waits.subquery())).scalar_one()
    return answers_to_come(
        campaign.terms.schedule,
        zone,
        now,
        since=since,
        answers=answers,
        attempts=attempts,
        waiting=waiting,
    )


def _since(connection: Connection, periods: Sequence[tuple[tuple[str, str], int]]) -> list[tuple[int, int]]:
    """Return (live answers, drops) of each (whose, begin). One statement: each costs more than what it looks up."""
    parts = [
        part
        for place, ((name, value), begin) in enumerate(periods)
        for part in (_hours(place, name, value, begin), _edge(place, name, value, begin))
    ]
    sums = [(0, 0)] * len(periods)
    for place, answers, drops in connection.execute(union_all(*parts)):
        sums[place] = (sums[place][0] + int(answers), sums[place][1] + int(drops))
    return sums


def _first_whole(begin: int) -> int:
    return -(-begin // HOUR_US) * HOUR_US


def _hours(place: int, name: str, value: str, begin: int) -> Select[Any]:
    """Sum the whole hours from an instant on."""
    answers, drops = func.coalesce(func.sum(_HOUR.c.answers), 0), func.coalesce(func.sum(_HOUR.c.drops), 0)
    inside = (_HOUR.c[name] == value, _HOUR.c.hour_us >= _first_whole(begin))
    return select(literal(place).label("place"), answers.label("answers"), drops.label("drops")).where(*inside)


def _edge(place: int, name: str, value: str, begin: int) -> Select[Any]:
    """Count what is left of the hour in which a window begins."""
    dropped = func.coalesce(func.sum(case((_ATTEMPT.c.outcome == Outcome.ABANDONED.value, 1), else_=0)), 0)
    inside = (
        _ATTEMPT.c[name] == value,
        _ATTEMPT.c.answered_us >= begin,
        _ATTEMPT.c.answered_us < _first_whole(begin),
        text(LIVE),  # letter for letter the condition of the partial index
    )
    return select(literal(place), func.count(), dropped).where(*inside)
