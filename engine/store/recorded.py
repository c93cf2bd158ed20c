"""A campaign as the ledger and the fact tables have kept it: its dials in order, and who was at work for it.

At work counts who took at least one of its calls in that time: which queues others served then nobody has kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select

from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignState
from engine.domain.recorded import RecordedCampaign, RecordedDial, RecordedSpan
from engine.domain.values import SECOND, AgentId
from engine.store.database import Database
from engine.store.definitions import Definitions
from engine.store.tables import AgentSpan, CampaignSpan, Conversation, DialAttempt, Segment, table

_ATTEMPT = table(DialAttempt).c
_CONVERSATION = table(Conversation).c
_SPAN = table(AgentSpan).c
_RUNNING = table(CampaignSpan).c
_SEGMENT = table(Segment).c

_NEVER_LEFT = (Outcome.REFUSED.value, Outcome.NOT_DIALLED.value)
_LONGEST_CALL_US = 24 * 3_600 * SECOND
"""Looked for so far around the time that is asked for: no call lasts longer."""


class _Time(NamedTuple):
    """From the first dial to the last outcome, UTC µs; `end` is not inside."""

    begin: int
    end: int

    def touches(self, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether some of a span that may be open still lies in this time."""
        return and_(start < self.end, or_(end.is_(None), end > self.begin))


class Recorded:
    """Reads what was kept. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._definitions = Definitions(database)

    async def campaign(self, campaign_id: str, from_us: int, to_us: int) -> RecordedCampaign:
        """Return everything of a campaign's dials between two instants (UTC µs, `to_us` not inside).

        Its policy and trunks are those of today. Without dials only these are told.

        :raises NotFound: there is no such campaign.
        """
        policy = (await self._definitions.campaigns.standing(campaign_id)).policy
        trunks = tuple(each for each in await self._definitions.trunks.list() if each.id in policy.trunks)
        rows = await self._rows(_dials(campaign_id, from_us, to_us))
        if not rows:
            return RecordedCampaign(policy=policy, dials=(), at_work=(), trunks=trunks)
        time = _Time(rows[0].intent_us, max(max(row.outcome_us or 0, row.intent_us) for row in rows))
        talks = {row.attempt_id: row for row in await self._rows(_talks(campaign_id, time))}
        crew = sorted({row.agent_id for row in rows if row.agent_id is not None})
        return RecordedCampaign(
            policy=policy,
            dials=tuple(_dial(row, talks.get(row.id)) for row in rows),
            at_work=_spans(await self._rows(_at_work(crew, time)), time),
            elsewhere=_spans(await self._rows(_elsewhere(crew, campaign_id, time)), time),
            running=_spans(await self._rows(_running(campaign_id, time)), time),
            trunks=trunks,
        )

    async def _rows(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        async with self._database.reading() as connection:
            return [*await connection.execute(wanted)]


def _dials(campaign_id: str, from_us: int, to_us: int) -> Select[Any]:
    left = or_(_ATTEMPT.outcome.is_(None), _ATTEMPT.outcome.not_in(_NEVER_LEFT))
    return (
        select(
            *(_ATTEMPT.id, _ATTEMPT.intent_us, _ATTEMPT.outcome, _ATTEMPT.answered_us, _ATTEMPT.connected_us),
            *(_ATTEMPT.outcome_us, _ATTEMPT.cause, _ATTEMPT.agent_id),
        )
        .where(_ATTEMPT.campaign_id == campaign_id, _ATTEMPT.intent_us >= from_us, _ATTEMPT.intent_us < to_us, left)
        .order_by(_ATTEMPT.intent_us, _ATTEMPT.id)
    )


def _talks(campaign_id: str, time: _Time) -> Select[Any]:
    """Calls whose agent is done with them."""
    return select(_CONVERSATION.attempt_id, _CONVERSATION.talk_us, _CONVERSATION.wrap_up_us).where(
        _CONVERSATION.campaign_id == campaign_id,
        _CONVERSATION.arrived_us >= time.begin,
        _CONVERSATION.arrived_us < time.end + _LONGEST_CALL_US,
        _CONVERSATION.ended_us.is_not(None),
    )


def _at_work(crew: Sequence[str], time: _Time) -> Select[Any]:
    return (
        select(_SPAN.agent_id, _SPAN.start_us, _SPAN.end_us)
        .where(_SPAN.agent_id.in_(crew), _SPAN.state != AgentState.NOT_READY.value)
        .where(time.touches(_SPAN.start_us, _SPAN.end_us))
        .order_by(_SPAN.agent_id, _SPAN.start_us)
    )


def _elsewhere(crew: Sequence[str], campaign_id: str, time: _Time) -> Select[Any]:
    others = or_(_CONVERSATION.campaign_id.is_(None), _CONVERSATION.campaign_id != campaign_id)
    return (
        select(_SEGMENT.agent_id, _SEGMENT.start_us, _SEGMENT.end_us)
        .join(table(Conversation), _CONVERSATION.id == _SEGMENT.conversation_id)
        .where(_SEGMENT.agent_id.in_(crew), _SEGMENT.phase.in_(("talk", "wrap-up")), others)
        .where(_SEGMENT.start_us > time.begin - _LONGEST_CALL_US, time.touches(_SEGMENT.start_us, _SEGMENT.end_us))
        .order_by(_SEGMENT.agent_id, _SEGMENT.start_us)
    )


def _running(campaign_id: str, time: _Time) -> Select[Any]:
    return (
        select(_RUNNING.start_us, _RUNNING.end_us)
        .where(_RUNNING.campaign_id == campaign_id, _RUNNING.state == CampaignState.RUNNING.value)
        .where(time.touches(_RUNNING.start_us, _RUNNING.end_us))
        .order_by(_RUNNING.start_us)
    )


def _dial(row: Row[Any], talk: Row[Any] | None) -> RecordedDial:
    joined = row.connected_us is not None and talk is not None
    return RecordedDial(
        dialled_at=row.intent_us,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        answered_at=row.answered_us or 0,
        connected_at=row.connected_us or 0,
        ended_at=row.outcome_us or 0,
        cause=row.cause,
        talk_us=talk.talk_us if joined and talk is not None else None,
        wrap_us=talk.wrap_up_us if joined and talk is not None else None,
    )


def _spans(rows: Sequence[Row[Any]], time: _Time) -> tuple[RecordedSpan, ...]:
    """Cut to the time; what is open lasts to its end."""
    return tuple(
        RecordedSpan(
            agent_id=AgentId(row.agent_id) if hasattr(row, "agent_id") else None,
            begin=max(time.begin, row.start_us),
            end=time.end if row.end_us is None else min(time.end, row.end_us),
        )
        for row in rows
    )
