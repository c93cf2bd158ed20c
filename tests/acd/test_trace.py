"""What `explain` will print about a choice."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.acd.matching import Decision, FittingAgent, SeenAgent, choose_agent, refusals, trace
from engine.domain.agent import AgentState
from engine.domain.policy import Strategy
from engine.domain.values import SECOND
from tests.acd.factories import START, World, agent, caller, needs, queue, worlds

S = AgentState
NOW = START + 100 * SECOND
QUEUE = queue("q", (0, {"sales": 8}), (30, {"sales": 5}), strategy=Strategy.MOST_SKILLED, priority=2)
FLOOR: list[SeenAgent] = [
    (agent("gus", sales=9), S.AVAILABLE, None, "phone-gone"),
    (agent("ann", sales=7, french=3), S.AVAILABLE, START + 90 * SECOND, ""),
    (agent("bob", sales=7, french=2), S.AVAILABLE, START + 40 * SECOND, ""),
    (agent("cid", sales=3, french=9), S.AVAILABLE, START, ""),
    (agent("dot", sales=9, french=9), S.NOT_READY, START, "lunch"),
    (agent("eve", sales=4), S.TALKING, None, ""),
    (agent("fay", sales=9, french=9), S.WRAP_UP, None, ""),
]


def decision() -> Decision:
    return trace(caller("c", 60, priority=1, french=2), QUEUE, FLOOR, NOW)


def test_the_terms_of_the_choice() -> None:
    found = decision()
    assert (found.winner, found.step, found.needs) == ("ann", 1, needs(french=2, sales=5))
    assert (found.waited_us, found.priority, found.queue_priority) == (40 * SECOND, 1, 2)
    assert found.fitting == (
        FittingAgent(
            agent_id=FLOOR[1][0].id, place=1, idle_us=10 * SECOND, skill_points=10, levels={"french": 3, "sales": 7}
        ),
        FittingAgent(
            agent_id=FLOOR[2][0].id, place=2, idle_us=60 * SECOND, skill_points=9, levels={"french": 2, "sales": 7}
        ),
    )


def test_its_keys_have_one_order() -> None:
    """Two explanations of one choice are the same text."""
    assert [list(agent.levels) for agent in decision().fitting] == [["french", "sales"]] * 2


def test_every_other_agent_and_why_he_was_refused() -> None:
    assert {refused.agent_id: refused.reasons for refused in decision().refused} == {
        "cid": ("skill sales 3 < 5",),
        "dot": ("not ready: lunch",),
        "eve": ("talking", "skill french 0 < 2", "skill sales 4 < 5"),
        "fay": ("wrap-up",),
        "gus": ("available, but cannot be reached: phone-gone", "skill french 0 < 2"),
    }


def test_it_goes_through_json_unchanged() -> None:
    found = decision()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Decision) == found


def test_with_nobody_there_it_says_so() -> None:
    empty = trace(caller("c", 0), queue(), [], NOW)
    assert (empty.winner, empty.fitting, empty.refused, empty.step) == (None, (), (), 0)
    assert msgspec.to_builtins(empty)["winner"] is None  # the key stays


@given(worlds(), st.data())
def test_it_explains_the_choice_that_is_made(world: World, data: st.DataObject) -> None:
    states = data.draw(st.lists(st.sampled_from(AgentState), min_size=3, max_size=3))
    busy = [(agent(f"z{i}"), state, None, "") for i, state in enumerate(states)]
    seen: list[SeenAgent] = [(c.agent, S.AVAILABLE, c.idle_since, "") for c in world.candidates]
    everyone = data.draw(st.permutations([*seen, *busy]))
    for waiting in world.line:
        where = world.queues[waiting.queue_id]
        found = trace(waiting, where, everyone, world.now)
        choice = choose_agent(waiting, where, world.candidates, world.now)
        assert found.winner == (choice.agent_id if choice else None)
        assert len(found.fitting) == (choice.fitting if choice else 0)
        assert len(found.fitting) + len(found.refused) == len(everyone)
        assert all(refused.reasons for refused in found.refused)
        assert found.refused == tuple(sorted(found.refused, key=lambda r: r.agent_id))
        for fitting in found.fitting:
            profile = next(c.agent for c in world.candidates if c.agent.id == fitting.agent_id)
            assert refusals(waiting, where, profile, world.now) == ()
