"""Reports from the fact tables: raw visits and times in, figures by the formulas of `engine.acd` out.

A visit belongs to the interval in which the caller entered the queue; an agent's time is cut at the interval's edges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, or_, select

from engine.acd.service_level import (
    DEFAULT_ABANDONMENT,
    DEFAULT_SERVICE_LEVEL,
    DEFAULT_SPEED_OF_ANSWER,
    Figure,
    QueueVisit,
    Tally,
    figure,
    tally,
)
from engine.acd.workload import Contact, Handled, Span, StateTimes, clip, handle_time, handled, occupancy, state_times
from engine.domain.agent import AgentState
from engine.domain.interaction import Ending
from engine.domain.policy import QueuePolicy
from engine.domain.values import QueueId, Value
from engine.store.calendar import Interval
from engine.store.database import Database
from engine.store.tables import AgentSpan, Conversation, Segment, table

_SEGMENT = table(Segment).c
_SPAN = table(AgentSpan).c
_CONVERSATION = table(Conversation).c


class QueueReport(Value):
    """One queue in one interval. `service_level_s` and `short_abandon_s` are the limits that were applied."""

    queue_id: str
    interval: Interval
    counted: Tally
    service_level: Figure
    abandonment: Figure
    speed_of_answer: Figure
    service_level_s: float
    short_abandon_s: float


class AgentReport(Value):
    """One agent in one interval. `offers_missed` rang in vain; `handled` counts talks that began in the interval."""

    agent_id: str
    interval: Interval
    times: StateTimes
    handled: Handled
    offers: int
    offers_missed: int
    handle_time: Figure
    occupancy: Figure


class Reports:
    """Asks the fact tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue_visits(self, from_us: int, to_us: int, unit: str | None = None) -> dict[str, list[QueueVisit]]:
        """Return the visits that began in the interval, by queue, in order of entering.

        :raises StoreUnavailable: the database is away.
        """
        wanted = (
            select(_SEGMENT.queue_id, _SEGMENT.start_us, _SEGMENT.end_us, _SEGMENT.how)
            .where(_SEGMENT.phase == "queue", _SEGMENT.start_us >= from_us, _SEGMENT.start_us < to_us)
            .order_by(_SEGMENT.start_us)
        )
        visits: defaultdict[str, list[QueueVisit]] = defaultdict(list)
        async with self._database.reading() as connection:
            for row in await connection.execute(_of_unit(wanted, unit)):
                ended = row.end_us is not None
                visit = QueueVisit(
                    entered_us=row.start_us,
                    left_us=row.end_us,
                    how=_left_as(row.how) if ended else None,
                )
                visits[row.queue_id].append(visit)
        return dict(visits)

    async def service_level(
        self,
        queues: Sequence[QueuePolicy],
        intervals: Sequence[Interval],
        formula_id: str = DEFAULT_SERVICE_LEVEL,
        unit: str | None = None,
    ) -> list[QueueReport]:
        """Return a report per queue and interval. A queue that was removed is counted by the standard limits.

        :raises NotFound: there is no such formula.
        :raises StoreUnavailable: the database is away.
        """
        known = {str(queue.id): queue for queue in queues if unit in (None, queue.unit)}
        reports = []
        for interval in intervals:
            visits = await self.queue_visits(interval.from_us, interval.to_us, unit)
            for queue_id in sorted(known.keys() | visits.keys()):
                policy = known.get(queue_id) or QueuePolicy(id=QueueId(queue_id), name=queue_id)
                reports.append(_queue_report(policy, interval, visits.get(queue_id, []), formula_id))
        return reports

    async def agents(self, intervals: Sequence[Interval], now: int) -> list[AgentReport]:
        """Return a report per interval and agent who was signed in. What goes on still is counted up to `now` (UTC µs).

        :raises StoreUnavailable: the database is away.
        """
        reports = []
        for interval in intervals:
            spans = await self._spans(interval, now)
            contacts = await self._contacts(interval)
            offers = await self._offers(interval)
            for agent_id in sorted(spans.keys() | contacts.keys() | offers.keys()):
                times, done = state_times(spans.get(agent_id, [])), handled(contacts.get(agent_id, []))
                rung, missed = offers.get(agent_id, (0, 0))
                reports.append(
                    AgentReport(
                        agent_id=agent_id,
                        interval=interval,
                        times=times,
                        handled=done,
                        offers=rung,
                        offers_missed=missed,
                        handle_time=handle_time(done),
                        occupancy=occupancy(times),
                    )
                )
        return reports

    async def _spans(self, interval: Interval, now: int) -> dict[str, list[Span]]:
        wanted = select(_SPAN.agent_id, _SPAN.state, _SPAN.start_us, _SPAN.end_us).where(
            _SPAN.start_us < interval.to_us, or_(_SPAN.end_us.is_(None), _SPAN.end_us > interval.from_us)
        )
        spans: defaultdict[str, list[Span]] = defaultdict(list)
        for row in await self._rows(wanted):
            end = max(row["start_us"], now) if row["end_us"] is None else row["end_us"]
            whole = Span(state=AgentState(row["state"]), from_us=row["start_us"], to_us=max(row["start_us"], end))
            spans[row["agent_id"]] += clip([whole], interval.from_us, interval.to_us)
        return {agent_id: parts for agent_id, parts in spans.items() if parts}

    async def _contacts(self, interval: Interval) -> dict[str, list[Contact]]:
        """Return each agent's talks that began in the interval; wrap-up belongs to the talk before it."""
        talks = select(_SEGMENT.conversation_id).where(
            _SEGMENT.phase == "talk", _SEGMENT.start_us >= interval.from_us, _SEGMENT.start_us < interval.to_us
        )
        wanted = (
            select(
                _SEGMENT.conversation_id,
                _SEGMENT.agent_id,
                _SEGMENT.phase,
                _SEGMENT.start_us,
                (_SEGMENT.end_us - _SEGMENT.start_us).label("length"),
            )
            .where(
                _SEGMENT.conversation_id.in_(talks),
                _SEGMENT.phase.in_(("talk", "wrap-up")),
                _SEGMENT.agent_id.is_not(None),
                _SEGMENT.end_us.is_not(None),
            )
            .order_by(_SEGMENT.conversation_id, _SEGMENT.position)
        )
        contacts: defaultdict[str, list[Contact]] = defaultdict(list)
        talking: tuple[str, str] | None = None
        for row in await self._rows(wanted):
            who = (row["conversation_id"], row["agent_id"])
            if row["phase"] == "talk":
                inside = interval.from_us <= row["start_us"] < interval.to_us
                talking = who if inside else None
                if inside:
                    contacts[row["agent_id"]].append(Contact(talk_us=row["length"]))
            elif talking == who:
                last = contacts[row["agent_id"]].pop()
                contacts[row["agent_id"]].append(Contact(talk_us=last.talk_us, wrap_up_us=row["length"]))
        return dict(contacts)

    async def _offers(self, interval: Interval) -> dict[str, tuple[int, int]]:
        """Return (offers, offers that rang in vain) by agent."""
        missed = _SEGMENT.how.in_(MISSED)
        wanted = (
            select(_SEGMENT.agent_id, func.count(), func.count().filter(missed))
            .where(_SEGMENT.phase == "ring", _SEGMENT.start_us >= interval.from_us, _SEGMENT.start_us < interval.to_us)
            .group_by(_SEGMENT.agent_id)
        )
        async with self._database.reading() as connection:
            return {agent_id: (rung, vain) for agent_id, rung, vain in await connection.execute(wanted)}

    async def _rows(self, wanted: Select[Any]) -> Sequence[Mapping[Any, Any]]:
        async with self._database.reading() as connection:
            return [dict(row) for row in (await connection.execute(wanted)).mappings()]


MISSED = ("ring-no-answer", "no-answer")
"""How a ring segment ends that the agent let ring in vain (NotReadyReason.NO_ANSWER, and offers without a reason)."""


def _queue_report(
    policy: QueuePolicy, interval: Interval, visits: Sequence[QueueVisit], formula_id: str
) -> QueueReport:
    counted = tally(visits, service_level_s=policy.service_level_s, short_abandon_s=policy.short_abandon_s)
    return QueueReport(
        queue_id=policy.id,
        interval=interval,
        counted=counted,
        service_level=figure(formula_id, counted),
        abandonment=figure(DEFAULT_ABANDONMENT, counted),
        speed_of_answer=figure(DEFAULT_SPEED_OF_ANSWER, counted),
        service_level_s=policy.service_level_s,
        short_abandon_s=policy.short_abandon_s,
    )


def _left_as(how: str) -> Ending:
    """Return how a visit ended; what was only closed with its conversation was lost by Asterisk or by us."""
    return Ending(how) if how in _LEAVINGS else Ending.LOST


_LEAVINGS = frozenset(Ending) - {Ending.IN_FLOW}


def _of_unit(wanted: Select[Any], unit: str | None) -> Select[Any]:
    if unit is None:
        return wanted
    return wanted.join(table(Conversation), _CONVERSATION.id == _SEGMENT.conversation_id).where(
        _CONVERSATION.unit == unit
    )
