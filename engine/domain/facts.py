"""What happened: the only way anything enters the floor. Names are in the past tense.

Every fact carries the interaction, its channel, the customer and the case where they are known. Facts are what the
journal holds, so a class or a field is never renamed: add, and give the new field a default.
`at` is the source's own time (for Asterisk: the event's timestamp), UTC microseconds, 0 where unknown; `now` of
`Floor.handle` is the engine's.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.domain.campaign import AttemptId, CampaignId, CampaignPolicy, ClaimedLead, LeadId, Tally, TrunkId
from engine.domain.flow import Flow
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.domain.values import (
    AgentId,
    AskOutcome,
    Channel,
    InteractionId,
    LegId,
    LegMode,
    QueueId,
    Token,
    Value,
)

BY_DETECTOR: Final = "amd"


class Fact(Value, tag=True, tag_field="fact"):
    """Base of all facts."""

    at: int = 0
    interaction_id: InteractionId | None = None
    channel: Channel = Channel.VOICE
    customer_id: str | None = None
    case_id: str | None = None


# --- the engine itself -----------------------------------------------------------------------------------------------


class EngineStarted(Fact):
    """The engine took (or took back) the floor. `epoch` counts starts."""

    version: str
    epoch: int


class TimePassed(Fact):
    """A deadline is due. Always legal."""


class ClockStepped(Fact):
    """The wall clock was moved by `delta_us`; deadlines keep to the monotonic clock."""

    delta_us: int


class DrainStarted(Fact):
    """The engine is asked to stop: nothing new is begun."""


# --- definitions -----------------------------------------------------------------------------------------------------


class QueueDefined(Fact):
    """A queue was added or changed."""

    queue: QueuePolicy


class QueueRemoved(Fact):
    """A queue was removed."""

    queue_id: QueueId


class AgentDefined(Fact):
    """An agent was added or changed."""

    agent: AgentProfile


class AgentRemoved(Fact):
    """An agent was removed."""

    agent_id: AgentId


class NumberDefined(Fact):
    """An inbound number was added or changed."""

    number: NumberPolicy


class NumberRemoved(Fact):
    """An inbound number was removed."""

    e164: str


class FlowActivated(Fact):
    """A checked flow became the live version of its name."""

    flow: Flow


# --- callers ---------------------------------------------------------------------------------------------------------


class CallArrived(Fact):
    """A caller's leg appeared on a trunk. `number` is ours (E.164); who calls is a token."""

    leg: LegId
    number: str
    caller: Token | None = None
    caller_name: Token | None = None
    node: str = "main"


class ControlGained(Fact):
    """A leg's dialplan asked the engine what to do (FastAGI). `script` is flow, poll, after or agent."""

    leg: LegId
    script: str


class ControlLost(Fact):
    """The session of `ControlGained` ended without our doing, while the leg may live on."""

    leg: LegId


class Asked(Fact):
    """A question to a caller ended. `ask` is the id of the `Ask` command.

    `choice` is the chosen option or the name of the matching pattern; `digits` the token of what was typed.
    """

    leg: LegId
    ask: str
    outcome: AskOutcome
    choice: str = ""
    digits: Token | None = None


class LegHeld(Fact):
    """A caller's leg reached the hold context: music plays, and it may be bridged."""

    leg: LegId


class LegAnswered(Fact):
    """A leg that we rang is up and may be bridged."""

    leg: LegId


class LegEnded(Fact):
    """A leg is gone. `cause` is the Q.850 cause; `lost` when Asterisk itself went away or we only found out later.

    `sip` is the final SIP status of a call of ours that nobody picked up, 0 where there was none: we gave it up
    ourselves. Cause 18 tells that nothing at all was heard of the called line, neither ringing nor sound. `rang`: it
    did ring, or sounded, before it ended without an answer, so whatever ended it, somebody's telephone may have rung.
    """

    leg: LegId
    cause: int = 16
    lost: bool = False
    sip: int = 0
    rang: bool | None = None


class LegJoined(Fact):
    """A leg entered a bridge."""

    leg: LegId
    bridge: str


class LegLeft(Fact):
    """A leg left a bridge and lives on, or is about to end."""

    leg: LegId
    bridge: str


class HangUpRequested(Fact):
    """Somebody with the right asked to end an interaction."""

    by: str


# --- what commands came to -------------------------------------------------------------------------------------------


class RingFailed(Fact):
    """An agent's phone could not be reached or did not answer. `cause` is Q.850, 0 when Asterisk refused."""

    agent_id: AgentId
    leg: LegId
    cause: int = 0


class BridgeFailed(Fact):
    """Asterisk refused to join two legs."""

    leg: LegId
    other: LegId
    reason: str = ""


# --- agents ----------------------------------------------------------------------------------------------------------


class AgentSignedIn(Fact):
    """An agent signed in. A nailed-up agent who signed in by telephone brings his leg along."""

    agent_id: AgentId
    mode: LegMode
    leg: LegId | None = None
    ready: bool = True
    by: str = ""


class AgentSignedOut(Fact):
    """An agent signed out."""

    agent_id: AgentId
    by: str = ""


class AgentReadied(Fact):
    """An agent wants interactions."""

    agent_id: AgentId
    by: str = ""


class AgentPaused(Fact):
    """An agent wants no interactions for `reason`."""

    agent_id: AgentId
    reason: str
    by: str = ""


class WrapUpFinished(Fact):
    """An agent ended his wrap-up before its time."""

    agent_id: AgentId
    by: str = ""


class AgentLegIdled(Fact):
    """A nailed-up leg is in its idle loop and may be bridged."""

    leg: LegId
    agent_id: AgentId | None = None


class AgentPhoneChanged(Fact):
    """An agent's phone became reachable or unreachable."""

    agent_id: AgentId
    reachable: bool


# --- Asterisk as a whole ---------------------------------------------------------------------------------------------


class AsteriskLost(Fact):
    """The connection to an Asterisk node is down: the floor is blind, calls go on without us."""

    node: str = "main"


class SeenLeg(Value):
    """One channel as a snapshot shows it."""

    leg: LegId
    place: str
    """The dialplan context."""
    bridge: str = ""
    up: bool = True


class AsteriskSeen(Fact):
    """The whole truth after a reconnect: every channel that Asterisk holds.

    `boot` names its present start; `rebooted` says that we saw it start anew. Either tells that all calls were lost.
    """

    legs: tuple[SeenLeg, ...]
    node: str = "main"
    rebooted: bool = False
    boot: str = ""


# --- campaigns -------------------------------------------------------------------------------------------------------


class CampaignDefined(Fact):
    """A campaign was added or changed. A new one is stopped."""

    campaign: CampaignPolicy


class CampaignRemoved(Fact):
    """A stopped campaign was removed."""

    campaign_id: CampaignId


class CampaignStarted(Fact):
    """A campaign is to dial from now on."""

    campaign_id: CampaignId
    by: str = ""


class CampaignPaused(Fact):
    """A campaign is to dial no more for now; what rings goes on, leads are kept for a moment."""

    campaign_id: CampaignId
    by: str = ""


class CampaignStopped(Fact):
    """A campaign is over for now: claimed leads go back."""

    campaign_id: CampaignId
    by: str = ""


class TrunkDefined(Fact):
    """A trunk was added or changed."""

    trunk: TrunkPolicy


class TrunkRemoved(Fact):
    """A trunk was removed."""

    trunk_id: TrunkId


class LeadsClaimed(Fact):
    """The store reserved leads for this campaign, fewer than asked for when there are no more just now.

    `reasons`: how many of the others may not be called now, by reason; `next_at`: when the first of them may (0:
    unknown).
    """

    campaign_id: CampaignId
    leads: tuple[ClaimedLead, ...] = ()
    reasons: dict[str, int] = {}
    next_at: int = 0


class BookRead(Fact):
    """The ledger's sums, read at `at`: for each budget of the campaign. A ledger that cannot be read tells nothing."""

    campaign_id: CampaignId
    tallies: tuple[Tally, ...]


class DialRefused(Fact):
    """A rule forbade the attempt at the moment of dialling; nothing was dialled. `until` (µs): not again before."""

    attempt_id: AttemptId
    rule: str
    until: int = 0


class DialFailed(Fact):
    """Nothing was dialled, and not because of a rule: the ledger could not be written, or Asterisk did not take it."""

    attempt_id: AttemptId
    reason: str


class AttemptAnswered(Fact):
    """The called line was picked up, and its leg waits in the dialplan for an agent."""

    attempt_id: AttemptId


class PreviewAccepted(Fact):
    """An agent wants the lead that he was shown dialled now."""

    agent_id: AgentId


class PreviewSkipped(Fact):
    """An agent does not want to call the lead that he was shown."""

    agent_id: AgentId
    reason: str = ""


class MachineDetected(Fact):
    """What answered is no person. `by`: `BY_DETECTOR`, or the agent who heard it."""

    attempt_id: AttemptId
    by: str = BY_DETECTOR


class MessageStarted(Fact):
    """Nobody came in time: the dialplan began the identifying message. From here on the call is abandoned."""

    attempt_id: AttemptId


class OptedOut(Fact):
    """The called person pressed the opt-out digit. The store has it in the do-not-call list already."""

    attempt_id: AttemptId


class AttemptFound(Fact):
    """An open INTENT of the ledger that the journal does not know of: a crash came between the two."""

    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    trunk_id: TrunkId
    dialled_at: int


class AttemptTraced(Fact):
    """What CEL tells of an attempt whose end nobody heard. Instants are µs, 0 when it did not happen.

    `dialled` is False when Asterisk never saw it. `joined_at` is its first entry into a bridge.
    """

    attempt_id: AttemptId
    dialled: bool
    answered_at: int = 0
    joined_at: int = 0
    message_at: int = 0
    ended_at: int = 0
    cause: int = 0
    opted_out_at: int = 0


class CallbackTaken(Fact):
    """The rescue script took a call back number while the engine was away."""

    leg: LegId
    number: Token
    spool_id: str


AnyFact = (
    EngineStarted
    | TimePassed
    | ClockStepped
    | DrainStarted
    | QueueDefined
    | QueueRemoved
    | AgentDefined
    | AgentRemoved
    | NumberDefined
    | NumberRemoved
    | FlowActivated
    | CallArrived
    | ControlGained
    | ControlLost
    | Asked
    | LegHeld
    | LegAnswered
    | LegEnded
    | LegJoined
    | LegLeft
    | HangUpRequested
    | RingFailed
    | BridgeFailed
    | AgentSignedIn
    | AgentSignedOut
    | AgentReadied
    | AgentPaused
    | WrapUpFinished
    | AgentLegIdled
    | AgentPhoneChanged
    | AsteriskLost
    | AsteriskSeen
    | CallbackTaken
    | CampaignDefined
    | CampaignRemoved
    | CampaignStarted
    | CampaignPaused
    | CampaignStopped
    | TrunkDefined
    | TrunkRemoved
    | LeadsClaimed
    | BookRead
    | DialRefused
    | DialFailed
    | AttemptAnswered
    | PreviewAccepted
    | PreviewSkipped
    | MachineDetected
    | MessageStarted
    | OptedOut
    | AttemptFound
    | AttemptTraced
)

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
