"""Builds the Asterisk edge of one node: AMI links, FastAGI server, sessions, phone desk."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, NamedTuple

from ulid import ULID

from engine.agi.server import AgiServer
from engine.ami.client import AmiClient, LinkState
from engine.ami.link import AmiAddress
from engine.asterisk.channels import Channels, Minting
from engine.asterisk.dialling import Intend
from engine.asterisk.numbers import Numbering
from engine.asterisk.phone_desk import Credentials, Desk
from engine.asterisk.prompts import PromptLibrary
from engine.asterisk.sessions import Sessions
from engine.asterisk.sounds import PromptSounds
from engine.asterisk.telephony import Outbound, Telephony
from engine.domain.agent import AgentState
from engine.domain.values import AgentId, InteractionId, LegId
from engine.floor import Floor, agents
from engine.runtime.ports import FactSink, Vault
from engine.settings import Settings


class Switch(NamedTuple):
    """The parts that run, and the one that carries out commands; `links` are its AMI links."""

    telephony: Telephony
    agi: AgiServer
    prompts: PromptLibrary
    links: tuple[AmiClient, ...]

    @property
    def trouble(self) -> str:
        """Why Asterisk's manager interface is not there, in words; "" while it is."""
        down = [link for link in self.links if link.state is not LinkState.UP]
        if not down:
            return ""
        return next((link.trouble for link in down if link.trouble), "not connected yet")


def build(
    settings: Settings, floor: Floor, sink: FactSink, vault: Vault, credentials: Credentials, intend: Intend
) -> Switch:
    """Wire the edge to the floor's read side and to the sink of its facts. Nothing is started."""
    asterisk = settings.asterisk

    def interaction_of(leg: LegId) -> InteractionId | None:
        known = floor.state.legs.get(leg)
        return known.interaction_id if known is not None else None

    def agent_at(endpoint: str) -> AgentId | None:
        return who_is_at(floor, endpoint)

    def signed_in(agent_id: AgentId) -> bool:
        agent = floor.state.agents.get(agent_id)
        return agent is not None and agent.state is not AgentState.OFFLINE

    def lacks_leg(agent_id: AgentId) -> bool:
        agent = floor.state.agents.get(agent_id)
        return agent is not None and agents.lacks_leg(agent)

    def phone_taken(agent_id: AgentId) -> bool:
        agent = floor.state.agents.get(agent_id)
        return agent is not None and agents.at_his_phone(floor.state, agent) is not None

    minting = Minting(
        interaction_id=lambda: InteractionId(f"ix_{ULID()}"),
        token=vault.token,
        agent_of_endpoint=agent_at,
        interaction_of=interaction_of,
    )
    channels = Channels(Numbering(settings.site.region), minting)
    prompts = PromptLibrary(asterisk.sounds, settings.paths.data / "prompts")
    sounds = PromptSounds(prompts)
    desk = Desk(credentials, sounds, sink, agent_at, signed_in, lacks_leg, phone_taken)
    sessions = Sessions(channels, sounds, desk, sink, vault.token, interaction_of)
    address = AmiAddress(
        host=asterisk.host,
        port=asterisk.ami_port,
        username=asterisk.ami_user,
        secret=asterisk.ami_secret.get_secret_value(),
    )
    agi = AgiServer(
        (asterisk.agi_bind, asterisk.agi_port),
        secret=asterisk.agi_secret.get_secret_value(),
        allow=[ip_network(net) for net in asterisk.agi_allow],
        admit=sessions.admit,
        serve=sessions.serve,
    )
    links: list[AmiClient] = []

    def link(name: str, **wishes: Any) -> AmiClient:
        links.append(AmiClient(address, name=f"AMI link for {name}", **wishes))
        return links[-1]

    outbound = Outbound(intend=intend, sounds=sounds, record=asterisk.cel)
    return Switch(Telephony(link, channels, sessions, sink, outbound=outbound), agi, prompts, tuple(links))


def who_is_at(floor: Floor, endpoint: str) -> AgentId | None:
    """The agent whose phone this PJSIP endpoint is; of several who share it in shifts, the one who is signed in."""
    sharing = [agent for agent in floor.state.agents.values() if agent.profile.endpoint == endpoint]
    sharing.sort(key=lambda agent: (agent.state is AgentState.OFFLINE, agent.profile.id))
    return sharing[0].profile.id if sharing else None
