"""What the API asks of the fact tables: each of its queries, on every database that may hold them.

The engine is built whole and never run: store, vault and console are the real ones, and no Asterisk is needed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from engine.asterisk.channels import INBOUND
from engine.domain.events import AnyEvent, InteractionArrived
from engine.domain.interaction import Ending
from engine.domain.policy import QueuePolicy
from engine.domain.values import SECOND, LegId
from engine.errors import NotFound
from engine.main.console import LiveConsole
from engine.main.engine import Engine
from engine.main.missed import AT_ONCE, MissedCalls
from engine.main.truth import DAY_US, read_tables
from engine.main.verify import Ended, Told
from engine.runtime.clock import Clock
from engine.runtime.console import Wanted
from engine.runtime.views import InteractionView, Totals
from engine.settings import Asterisk, Paths, Settings, Site, Store
from tests.store.stories import AGENT, OTHER, QUEUE, T0, Story, abandoned, answered, left_in_flow, overflowed, shift

HOUR = 3600 * SECOND
CALLER = "+447700900123"
FROM, TO = "2025-11-22T08:00:00Z", "2025-11-22T09:30:00Z"
"""An hour and a half around `T0`, 2025-11-22T08:26:40Z."""


@pytest.fixture
async def engine(url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine over this database that was built and does not run."""
    settings = Settings(
        site=Site(timezone="Europe/London"),
        paths=Paths(data=tmp_path / "data", flows=tmp_path / "flows"),
        asterisk=Asterisk(
            agi_secret=SecretStr("lab-secret-of-one-run"),
            sounds=tmp_path / "sounds",
            recordings=tmp_path / "recordings",
            rescue_spool=tmp_path / "rescue",
            cel=tmp_path / "cel.jsonl",
        ),
        store=Store(url=url),
    )
    async with Engine(settings) as built:
        yield built


@pytest.fixture
def console(engine: Engine) -> LiveConsole:
    """Its console."""
    return LiveConsole(engine)


async def tell(engine: Engine, *lives: list[AnyEvent]) -> None:
    """Fill the fact tables with these lives, one event a fact."""
    events = sorted(chain(*lives), key=lambda event: event.at)
    await engine.projector.apply_all([(seq, [event]) for seq, event in enumerate(events, start=1)], engine.vault)


def waiting(name: str, start: int = T0) -> Story:
    """In the queue, and still there."""
    return Story(name, start).arrive().queue()


async def all_pages(console: LiveConsole, limit: int) -> list[InteractionView]:
    """Every interaction, page by page."""
    found: list[InteractionView] = []
    cursor = ""
    while True:
        page = await console.interactions.list(Wanted(limit=limit, cursor=cursor))
        assert len(page.items) == limit or page.next is None
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


# --- interactions ----------------------------------------------------------------------------------------------------


async def test_pages_hold_everything_once_newest_first(engine: Engine, console: LiveConsole) -> None:
    starts = [T0, T0, T0, T0 + SECOND, T0 + SECOND, T0 + 2 * SECOND, T0 + 2 * SECOND]
    names = ["ix_1", "ix_A", "ix_B", "ix_C", "ix_b", "ix_c", "ix_é"]
    await tell(engine, *(left_in_flow(*each).events for each in zip(names, starts, strict=True)))
    whole = [item.id for item in (await console.interactions.list(Wanted(limit=100))).items]
    assert sorted(whole) == sorted(names)
    assert [starts[names.index(id_)] for id_ in whole] == sorted(starts, reverse=True)
    for limit in (1, 2, 3, 7):
        assert [item.id for item in await all_pages(console, limit)] == whole


async def test_interactions_are_chosen_by_time_queue_and_agent(engine: Engine, console: LiveConsole) -> None:
    await tell(
        engine,
        answered("a").events,
        left_in_flow("f", T0 + 10 * SECOND).events,
        abandoned("g", T0 + 2 * HOUR).events,
    )

    async def ids(start: str = "", end: str = "", queue: str = "", agent: str = "") -> list[str]:
        wanted = Wanted(start=start, end=end, queue=queue, agent=agent)
        return [item.id for item in (await console.interactions.list(wanted)).items]

    assert await ids() == ["g", "f", "a"]
    assert await ids(start=FROM, end=TO) == ["f", "a"]
    assert await ids(start="2025-11-22", end="2025-11-22") == ["g", "f", "a"]
    assert await ids(start="2025-11-23") == []
    assert await ids(queue=QUEUE) == ["g", "a"]
    assert await ids(queue="other") == []
    assert await ids(agent=AGENT) == ["g", "a"]
    assert await ids(agent=OTHER) == ["a"]
    assert await ids(queue=QUEUE, agent=OTHER, start=FROM, end=TO) == ["a"]


async def test_an_interaction_is_shown_with_its_phases_and_legs(engine: Engine, console: LiveConsole) -> None:
    token = engine.vault.token("number", CALLER)
    life = answered("a").events
    assert isinstance(life[0], InteractionArrived)
    events = [Story("x").arrive().events[0], *life[1:]]
    events[0] = InteractionArrived(
        at=T0, interaction_id=life[0].interaction_id, number="+33123456789", flow="main", caller=token, leg=LegId("1.1")
    )
    await tell(engine, events)
    shown = await console.interactions.show("a", reveal=True)
    assert (shown.caller, shown.ending, shown.talk_s, shown.wrap_up_s) == (CALLER, Ending.ANSWERED, 60.0, 10.0)
    assert (await console.interactions.show("a")).caller == "+44••••23"
    assert [(each.phase, each.how) for each in shown.segments] == [
        ("flow", "waiting"),
        ("queue", "answered"),
        ("ring", "ring-no-answer"),
        ("ring", "answered"),
        ("talk", "wrap-up"),
        ("wrap-up", "ended"),
    ]
    assert [(each.purpose, each.leg, each.recording) for each in shown.sessions] == [
        ("customer", "1.1", ""),
        ("agent", "agent.a", "rec-a"),
    ]
    with pytest.raises(NotFound):
        await console.interactions.show("nobody")


# --- figures ---------------------------------------------------------------------------------------------------------


async def test_reports_are_the_same_on_every_database(engine: Engine, console: LiveConsole) -> None:
    await engine.definitions.queues.add(QueuePolicy(id=QUEUE, name="Sales"))
    await tell(
        engine, answered("a").events, abandoned("b").events, overflowed("o", T0 + SECOND).events, shift(OTHER, T0)
    )
    level = await console.reports.service_level(FROM, TO, "", "")
    [sales] = level.items
    assert (sales.queue_id, sales.name, sales.offered) == ("sales", "Sales", level.total.offered)
    assert (sales.answered, sales.abandoned, sales.overflowed, sales.waiting) == (1, 2, 1, 0)
    assert sales.speed_of_answer.value == 23.0
    assert (await console.reports.service_level(FROM, TO, QUEUE, "")).items == level.items
    agents = await console.reports.agents(FROM, TO)
    assert [(row.agent_id, row.offers, row.offers_missed, row.handled) for row in agents.items] == [
        (AGENT, 2, 1, 0),
        (OTHER, 1, 0, 1),
    ]
    assert (agents.items[1].talk_s, agents.items[1].wrap_up_s) == (60.0, 10.0)
    assert agents.items[1].signed_in_s == 3600.0


async def test_todays_totals_add_up(engine: Engine, console: LiveConsole) -> None:
    await engine.definitions.queues.add(QueuePolicy(id=QUEUE, name="Sales"))
    await tell(
        engine,
        answered("a").events,
        abandoned("b").events,
        left_in_flow("f").events,
        overflowed("o").events,
        waiting("w").events,
        answered("old", T0 - 48 * HOUR).events,
    )
    engine.loop.clock = Clock(wall=lambda: T0 + 2 * HOUR, monotonic=lambda: 0)
    assert (await console.floor()).totals == Totals(
        arrived=5,
        in_progress=1,
        ended_in_flow=1,
        offered=4,
        answered=1,
        abandoned=2,
        overflowed=0,
        callback=0,
        lost=0,
        asa_s=23.0,
    )
    today = await console.reports.service_level("", "", "", "")
    assert (today.total.offered, today.total.waiting) == (4, 1)  # visits that are over; `o` made two


async def test_the_database_answers_when_health_is_asked(console: LiveConsole) -> None:
    assert not [reason for reason in (await console.health()).reasons if reason.startswith("store")]


# --- verify and what was missed --------------------------------------------------------------------------------------


async def test_verify_reads_what_lives_and_what_was_asked_for(engine: Engine) -> None:
    many = [left_in_flow(f"f{number}", T0 + number).events for number in range(600)]
    await tell(engine, waiting("w").events, answered("a").events, *many, shift(AGENT)[:2], shift(OTHER))
    tables = await read_tables(
        engine.database, {"a", "w", "never", *(f"f{number}" for number in range(600))}, T0 + HOUR
    )
    assert (len(tables.conversations), tables.skipped, tables.contradictory) == (602, 0, {})
    assert tables.seq == await engine.projector.last_seq() > 0
    assert tables.conversations["w"] == Told(state="waiting", ended=None)
    end = answered("a").events[-1].at
    ended = Ended(ending="answered", cause=16, talk_us=60 * SECOND, wrap_up_us=10 * SECOND, ended_us=end)
    assert tables.conversations["a"] == Told(state="ended", ended=ended)
    assert tables.agents == {AGENT: "available"}
    assert set((await read_tables(engine.database, (), T0 + HOUR)).conversations) == {"w"}


PLANTED = (
    "UPDATE conversation SET ending = NULL WHERE id = 'no-ending'",
    "UPDATE conversation SET ending = 'ended-in-flow' WHERE id = 'queued'",
    "UPDATE conversation SET ending = 'answered' WHERE id = 'never-talked'",
    "UPDATE conversation SET ending = 'abandoned' WHERE id IN ('talked', 'never-queued')",
    "UPDATE segment SET end_us = NULL WHERE conversation_id = 'open' AND phase = 'flow'",
)


async def test_verify_finds_every_end_that_contradicts_its_phases(engine: Engine) -> None:
    await tell(
        engine,
        answered("sound").events,
        *(abandoned(name).events for name in ("no-ending", "queued", "never-talked")),
        *(left_in_flow(name).events for name in ("never-queued", "open")),
        answered("talked").events,
        waiting("lives").events,
    )
    async with engine.database.writing() as connection:
        for change in PLANTED:
            await connection.execute(text(change))
    found = (await read_tables(engine.database, (), T0 + HOUR)).contradictory
    assert found == {
        "no-ending": ("ended without an ending", "a queue"),
        "queued": ("ended ended-in-flow", "a queue"),
        "never-talked": ("ended answered", "a queue"),
        "never-queued": ("ended abandoned", "neither queue nor talk"),
        "talked": ("ended abandoned", "a queue and a talk"),
        "open": ("ended ended-in-flow", "neither queue nor talk, a phase still open"),
    }
    assert not (await read_tables(engine.database, (), T0 + DAY_US + 1)).contradictory


async def test_a_call_that_the_tables_know_was_not_missed(engine: Engine) -> None:
    """More calls than one query takes."""
    count = AT_ONCE + 1
    await tell(engine, *(left_in_flow(f"{number}", T0 + number).events for number in range(count)))
    rows = [
        {"eventtype": event, "eventtime": f"{at:.6f}", "uniqueid": f"leg.{number}", "context": INBOUND, "exten": "1"}
        for number in range(count + 1)
        for event, at in (("CHAN_START", T0 / SECOND + number), ("CHAN_END", T0 / SECOND + number + 0.5))
    ]
    log = engine.settings.asterisk.cel
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    missed = MissedCalls(log, engine.database, engine.floor, engine.loop, engine.switch.telephony, T0)
    assert await missed.look(T0 + HOUR)
    assert (missed.told, missed.trouble) == (1, "")
