"""The floor: holds all live state, takes facts, gives commands, knows its next deadline.

`handle` is a function of (state, fact, now). No clock, no await, no dice, no SQL, no logging: the same core runs live,
in simulation and in replay. One invariant carries everything: a fact is handled whole, and all its commands are given
out, before the next fact is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.dialer import modes
from engine.domain import facts
from engine.domain.campaign import AttemptId
from engine.domain.commands import AnyCommand, CheckPin
from engine.domain.facts import AnyFact
from engine.domain.values import AgentId, InteractionId, Value
from engine.errors import BrokenInvariant
from engine.floor import (
    agents,
    called,
    callers,
    campaigns,
    definitions,
    flow,
    legs,
    offers,
    pace,
    previews,
    resync,
    routing,
    talking,
    traces,
    visits,
)
from engine.floor.crews import Crews, MakePacing
from engine.floor.line import Line
from engine.floor.state import DECODER, ENCODER, Agent, Attempt, FloorState, Interaction, Timer
from engine.floor.step import Step, Timers, Tracer


class Deadline(Value):
    """When the floor wants to be called next, and why."""

    at: int
    why: str
    subject: str


class Floor:
    """The single writer of all live state. Not safe for threads, and need not be."""

    def __init__(
        self,
        state: FloorState | None = None,
        tracer: Tracer | None = None,
        make_pacing: MakePacing = modes.make_pacing,
    ) -> None:
        self.state = state if state is not None else FloorState()
        self.tracer = tracer
        self.begun: tuple[AnyCommand, ...] = ()
        """What a fact that `handle` broke off at had caused until then: it happened, so it must be carried out."""
        self._timers = Timers(self.state.timers)
        self.line = Line(self.state)
        """Who waits, in order: to be read, never written, outside of the floor."""
        self.crews = Crews(self.state, make_pacing)
        """Who serves each campaign: to be read only, too."""

    @classmethod
    def restore(
        cls, snapshot: bytes, tracer: Tracer | None = None, make_pacing: MakePacing = modes.make_pacing
    ) -> Floor:
        """The floor as a snapshot holds it."""
        return cls(DECODER.decode(snapshot), tracer, make_pacing)

    def snapshot(self) -> bytes:
        """All state as JSON, the same bytes for the same state."""
        return ENCODER.encode(self.state)

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        """Take one fact at `now` (µs) and return the commands it causes. `now` never runs backwards."""
        self.begun = ()
        if now < self.state.now:
            raise BrokenInvariant(f"time ran backwards: {now} after {self.state.now}")
        self.state.now = now
        self.crews.refresh()
        step = Step(self.state, self._timers, self.line, self.crews, now, self.tracer)
        try:
            self._route(step, fact)
        except BaseException:
            self.begun = tuple(step.commands)
            raise
        return tuple(step.commands)

    def _route(self, step: Step, fact: AnyFact) -> None:
        if isinstance(fact, _SIGHT):
            self._take_in(step, fact)
            self._take_due(step)
        else:
            self._take_due(step)
            self._take_in(step, fact)
        if isinstance(fact, facts.TimePassed):
            pace.decide(step)
            routing.match(step)
        if self.state.leaving:
            definitions.forget_unused_queues(step)

    def _take_in(self, step: Step, fact: AnyFact) -> None:
        """Do what the fact asks for, and then bring together whom that has freed or made to wait."""
        _ROUTES[type(fact)](step, fact)
        routing.match(step)

    def _take_due(self, step: Step) -> None:
        """Do what is due. While blind all deadlines wait: what they would judge may have happened unseen."""
        while not self.state.blind and (timer := self._timers.take_due(step.now)) is not None:
            _due(step, timer)
            routing.match(step)

    def deadline(self) -> Deadline | None:
        """The next moment at which `TimePassed` is wanted; None when nothing is due ever, or while blind."""
        if self.state.blind:
            return None
        timer = self._timers.first()
        campaign = pace.next_due(self.state)
        if campaign is not None and (timer is None or campaign.pace_at <= timer.at):
            return Deadline(at=campaign.pace_at, why="pace", subject=campaign.policy.id)
        return None if timer is None else Deadline(at=timer.at, why=timer.kind, subject=timer.subject)

    # --- reading -----------------------------------------------------------------------------------------------------

    def interaction(self, interaction_id: str) -> Interaction | None:
        """A live interaction."""
        return self.state.interactions.get(InteractionId(interaction_id))

    def agent(self, agent_id: str) -> Agent | None:
        """An agent."""
        return self.state.agents.get(AgentId(agent_id))


def _due(step: Step, timer: Timer) -> None:
    """Something's time has come."""
    if timer.kind == "wrap-up":
        agent = step.state.agents.get(AgentId(timer.subject))
        if agent is not None:
            agents.wrap_up_over(step, agent)
        return
    if timer.kind == "preview":
        agent = step.state.agents.get(AgentId(timer.subject))
        if agent is not None:
            previews.time_over(step, agent)
        return
    if timer.kind in _ATTEMPT_DUE:
        attempt = step.state.attempts.get(AttemptId(timer.subject))
        if attempt is not None:
            _ATTEMPT_DUE[timer.kind](step, attempt)
        return
    interaction = step.state.interactions.get(InteractionId(timer.subject))
    if interaction is not None:
        _DUE[timer.kind](step, interaction)


_ATTEMPT_DUE: dict[str, Callable[[Step, Attempt], None]] = {
    "overdue": called.overdue,
    "trace": traces.trace_over,
}

_DUE: dict[str, Callable[[Step, Interaction], None]] = {
    "longest-wait": flow.longest_wait_over,
    "relax": visits.relaxed,
    "retry": visits.retried,
    "offer": offers.timed_out,
}


def _engine_started(step: Step, fact: facts.EngineStarted) -> None:
    step.state.epoch = fact.epoch
    step.state.blind = True
    step.state.draining = False
    for leg in step.state.legs.values():
        leg.controlled = False
    for interaction in step.state.interactions.values():
        interaction.announcing = False
    campaigns.engine_started(step)


def _control_gained(step: Step, fact: facts.ControlGained) -> None:
    if fact.script == "agent":
        step.do(CheckPin(leg=fact.leg))
    else:
        callers.control_gained(step, fact)


def _leg_answered(step: Step, fact: facts.LegAnswered) -> None:
    offers.agent_answered(step, fact.leg)


def _bridge_failed(step: Step, fact: facts.BridgeFailed) -> None:
    interaction = step.interaction_of(fact.leg)
    if interaction is not None and interaction.leg == fact.leg and interaction.agent_leg == fact.other:
        offers.timed_out(step, interaction)


def _drain_started(step: Step, fact: facts.DrainStarted) -> None:
    step.state.draining = True
    campaigns.drain(step)


def _nothing(step: Step, fact: AnyFact) -> None:
    """The due timers were all there was to do."""


_SIGHT = (facts.EngineStarted, facts.AsteriskLost, facts.AsteriskSeen)
"""Facts that change whether we see at all: they come before what is due, for that depends on it."""

_ROUTES: dict[type, Callable[[Step, Any], None]] = {
    facts.EngineStarted: _engine_started,
    facts.TimePassed: _nothing,
    facts.ClockStepped: _nothing,
    facts.DrainStarted: _drain_started,
    facts.QueueDefined: definitions.queue_defined,
    facts.QueueRemoved: definitions.queue_removed,
    facts.AgentDefined: definitions.agent_defined,
    facts.AgentRemoved: definitions.agent_removed,
    facts.NumberDefined: definitions.number_defined,
    facts.NumberRemoved: definitions.number_removed,
    facts.FlowActivated: definitions.flow_activated,
    facts.CallArrived: callers.arrived,
    facts.ControlGained: _control_gained,
    facts.ControlLost: callers.control_lost,
    facts.Asked: callers.asked,
    facts.LegHeld: callers.held,
    facts.LegAnswered: _leg_answered,
    facts.LegEnded: legs.ended,
    facts.LegJoined: talking.joined,
    facts.LegLeft: talking.left,
    facts.HangUpRequested: callers.hang_up_requested,
    facts.RingFailed: legs.ring_failed,
    facts.BridgeFailed: _bridge_failed,
    facts.AgentSignedIn: agents.signed_in,
    facts.AgentSignedOut: agents.signed_out,
    facts.AgentReadied: agents.readied,
    facts.AgentPaused: agents.paused,
    facts.WrapUpFinished: agents.wrap_up_finished,
    facts.AgentLegIdled: agents.leg_idled,
    facts.AgentPhoneChanged: agents.phone_changed,
    facts.AsteriskLost: lambda step, _fact: resync.lost(step),
    facts.AsteriskSeen: resync.seen,
    facts.CallbackTaken: callers.callback_taken,
    facts.CampaignDefined: campaigns.defined,
    facts.CampaignRemoved: campaigns.removed,
    facts.CampaignStarted: campaigns.started,
    facts.CampaignPaused: campaigns.paused,
    facts.CampaignStopped: campaigns.stopped,
    facts.TrunkDefined: campaigns.trunk_defined,
    facts.TrunkRemoved: campaigns.trunk_removed,
    facts.LeadsClaimed: campaigns.leads_claimed,
    facts.BookRead: campaigns.book_read,
    facts.DialRefused: called.dial_refused,
    facts.DialFailed: called.dial_failed,
    facts.AttemptAnswered: called.answered,
    facts.PreviewAccepted: previews.accepted,
    facts.PreviewSkipped: previews.skipped,
    facts.MachineDetected: called.machine_detected,
    facts.MessageStarted: called.message_started,
    facts.OptedOut: called.opted_out,
    facts.AttemptFound: traces.found,
    facts.AttemptTraced: traces.traced,
}
