"""Refuses definitions of queues and agents that make no sense, before they become facts.

The core takes what it is given; so whoever reads a definition from a person or a file calls this first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import isfinite

from engine.domain.policy import PRIORITY_LIMIT, AgentProfile, QueuePolicy, RoutingStep
from engine.errors import ConfigError

LOWEST_LEVEL, HIGHEST_LEVEL = 1, 10
_LONGEST_S = 7 * 86_400.0


def check_queue(queue: QueuePolicy) -> None:
    """Check one queue.

    Raises:
        ConfigError: `where` names the queue and the field or routing step, `mend` what to write instead.
    """
    where = f"queue {queue.id}"
    durations = {
        "ring_s": (queue.ring_s, 1.0),
        "wrap_up_s": (queue.wrap_up_s, 0.0),
        "max_wait_s": (queue.max_wait_s, 1.0),
        "service_level_s": (queue.service_level_s, 0.0),
        "short_abandon_s": (queue.short_abandon_s, 0.0),
        "announce_every_s": (queue.announce_every_s, 1.0),
    }
    for field, (seconds, lowest) in durations.items():
        _check_seconds(seconds, lowest, f"{where}, {field}")
    if abs(queue.priority) > PRIORITY_LIMIT:
        raise ConfigError(
            f"{queue.priority} makes no sense",
            where=f"{where}, priority",
            mend=f"use -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}: a point is worth a minute of waiting",
        )
    if not queue.steps:
        raise ConfigError("there is no routing step", where=where, mend="give one step with after_s 0")
    for number, step in enumerate(queue.steps, start=1):
        _check_step(step, f"{where}, step {number}")
    if queue.steps[0].after_s != 0:
        raise ConfigError(
            f"the first step begins after {queue.steps[0].after_s:g} s",
            where=f"{where}, step 1",
            mend="set its after_s to 0: somebody must be asked for from the first moment on",
        )
    for number, (earlier, later) in enumerate(pairwise(queue.steps), start=2):
        if later.after_s <= earlier.after_s:
            raise ConfigError(
                f"it begins after {later.after_s:g} s, the step before it after {earlier.after_s:g} s",
                where=f"{where}, step {number}",
                mend="order the steps by after_s, each later than the one before",
            )


def check_agent(agent: AgentProfile) -> None:
    """Check one agent.

    Raises:
        ConfigError: `where` names the agent and the skill or field, `mend` what to write instead.
    """
    where = f"agent {agent.id}"
    if not agent.endpoint:
        raise ConfigError("there is no endpoint", where=where, mend="name the PJSIP endpoint of the agent's phone")
    for skill, level in agent.skills.items():
        _check_skill(skill, level, where)


def _check_seconds(seconds: float, lowest: float, where: str) -> None:
    if not (isfinite(seconds) and lowest <= seconds <= _LONGEST_S):
        raise ConfigError(
            f"{seconds:g} s makes no sense", where=where, mend=f"use {lowest:g} to {_LONGEST_S:g} seconds"
        )


def _check_step(step: RoutingStep, where: str) -> None:
    _check_seconds(step.after_s, 0.0, f"{where}, after_s")
    for need in step.needs:
        _check_skill(need.skill, need.level, where)
    twice = _first_twice(need.skill for need in step.needs)
    if twice is not None:
        raise ConfigError(f"skill {twice} occurs twice", where=where, mend="keep the higher level")


def _check_skill(skill: str, level: int, where: str) -> None:
    if not skill.strip() or skill != skill.strip():
        raise ConfigError(f"the skill name {skill!r} is empty or has blanks around it", where=where, mend="rename it")
    if not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
        raise ConfigError(
            f"level {level} makes no sense",
            where=f"{where}, skill {skill}",
            mend=f"use {LOWEST_LEVEL} (some) to {HIGHEST_LEVEL} (best)",
        )


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
