"""Frozen definitions that the core receives as facts: agents, queues, numbers. Never settings.

Durations are seconds (float) because people write them; instants are microseconds (int).
"""

from enum import StrEnum
from typing import Final

from engine.domain.values import AgentId, LegMode, Prompt, QueueId, Value

PRIORITY_LIMIT: Final = 1_000
"""Each priority, a queue's or one that a flow names, is within ± this: some 17 hours of waiting, and no more."""


class Strategy(StrEnum):
    """Which of the fitting agents is chosen."""

    LONGEST_IDLE = "longest-idle"
    MOST_SKILLED = "most-skilled"


class SkillNeed(Value):
    """A skill and its lowest acceptable level, 1 (some) to 10 (best)."""

    skill: str
    level: int = 1


class RoutingStep(Value):
    """Requirements that hold from `after_s` seconds of waiting on. Later steps replace earlier ones."""

    needs: tuple[SkillNeed, ...] = ()
    after_s: float = 0.0


class AgentProfile(Value):
    """One agent. `skills` maps a skill to its level 1..10; `endpoint` is the PJSIP endpoint of the phone."""

    id: AgentId
    name: str
    endpoint: str
    skills: dict[str, int] = {}
    mode: LegMode = LegMode.ON_DEMAND
    unit: str = "main"


class QueuePolicy(Value):
    """One queue.

    An agent serves the queue when he satisfies the present routing step; `steps` must start at `after_s` 0.
    `priority` is added to the interaction's own; a waiting minute counts as much as one point of priority.
    """

    id: QueueId
    name: str
    steps: tuple[RoutingStep, ...] = (RoutingStep(),)
    strategy: Strategy = Strategy.LONGEST_IDLE
    priority: int = 0
    ring_s: float = 15.0
    wrap_up_s: float = 10.0
    max_wait_s: float = 300.0
    service_level_s: float = 20.0
    short_abandon_s: float = 5.0
    music: str = "default"
    announce_position: bool = True
    announce_every_s: float = 30.0
    language: str = "en"
    record: bool = True
    open: bool = True
    before_connect: tuple[Prompt, ...] = ()
    unit: str = "main"


class NumberPolicy(Value):
    """An inbound number (E.164, with +) and the flow that it leads to."""

    e164: str
    flow: str
    unit: str = "main"
    language: str = "en"


class TrunkPolicy(Value):
    """One line to the public telephone network, known by the address its calls come from.

    `host` is a name or an address. `username` is set for carriers that ask us for a password; the password itself is no
    policy: it lies in the store and goes only into Asterisk's configuration. `lines`: at most so many calls at once
    that we dialled, `calls_per_second`: at most so many new ones; 0 for no limit.
    """

    id: str
    host: str
    port: int = 5060
    username: str = ""
    unit: str = "main"
    lines: int = 0
    calls_per_second: float = 0.0
