"""What the store and the flow folder define, told to the floor as facts where it differs from what the floor has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from engine.domain.campaign import CampaignId, CampaignState, TrunkId
from engine.domain.facts import (
    AgentDefined,
    AgentRemoved,
    AnyFact,
    CampaignDefined,
    CampaignPaused,
    CampaignRemoved,
    CampaignStarted,
    CampaignStopped,
    FlowActivated,
    NumberDefined,
    NumberRemoved,
    QueueDefined,
    QueueRemoved,
    TrunkDefined,
    TrunkRemoved,
)
from engine.domain.flow import Flow
from engine.domain.policy import AgentProfile
from engine.errors import CallwrightError, ConfigError
from engine.floor import Floor
from engine.flows.parser import parse
from engine.runtime.ports import FactSink
from engine.store.definitions import Definitions

log = structlog.get_logger(__name__)
BY_STORE = "store"
"""Who asked, where a wish was written into the store while no engine ran."""


async def refresh(defined: Definitions, flows: Path, floor: Floor, sink: FactSink) -> None:
    """Tell the floor what changed while the engine was away. A broken flow file leaves the old version live."""
    state = floor.state
    queues = {queue.id: queue for queue in await defined.queues.list()}
    for queue in queues.values():
        if state.queues.get(queue.id) != queue:
            sink.put(QueueDefined(queue=queue))
    for queue_id in state.queues.keys() - queues.keys():
        sink.put(QueueRemoved(queue_id=queue_id))
    agents = {agent.id: agent for agent in await defined.agents.list()}
    for agent in agents.values():
        known = state.agents.get(agent.id)
        if known is None or known.profile != agent:
            sink.put(AgentDefined(agent=agent))
    for agent_id in state.agents.keys() - agents.keys():
        sink.put(AgentRemoved(agent_id=agent_id))
    numbers = {number.e164: number for number in await defined.numbers.list()}
    for number in numbers.values():
        if state.numbers.get(number.e164) != number:
            sink.put(NumberDefined(number=number))
    for e164 in state.numbers.keys() - numbers.keys():
        sink.put(NumberRemoved(e164=e164))
    await _refresh_outbound(defined, floor, sink)
    for flow in await asyncio.to_thread(read_flows, flows):
        live = state.flows.get(flow.name)
        if live is None or live.version != flow.version:
            sink.put(FlowActivated(flow=flow))


async def _refresh_outbound(defined: Definitions, floor: Floor, sink: FactSink) -> None:
    """Trunks first, then campaigns, then what was asked of campaigns while no engine ran."""
    state = floor.state
    trunks = {TrunkId(trunk.id): trunk for trunk in await defined.trunks.list()}
    for trunk_id, trunk in trunks.items():
        if state.trunks.get(trunk_id) != trunk:
            sink.put(TrunkDefined(trunk=trunk))
    for trunk_id in state.trunks.keys() - trunks.keys():
        sink.put(TrunkRemoved(trunk_id=trunk_id))
    campaigns = {each.policy.id: each for each in await defined.campaigns.standings()}
    for campaign_id, standing in campaigns.items():
        known = state.campaigns.get(campaign_id)
        if known is None or known.policy != standing.policy:
            sink.put(CampaignDefined(campaign=standing.policy))
        if standing.state is not (CampaignState.STOPPED if known is None else known.state):
            sink.put(wish(campaign_id, standing.state, BY_STORE))
    for campaign_id in state.campaigns.keys() - campaigns.keys():
        sink.put(CampaignRemoved(campaign_id=campaign_id))


def wish(campaign_id: CampaignId, wanted: CampaignState, by: str) -> AnyFact:
    """The fact that somebody asked for a state of a campaign."""
    match wanted:
        case CampaignState.RUNNING:
            return CampaignStarted(campaign_id=campaign_id, by=by)
        case CampaignState.PAUSED:
            return CampaignPaused(campaign_id=campaign_id, by=by)
        case CampaignState.STOPPED:
            return CampaignStopped(campaign_id=campaign_id, by=by)


def read_flows(folder: Path) -> list[Flow]:
    """Every flow of the folder that can be used; the others are reported and left out."""
    flows = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            flows.append(parse(path.read_text(encoding="utf-8-sig"), str(path)))
        except (ConfigError, OSError, UnicodeDecodeError) as broken:
            log.error("flow file cannot be used; the old version stays live", file=path.name, why=str(broken))
    return flows


class PhoneCredentials:
    """Who may sign in at a telephone: the agent whose id was dialled, with his PIN."""

    def __init__(self, defined: Definitions, now: Callable[[], int]) -> None:
        self._defined = defined
        self._now = now

    async def agent_with_pin(self, code: str, pin: str) -> AgentProfile | None:
        """The agent, or None: unknown, wrong PIN, or locked for now. An unknown one takes as long."""
        try:
            right = await self._defined.pins.check(code, pin, self._now())
            agent = await self._defined.agents.show(code)
        except CallwrightError as refused:
            log.info("sign-in refused", why=refused.error_id)  # without what was dialled: it may be a PIN
            return None
        if not right:
            log.info("sign-in refused", agent_id=agent.id, why="wrong PIN")
        return agent if right else None


def texts(flows: Iterable[Flow]) -> set[tuple[str, str]]:
    """(text, language) of every prompt that these flows may speak."""
    found: set[tuple[str, str]] = set()
    for flow in flows:
        for node in flow.nodes.values():
            prompts = (*getattr(node, "prompts", ()), *getattr(node, "sorry", ()))
            found.update((prompt.text, prompt.language) for prompt in prompts if prompt.text)
    return found
