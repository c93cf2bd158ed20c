"""What the floor wants done: imperative, carried out by the edges, whose result comes back as a fact."""

from __future__ import annotations

from engine.domain.campaign import AttemptId, CampaignId, LeadId, TrunkId
from engine.domain.events import AnyEvent
from engine.domain.values import AgentId, Collect, InteractionId, LegId, Prompt, Token, Value


class Command(Value, tag=True, tag_field="command"):
    """Base of all commands."""


class Ask(Command):
    """Play `prompts` to the leg and gather digits. Needs control of the leg. Answered by `Asked`."""

    leg: LegId
    ask: str
    prompts: tuple[Prompt, ...] = ()
    collect: Collect | None = None


class Release(Command):
    """Give control back to the dialplan, which goes on at `next`: hold, flow, idle or hangup."""

    leg: LegId
    next: str
    music: str = "default"
    poll_s: int = 20
    record: str = ""
    language: str = "en"


class CheckPin(Command):
    """Ask the agent on this leg for his code and PIN, then sign in, out, ready or not-ready as dialled."""

    leg: LegId


class RingAgent(Command):
    """Ring an agent's phone with our own channel id `leg`. Answered by `LegAnswered`, `RingFailed` or `LegEnded`."""

    agent_id: AgentId
    leg: LegId
    endpoint: str
    timeout_s: float
    interaction_id: InteractionId | None = None
    nailed_up: bool = False


class Bridge(Command):
    """Join two legs. Answered by `LegJoined` twice, or `BridgeFailed`."""

    leg: LegId
    other: LegId
    interaction_id: InteractionId | None = None


class HangUp(Command):
    """End a leg with a Q.850 cause."""

    leg: LegId
    cause: int = 16


class Redirect(Command):
    """Send a leg that we do not control to a place of the dialplan: flow or hold."""

    leg: LegId
    place: str


class Resync(Command):
    """Compare with Asterisk: a contradiction was seen. Answered by `AsteriskSeen`."""

    reason: str


class Publish(Command):
    """Tell the store, the bus and the pages what the floor decided or noticed."""

    event: AnyEvent


class ClaimLeads(Command):
    """Reserve up to `count` leads that may be called now. Answered by `LeadsClaimed`."""

    campaign_id: CampaignId
    count: int


class ReturnLeads(Command):
    """Give reserved leads back undialled."""

    campaign_id: CampaignId
    attempts: tuple[AttemptId, ...]


class Dial(Command):
    """Write the INTENT, then dial. Answered by `AttemptAnswered`, `LegEnded`, `DialRefused` or `DialFailed`.

    `connect_limit_s`, `message` (None: the built-in one), `opt_out_digit` and `record` (name of the recording, "" for
    none) go along with the call: the dialplan acts on them without the engine. `agentless`: the message is played at
    once, to whoever answers.
    """

    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    number: Token
    trunk_id: TrunkId
    caller_id: str
    ring_s: float
    connect_limit_s: float = 2.0
    message: Prompt | None = None
    opt_out_digit: str = "9"
    language: str = "en"
    record: str = ""
    agentless: bool = False


class ReadBook(Command):
    """Read the ledger's sums for this campaign's budgets. Answered by `BookRead`, or by nothing."""

    campaign_id: CampaignId


class Trace(Command):
    """Look up in CEL what became of an attempt. Answered by `AttemptTraced` within a minute."""

    attempt_id: AttemptId


AnyCommand = (
    Ask
    | Release
    | CheckPin
    | RingAgent
    | Bridge
    | HangUp
    | Redirect
    | Resync
    | Publish
    | ClaimLeads
    | ReturnLeads
    | Dial
    | ReadBook
    | Trace
)
