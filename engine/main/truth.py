"""Reads what is true, twice where it must be, and lets `engine.main.verify` compare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import and_, or_, select

from engine.ami.codec import Message
from engine.asterisk.snapshot import seen_legs
from engine.domain.commands import Publish
from engine.domain.events import AttemptEnded, InteractionEnded
from engine.domain.facts import SeenLeg
from engine.domain.interaction import Ending
from engine.domain.values import SECOND
from engine.errors import JournalBroken
from engine.floor import Floor
from engine.main import verify, verify_attempts
from engine.main.engine import Engine
from engine.main.moments import moment
from engine.main.verify import Ended, Finding, Tables, Told
from engine.main.verify_attempts import OPEN, LedgerRows
from engine.runtime.loop import take
from engine.runtime.views import VerifyReport, Violation
from engine.store.campaign_figures import NEVER_LEFT
from engine.store.checked import Checked
from engine.store.database import Database
from engine.store.journal import read_journal, verify_journal
from engine.store.lines import read_header, segment_paths
from engine.store.snapshots import nearest_snapshot
from engine.store.tables import AgentSpan, Conversation, DialAttempt, Projection, Segment, table

AGAIN_AFTER_S = 2.0
REPLAYED = 10_000
"""So many of the journal's last facts are replayed, to compare what ended with its rows."""
DAY_US = 86_400 * SECOND
_CONVERSATION = table(Conversation)
_SPAN = table(AgentSpan).c
_SEGMENT = table(Segment).c
_PROJECTION = table(Projection)
_ATTEMPT = table(DialAttempt)


class EndedLately(NamedTuple):
    """What ended within the journal's last facts: by id the fact that ended it, and how; of attempts the outcome."""

    interactions: dict[str, tuple[int, Ended]]
    attempts: dict[str, tuple[int, str]]


NOTHING_ENDED = EndedLately({}, {})


class Verifier:
    """Compares an engine's belief with Asterisk, the fact tables and the journal."""

    def __init__(
        self,
        engine: Engine,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._pause = pause
        self._since: dict[Finding, int] = {}
        self._checked = Checked()

    async def verify(self) -> VerifyReport:
        """Compare, and compare again what differs.

        :raises AsteriskUnreachable: Asterisk cannot be read.
        :raises StoreUnavailable: the database cannot be read.
        """
        compared, found = await self._look()
        now = self._engine.loop.clock.now()
        if found:
            await self._pause(AGAIN_AFTER_S)
            again, second = await self._look()
            compared, found = max(compared, again), verify.still_true(found, second)
        self._since = {finding: self._since.get(finding, now) for finding in found}
        return VerifyReport(
            ok=not found,
            live_calls_compared=compared,
            violations=tuple(
                Violation(
                    code=each.code, ids=each.ids, belief=each.belief, truth=each.truth, since=moment(self._since[each])
                )
                for each in found
            ),
        )

    async def _look(self) -> tuple[int, list[Finding]]:
        engine = self._engine
        folder = engine.settings.paths.journal
        journal, ended = await asyncio.to_thread(_journal, folder, engine.journal.durable_seq, self._checked)
        reachable = await engine.switch.telephony.phones()
        rows = await engine.switch.telephony.live_channels()
        # From here to the next await is one moment of the floor: nothing is handled in between.
        legs = _seen(rows)
        state = engine.floor.state
        compared = verify.calls_compared(state, legs)
        found = [
            *journal,
            *verify.against_asterisk(state, legs),
            *verify_attempts.against_asterisk(state, legs),
            *verify.against_phones(state, reachable),
        ]
        now = engine.loop.clock.now()
        tables = await read_tables(engine.database, {*state.interactions, *ended.interactions}, now)
        found += verify.against_tables(state, tables, ended.interactions)
        dialled = await read_ledger(engine.database, {*state.attempts, *ended.attempts}, [*state.campaigns], now)
        return compared, found + verify_attempts.against_ledger(state, dialled, ended.attempts)


def _seen(rows: Sequence[Message]) -> tuple[SeenLeg, ...]:
    """Asterisk's channels; of a phone at the feature codes that it is there, also before it is answered."""
    contexts = {row.get("Uniqueid"): row.get("Context") for row in rows}
    return tuple(
        SeenLeg(leg=seen.leg, place=contexts[seen.leg], bridge=seen.bridge, up=seen.up)
        if contexts[seen.leg] in verify.PHONE_PLACES
        else seen
        for seen in seen_legs(rows)
    )


def _journal(folder: Path, upto: int, checked: Checked) -> tuple[list[Finding], EndedLately]:
    """Check what of the journal is new or was touched since, and replay its end."""
    if not segment_paths(folder):
        return [], NOTHING_ENDED
    findings = [
        Finding(code=each.code, ids=(f"{each.file}:{each.line}",), belief=each.expected, truth=each.found)
        for each in verify_journal(folder, checked)
    ]
    if findings:
        return findings, NOTHING_ENDED
    try:
        return [], ended_lately(folder, upto)
    except JournalBroken:
        return [], NOTHING_ENDED  # damaged between the two readings: the next one names it


def ended_lately(folder: Path, upto: int) -> EndedLately:
    """What ended within the journal's last facts up to `upto`, recomputed from the nearest snapshot before them."""
    seed = read_header(segment_paths(folder)[0]).seed
    start = nearest_snapshot(folder, seed, max(0, upto - REPLAYED))
    floor = Floor.restore(start[1]) if start is not None else Floor()
    interactions: dict[str, tuple[int, Ended]] = {}
    attempts: dict[str, tuple[int, str]] = {}
    for record in read_journal(folder, (start[0] if start is not None else 0) + 1):
        if record.seq > upto:
            break
        for command in take(floor, record.fact, record.now):
            if not isinstance(command, Publish):
                continue
            if isinstance(command.event, InteractionEnded):
                interactions[str(command.event.interaction_id)] = (record.seq, _ended(command.event))
            elif isinstance(command.event, AttemptEnded):
                attempts[command.event.attempt_id] = (record.seq, command.event.outcome.value)
    return EndedLately(interactions, attempts)


def _ended(event: InteractionEnded) -> Ended:
    return Ended(
        ending=str(event.ending),
        cause=event.cause,
        talk_us=event.talk_us,
        wrap_up_us=event.wrap_up_us,
        ended_us=event.at,
    )


async def read_tables(database: Database, asked: Collection[str], now: int) -> Tables:
    """Read the fact tables in one moment of theirs.

    :raises StoreUnavailable: the database is away.
    """
    columns = _CONVERSATION.c
    conversations: dict[str, Told] = {}
    async with database.reading() as connection:
        projected = (await connection.execute(select(_PROJECTION))).one_or_none()
        for row in (await connection.execute(select(_CONVERSATION).where(columns.ended_us.is_(None)))).mappings():
            conversations[row["id"]] = _told(row)
        missing = [id_ for id_ in asked if id_ not in conversations]
        for at in range(0, len(missing), 500):
            some = select(_CONVERSATION).where(columns.id.in_(missing[at : at + 500]))
            for row in (await connection.execute(some)).mappings():
                conversations[row["id"]] = _told(row)
        spans = await connection.execute(select(_SPAN.agent_id, _SPAN.state).where(_SPAN.end_us.is_(None)))
        agents = {row.agent_id: row.state for row in spans}
        wrong = await connection.execute(_contradictory(now - DAY_US))
        contradictory = {row.id: _in_words(row) for row in wrong}
    return Tables(
        seq=projected.last_seq if projected is not None else 0,
        skipped=projected.skipped if projected is not None else 0,
        conversations=conversations,
        agents=agents,
        contradictory=contradictory,
    )


async def read_ledger(database: Database, asked: Collection[str], campaigns: Collection[str], now: int) -> LedgerRows:
    """Read the ledger: what is open, what is asked for, and what campaigns dialled twice at once in the last day.

    :raises StoreUnavailable: the database is away.
    """
    columns = _ATTEMPT.c
    wanted = select(columns.id, columns.outcome)
    async with database.reading() as connection:
        # First: whatever the tables are told up to here is in the rows that are read after it.
        seq = (await connection.execute(select(_PROJECTION.c.last_seq))).scalar_one_or_none() or 0
        rows = list(await connection.execute(wanted.where(columns.outcome.is_(None))))
        ids = sorted(asked)
        for at in range(0, len(ids), 500):
            rows += await connection.execute(wanted.where(columns.id.in_(ids[at : at + 500])))
        twice = [(row[0], row[1]) for row in await connection.execute(_twice(campaigns, now - DAY_US))]
    return LedgerRows(seq=seq, outcomes={row.id: row.outcome or OPEN for row in rows}, twice=tuple(twice))


def _twice(campaigns: Collection[str], since: int) -> Any:
    """Pairs of attempts at one number since then, the second dialled while the first was up."""
    first, second = _ATTEMPT.alias("first_dial"), _ATTEMPT.alias("second_dial")
    return (
        select(first.c.id, second.c.id)
        .join(second, and_(second.c.number == first.c.number, second.c.id != first.c.id))
        .where(
            first.c.campaign_id.in_(campaigns),  # there is an index of campaigns' instants, and none of instants
            first.c.intent_us >= since,
            second.c.intent_us >= first.c.intent_us,
            or_(first.c.outcome_us.is_(None), second.c.intent_us < first.c.outcome_us),
            *(or_(each.c.outcome.is_(None), each.c.outcome.not_in(NEVER_LEFT)) for each in (first, second)),
        )
    )


def _told(row: Mapping[Any, Any]) -> Told:
    if row["ended_us"] is None:
        return Told(state=row["state"], ended=None)
    return Told(
        state=row["state"],
        ended=Ended(
            ending=row["ending"] or "",
            cause=row["cause"] or 0,
            talk_us=row["talk_us"],
            wrap_up_us=row["wrap_up_us"],
            ended_us=row["ended_us"],
        ),
    )


def _contradictory(since: int) -> Any:
    """Interactions that arrived since then and ended otherwise than their phases say."""
    columns = _CONVERSATION.c
    phases = select(_SEGMENT.position).where(_SEGMENT.conversation_id == columns.id)
    visited = phases.where(_SEGMENT.phase == "queue").exists()
    talked = phases.where(_SEGMENT.phase == "talk").exists()
    open_still = phases.where(_SEGMENT.end_us.is_(None)).exists()
    queued = (Ending.ABANDONED.value, Ending.OVERFLOWED.value, Ending.CALLBACK.value)
    return select(
        columns.id, columns.ending, visited.label("visited"), talked.label("talked"), open_still.label("open_still")
    ).where(
        columns.arrived_us >= since,
        columns.ended_us.is_not(None),
        or_(
            columns.ending.is_(None),
            and_(columns.ending == Ending.IN_FLOW.value, visited),
            and_(columns.ending == Ending.ANSWERED.value, ~talked),
            and_(columns.ending != Ending.ANSWERED.value, talked),
            and_(columns.ending.in_(queued), ~visited),
            open_still,
        ),
    )


def _in_words(row: Any) -> tuple[str, str]:
    phases = [word for word, holds in (("a queue", row.visited), ("a talk", row.talked)) if holds]
    words = " and ".join(phases) or "neither queue nor talk"
    return f"ended {row.ending or 'without an ending'}", words + (", a phase still open" if row.open_still else "")
