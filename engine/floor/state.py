"""All live state of a floor, as plain data that a snapshot can hold.

Only `engine.floor` writes it. Everything else reads it through `Floor`, or hears of it by events.
"""

from __future__ import annotations

import msgspec

from engine.domain.agent import AgentState
from engine.domain.commands import Ask
from engine.domain.flow import Flow, FlowState
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, SkillNeed
from engine.domain.values import AgentId, Channel, InteractionId, LegId, LegMode, QueueId, Token


class Leg(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One Asterisk channel that concerns us: a caller's or an agent's."""

    id: LegId
    interaction_id: InteractionId | None = None
    agent_id: AgentId | None = None
    bridge: str = ""
    joined_at: int = 0
    controlled: bool = False
    """A FastAGI session of ours is open on it."""
    ringing: bool = False
    """We rang it, and it has not been picked up yet."""


class Interaction(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One live interaction. Instants are the engine's `now`; `held_at` is Asterisk's."""

    id: InteractionId
    leg: LegId
    number: str
    arrived_at: int
    flow_name: str = ""
    state: InteractionState = InteractionState.ARRIVED
    channel: Channel = Channel.VOICE
    customer_id: str | None = None
    case_id: str | None = None
    caller: Token | None = None
    caller_name: Token | None = None
    node: str = "main"
    unit: str = "main"
    # in the flow
    flow: FlowState | None = None
    pending: Ask | None = None
    hang_up_after: bool = False
    announcing: bool = False
    asks: int = 0
    # in the queue
    queue_id: QueueId | None = None
    entered_at: int = 0
    visits: int = 0
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()
    refused: tuple[AgentId, ...] = ()
    held: bool = False
    held_at: int = 0
    held_now: int = 0
    announced_at: int = 0
    recording: str = ""
    # with an agent
    agent_id: AgentId | None = None
    agent_leg: LegId | None = None
    offers: int = 0
    offered_at: int = 0
    agent_was_free: bool = False
    talk_since: int = 0
    talk_us: int = 0
    leg_gone: bool = False
    cause: int = 16
    ending: Ending = Ending.IN_FLOW
    hang_up_asked: bool = False


class Agent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One agent, signed in or not. `pause_next` and `sign_out_next` are what he wishes for after the present call."""

    profile: AgentProfile
    state: AgentState = AgentState.OFFLINE
    since: int = 0
    idle_since: int = 0
    """Since when he has waited for a call; offers that came to nothing count as waiting."""
    reason: str = ""
    mode: LegMode = LegMode.ON_DEMAND
    leg: LegId | None = None
    leg_idle: bool = False
    """A nailed-up leg is in its idle loop, ready to be bridged."""
    leg_count: int = 0
    reachable: bool = True
    interaction_id: InteractionId | None = None
    wants_ready: bool = False
    pause_next: str = ""
    sign_out_next: bool = False
    removed: bool = False
    """Forgotten as soon as he is offline."""

    def can_take(self) -> bool:
        """Whether a match may choose this agent now."""
        if self.state is not AgentState.AVAILABLE or not self.reachable:
            return False
        return self.leg_idle if self.mode is LegMode.NAILED_UP else True


class Timer(msgspec.Struct, kw_only=True, frozen=True):
    """Something due at `at`. `kind` says what; `subject` for whom."""

    at: int
    kind: str
    subject: str


class FloorState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything the floor knows. `version` is that of this layout."""

    version: int = 1
    epoch: int = 0
    now: int = 0
    blind: bool = True
    boot: str = ""
    """Asterisk's start that our belief is about."""
    draining: bool = False
    queues: dict[QueueId, QueuePolicy] = {}
    leaving: tuple[QueueId, ...] = ()
    """Removed queues that are closed and kept only for those who are still in them."""
    numbers: dict[str, NumberPolicy] = {}
    flows: dict[str, Flow] = {}
    old_flows: dict[str, Flow] = {}
    agents: dict[AgentId, Agent] = {}
    interactions: dict[InteractionId, Interaction] = {}
    legs: dict[LegId, Leg] = {}
    timers: dict[str, Timer] = {}


ENCODER = msgspec.json.Encoder(order="sorted")
DECODER: msgspec.json.Decoder[FloorState] = msgspec.json.Decoder(FloorState)
