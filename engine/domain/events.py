"""What the floor makes known: the typed events behind the fact tables, MQTT topics, webhooks and pages.

They are consequences: replaying the journal yields them again, byte for byte. Names in the past tense; a class or a
field is never renamed.
"""

from __future__ import annotations

import msgspec

from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, CampaignId, CampaignState, LeadId, TrunkId
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import AgentId, Channel, InteractionId, LegId, QueueId, Token, Value


class Event(Value, tag=True, tag_field="event"):
    """Base of all events. `at` is UTC microseconds by the engine's clock."""

    at: int
    interaction_id: InteractionId | None = None
    channel: Channel = Channel.VOICE
    customer_id: str | None = None
    case_id: str | None = None


class InteractionArrived(Event):
    """A new interaction. `number` is ours."""

    number: str
    flow: str
    caller: Token | None = None
    caller_name: Token | None = None
    leg: LegId | None = None
    unit: str = "main"
    campaign_id: CampaignId | None = None
    """Set when we called: the interaction is an answered attempt, and `number` is the caller id that was shown."""
    attempt_id: AttemptId | None = None


class InteractionMoved(Event):
    """An interaction went from one state to another. `node` is the flow node where it stands in a flow."""

    old: InteractionState
    new: InteractionState
    queue_id: QueueId | None = None
    agent_id: AgentId | None = None
    node: str = ""
    reason: str = ""


class InteractionQueued(Event):
    """An interaction entered a queue (counted once per queue visit; a return after no answer is not a new visit)."""

    queue_id: QueueId
    priority: int = 0


class InteractionOffered(Event):
    """A match was made. `rank` of `considered` agents; `explain` recomputes the rest from the journal."""

    queue_id: QueueId
    agent_id: AgentId
    considered: int
    waited_us: int


class OfferFailed(Event):
    """The agent did not take the offer; the interaction is back at the head of its queue."""

    queue_id: QueueId
    agent_id: AgentId
    reason: str


class InteractionAnswered(Event):
    """Both legs are in one bridge. `waited_us` is the time in queue; `agent_was_free` when an agent was free at once.

    `held_at`/`joined_at` are Asterisk's own event times (µs, 0 unknown) of the hold place and the later BridgeEnter.
    """

    queue_id: QueueId
    agent_id: AgentId
    waited_us: int
    agent_was_free: bool = False
    held_at: int = 0
    joined_at: int = 0
    agent_leg: LegId | None = None
    recording: str = ""


class InteractionLeftQueue(Event):
    """An interaction left its queue without an agent: abandoned, overflowed, callback or lost."""

    queue_id: QueueId
    how: Ending
    waited_us: int


class InteractionEnded(Event):
    """The customer is gone (and any wrap-up is over). `ending` is its one place in the sums."""

    ending: Ending
    cause: int = 16
    arrived_us: int = 0
    talk_us: int = 0
    wrap_up_us: int = 0


class AgentMoved(Event):
    """An agent went from one state to another."""

    agent_id: AgentId
    old: AgentState
    new: AgentState
    reason: str = ""
    mode: str = ""


class FlowStepped(Event):
    """An interaction entered a flow node."""

    flow: str
    node: str


class CallbackPromised(Event):
    """A caller left a number to be called back."""

    number: Token
    spool_id: str


class CampaignMoved(Event):
    """A campaign was started, paused or stopped; also by the engine itself, and then `reason` says why."""

    campaign_id: CampaignId
    old: CampaignState
    new: CampaignState
    by: str = ""
    reason: str = ""


class CampaignPaced(Event):
    """The pace of a campaign changed for another reason than before. `reason` is an id, `figures` what it rests on."""

    campaign_id: CampaignId
    reason: str
    rule: str = ""
    figures: dict[str, float] = {}


class LeadPreviewed(Event):
    """An agent is shown a lead before it is dialled; at `until` (µs) it is dialled if he has said nothing."""

    agent_id: AgentId
    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    until: int


class AttemptBegun(Event):
    """The floor decided to dial. The ledger has its own, earlier proof: the INTENT."""

    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    trunk_id: TrunkId


class AttemptEnded(Event):
    """An attempt has its one outcome, which nothing changes any more. Instants are µs, 0 when it did not happen.

    One that was joined to an agent ends with its line, for until then it may turn out to be a machine. `wait_us`: from
    the answer to the agent. `cause` is Q.850.
    """

    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    trunk_id: TrunkId
    outcome: Outcome
    dialled_at: int
    answered_at: int = 0
    connected_at: int = 0
    wait_us: int = 0
    cause: int = 0
    agent_id: AgentId | None = None
    rule: str = ""
    until: int = 0


class PersonOptedOut(Event):
    """A called person asked not to be called again; the do-not-call list has it already."""

    attempt_id: AttemptId
    campaign_id: CampaignId


class TrunkMoved(Event):
    """A trunk's circuit breaker opened (`open`), tries again (`probing`) or closed (`closed`)."""

    trunk_id: TrunkId
    state: str
    reason: str = ""


class Anomaly(Event):
    """Something contradicted what the floor believed. Not an error: it was noted, and a resync may follow."""

    what: str
    leg: LegId | None = None


AnyEvent = (
    InteractionArrived
    | InteractionMoved
    | InteractionQueued
    | InteractionOffered
    | OfferFailed
    | InteractionAnswered
    | InteractionLeftQueue
    | InteractionEnded
    | AgentMoved
    | FlowStepped
    | CallbackPromised
    | CampaignMoved
    | CampaignPaced
    | LeadPreviewed
    | AttemptBegun
    | AttemptEnded
    | PersonOptedOut
    | TrunkMoved
    | Anomaly
)

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
