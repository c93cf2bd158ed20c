"""What Asterisk's own event log says: who was joined when, and how long he could have been joined before."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

AGENT: Final = re.compile(r"PJSIP/agent-(\d+)-")
CALLER: Final = re.compile(r"PJSIP/trunk-")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Times are seconds since 1970."""

    event: str = msgspec.field(name="eventtype")
    at: float = msgspec.field(name="eventtime")
    uniqueid: str
    linkedid: str = ""
    channel: str = msgspec.field(name="channame", default="")
    app: str = msgspec.field(name="appname", default="")
    extra: str = msgspec.field(name="eventextra", default="")

    @property
    def bridge(self) -> str:
        """The bridge entered or left; empty for a holding bridge, in which an idle agent sits."""
        if not self.extra:
            return ""
        told = msgspec.json.decode(self.extra, type=_BridgeExtra)
        return "" if told.bridge_technology == "holding_bridge" else told.bridge_id


class _BridgeExtra(msgspec.Struct, frozen=True):
    bridge_id: str = ""
    bridge_technology: str = ""


_DECODER: Final = msgspec.json.Decoder(Row, strict=False)


def rows(text: bytes) -> list[Row]:
    """All lines, in order of writing."""
    return [_DECODER.decode(line) for line in text.splitlines()]


class Answer(msgspec.Struct, frozen=True):
    """One caller joined to an agent."""

    waited: float
    """Seconds from the queue to the agent."""
    delay: float
    """Seconds from the moment when both were there: the caller in the queue, and this agent free."""


def answers(log: Iterable[Row]) -> list[Answer]:
    """Every caller's first talk. The queue is entered when Queue() begins, or when the flow's AGI() has ended.

    An agent of a pool sits in a holding bridge and comes to the caller by way of a Local channel: he hears him from the
    moment when the caller enters a bridge, and is free when he is back in the holding bridge.
    """
    told = list(log)
    pool = any(row.event == "BRIDGE_ENTER" and not row.bridge for row in told)
    entered: dict[str, float] = {}
    caller_in: dict[str, tuple[str, float]] = {}
    left: dict[str, float] = {}
    freed: dict[str, float] = {}
    agent_in: dict[str, tuple[float, float]] = {}
    joined: set[str] = set()
    found: list[Answer] = []
    for row in told:
        agent = AGENT.match(row.channel)
        if agent is not None:
            code = agent[1]
            if row.event == "HANGUP" or (row.event == "BRIDGE_EXIT" and row.bridge):
                left[code] = row.at
                if not pool:
                    freed[code] = row.at
            elif row.event == "BRIDGE_ENTER" and row.bridge:
                agent_in[row.bridge] = (row.at, freed.get(code, 0.0))
            elif row.event == "BRIDGE_ENTER":
                freed[code] = left.get(code, 0.0)
        elif CALLER.match(row.channel) and row.uniqueid not in joined:
            if (row.event, row.app) in (("APP_START", "Queue"), ("APP_END", "AGI")):
                entered[row.uniqueid] = row.at
            elif row.event == "BRIDGE_ENTER":
                caller_in[row.bridge] = (row.uniqueid, row.at)
        if row.event == "BRIDGE_ENTER" and row.bridge in caller_in and row.bridge in agent_in:
            leg, at = caller_in.pop(row.bridge)
            agent_at, free = agent_in[row.bridge]
            at = at if pool else max(at, agent_at)
            joined.add(leg)
            if leg in entered:
                found.append(Answer(waited=at - entered[leg], delay=at - max(entered[leg], free)))
    return found
