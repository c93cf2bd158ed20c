"""The kept line of all who wait, against the matcher's plain functions that look at everybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.acd.fit import Candidate
from engine.acd.matching import choose_waiting, in_order
from engine.domain.interaction import InteractionState
from engine.domain.policy import QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import SECOND, AgentId, InteractionId, LegId, LegMode, QueueId
from engine.floor.line import Line, waiting_of
from engine.floor.state import FloorState, Interaction
from tests.floor.hall import profile

NOW = 1_000 * SECOND
AGENT = AgentId("a")
SKILLS = st.sampled_from(["sales", "care"])
NEEDS = st.lists(st.builds(SkillNeed, skill=SKILLS, level=st.sampled_from([1, 5, 9])), max_size=2).map(tuple)
QUEUES = st.sampled_from([QueueId("q1"), QueueId("q2"), QueueId("q3"), QueueId("unknown")])


@st.composite
def queues(draw: st.DrawFn) -> dict[QueueId, QueuePolicy]:
    made = {}
    for name in (QueueId("q1"), QueueId("q2"), QueueId("q3")):
        steps = tuple(RoutingStep(needs=draw(NEEDS), after_s=after) for after in (0.0, 20.0)[: draw(st.integers(0, 2))])
        made[name] = QueuePolicy(id=name, name=name, steps=steps, priority=draw(st.integers(0, 2)))
    return made


@st.composite
def halls(draw: st.DrawFn) -> FloorState:
    """Up to a dozen callers in three queues (and one that is not known), of whom most wait and most are on hold."""
    state = FloorState(queues=draw(queues()))
    for number in range(draw(st.integers(0, 12))):
        interaction = Interaction(
            id=InteractionId(f"i{number}"),
            leg=LegId(f"c{number}"),
            number="",
            arrived_at=0,
            state=draw(st.sampled_from([InteractionState.WAITING] * 3 + [InteractionState.IN_FLOW])),
            queue_id=draw(QUEUES),
            entered_at=NOW - draw(st.sampled_from([0, 10, 60, 70])) * SECOND,
            priority=draw(st.integers(0, 2)),
            needs=draw(st.one_of(st.just(()), NEEDS)),
            refused=draw(st.sampled_from([(), (), (AGENT,)])),
            held=draw(st.sampled_from([True, True, False])),
        )
        state.interactions[interaction.id] = interaction
    return state


def agree(line: Line, state: FloorState, skills: dict[str, int]) -> None:
    """Order, places and the choice for an agent are what the matcher says."""
    waiting = [i for i in state.interactions.values() if i.state is InteractionState.WAITING]
    order = [each.interaction_id for each in in_order(map(waiting_of, waiting), state.queues)]
    assert [each.id for each in line.everybody()] == order
    for interaction in line.everybody():
        own = [each for each in order if state.interactions[each].queue_id == interaction.queue_id]
        assert line.place(interaction) == own.index(interaction.id) + 1
    agent = profile(AGENT, LegMode.ON_DEMAND, **skills)
    first = line.first_for(agent, NOW)
    on_hold = [waiting_of(each) for each in waiting if each.held]
    chosen = choose_waiting(Candidate(agent=agent, idle_since=0), on_hold, state.queues, NOW)
    assert (first and first.id) == (chosen and chosen.interaction_id)


@given(state=halls(), skills=st.dictionaries(SKILLS, st.sampled_from([1, 5, 9]), min_size=1), data=st.data())
def test_it_answers_as_the_matcher_that_looks_at_all(
    state: FloorState, skills: dict[str, int], data: st.DataObject
) -> None:
    line = Line(state)
    agree(line, state, skills)
    for interaction in list(state.interactions.values()):
        match data.draw(st.sampled_from(["goes", "comes", "refuses", "is pardoned", "held", "stays"])):
            case "goes" if interaction.state is InteractionState.WAITING:
                interaction.state = InteractionState.IN_FLOW
                line.leave(interaction)
            case "comes" if interaction.state is InteractionState.IN_FLOW:
                interaction.state, interaction.needs = InteractionState.WAITING, data.draw(NEEDS)
                interaction.priority = data.draw(st.integers(0, 2))
                line.enter(interaction)
            case "refuses":
                interaction.refused = (AGENT,)
            case "is pardoned":
                interaction.refused = ()
            case "held":
                interaction.held = not interaction.held
            case _:
                pass
        agree(line, state, skills)


@given(state=halls(), new=queues())
def test_redefined_queues_reorder_those_who_wait_in_them(state: FloorState, new: dict[QueueId, QueuePolicy]) -> None:
    line = Line(state)
    for queue_id, queue in new.items():
        state.queues[queue_id] = queue
        inside = line.reorder(queue_id)
        assert {each.id for each in inside} == {each.id for each in line.everybody() if each.queue_id == queue_id}
        agree(line, state, {"sales": 5})


def test_a_queue_that_becomes_known_takes_in_who_waits_for_it() -> None:
    interaction = Interaction(
        id=InteractionId("i"), leg=LegId("c"), number="", arrived_at=0, state=InteractionState.WAITING, held=True
    )
    interaction.queue_id = QueueId("late")
    state = FloorState(interactions={interaction.id: interaction})
    line = Line(state)
    assert line.first_for(profile(AGENT), NOW) is None
    assert line.place(interaction) == 1
    state.queues[QueueId("late")] = QueuePolicy(id=QueueId("late"), name="late")
    assert line.reorder(QueueId("late")) == (interaction,)
    assert line.first_for(profile(AGENT), NOW) is interaction
