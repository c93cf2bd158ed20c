"""The demo's company: its queues, people and numbers. Small enough to watch, busy enough to wait sometimes."""

from __future__ import annotations

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, LegMode, QueueId

PIN = "2468"
NUMBER = "+442079460001"
NUMBER_ZH = "+862161234567"

_PEOPLE = (
    ("1001", "Ada Byron", LegMode.NAILED_UP, {"sales": 5, "support": 2}),
    ("1002", "张伟", LegMode.NAILED_UP, {"sales": 3, "support": 4}),
    ("1003", "Grace Hopper", LegMode.NAILED_UP, {"support": 5}),
    ("1004", "Agner Erlang", LegMode.ON_DEMAND, {"sales": 4}),
    ("1005", "李娜", LegMode.ON_DEMAND, {"support": 3, "sales": 1}),
)


def _queue(queue_id: str, name: str, skill: str) -> QueuePolicy:
    return QueuePolicy(
        id=QueueId(queue_id),
        name=name,
        steps=(
            RoutingStep(needs=(SkillNeed(skill=skill, level=2),)),
            RoutingStep(needs=(SkillNeed(skill=skill, level=1),), after_s=8.0),
        ),
        ring_s=8.0,
        wrap_up_s=2.0,
        max_wait_s=45.0,
        announce_every_s=12.0,
    )


QUEUES = (_queue("sales", "Sales", "sales"), _queue("support", "Support", "support"))
SKILLS = ("sales", "support")
AGENTS = tuple(
    AgentProfile(id=AgentId(code), name=name, endpoint=f"agent-{code}", skills=skills, mode=mode)
    for code, name, mode, skills in _PEOPLE
)
NUMBERS = (NumberPolicy(e164=NUMBER, flow="main-en"),)
