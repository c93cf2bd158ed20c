"""The choice from either side: examples that a supervisor would give, and properties against a naive oracle."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from engine.acd.matching import choose_agent, choose_waiting, fits, in_order, match_all, rank
from engine.domain.policy import Strategy
from engine.domain.values import SECOND, QueueId
from tests.acd import oracle
from tests.acd.factories import START, World, caller, idle, queue, worlds

NOW = START + 600 * SECOND
Q = QueueId("q")
SKILLED = Strategy.MOST_SKILLED


def test_the_longest_idle_agent_is_chosen() -> None:
    choice = choose_agent(caller("c", 590), queue(), [idle("a", 50), idle("b", 20), idle("c", 30)], NOW)
    assert choice is not None
    assert (choice.agent_id, choice.considered, choice.fitting, choice.waited_us) == ("b", 3, 3, 10 * SECOND)


def test_the_most_skilled_agent_is_chosen_then_the_longest_idle() -> None:
    where = queue("q", (0, {"sales": 2}), strategy=SKILLED)
    agents = [idle("a", 1, sales=5, cards=9), idle("b", 40, sales=7), idle("c", 30, sales=7), idle("d", 0, sales=1)]
    choice = choose_agent(caller("x"), where, agents, NOW)
    assert choice is not None
    assert (choice.agent_id, choice.considered, choice.fitting) == ("c", 4, 3)


def test_skills_that_the_flow_asks_for_count_as_well() -> None:
    where = queue("q", (0, {"sales": 1}), strategy=SKILLED)
    choice = choose_agent(caller("x", cards=1), where, [idle("a", sales=9, cards=1), idle("b", sales=5, cards=6)], NOW)
    assert choice is not None
    assert choice.agent_id == "b"


def test_ties_end_at_the_id() -> None:
    agents = [idle("b", 7), idle("a", 7)]
    for ordered in (agents, agents[::-1]):
        choice = choose_agent(caller("x"), queue(), ordered, NOW)
        assert choice is not None
        assert choice.agent_id == "a"


def test_nobody_fits() -> None:
    assert choose_agent(caller("x", sales=5), queue(), [idle("a", sales=4)], NOW) is None
    assert choose_agent(caller("x"), queue(), [], NOW) is None
    assert choose_waiting(idle("a"), [caller("x", sales=1)], {Q: queue()}, NOW) is None


def test_who_did_not_answer_is_passed_over_but_others_are_asked() -> None:
    choice = choose_agent(caller("x", refused=["a"]), queue(), [idle("a", 1), idle("b", 9)], NOW)
    assert choice is not None
    assert choice.agent_id == "b"


def test_a_freed_agent_takes_the_first_whom_he_fits() -> None:
    line = [caller("late", 100), caller("first", 5, sales=9), caller("second", 6)]
    taken = choose_waiting(idle("a", sales=3), line, {Q: queue()}, NOW)
    assert taken is not None
    assert taken.interaction_id == "second"


def test_priority_counts_across_queues() -> None:
    queues = {QueueId("gold"): queue("gold", priority=2), Q: queue()}
    line = [caller("plain", 0), caller("gold", 119, queue_id="gold"), caller("gold too", 121, queue_id="gold")]
    assert [w.interaction_id for w in in_order(line, queues)] == ["gold", "plain", "gold too"]


def test_own_and_queue_priority_add_up_and_equal_points_go_to_the_earlier() -> None:
    assert rank(caller("a", 120, priority=1), queue(priority=1)) > rank(caller("b", 0), queue())
    assert rank(caller("a", 120, priority=1), queue(priority=1))[0] == rank(caller("b", 0), queue())[0]


def test_callers_of_an_unknown_queue_are_passed_over() -> None:
    line = [caller("lost", 0, queue_id="gone"), caller("x", 5)]
    taken = choose_waiting(idle("a"), line, {Q: queue()}, NOW)
    assert taken is not None
    assert taken.interaction_id == "x"
    assert [choice.interaction_id for choice in match_all(line, {Q: queue()}, [idle("a"), idle("b")], NOW)] == ["x"]


def test_a_specialist_is_kept_for_nobody_but_used_first_where_needed() -> None:
    """Matching is greedy along the line: the first caller gets his favourite, even if the next then finds nobody."""
    line = [caller("any", 0), caller("picky", 1, sales=5)]
    choices = match_all(line, {Q: queue()}, [idle("expert", 0, sales=9), idle("novice", 5)], NOW)
    assert [(choice.interaction_id, choice.agent_id) for choice in choices] == [("any", "expert")]


@given(worlds())
def test_every_choice_is_the_oracles(world: World) -> None:
    found = [
        (str(choice.interaction_id), str(choice.agent_id))
        for choice in match_all(world.line, world.queues, world.candidates, world.now)
    ]
    assert found == oracle.all_pairs(world.line, world.queues, world.candidates, world.now)


@given(worlds(), st.data())
def test_the_order_of_the_inputs_does_not_matter(world: World, data: st.DataObject) -> None:
    line, candidates = data.draw(st.permutations(world.line)), data.draw(st.permutations(world.candidates))
    assert match_all(line, world.queues, candidates, world.now) == match_all(
        world.line, world.queues, world.candidates, world.now
    )
    for waiting in world.line:
        where = world.queues[waiting.queue_id]
        assert choose_agent(waiting, where, candidates, world.now) == choose_agent(
            waiting, where, world.candidates, world.now
        )
    for candidate in world.candidates:
        assert choose_waiting(candidate, line, world.queues, world.now) == choose_waiting(
            candidate, world.line, world.queues, world.now
        )


@given(worlds())
def test_both_directions_agree(world: World) -> None:
    """With one agent the line decides, with one caller the strategy; `match_all` is both."""
    for candidate in world.candidates:
        taken = choose_waiting(candidate, world.line, world.queues, world.now)
        both = match_all(world.line, world.queues, [candidate], world.now)
        assert [choice.interaction_id for choice in both] == ([taken.interaction_id] if taken else [])
    for waiting in world.line:
        choice = choose_agent(waiting, world.queues[waiting.queue_id], world.candidates, world.now)
        assert match_all([waiting], world.queues, world.candidates, world.now) == ([choice] if choice else [])


@given(worlds())
def test_nobody_waits_while_a_fitting_agent_is_idle(world: World) -> None:
    choices = match_all(world.line, world.queues, world.candidates, world.now)
    won = {choice.agent_id for choice in choices}
    served = {choice.interaction_id for choice in choices}
    assert len(won) == len(served) == len(choices)
    for waiting in world.line:
        for candidate in world.candidates:
            if waiting.interaction_id not in served and candidate.agent.id not in won:
                assert not fits(waiting, world.queues[waiting.queue_id], candidate.agent, world.now)


@given(worlds())
def test_in_one_queue_at_equal_priority_the_longest_waiting_is_first(world: World) -> None:
    ordered = in_order(world.line, world.queues)
    for earlier, later in combinations(ordered, 2):
        if (earlier.queue_id, earlier.priority) == (later.queue_id, later.priority):
            assert earlier.entered_at <= later.entered_at


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 10_000), st.integers(1, 10**9))
def test_nobody_starves(mine: int, yours: int, at_s: int, us: int) -> None:
    """Whoever comes more minutes after me than he has points more can never be served before me."""
    me = caller("me", at_s, priority=mine)
    lead_s = 60 * max(0, yours - mine)
    you = caller("you", at_s + lead_s + us / SECOND, priority=yours)
    assert rank(me, queue()) < rank(you, queue())
