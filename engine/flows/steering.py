"""The variables that steer a queue: `priority`, and `skill.NAME` with the level a caller needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.domain.flow import Enqueue
from engine.domain.policy import SkillNeed

PRIORITY: Final = "priority"
SKILL: Final = "skill."
LEVELS: Final = (1, 10)


def priority_of(node: Enqueue, variables: Mapping[str, str]) -> int:
    """The queue node's priority plus the variable's."""
    return node.priority + int(variables.get(PRIORITY, "0"))


def needs_of(node: Enqueue, variables: Mapping[str, str]) -> tuple[SkillNeed, ...]:
    """The queue node's needs and the variables', by skill; of two levels for one skill the higher."""
    levels = {need.skill: need.level for need in node.needs}
    for name, value in variables.items():
        if name.startswith(SKILL):
            skill = name.removeprefix(SKILL)
            levels[skill] = max(levels.get(skill, 1), int(value))
    return tuple(SkillNeed(skill=skill, level=level) for skill, level in sorted(levels.items()))
