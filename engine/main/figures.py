"""Reports of a running engine, and today's figures for the floor's screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from engine.acd.service_level import (
    DEFAULT_ABANDONMENT,
    DEFAULT_SERVICE_LEVEL,
    DEFAULT_SPEED_OF_ANSWER,
    Tally,
    figure,
)
from engine.domain.interaction import Ending
from engine.domain.policy import QueuePolicy
from engine.domain.values import SECOND
from engine.errors import NotFound, UsageError
from engine.main.engine import Engine
from engine.main.moments import moment, seconds
from engine.runtime.views import AgentRow, AgentsReport, ServiceLevelReport, ServiceLevelRow, Totals
from engine.store.calendar import Interval, instant, zone
from engine.store.reports import AgentReport, QueueReport, Reports
from engine.store.tables import Conversation, Segment, table

_CONVERSATION = table(Conversation).c
_SEGMENT = table(Segment).c
FRESH_S = 2.0
"""How old today's figures on the screen may be."""
COST_FACTOR = 20
"""Today's figures take at most 1/20 of one core, however many calls the day has."""


class Site:
    """The site's days: what a person's from and to mean here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.settings.site.timezone
        self._zone = zone(self.name)

    def interval(self, start: str, end: str) -> Interval:
        """Read from and to; empty is the beginning of today, and now.

        :raises UsageError: one cannot be read, or they are the wrong way round.
        """
        now = self._engine.loop.clock.now()
        today = datetime.fromtimestamp(now / SECOND, self._zone).date().isoformat()
        from_us = instant(start or today, self._zone)
        to_us = instant(end, self._zone, end=True) if end else max(now + 1, from_us + 1)
        if to_us <= from_us:
            raise UsageError("the end is not after the beginning", where="from, to", mend="Swap them.")
        return Interval(start=moment(from_us).astimezone(self._zone).isoformat(), from_us=from_us, to_us=to_us)


class LiveReports:
    """Figures from the fact tables, by the definitions that hold now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._site = Site(engine)
        self._reports = Reports(engine.database)

    async def service_level(self, start: str, end: str, queue: str, formula: str) -> ServiceLevelReport:
        """Visits to queues."""
        formula = formula or DEFAULT_SERVICE_LEVEL
        figure(formula, Tally())  # an unknown formula is refused before anything is counted
        interval = self._site.interval(start, end)
        queues = await self._engine.definitions.queues.list()
        found = await self._reports.service_level(queues, [interval], formula)
        if queue:
            found = [report for report in found if report.queue_id == queue]
            if not found:
                raise NotFound(f"there is no queue {queue}", where="queue", mend="See `callwright queue list`.")
        names = {str(each.id): each.name for each in queues}
        total = sum((report.counted for report in found), Tally())
        return ServiceLevelReport(
            start=moment(interval.from_us),
            end=moment(interval.to_us),
            timezone=self._site.name,
            formula=formula,
            items=tuple(
                _row(report.queue_id, names.get(report.queue_id, ""), report.counted, formula, report)
                for report in found
            ),
            total=_row("", "all", total, formula, None),
            next=None,
        )

    async def agents(self, start: str, end: str) -> AgentsReport:
        """Agents' time."""
        interval = self._site.interval(start, end)
        found = await self._reports.agents([interval], self._engine.loop.clock.now())
        names = {str(agent.id): agent.name for agent in await self._engine.definitions.agents.list()}
        return AgentsReport(
            start=moment(interval.from_us),
            end=moment(interval.to_us),
            timezone=self._site.name,
            items=tuple(_agent_row(report, names.get(report.agent_id, "")) for report in found),
            next=None,
        )


class Today(NamedTuple):
    """Today so far: visits by queue, and interactions by how they ended."""

    queues: dict[str, Tally]
    totals: Totals


class TodaysFigures:
    """Counts today from the fact tables, seldom enough never to be felt."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._site = Site(engine)
        self._reports = Reports(engine.database)
        self._turn = asyncio.Lock()
        self._known: Today | None = None
        self._good_until = 0.0

    async def read(self) -> Today:
        """Today so far, at most a few seconds old."""
        async with self._turn:
            if self._known is None or time.monotonic() >= self._good_until:
                began = time.monotonic()
                self._known = await self._count()
                took = time.monotonic() - began
                self._good_until = began + max(FRESH_S, took * COST_FACTOR)
            return self._known

    async def _count(self) -> Today:
        interval = self._site.interval("", "")
        queues = list(self._engine.floor.state.queues.values())
        reports = await self._reports.service_level(queues, [interval])
        tallies = {report.queue_id: report.counted for report in reports}
        return Today(tallies, await self._totals(interval, sum(tallies.values(), Tally())))

    async def _totals(self, interval: Interval, visits: Tally) -> Totals:
        of_today = (_CONVERSATION.arrived_us >= interval.from_us, _CONVERSATION.arrived_us < interval.to_us)
        endings = select(_CONVERSATION.ending, func.count()).where(*of_today).group_by(_CONVERSATION.ending)
        visited = select(_SEGMENT.conversation_id).where(
            _SEGMENT.conversation_id == _CONVERSATION.id, _SEGMENT.phase == "queue"
        )
        offered = select(func.count()).select_from(table(Conversation)).where(*of_today, visited.exists())
        async with self._engine.database.reading() as connection:
            counts = {row[0]: int(row[1]) for row in await connection.execute(endings)}
            queued = (await connection.execute(offered)).scalar_one()
        return Totals(
            arrived=sum(counts.values()),
            in_progress=counts.get(None, 0),
            ended_in_flow=counts.get(Ending.IN_FLOW, 0),
            offered=queued,
            answered=counts.get(Ending.ANSWERED, 0),
            abandoned=counts.get(Ending.ABANDONED, 0),
            overflowed=counts.get(Ending.OVERFLOWED, 0),
            callback=counts.get(Ending.CALLBACK, 0),
            lost=counts.get(Ending.LOST, 0),
            asa_s=figure(DEFAULT_SPEED_OF_ANSWER, visits).value,
        )


def todays_tally(today: Today, queue: QueuePolicy) -> Tally:
    """A queue's visits of today."""
    return today.queues.get(queue.id, Tally())


def _row(queue_id: str, name: str, counted: Tally, formula: str, report: QueueReport | None) -> ServiceLevelRow:
    same: Sequence[str] = (
        "answered",
        "answered_in_time",
        "abandoned",
        "abandoned_short",
        "overflowed",
        "callback",
        "lost",
        "waiting",
    )
    return ServiceLevelRow(
        queue_id=queue_id,
        name=name,
        service_level=figure(formula, counted),
        abandonment=figure(DEFAULT_ABANDONMENT, counted),
        speed_of_answer=figure(DEFAULT_SPEED_OF_ANSWER, counted),
        offered=counted.offered,
        service_level_s=report.service_level_s if report else None,
        short_abandon_s=report.short_abandon_s if report else None,
        **{field: getattr(counted, field) for field in same},
    )


def _agent_row(report: AgentReport, name: str) -> AgentRow:
    by_state = {str(state): seconds(us) for state, us in sorted(report.times.by_state.items())}
    return AgentRow(
        agent_id=report.agent_id,
        name=name,
        signed_in_s=round(sum(by_state.values()), 3),
        seconds=by_state,
        offers=report.offers,
        offers_missed=report.offers_missed,
        handled=report.handled.contacts,
        talk_s=seconds(report.handled.talk_us),
        wrap_up_s=seconds(report.handled.wrap_up_us),
        handle_time=report.handle_time,
        occupancy=report.occupancy,
    )
