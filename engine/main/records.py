"""Calls on the floor and interactions in the fact tables, with callers masked or revealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select, tuple_

from engine.domain.facts import HangUpRequested
from engine.domain.values import InteractionId
from engine.errors import AsteriskUnreachable, NotFound, UsageError
from engine.floor.state import Interaction
from engine.main import sights
from engine.main.engine import Engine
from engine.main.moments import moment, seconds
from engine.main.rolls import BY, tell
from engine.runtime.console import Wanted
from engine.runtime.views import CallView, InteractionDetail, InteractionView, Page, SegmentView, SessionView
from engine.store.calendar import instant, zone
from engine.store.tables import Conversation, DialAttempt, Participant, Segment, Session, table

_CONVERSATION = table(Conversation)
_SEGMENT = table(Segment)
_SESSION = table(Session)
_PARTICIPANT = table(Participant)
_ATTEMPT = table(DialAttempt)
_INTERACTIONS = select(_CONVERSATION, _ATTEMPT.c.lead_id, _ATTEMPT.c.number.label("called")).outerjoin(
    _ATTEMPT, _ATTEMPT.c.id == _CONVERSATION.c.attempt_id
)
"""Interactions, each with the lead and the number (a token) of the attempt that it began as, if we called."""
Row = Mapping[Any, Any]


class LiveCalls:
    """Calls as the floor holds them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, *, reveal: bool = False) -> Sequence[CallView]:
        """All, in order of arrival."""
        calls = sorted(self._engine.floor.state.interactions.values(), key=lambda call: (call.arrived_at, call.id))
        return await self._views(calls, reveal=reveal)

    async def show(self, id_: str, *, reveal: bool = False) -> CallView:
        """One."""
        call = self._engine.floor.interaction(id_)
        if call is None:
            raise NotFound(f"there is no live call {id_}", where="call", mend="See `callwright call list`.")
        [view] = await self._views([call], reveal=reveal)
        return view

    async def hang_up(self, id_: str) -> CallView:
        """Ask Asterisk to end it."""
        view = await self.show(id_)
        if not self._engine.switch.telephony.up:
            raise AsteriskUnreachable(
                "Asterisk cannot be told to hang up", where="ami", mend="See `callwright doctor`."
            )
        await tell(self._engine, HangUpRequested(interaction_id=InteractionId(id_), by=BY))
        return view

    async def _views(self, calls: Sequence[Interaction], *, reveal: bool) -> Sequence[CallView]:
        called = await self._called([str(call.attempt_id) for call in calls if call.attempt_id is not None])
        tokens = {token for call in calls for token in (call.caller, call.caller_name) if token}
        known = await self._engine.vault.resolve(tokens.union(called.values()))
        state, now = self._engine.floor.state, self._engine.loop.clock.now()
        return [
            sights.call_view(state, call, called.get(call.attempt_id or ""), known, now, reveal=reveal)
            for call in calls
        ]

    async def _called(self, attempt_ids: Sequence[str]) -> dict[str, str]:
        """The tokens of the numbers that were dialled, by attempt."""
        if not attempt_ids:
            return {}
        wanted = select(_ATTEMPT.c.id, _ATTEMPT.c.number).where(_ATTEMPT.c.id.in_(attempt_ids))
        async with self._engine.database.reading() as connection:
            return {row.id: row.number for row in await connection.execute(wanted)}


class LiveInteractions:
    """Interactions as the fact tables hold them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._zone = zone(engine.settings.site.timezone)

    async def list(self, wanted: Wanted, *, reveal: bool = False) -> Page[InteractionView]:
        """One page, newest first."""
        chosen = self._chosen(wanted).limit(wanted.limit + 1)
        async with self._engine.database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(chosen)).mappings()]
        more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
        known = await self._known(rows)
        cursor = f"{rows[-1]['arrived_us']}.{rows[-1]['id']}" if more else None
        return Page(items=tuple(InteractionView(**_columns(row, known, reveal=reveal)) for row in rows), next=cursor)

    async def show(self, id_: str, *, reveal: bool = False) -> InteractionDetail:
        """One, with phases and legs."""
        async with self._engine.database.reading() as connection:
            found = (await connection.execute(_INTERACTIONS.where(_CONVERSATION.c.id == id_))).mappings()
            rows = [dict(row) for row in found]
            segments = (await connection.execute(_of(_SEGMENT, id_))).mappings().all()
            sessions = (await connection.execute(_of(_SESSION, id_))).mappings().all()
        if not rows:
            raise NotFound(
                f"there is no interaction {id_}", where="interaction", mend="See `callwright interaction list`."
            )
        return InteractionDetail(
            **_columns(rows[0], await self._known(rows), reveal=reveal),
            segments=tuple(_segment(row) for row in segments),
            sessions=tuple(_session(row) for row in sessions),
        )

    def _chosen(self, wanted: Wanted) -> Select[Any]:
        columns = _CONVERSATION.c
        chosen = _INTERACTIONS.order_by(columns.arrived_us.desc(), columns.id.desc())
        if wanted.start:
            chosen = chosen.where(columns.arrived_us >= instant(wanted.start, self._zone))
        if wanted.end:
            chosen = chosen.where(columns.arrived_us < instant(wanted.end, self._zone, end=True))
        if wanted.queue:
            visits = select(_SEGMENT.c.conversation_id).where(
                _SEGMENT.c.conversation_id == columns.id,
                _SEGMENT.c.phase == "queue",
                _SEGMENT.c.queue_id == wanted.queue,
            )
            chosen = chosen.where(visits.exists())
        if wanted.agent:
            part = select(_PARTICIPANT.c.conversation_id).where(
                _PARTICIPANT.c.conversation_id == columns.id,
                _PARTICIPANT.c.purpose == "agent",
                _PARTICIPANT.c.who == wanted.agent,
            )
            chosen = chosen.where(part.exists())
        if wanted.cursor:
            chosen = chosen.where(tuple_(columns.arrived_us, columns.id) < tuple_(*_read_cursor(wanted.cursor)))
        return chosen

    async def _known(self, rows: Sequence[Row]) -> dict[str, str]:
        tokens = {row[name] for row in rows for name in ("caller", "caller_name", "called") if row[name]}
        return await self._engine.vault.resolve(tokens)


def _read_cursor(cursor: str) -> tuple[int, str]:
    arrived, _, id_ = cursor.partition(".")
    if not (arrived.isascii() and arrived.isdigit() and len(arrived) < 19 and id_):
        raise UsageError(f"{cursor[:40]!r} is no cursor", where="cursor", mend="Use `next` of the page before.")
    return int(arrived), id_


def _of(rows: Any, id_: str) -> Select[Any]:
    return select(rows).where(rows.c.conversation_id == id_).order_by(rows.c.position)


def _columns(row: Row, known: Mapping[str, str], *, reveal: bool) -> dict[str, Any]:
    same = (
        *("id", "channel", "unit", "customer_id", "case_id", "number", "flow", "state", "ending", "cause"),
        *("campaign_id", "lead_id", "attempt_id"),
    )
    return {name: row[name] for name in same} | {
        "caller": sights.shown_number(row["caller"] or row["called"], known, reveal=reveal),
        "caller_name": sights.shown_name(row["caller_name"], known, reveal=reveal),
        "arrived": moment(row["arrived_us"]),
        "ended": moment(row["ended_us"]),
        "talk_s": seconds(row["talk_us"]),
        "wrap_up_s": seconds(row["wrap_up_us"]),
    }


def _segment(row: Row) -> SegmentView:
    return SegmentView(
        phase=row["phase"],
        who=row["who"],
        queue_id=row["queue_id"],
        agent_id=row["agent_id"],
        start=moment(row["start_us"]),
        end=moment(row["end_us"]),
        how=row["how"],
        waited_s=None if row["waited_us"] is None else seconds(row["waited_us"]),
        agent_was_free=row["agent_was_free"],
    )


def _session(row: Row) -> SessionView:
    return SessionView(
        purpose=row["purpose"],
        who=row["who"],
        leg=row["leg"],
        start=moment(row["start_us"]),
        end=moment(row["end_us"]),
        recording=row["recording"],
    )
