"""Routing steps, needs and refusals."""

from hypothesis import given

from engine.acd.fit import fits, needs_at, next_step_at, present_step, refusals
from engine.acd.matching import refusal
from engine.domain.policy import QueuePolicy, RoutingStep
from engine.domain.values import SECOND, QueueId
from tests.acd.factories import START, World, agent, caller, idle, queue, worlds

RELAXING = queue("q", (0, {"sales": 8}), (30, {"sales": 5}), (60.5, {}))


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def test_a_step_holds_from_its_first_microsecond_on() -> None:
    steps = RELAXING.steps
    assert present_step(RELAXING, 0) is steps[0]
    assert present_step(RELAXING, 30 * SECOND - 1) is steps[0]
    assert present_step(RELAXING, 30 * SECOND) is steps[1]
    assert present_step(RELAXING, 60 * SECOND + 500_000) is steps[2]
    assert present_step(RELAXING, 10**15) is steps[2]


def test_the_next_step_is_announced_until_the_last() -> None:
    assert next_step_at(RELAXING, START, START) == at(30)
    assert next_step_at(RELAXING, START, at(30) - 1) == at(30)
    assert next_step_at(RELAXING, START, at(30)) == at(60.5)
    assert next_step_at(RELAXING, START, at(60.5)) is None
    assert next_step_at(queue("q"), START, START - 5) is None


def test_steps_that_no_check_has_seen_do_not_break_the_core() -> None:
    late, later = RoutingStep(after_s=5), RoutingStep(after_s=9)
    disordered = QueuePolicy(id=QueueId("q"), name="q", steps=(later, late))
    assert present_step(disordered, 0) is late
    assert present_step(disordered, 7 * SECOND) is late
    assert present_step(disordered, 9 * SECOND) is later
    none = QueuePolicy(id=QueueId("q"), name="q", steps=())
    assert present_step(none, 0) == RoutingStep()
    assert next_step_at(none, 0, 0) is None
    assert fits(caller("c"), none, agent("a"), START)


def test_a_caller_from_the_future_has_not_waited_yet() -> None:
    assert present_step(RELAXING, -5) is RELAXING.steps[0]


def test_step_and_flow_ask_together() -> None:
    who = caller("c", sales=6, french=2)
    assert needs_at(who, RELAXING, at(0)) == {"sales": 8, "french": 2}
    assert needs_at(who, RELAXING, at(30)) == {"sales": 6, "french": 2}
    assert needs_at(who, RELAXING, at(90)) == {"sales": 6, "french": 2}  # the flow's needs never relax


def test_a_refusal_names_everything_that_is_missing() -> None:
    who = caller("c", refused=["ann"], french=2)
    assert refusal(who, RELAXING, idle("ann", sales=3), at(30)) == (
        "skill french 0 < 2; skill sales 3 < 5; did not answer this caller"
    )
    assert refusal(who, RELAXING, idle("bob", sales=5, french=2), at(30)) is None


def test_exactly_the_level_is_enough() -> None:
    assert fits(caller("c", sales=5), queue("q"), agent("a", sales=5), START)
    assert not fits(caller("c", sales=6), queue("q"), agent("a", sales=5), START)


@given(worlds())
def test_fits_and_refusals_agree(world: World) -> None:
    for waiting in world.line:
        for candidate in world.candidates:
            where = world.queues[waiting.queue_id]
            words = refusals(waiting, where, candidate.agent, world.now)
            assert fits(waiting, where, candidate.agent, world.now) is (words == ())


@given(worlds(max_agents=0))
def test_nothing_changes_between_two_steps(world: World) -> None:
    """Until `next_step_at` the present step stays; so it is the only deadline that routing needs."""
    for waiting in world.line:
        where = world.queues[waiting.queue_id]
        moment = next_step_at(where, waiting.entered_at, world.now)
        last = moment - 1 if moment is not None else world.now + 10**12
        before = present_step(where, world.now - waiting.entered_at)
        assert present_step(where, last - waiting.entered_at) is before
        if moment is not None:
            assert present_step(where, moment - waiting.entered_at) is not before
