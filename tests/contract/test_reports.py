"""Reports: raw rows from the fact tables, figures from the formulas."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from engine.acd.service_level import Tally
from engine.domain.agent import AgentState
from engine.domain.events import AnyEvent
from engine.domain.interaction import Ending
from engine.domain.policy import QueuePolicy
from engine.domain.values import SECOND, QueueId
from engine.store.calendar import Interval, intervals, zone
from engine.store.database import Database
from engine.store.projector import Projector
from engine.store.reports import Reports
from tests.store.stories import AGENT, OTHER, QUEUE, T0, Story, abandoned, answered, overflowed, shift

HOUR = 3600 * SECOND
SALES = QueuePolicy(id=QUEUE, name="Sales")
ALL = Interval(start="", from_us=T0, to_us=T0 + HOUR)


async def filled(database: Database, *lives: list[AnyEvent]) -> Reports:
    projector = Projector(database)
    await projector.attach("seed")
    events = sorted(chain(*lives), key=lambda event: event.at)
    await projector.apply_all([(seq, [event]) for seq, event in enumerate(events, start=1)])
    return Reports(database)


async def test_visits_come_back_raw(database: Database) -> None:
    reports = await filled(database, answered("a").events, overflowed("b", T0 + SECOND).events)
    visits = await reports.queue_visits(T0, T0 + HOUR)
    assert [(visit.how, visit.left_us and (visit.left_us - visit.entered_us) // SECOND) for visit in visits[QUEUE]] == [
        (Ending.ANSWERED, 23),
        (Ending.OVERFLOWED, 300),
        (Ending.ABANDONED, 7),
    ]
    assert await reports.queue_visits(T0, T0 + HOUR, unit="main") == visits
    assert await reports.queue_visits(T0, T0 + HOUR, unit="north") == {}
    # A visit belongs to where it began: the second one of b began at 1 + 2 + 300 + 4 s.
    late = await reports.queue_visits(T0 + 307 * SECOND, T0 + HOUR)
    assert [visit.how for visit in late[QUEUE]] == [Ending.ABANDONED]


async def test_service_level_by_queue_with_formula_and_n(database: Database) -> None:
    quick = Story("q", T0 + 9 * SECOND).arrive().queue().offer().answer().wrap_up().end(Ending.ANSWERED)
    waiting = Story("w", T0 + 20 * SECOND).arrive().queue()
    reports = await filled(database, answered("a").events, quick.events, abandoned("b").events, waiting.events)
    other = QueuePolicy(id=QueueId("other"), name="Other")
    sales, empty = sorted(await reports.service_level([SALES, other], [ALL]), key=lambda r: r.queue_id, reverse=True)
    assert sales.counted == Tally(
        answered=2,
        answered_in_time=1,
        answered_before_limit=1,
        answer_wait_us=(23 + 7) * SECOND,
        abandoned=1,
        abandoned_in_time=1,
        abandoned_short=1,
        waiting=1,
    )
    assert (sales.service_level.formula, sales.service_level.n, sales.service_level.value) == (
        "sl.callwright/1",
        2,
        0.5,
    )
    assert sales.speed_of_answer.value == 15.0
    assert (empty.queue_id, empty.service_level.value) == ("other", None)


async def test_a_visit_that_nobody_closed_counts_as_lost(database: Database) -> None:
    story = Story("x").arrive().queue().end(Ending.IN_FLOW)
    reports = await filled(database, story.events)
    assert [visit.how for visit in (await reports.queue_visits(T0, T0 + HOUR))[QUEUE]] == [Ending.LOST]


async def test_agents_report_time_talks_and_missed_offers(database: Database) -> None:
    reports = await filled(database, answered("a").events, shift(AGENT), shift(OTHER, T0 - HOUR // 2))
    first, second = await reports.agents([ALL], now=T0 + HOUR)
    assert (first.agent_id, first.offers, first.offers_missed, first.handled.contacts) == (AGENT, 1, 1, 0)
    assert first.times.by_state == {AgentState.NOT_READY: 600 * SECOND, AgentState.AVAILABLE: 3000 * SECOND}
    assert first.handle_time.value is None
    assert (second.agent_id, second.offers, second.offers_missed) == (OTHER, 1, 0)
    assert second.times.by_state == {AgentState.AVAILABLE: 1800 * SECOND}
    assert (second.handled.talk_us, second.handled.wrap_up_us) == (60 * SECOND, 10 * SECOND)
    assert second.handle_time.value == 70.0


async def test_an_open_span_is_counted_up_to_now(database: Database) -> None:
    reports = await filled(database, shift()[:1])
    [report] = await reports.agents([ALL], now=T0 + 90 * SECOND)
    assert report.times.by_state == {AgentState.NOT_READY: 90 * SECOND}
    assert await reports.agents([Interval(start="", from_us=T0 - HOUR, to_us=T0)], now=T0 + 90 * SECOND) == []


async def test_intervals_add_up_to_the_day_of_a_clock_change(database: Database) -> None:
    paris = zone("Europe/Paris")
    midnight = 1_792_879_200_000_000  # 2026-10-25T00:00+02:00, a day of 25 hours
    lives = [answered(f"a{hour}", midnight + hour * HOUR).events for hour in range(25)]
    reports = await filled(database, *lives)
    hours = list(intervals(midnight, midnight + 25 * HOUR, paris, timedelta(hours=1)))
    assert len(hours) == 25
    assert [interval.start[11:] for interval in hours[1:5]] == [
        "01:00:00+02:00",
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]
    counted = [report.counted.answered for report in await reports.service_level([SALES], hours)]
    assert counted == [1] * 25
    [day] = await reports.service_level([SALES], list(intervals(midnight, midnight + 25 * HOUR, paris)))
    assert day.counted.answered == 25
