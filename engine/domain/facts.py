"""What happened: the only way anything enters the floor. Names are in the past tense.

Every fact carries the interaction, its channel, the customer and the case where they are known. Facts are what the
journal holds, so a class or a field is never renamed: add, and give the new field a default.
`at` is the source's own time (for Asterisk: the event's timestamp), UTC microseconds, 0 where unknown; `now` of
`Floor.handle` is the engine's.
"""

from __future__ import annotations

import msgspec

from engine.domain.flow import Flow
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy
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
    """A leg is gone. `cause` is the Q.850 cause; `lost` when Asterisk itself went away or we only found out later."""

    leg: LegId
    cause: int = 16
    lost: bool = False


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
)

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
