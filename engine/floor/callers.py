"""What callers and their dialplans tell: arrival, questions answered, on hold, callbacks."""

from __future__ import annotations

from engine.domain.commands import Ask, HangUp, Redirect, Release, Resync
from engine.domain.events import CallbackPromised, InteractionArrived
from engine.domain.facts import Asked, CallArrived, CallbackTaken, ControlGained, ControlLost, HangUpRequested, LegHeld
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, InteractionId
from engine.floor import flow, offers, phrases, talking, visits
from engine.floor.dialplan import hold_for_successor, release, release_to_hold
from engine.floor.state import Interaction, Leg
from engine.floor.step import Step
from engine.flows.interpreter import Heard

_S = InteractionState


def arrived(step: Step, fact: CallArrived) -> None:
    """A new caller. A second report of the same leg or interaction changes nothing."""
    if fact.interaction_id is None or fact.interaction_id in step.state.interactions:
        return
    if fact.leg in step.state.legs:
        return
    number = step.state.numbers.get(fact.number)
    interaction = Interaction(
        id=fact.interaction_id,
        leg=fact.leg,
        number=fact.number,
        arrived_at=step.now,
        flow_name=number.flow if number else "",
        channel=fact.channel,
        customer_id=fact.customer_id,
        case_id=fact.case_id,
        caller=fact.caller,
        caller_name=fact.caller_name,
        node=fact.node,
        unit=number.unit if number else "main",
    )
    step.state.interactions[interaction.id] = interaction
    step.state.legs[fact.leg] = Leg(id=fact.leg, interaction_id=interaction.id)
    step.publish(
        InteractionArrived(
            **step.about(interaction),
            number=interaction.number,
            flow=interaction.flow_name,
            caller=interaction.caller,
            caller_name=interaction.caller_name,
            leg=interaction.leg,
            unit=interaction.unit,
        )
    )


def control_gained(step: Step, fact: ControlGained) -> None:
    """The caller's dialplan asks what to do next."""
    interaction = step.interaction_of(fact.leg)
    if interaction is None:
        step.anomaly(f"control of an unknown leg by {fact.script}", fact.leg)
        step.do(Release(leg=fact.leg, next="hangup" if fact.script == "after" else "hold"))
        return
    leg = step.leg(fact.leg)
    leg.controlled = True
    interaction.announcing = False
    if interaction.state in (_S.WAITING, _S.OFFERED):
        _queue_asks(step, interaction, polled=fact.script == "poll")
        return
    interaction.held = False
    if interaction.state in (_S.ARRIVED, _S.IN_FLOW) and fact.script == "poll":
        # he is in the hold loop, where nobody would tell us that he waits again: the flow is played outside of it
        if step.state.draining:
            hold_for_successor(step, interaction)
        else:
            release(step, interaction, "flow")
    elif interaction.state is _S.ARRIVED:
        flow.begin(step, interaction)
    elif interaction.state is _S.IN_FLOW:
        flow.present(step, interaction)
    elif interaction.state is _S.TALKING and (fact.script == "after" or not leg.bridge):
        _talk_left_behind(step, interaction)
    elif interaction.state is _S.TALKING:
        release(step, interaction, "hold")  # a session begun before the bridge: it is dead, or will be ignored
    else:
        release(step, interaction, "hangup")


def _queue_asks(step: Step, interaction: Interaction, *, polled: bool) -> None:
    """The dialplan of a caller in a queue asks: from the hold loop (where he may be bridged), or on his way there."""
    if not polled:
        interaction.held = False
        release_to_hold(step, interaction)
        return
    if not interaction.held:  # a poll proves that he is there, should the news of it have been missed
        interaction.held = True
        interaction.held_now = step.now
        if interaction.state is _S.WAITING:
            step.seek_agent(interaction)
    if interaction.state is _S.WAITING:
        _announce_or_hold(step, interaction)
    else:
        release_to_hold(step, interaction)


def _announce_or_hold(step: Step, interaction: Interaction) -> None:
    """A poll from the hold loop: tell the place in the queue when it is time, and wait on."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    due = queue is not None and step.now - interaction.announced_at >= round(queue.announce_every_s * SECOND) - SECOND
    if queue is None or not queue.announce_position or not due or step.state.draining:
        release_to_hold(step, interaction)
        return
    interaction.announced_at = step.now
    interaction.announcing = True
    interaction.asks += 1
    place = step.line.place(interaction)
    step.do(
        Ask(
            leg=interaction.leg,
            ask=f"{interaction.id}.a{interaction.asks}",
            prompts=(phrases.position(queue.language, place),),
        )
    )


def _talk_left_behind(step: Step, interaction: Interaction) -> None:
    """The talk is over and the caller is in our hands: he goes on in the flow, or is let go."""
    talking.agent_left(step, interaction)
    if interaction.state in (_S.WRAP_UP, _S.ENDED):
        release(step, interaction, "hangup")


def control_lost(step: Step, fact: ControlLost) -> None:
    """Our session on the leg ended without our doing: the caller hung up, was bridged, or the link broke."""
    leg = step.state.legs.get(fact.leg)
    if leg is None:
        return
    leg.controlled = False
    interaction = step.interaction_of(fact.leg)
    if interaction is not None and interaction.leg == fact.leg:
        interaction.announcing = False
    agent = step.agent_of(fact.leg)
    if agent is not None and agent.leg == fact.leg and not leg.ringing and not agent.leg_idle:
        # he hung up while he was signing in: the end of his leg may have been told before it was ours
        step.do(Resync(reason="sign-in cut off"))


def asked(step: Step, fact: Asked) -> None:
    """A question to the caller ended."""
    interaction = step.interaction_of(fact.leg)
    if interaction is None or interaction.leg != fact.leg:
        return
    pending = interaction.pending
    if interaction.state in (_S.WAITING, _S.OFFERED):
        if interaction.announcing:
            interaction.announcing = False
            step.leg(fact.leg).controlled = True  # as below
            release_to_hold(step, interaction)
        return
    if interaction.state is not _S.IN_FLOW or pending is None or pending.ask != fact.ask:
        return
    # only a session that was alive can answer, so what was said counts even if its end was told first
    step.leg(fact.leg).controlled = True
    interaction.pending = None
    if interaction.hang_up_after:
        release(step, interaction, "hangup")
        return
    flow.go_on(step, interaction, Heard(outcome=fact.outcome, choice=fact.choice, digits=fact.digits))


def held(step: Step, fact: LegHeld) -> None:
    """The caller hears music and may be joined to an agent."""
    interaction = step.interaction_of(fact.leg)
    if interaction is None:
        step.anomaly("an unknown leg is on hold", fact.leg)
        return
    if interaction.leg != fact.leg:
        return
    step.leg(fact.leg).controlled = False
    if interaction.state in (_S.WAITING, _S.OFFERED):
        interaction.held = True
        interaction.held_at = fact.at
        interaction.held_now = step.now
        if interaction.state is _S.WAITING:
            step.seek_agent(interaction)
    elif interaction.state in (_S.ARRIVED, _S.IN_FLOW) and not step.state.draining:
        # he was sent back to the flow while on his way here
        step.do(Redirect(leg=interaction.leg, place="flow"))


def hang_up_requested(step: Step, fact: HangUpRequested) -> None:
    """Somebody asked to end this interaction."""
    interaction = step.state.interactions.get(fact.interaction_id or InteractionId(""))
    if interaction is not None and not interaction.leg_gone:
        interaction.hang_up_asked = True
        step.do(HangUp(leg=interaction.leg))


def callback_taken(step: Step, fact: CallbackTaken) -> None:
    """The rescue script took a number to call back: the wait is over, kept as a promise."""
    interaction = step.interaction_of(fact.leg)
    about = step.about(interaction) if interaction is not None else {"at": step.now}
    step.publish(CallbackPromised(**about, number=fact.number, spool_id=fact.spool_id))
    if interaction is None:
        return
    if interaction.state is _S.WAITING:
        visits.leave(step, interaction, Ending.CALLBACK)
        step.move(interaction, _S.IN_FLOW, reason="callback")
        interaction.pending = None
    elif interaction.state is _S.OFFERED:
        offers.withdraw(step, interaction)
        visits.leave(step, interaction, Ending.CALLBACK)
        step.move(interaction, _S.WAITING, reason="callback")
        step.move(interaction, _S.IN_FLOW, reason="callback")
        interaction.pending = None
