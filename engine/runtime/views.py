"""What a supervisor sees of a running engine: read models, frozen.

No field has a default, so every key is always there. Instants are aware `datetime`s in UTC (JSON: ISO 8601 with Z),
durations seconds. Telephone numbers and names of callers are masked unless somebody asked to reveal them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from engine.acd.figures import Figure
from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, QueuePolicy, SkillNeed, Strategy
from engine.domain.values import Channel, LegMode, Value

Item = TypeVar("Item")


class Page(Value, Generic[Item]):
    """A list. `next` is the cursor of the page that follows, None at the end."""

    items: tuple[Item, ...]
    next: str | None


# --- definitions, with what is live about them -----------------------------------------------------------------------


class AgentView(AgentProfile):
    """An agent as defined, and what he is doing.

    `mode_now` is how his phone is used since he signed in; `follows` what comes after the present call: "",
    "sign-out" or "not-ready".
    """

    state: AgentState
    since: datetime | None
    reason: str
    mode_now: LegMode
    reachable: bool
    interaction_id: str | None
    follows: str


class QueueView(QueuePolicy):
    """A queue as defined, and who is in it. `offered` are being offered to an agent and count as waiting no more."""

    waiting: int
    offered: int
    talking: int
    longest_wait_s: float
    agents_signed_in: int
    agents_free: int


class Skill(Value):
    """A skill; queues ask for it and agents have it at a level 1 to 10."""

    id: str
    name: str


# --- calls and interactions ------------------------------------------------------------------------------------------


class LegView(Value):
    """One Asterisk channel of a call. `role` is caller or agent; `bridge` is empty outside a bridge."""

    leg: str
    role: str
    bridge: str
    controlled: bool


class CallView(Value):
    """One live call; its id is that of its interaction. `waited_s` is the time in the queue up to the answer.

    Of a call that we placed `caller` is who was called, and `campaign_id`, `lead_id` and `attempt_id` tell for what;
    else these are None.
    """

    id: str
    channel: Channel
    state: InteractionState
    number: str
    caller: str | None
    caller_name: str | None
    arrived: datetime
    flow: str
    node: str
    queue_id: str | None
    agent_id: str | None
    held: bool
    waited_s: float
    talk_s: float
    campaign_id: str | None
    lead_id: str | None
    attempt_id: str | None
    legs: tuple[LegView, ...]


class InteractionView(Value):
    """One interaction, live or over, as the fact tables hold it. `ending` is its one place in the sums.

    Where we called `caller` is who was called, and `campaign_id`, `lead_id` and `attempt_id` are those of the answered
    attempt; else these are None.
    """

    id: str
    channel: str
    unit: str
    customer_id: str | None
    case_id: str | None
    number: str
    flow: str
    caller: str | None
    caller_name: str | None
    state: str
    arrived: datetime
    ended: datetime | None
    ending: str | None
    cause: int | None
    talk_s: float
    wrap_up_s: float
    campaign_id: str | None
    lead_id: str | None
    attempt_id: str | None


class SegmentView(Value):
    """One phase of an interaction: flow, queue, ring, talk or wrap-up. `how` says how it ended."""

    phase: str
    who: str
    queue_id: str | None
    agent_id: str | None
    start: datetime
    end: datetime | None
    how: str
    waited_s: float | None
    agent_was_free: bool


class SessionView(Value):
    """One leg of an interaction. `recording` is the recording's name, if any."""

    purpose: str
    who: str
    leg: str
    start: datetime
    end: datetime | None
    recording: str


class InteractionDetail(InteractionView):
    """An interaction with its phases and legs, in order."""

    segments: tuple[SegmentView, ...]
    sessions: tuple[SessionView, ...]


# --- the floor -------------------------------------------------------------------------------------------------------


class QueueLine(Value):
    """One queue on the floor's screen. `service_level` is today's so far, by the standard formula."""

    id: str
    name: str
    open: bool
    waiting: int
    offered: int
    talking: int
    longest_wait_s: float
    agents_signed_in: int
    agents_free: int
    service_level: Figure
    service_level_s: float


class AgentLine(Value):
    """One agent on the floor's screen."""

    id: str
    name: str
    state: AgentState
    since: datetime | None
    reason: str
    interaction_id: str | None


class Totals(Value):
    """Interactions of today that arrived, by how they ended. arrived = the sum of all others but `offered`.

    `offered` entered a queue: answered + abandoned + overflowed + callback + lost, and those in progress that queued.
    `asa_s` is the average speed of answer, None before the first answer.
    """

    arrived: int
    in_progress: int
    ended_in_flow: int
    offered: int
    answered: int
    abandoned: int
    overflowed: int
    callback: int
    lost: int
    asa_s: float | None


class DeadlineView(Value):
    """When the floor acts next by itself, why, and for whom."""

    at: datetime
    why: str
    subject: str


class LinkView(Value):
    """One connection of the engine: ami, agi, store, mqtt. `detail` is empty when all is well."""

    name: str
    up: bool
    state: str
    detail: str


class FloorView(Value):
    """The whole floor at one moment. `blind`: Asterisk is out of sight, nothing new is decided."""

    at: datetime
    site: str
    version: str
    asterisk: str
    epoch: int
    blind: bool
    draining: bool
    backlog: int
    queues: tuple[QueueLine, ...]
    agents: tuple[AgentLine, ...]
    calls: tuple[CallView, ...]
    totals: Totals
    deadline: DeadlineView | None
    links: tuple[LinkView, ...]


# --- flows, explanations, verify -------------------------------------------------------------------------------------


class FlowView(Value):
    """The live version of a flow, and how many interactions walk through it (in any version)."""

    name: str
    version: str
    language: str
    nodes: int
    interactions: int


class FlowActivation(Value):
    """A flow that became live. `replaced` is the version before it, None for a new flow."""

    name: str
    version: str
    replaced: str | None
    warnings: tuple[str, ...]


class FittingView(Value):
    """An agent who could have taken it. `place` 1 is the winner."""

    agent_id: str
    place: int
    idle_s: float
    skill_points: int
    levels: dict[str, int]


class RefusedView(Value):
    """An agent who could not, and everything that spoke against him."""

    agent_id: str
    state: AgentState
    reasons: tuple[str, ...]


class DecisionView(Value):
    """One decision recomputed from the journal's fact `seq`. `step` counts the queue's routing steps from 0."""

    seq: int
    at: datetime
    queue_id: str
    strategy: Strategy
    winner: str | None
    waited_s: float
    priority: int
    queue_priority: int
    step: int
    needs: tuple[SkillNeed, ...]
    fitting: tuple[FittingView, ...]
    refused: tuple[RefusedView, ...]


class Explained(Value):
    """Every decision about one interaction, first to last."""

    interaction_id: str
    items: tuple[DecisionView, ...]
    next: str | None


class Violation(Value):
    """What the engine believes and what is true instead. `since` is when `verify` saw it first."""

    code: str
    ids: tuple[str, ...]
    belief: str
    truth: str
    since: datetime


class VerifyReport(Value):
    """The engine's belief against Asterisk, the fact tables and the journal."""

    ok: bool
    live_calls_compared: int
    violations: tuple[Violation, ...]


# --- reports ---------------------------------------------------------------------------------------------------------


class ServiceLevelRow(Value):
    """One queue, or all of them: how its visits ended and the figures of the chosen and the standard formulas."""

    queue_id: str
    name: str
    service_level: Figure
    abandonment: Figure
    speed_of_answer: Figure
    offered: int
    answered: int
    answered_in_time: int
    abandoned: int
    abandoned_short: int
    overflowed: int
    callback: int
    lost: int
    waiting: int
    service_level_s: float | None
    short_abandon_s: float | None


class ServiceLevelReport(Value):
    """Queues from `start` up to `end`. `total` counts each visit by its own queue's limits."""

    start: datetime
    end: datetime
    timezone: str
    formula: str
    items: tuple[ServiceLevelRow, ...]
    total: ServiceLevelRow
    next: str | None


class AgentRow(Value):
    """One agent: seconds per state, offers, handled contacts."""

    agent_id: str
    name: str
    signed_in_s: float
    seconds: dict[str, float]
    offers: int
    offers_missed: int
    handled: int
    talk_s: float
    wrap_up_s: float
    handle_time: Figure
    occupancy: Figure


class AgentsReport(Value):
    """Agents who were signed in from `start` up to `end`."""

    start: datetime
    end: datetime
    timezone: str
    items: tuple[AgentRow, ...]
    next: str | None


# --- operating -------------------------------------------------------------------------------------------------------


class Health(Value):
    """Whether the engine can do its work; `reasons` say why not. `warnings` hold nothing up: somebody should look."""

    ready: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


class Configuration(Value):
    """The settings in force, section by section. A secret is shown as `(set)` or empty, never itself."""

    settings: dict[str, dict[str, Any]]


class Reading(Value):
    """One gauge or counter for Prometheus. `labels` never hold personal data."""

    name: str
    help: str
    value: float
    labels: dict[str, str]
    counter: bool
