"""What the store and the flow folder define, told to the floor as facts where it differs from what the floor has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from engine.domain.facts import (
    AgentDefined,
    AgentRemoved,
    FlowActivated,
    NumberDefined,
    NumberRemoved,
    QueueDefined,
    QueueRemoved,
)
from engine.domain.flow import Flow
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy
from engine.errors import ConfigError
from engine.floor import Floor
from engine.flows.parser import parse
from engine.runtime.ports import FactSink

log = structlog.get_logger(__name__)


class Defined(Protocol):
    """The definitions a store holds."""

    async def agents(self) -> list[AgentProfile]:
        """Every agent."""

    async def queues(self) -> list[QueuePolicy]:
        """Every queue."""

    async def numbers(self) -> list[NumberPolicy]:
        """Every inbound number."""


async def refresh(defined: Defined, flows: Path, floor: Floor, sink: FactSink) -> None:
    """Tell the floor what changed while the engine was away. A broken flow file leaves the old version live."""
    state = floor.state
    queues = {queue.id: queue for queue in await defined.queues()}
    for queue in queues.values():
        if state.queues.get(queue.id) != queue:
            sink.put(QueueDefined(queue=queue))
    for queue_id in state.queues.keys() - queues.keys():
        sink.put(QueueRemoved(queue_id=queue_id))
    agents = {agent.id: agent for agent in await defined.agents()}
    for agent in agents.values():
        known = state.agents.get(agent.id)
        if known is None or known.profile != agent:
            sink.put(AgentDefined(agent=agent))
    for agent_id in state.agents.keys() - agents.keys():
        sink.put(AgentRemoved(agent_id=agent_id))
    numbers = {number.e164: number for number in await defined.numbers()}
    for number in numbers.values():
        if state.numbers.get(number.e164) != number:
            sink.put(NumberDefined(number=number))
    for e164 in state.numbers.keys() - numbers.keys():
        sink.put(NumberRemoved(e164=e164))
    for flow in await asyncio.to_thread(read_flows, flows):
        live = state.flows.get(flow.name)
        if live is None or live.version != flow.version:
            sink.put(FlowActivated(flow=flow))


def read_flows(folder: Path) -> list[Flow]:
    """Every flow of the folder that can be used; the others are reported and left out."""
    flows = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            flows.append(parse(path.read_text(encoding="utf-8"), str(path)))
        except (ConfigError, OSError, UnicodeDecodeError) as broken:
            log.error("flow file cannot be used; the old version stays live", file=path.name, why=str(broken))
    return flows
