"""All live state of a floor, as plain data that a snapshot can hold.

Only `engine.floor` writes it. Everything else reads it through `Floor`, or hears of it by events.
"""

from __future__ import annotations

import msgspec

from engine.dialer.blending import Arrivals
from engine.dialer.governor import Book
from engine.dialer.modes import Learnt
from engine.dialer.trunks import TrunkState
from engine.domain.agent import AgentState
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import (
    AttemptId,
    CampaignId,
    CampaignPolicy,
    CampaignState,
    ClaimedLead,
    LeadId,
    TrunkId,
)
from engine.domain.commands import Ask
from engine.domain.flow import Flow, FlowState
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, SkillNeed, TrunkPolicy
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
    # when we called
    campaign_id: CampaignId | None = None
    attempt_id: AttemptId | None = None


class Preview(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A lead that an agent is shown before it is dialled."""

    campaign_id: CampaignId
    lead: ClaimedLead
    wanted: bool = False
    """He said yes, or his time is over: it is dialled as soon as it may be."""
    dialled: bool = False


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
    preview: Preview | None = None
    """The lead that he looks at, or that is being dialled for him."""
    removed: bool = False
    """Forgotten as soon as he is offline."""

    def can_take(self) -> bool:
        """Whether a match may choose this agent now."""
        if self.state is not AgentState.AVAILABLE or not self.reachable or self.preview is not None:
            return False
        return self.leg_idle if self.mode is LegMode.NAILED_UP else True


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One dialled number, until its line is free again; the outcome may be known earlier. Instants are `now`."""

    id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    trunk_id: TrunkId
    dialled_at: int
    state: AttemptState = AttemptState.DIALLING
    answered_at: int = 0
    answer_told_at: int = 0
    """Asterisk's own time of the answer, 0 unknown."""
    connected_at: int = 0
    outcome: Outcome | None = None
    agent_id: AgentId | None = None
    """Who looked at this lead before, and is kept for it."""
    agentless: bool = False
    """Its message is what it was dialled for; nobody is joined to it."""
    tracing: bool = False
    """Its leg is gone and nobody told us how: CEL is being asked."""


class Campaign(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One campaign. `stock` are claimed leads, first to be dialled first."""

    policy: CampaignPolicy
    learnt: Learnt
    state: CampaignState = CampaignState.STOPPED
    removed: bool = False
    """It is forgotten when the last of its calls is."""
    stock: list[ClaimedLead] = []
    claiming: int = 0
    """How many leads were asked for and did not come yet."""
    claim_at: int = 0
    """Not asked again before."""
    book: Book = msgspec.field(default_factory=Book)
    book_asked_at: int = 0
    pace_at: int = 0
    """When the pacing is due."""
    ringing: dict[AttemptId, int] = {}
    """When each call in flight was dialled, oldest first."""
    answered: dict[AttemptId, int] = {}
    """When each live answer that has no agent yet was given."""
    up: int = 0
    """Lines in use, talks and messages too."""
    inbound: Arrivals = msgspec.field(default_factory=Arrivals)
    """Callers who come to the same agents by other queues."""
    handle_s: float = 0.0
    """Talk and wrap-up of one call of these agents, a fading mean; 0 before the first."""
    tokens: TrunkState = msgspec.field(default_factory=TrunkState)
    """The campaign's own limit of lines and calls per second."""
    reason: str = ""
    rule: str = ""
    figures: dict[str, float] = {}
    dialled_at: int = 0
    """When it last dialled: of several whose agents are the same, the one that waited longest decides first."""
    hungry_since: int = 0
    """Since when the calls of others have left it no agent to dial for; 0 since it dialled."""
    turn: AttemptId | None = None
    """Its last call that an agent was kept for, because it had waited so long."""
    told_at: int = 0
    told: str = ""


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
    campaigns: dict[CampaignId, Campaign] = {}
    attempts: dict[AttemptId, Attempt] = {}
    trunks: dict[TrunkId, TrunkPolicy] = {}
    trunk_states: dict[TrunkId, TrunkState] = {}


ENCODER = msgspec.json.Encoder(order="sorted")
DECODER: msgspec.json.Decoder[FloorState] = msgspec.json.Decoder(FloorState)
