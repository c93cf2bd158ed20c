"""Definitions that make no sense are refused with what, where and what to do."""

import math
from typing import Any

import pytest
from hypothesis import given

from engine.acd.definitions import check_agent, check_queue
from engine.domain.policy import AgentProfile, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, QueueId
from engine.errors import ConfigError
from tests.acd.factories import agent, needs, queue, queues


def step(after_s: float = 0.0, **levels: int) -> RoutingStep:
    return RoutingStep(after_s=after_s, needs=needs(**levels))


TWICE = RoutingStep(needs=(SkillNeed(skill="sales", level=1), SkillNeed(skill="sales", level=2)))

QUEUES: list[tuple[dict[str, Any], str, str]] = [
    ({"ring_s": 0}, "queue q, ring_s", "0 s makes no sense"),
    ({"wrap_up_s": -1}, "queue q, wrap_up_s", "-1 s makes no sense"),
    ({"max_wait_s": math.inf}, "queue q, max_wait_s", "inf s makes no sense"),
    ({"service_level_s": math.nan}, "queue q, service_level_s", "nan s makes no sense"),
    ({"short_abandon_s": 1e9}, "queue q, short_abandon_s", "1e+09 s makes no sense"),
    ({"priority": 1001}, "queue q, priority", "1001 makes no sense"),
    ({"priority": -(10**30)}, "queue q, priority", f"-{10**30} makes no sense"),
    ({"steps": ()}, "queue q", "there is no routing step"),
    ({"steps": (step(5),)}, "queue q, step 1", "the first step begins after 5 s"),
    ({"steps": (step(), step(9), step(9))}, "queue q, step 3", "it begins after 9 s, the step before it after 9 s"),
    ({"steps": (step(), step(-3))}, "queue q, step 2, after_s", "-3 s makes no sense"),
    ({"steps": (step(), step(5, sales=11))}, "queue q, step 2, skill sales", "level 11 makes no sense"),
    ({"steps": (step(sales=0),)}, "queue q, step 1, skill sales", "level 0 makes no sense"),
    ({"steps": (TWICE,)}, "queue q, step 1", "skill sales occurs twice"),
    ({"steps": (step(**{" ": 1}),)}, "queue q, step 1", "the skill name ' ' is empty or has blanks around it"),
]


@pytest.mark.parametrize(("fields", "where", "what"), QUEUES)
def test_a_queue_that_makes_no_sense(fields: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_queue(QueuePolicy(id=QueueId("q"), name="q", **fields))
    assert (caught.value.where, caught.value.what) == (where, what)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("profile", "where"),
    [
        (agent("a", sales=11), "agent a, skill sales"),
        (agent("a", **{"": 3}), "agent a"),
        (AgentProfile(id=AgentId("a"), name="a", endpoint=""), "agent a"),
    ],
)
def test_an_agent_that_makes_no_sense(profile: AgentProfile, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_agent(profile)
    assert caught.value.where == where
    assert caught.value.mend


@given(queues("q"))
def test_sensible_queues_pass(sensible: QueuePolicy) -> None:
    check_queue(sensible)


def test_the_defaults_pass() -> None:
    check_queue(queue())
    check_agent(agent("a"))
    check_agent(agent("a", sales=1, 张=10))
