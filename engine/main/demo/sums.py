"""The demo's sums: ours from the fact tables, the far side's from its own records, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from sqlalchemy import text

from engine.domain.events import InteractionAnswered
from engine.domain.interaction import Ending
from engine.domain.values import Value
from engine.store.database import Database


class Percentiles(Value):
    """Milliseconds; None without a sample. `n` samples."""

    p50: float | None
    p99: float | None
    n: int


class Inbound(Value):
    """offered = answered + abandoned + overflowed + callback + in_progress, else somebody was lost."""

    arrived: int
    ended_in_flow: int
    offered: int
    answered: int
    abandoned: int
    overflowed: int
    callback: int
    in_progress: int
    asa_s: float | None
    flow_to_agent_ms: Percentiles
    ring_to_agent_ms: Percentiles


class FarSide(Value):
    """What the simulated telephone network saw: calls that reached us, and callers who heard an agent."""

    placed: int
    talked: int


_CONVERSATIONS = text("""
    SELECT c.id, c.ending, c.ended_us IS NULL AS live,
           (SELECT count(*) FROM segment s WHERE s.conversation_id = c.id AND s.phase = 'queue') AS visits,
           (SELECT count(*) FROM segment s WHERE s.conversation_id = c.id AND s.phase = 'talk') AS talks,
           (SELECT sum(s.waited_us) FROM segment s
             WHERE s.conversation_id = c.id AND s.phase = 'queue' AND s.how = 'answered') AS waited_us
    FROM conversation c
    WHERE c.campaign_id IS NULL
""")


async def inbound(database: Database, answered: Sequence[InteractionAnswered], rung: frozenset[str]) -> Inbound:
    """Count every conversation that a caller began once. `rung` are the agents whose phones are rung for each call."""
    async with database.reading() as connection:
        rows = (await connection.execute(_CONVERSATIONS)).all()
    count = dict.fromkeys(Ending, 0)
    in_progress = in_flow = 0
    for row in rows:
        if not row.visits:
            in_flow += 1
        elif row.talks or row.ending == Ending.ANSWERED:
            count[Ending.ANSWERED] += 1
        elif row.live:
            in_progress += 1
        else:
            count[Ending(row.ending)] += 1
    waits = [int(row.waited_us) for row in rows if row.waited_us is not None]
    delays = {False: [], True: []}  # type: dict[bool, list[float]]
    for event in answered:
        if event.agent_was_free and event.held_at and event.joined_at:
            delays[event.agent_id in rung].append((event.joined_at - event.held_at) / 1000)
    return Inbound(
        arrived=len(rows),
        ended_in_flow=in_flow,
        offered=len(rows) - in_flow,
        answered=count[Ending.ANSWERED],
        abandoned=count[Ending.ABANDONED],
        overflowed=count[Ending.OVERFLOWED],
        callback=count[Ending.CALLBACK],
        in_progress=in_progress,
        asa_s=round(sum(waits) / len(waits) / 1e6, 3) if waits else None,
        flow_to_agent_ms=percentiles(delays[False]),
        ring_to_agent_ms=percentiles(delays[True]),
    )


def percentiles(samples: Sequence[float]) -> Percentiles:
    """Nearest-rank p50 and p99."""
    ordered = sorted(samples)
    if not ordered:
        return Percentiles(p50=None, p99=None, n=0)

    def rank(share: float) -> float:
        return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 1)

    return Percentiles(p50=rank(0.5), p99=rank(0.99), n=len(ordered))


def disagreements(ours: Inbound, far: FarSide) -> list[str]:
    """Every equation that does not hold, in words."""
    found = []
    if far.placed != ours.arrived:
        found.append(f"{far.placed} calls were placed, {ours.arrived} arrived")
    if ours.arrived != ours.ended_in_flow + ours.offered:
        found.append(f"{ours.arrived} arrived, {ours.ended_in_flow} ended in the flow, {ours.offered} were offered")
    parts = ours.answered + ours.abandoned + ours.overflowed + ours.callback + ours.in_progress
    if ours.offered != parts:
        found.append(f"{ours.offered} were offered, {parts} are accounted for")
    if far.talked > ours.answered:
        found.append(f"{far.talked} callers heard an agent, {ours.answered} were answered")
    return found
