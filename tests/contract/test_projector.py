"""The fact tables: right rows, once each, however the events come in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from engine.domain.events import AnyEvent, CallbackPromised
from engine.domain.values import SECOND, Token
from engine.errors import Conflict, StoreWentBack
from engine.store.database import Database
from engine.store.outbox import Outbox
from engine.store.projector import Projector
from engine.store.tables import (
    AgentSpan,
    Conversation,
    Outgoing,
    Participant,
    Projection,
    RescueCallback,
    Row,
    Segment,
    Session,
    table,
)
from tests.store.stories import AGENT, OTHER, T0, abandoned, answered, left_in_flow, overflowed, shift

FACTS: tuple[type[Row], ...] = (Conversation, Participant, Session, Segment, AgentSpan)


async def rows(database: Database, row: type[Row]) -> list[dict[str, Any]]:
    into = table(row)
    async with database.reading() as connection:
        found = await connection.execute(select(into).order_by(*into.primary_key.columns))
        return [dict(each) for each in found.mappings()]


async def filled(database: Database, events: Sequence[AnyEvent]) -> Projector:
    projector = Projector(database)
    await projector.attach("seed")
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(events, start=1)])
    return projector


async def test_an_answered_call_is_one_conversation_with_its_phases(database: Database) -> None:
    await filled(database, answered("i1").events)
    [conversation] = await rows(database, Conversation)
    assert conversation["state"] == "ended"
    assert conversation["ending"] == "answered"
    assert conversation["caller"] == "num_1"
    assert conversation["ended_us"] - conversation["arrived_us"] == (2 + 3 + 15 + 1 + 4 + 60 + 10) * SECOND
    assert conversation["talk_us"] == 60 * SECOND
    segments = await rows(database, Segment)
    seen = [
        (s["phase"], s["who"], (s["start_us"] - T0) // SECOND, (s["end_us"] - T0) // SECOND, s["how"]) for s in segments
    ]
    assert seen == [
        ("flow", "menu", 0, 2, "waiting"),
        ("queue", "sales", 2, 25, "answered"),
        ("ring", AGENT, 5, 20, "ring-no-answer"),
        ("ring", OTHER, 21, 25, "answered"),
        ("talk", OTHER, 25, 85, "wrap-up"),
        ("wrap-up", OTHER, 85, 95, "ended"),
    ]
    assert segments[1]["waited_us"] == 23 * SECOND
    assert segments[1]["agent_id"] == OTHER
    joined = [(p["purpose"], p["who"]) for p in await rows(database, Participant)]
    assert joined == [("agent", AGENT), ("agent", OTHER), ("customer", ""), ("flow", "menu"), ("queue", "sales")]
    legs = [(s["leg"], s["recording"], s["end_us"] - T0) for s in await rows(database, Session)]
    assert legs == [("leg.i1", "", 85 * SECOND), ("agent.i1", "rec-i1", 85 * SECOND)]


async def test_a_second_visit_to_a_queue_is_a_second_segment(database: Database) -> None:
    await filled(database, overflowed("i1").events)
    visits = [(s["how"], s["waited_us"] // SECOND) for s in await rows(database, Segment) if s["phase"] == "queue"]
    assert visits == [("overflowed", 300), ("abandoned", 7)]


async def test_what_was_applied_is_not_applied_again(database: Database) -> None:
    projector = await filled(database, answered("i1").events)
    last = await projector.last_seq()
    before = [await rows(database, each) for each in FACTS]
    await projector.apply(last, abandoned("i2").events)
    await projector.apply_all([(seq, abandoned("i2").events) for seq in range(1, last + 1)])
    assert [await rows(database, each) for each in FACTS] == before


async def test_agents_spend_their_time_in_spans(database: Database) -> None:
    await filled(database, shift())
    spans = [(s["state"], (s["end_us"] - s["start_us"]) // SECOND) for s in await rows(database, AgentSpan)]
    assert spans == [("not-ready", 600), ("available", 3000)]


@given(
    cuts=st.lists(st.booleans(), min_size=80, max_size=80),
    order=st.permutations(range(5)),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_batches_may_be_cut_anywhere(database: Database, cuts: list[bool], order: list[int]) -> None:
    lives = [answered("a").events, abandoned("b").events, overflowed("c").events, left_in_flow("d").events, shift()]
    # Interleave the lives: the nth event of each, in a drawn order.
    events = [lives[which][n] for n in range(max(map(len, lives))) for which in order if n < len(lives[which])]
    batch = [(seq, [event]) for seq, event in enumerate(events, start=1)]
    results = []
    for split in (False, True):
        async with database.writing() as connection:
            everything: tuple[type[Row], ...] = (*FACTS, Projection)
            for row in everything:
                await connection.execute(delete(table(row)))
        projector = Projector(database)
        await projector.attach("seed")
        start = 0
        for end in range(1, len(batch) + 1):
            if end == len(batch) or (split and cuts[end]):
                await projector.apply_all(batch[start:end])
                start = end
        results.append([await rows(database, each) for each in FACTS])
    assert results[0] == results[1]


async def test_another_journal_is_refused_until_adopted(database: Database) -> None:
    projector = await filled(database, answered("i1").events)
    with pytest.raises(Conflict, match="journal seed"):
        await projector.attach("other")
    assert await projector.attach("other", adopt=True) == 0
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(answered("i2").events, start=1)])
    assert [row["id"] for row in await rows(database, Conversation)] == ["i1", "i2"]


async def test_a_database_that_lost_facts_is_noticed(database: Database) -> None:
    projector = await filled(database, answered("i1").events)
    async with database.writing() as connection:
        await connection.execute(table(Projection).update().values(last_seq=1))
    with pytest.raises(StoreWentBack, match="Restart"):
        await projector.apply(99, ())


async def test_topics_go_to_the_outbox_in_order_and_leave_when_done(database: Database) -> None:
    outbox = Outbox(database)
    projector = Projector(
        database, topics=lambda event, seq: [(f"t/{seq}", type(event).__name__.encode(), seq == 2)], outbox=outbox
    )
    await projector.attach("seed")
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(left_in_flow("i1").events, start=1)])
    assert outbox.filled.is_set()
    pending = await outbox.pending(10)
    assert [(topic, payload, retained) for _, topic, payload, retained in pending] == [
        ("t/1", b"InteractionArrived", False),
        ("t/2", b"InteractionMoved", True),
        ("t/3", b"InteractionMoved", False),
        ("t/4", b"InteractionEnded", False),
    ]
    await outbox.done(pending[1][0])
    assert [topic for _, topic, _, _ in await outbox.pending(1)] == ["t/3"]
    assert await outbox.size() == 2
    await outbox.done(pending[3][0])
    await projector.apply(9, left_in_flow("i2").events[:1])
    assert [seq > pending[3][0] for seq, *_ in await outbox.pending(10)] == [True]


async def test_a_fact_the_database_refuses_does_not_stop_the_others(database: Database) -> None:
    def topics(event: AnyEvent, seq: int) -> list[tuple[str, bytes, bool]]:
        return [("t", b"", False)] if seq != 3 else [(None, b"", False)]  # type: ignore[list-item]

    projector = Projector(database, topics=topics)
    await projector.attach("seed")
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(answered("i1").events, start=1)])
    assert projector.skipped == 1
    assert await projector.last_seq() == len(answered("i1").events)
    assert len(await rows(database, Outgoing)) == len(answered("i1").events) - 1
    [projection] = await rows(database, Projection)
    assert projection["skipped"] == 1


async def test_a_promise_marks_the_rescued_callback(database: Database) -> None:
    people = {"id": "s1", "uniqueid": "u", "dialled": "", "number": "num_1", "outcome": "callback"}
    columns: dict[str, object] = {**people, "language": "en", "taken_us": T0, "promised_us": None}
    async with database.writing() as connection:
        await connection.execute(table(RescueCallback).insert(), [columns, columns | {"id": "s2"}])
    await filled(database, [CallbackPromised(at=T0 + 5, number=Token("num_1"), spool_id="s1")])
    assert [(r["id"], r["promised_us"]) for r in await rows(database, RescueCallback)] == [("s1", T0 + 5), ("s2", None)]


def test_the_folder_is_about_both_databases(url: str, tmp_path: Path) -> None:
    assert url.startswith(("sqlite:///" + str(tmp_path), "postgresql+asyncpg://"))
