"""A caller's way: arrival, flow, hold, end."""

from __future__ import annotations

from engine.domain.commands import Ask, HangUp, Redirect, Release, Resync
from engine.domain.events import (
    FlowStepped,
    InteractionArrived,
    InteractionEnded,
    InteractionLeftQueue,
    InteractionQueued,
)
from engine.domain.facts import Asked, CallArrived, ControlGained, ControlLost, HangUpRequested, LegEnded, LegHeld
from engine.domain.flow import Enqueue, Flow
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, Collect, InteractionId, Prompt
from engine.floor import phrases, routing, talking
from engine.floor.state import Interaction, Leg
from engine.floor.step import Step
from engine.flows import interpreter
from engine.flows.interpreter import Heard, Input, QueueLeft, Want, WantAsk, WantHangUp, WantQueue

_S = InteractionState
UNALLOCATED = 1  # Q.850: unallocated number
LOOK_AGAIN = 5 * SECOND
SUCCESSOR_POLL_S = 5


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
            _hold_for_successor(step, interaction)
        else:
            release(step, interaction, "flow")
    elif interaction.state is _S.ARRIVED:
        _begin(step, interaction)
    elif interaction.state is _S.IN_FLOW:
        _present(step, interaction)
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
            routing.place(step, interaction)
    if interaction.state is _S.WAITING:
        _announce_or_hold(step, interaction)
    else:
        release_to_hold(step, interaction)


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
    _go_on(step, interaction, Heard(outcome=fact.outcome, choice=fact.choice, digits=fact.digits))


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
            routing.place(step, interaction)
    elif interaction.state in (_S.ARRIVED, _S.IN_FLOW) and not step.state.draining:
        # he was sent back to the flow while on his way here
        step.do(Redirect(leg=interaction.leg, place="flow"))


def leg_ended(step: Step, interaction: Interaction, fact: LegEnded) -> None:
    """The caller is gone, in whatever state."""
    interaction.leg_gone = True
    interaction.cause = fact.cause
    lost = Ending.LOST if fact.lost else None
    step.state.legs.pop(interaction.leg, None)
    if interaction.state is _S.WAITING:
        _leave_queue(step, interaction, lost or Ending.ABANDONED)
        end(step, interaction)
    elif interaction.state is _S.OFFERED:
        routing.withdraw_offer(step, interaction)
        _leave_queue(step, interaction, lost or Ending.ABANDONED)
        end(step, interaction)
    elif interaction.state is _S.TALKING:
        talking.talk_ended(step, interaction)
    elif interaction.state is not _S.WRAP_UP:
        if lost and not interaction.visits:
            interaction.ending = lost
        end(step, interaction)


def end(step: Step, interaction: Interaction, wrap_up_us: int = 0) -> None:
    """The interaction is over and leaves the floor; its one place in the sums is decided."""
    step.move(interaction, _S.ENDED)
    for kind in ("longest-wait", "relax", "retry", "offer"):
        step.timers.clear(kind, interaction.id)
    step.state.interactions.pop(interaction.id, None)
    step.publish(
        InteractionEnded(
            **step.about(interaction),
            ending=interaction.ending,
            cause=interaction.cause,
            arrived_us=interaction.arrived_at,
            talk_us=interaction.talk_us,
            wrap_up_us=wrap_up_us,
        )
    )


def hang_up_requested(step: Step, fact: HangUpRequested) -> None:
    """Somebody asked to end this interaction."""
    interaction = step.state.interactions.get(fact.interaction_id or InteractionId(""))
    if interaction is not None and not interaction.leg_gone:
        interaction.hang_up_asked = True
        step.do(HangUp(leg=interaction.leg))


def longest_wait_over(step: Step, interaction: Interaction) -> None:
    """The queue's longest wait has passed; an offer under way is let finish first."""
    if interaction.state is not _S.WAITING:
        return
    leg = step.leg(interaction.leg)
    if leg.bridge:
        # he is joined to somebody and we were not told to whom: nobody is torn out of a talk
        step.timers.set("longest-wait", interaction.id, step.now + LOOK_AGAIN)
        return
    _leave_queue(step, interaction, Ending.OVERFLOWED)
    step.move(interaction, _S.IN_FLOW, reason="longest-wait")
    # out of the hold loop before anything is said: only the way through `flow` tells us when he is on hold again
    if leg.controlled:
        release(step, interaction, "flow")
    else:
        step.do(Redirect(leg=interaction.leg, place="flow"))
    _go_on(step, interaction, QueueLeft(reason="timeout"))


def _in_hand(step: Step, interaction: Interaction) -> bool:
    leg = step.state.legs.get(interaction.leg)
    return leg is not None and leg.controlled


def release(step: Step, interaction: Interaction, place: str) -> None:
    """Give the leg back to its dialplan."""
    if _in_hand(step, interaction):
        step.leg(interaction.leg).controlled = False
        step.do(Release(leg=interaction.leg, next=place))


def _hold_for_successor(step: Step, interaction: Interaction) -> None:
    """The engine is stopping: music until the next one asks what he wants."""
    if _in_hand(step, interaction):
        step.leg(interaction.leg).controlled = False
        step.do(Release(leg=interaction.leg, next="hold", poll_s=SUCCESSOR_POLL_S))


def release_to_hold(step: Step, interaction: Interaction) -> None:
    """Give the leg back to its dialplan to wait."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if not _in_hand(step, interaction):
        return
    step.leg(interaction.leg).controlled = False
    step.do(
        Release(
            leg=interaction.leg,
            next="hold",
            music=queue.music if queue else "default",
            poll_s=max(5, round(queue.announce_every_s)) if queue else 20,
            record=interaction.recording,
            language=queue.language if queue else "en",
        )
    )


# --- the flow --------------------------------------------------------------------------------------------------------


def _begin(step: Step, interaction: Interaction) -> None:
    step.move(interaction, _S.IN_FLOW)
    flow = step.state.flows.get(interaction.flow_name)
    if flow is None:
        number = step.state.numbers.get(interaction.number)
        language = number.language if number else "en"
        interaction.cause = UNALLOCATED
        _want(step, interaction, WantHangUp(prompts=(phrases.unknown_number(language),)))
        return
    state, want, entered = interpreter.begin(flow, step.now, _context(step, interaction))
    interaction.flow = state
    _note_nodes(step, interaction, flow, entered)
    _want(step, interaction, want)


def _go_on(step: Step, interaction: Interaction, heard: Input) -> None:
    state = interaction.flow
    flow = _flow_of(step, interaction)
    if state is None or flow is None:
        _want(step, interaction, WantHangUp(prompts=()))
        return
    interaction.flow, want, entered = interpreter.resume(flow, state, heard, step.now, _context(step, interaction))
    _note_nodes(step, interaction, flow, entered)
    _want(step, interaction, want)


def goes_on_after_talk(step: Step, interaction: Interaction) -> bool:
    """Whether the queue node says what follows when the agent leaves first."""
    flow = _flow_of(step, interaction)
    node = flow.nodes.get(interaction.flow.node) if flow is not None and interaction.flow is not None else None
    return isinstance(node, Enqueue) and bool(node.after)


def resume_after_talk(step: Step, interaction: Interaction) -> None:
    """Move a talked-to caller back into his flow."""
    step.move(interaction, _S.IN_FLOW, reason="agent-left")
    _go_on(step, interaction, QueueLeft(reason="agent-left"))


def _flow_of(step: Step, interaction: Interaction) -> Flow | None:
    if interaction.flow is None:
        return None
    live = step.state.flows.get(interaction.flow.flow)
    if live is not None and live.version == interaction.flow.version:
        return live
    return step.state.old_flows.get(f"{interaction.flow.flow}@{interaction.flow.version}", live)


def _context(step: Step, interaction: Interaction) -> interpreter.Context:
    number = step.state.numbers.get(interaction.number)
    return interpreter.Context(
        channel=interaction.channel,
        number=interaction.number,
        unit=interaction.unit,
        language=number.language if number else "en",
    )


def _note_nodes(step: Step, interaction: Interaction, flow: Flow, entered: tuple[str, ...]) -> None:
    for node in entered:
        step.publish(FlowStepped(**step.about(interaction), flow=flow.name, node=node))


def _want(step: Step, interaction: Interaction, want: Want) -> None:
    """Carry out what the flow wants next."""
    match want:
        case WantAsk():
            _prepare_ask(interaction, want.prompts, want.collect, hang_up_after=False)
            _present(step, interaction)
        case WantHangUp():
            _prepare_ask(interaction, want.prompts, None, hang_up_after=True)
            _present(step, interaction)
        case WantQueue():
            _enter_queue(step, interaction, want)


def _prepare_ask(
    interaction: Interaction, prompts: tuple[Prompt, ...], collect: Collect | None, *, hang_up_after: bool
) -> None:
    interaction.asks += 1
    ask = f"{interaction.id}.a{interaction.asks}"
    interaction.pending = Ask(leg=interaction.leg, ask=ask, prompts=prompts, collect=collect)
    interaction.hang_up_after = hang_up_after


def _present(step: Step, interaction: Interaction) -> None:
    """Say (again) what the flow wants said, as soon as the leg is in our hands."""
    if not _in_hand(step, interaction):
        return
    if interaction.pending is None:
        release(step, interaction, "hangup")
    elif step.state.draining:
        _hold_for_successor(step, interaction)
    elif interaction.hang_up_after and not interaction.pending.prompts:
        release(step, interaction, "hangup")
    else:
        step.do(interaction.pending)


# --- the queue -------------------------------------------------------------------------------------------------------


def _enter_queue(step: Step, interaction: Interaction, want: WantQueue) -> None:
    queue = step.state.queues.get(want.node.queue)
    if queue is None or not queue.open:
        _go_on(step, interaction, QueueLeft(reason="closed"))
        return
    interaction.pending = None
    interaction.queue_id = queue.id
    interaction.entered_at = step.now
    interaction.visits += 1
    interaction.priority = want.priority
    interaction.needs = want.needs
    interaction.refused = ()
    interaction.held = False
    interaction.announced_at = step.now
    refused = interaction.flow is not None and interaction.flow.recording_refused
    interaction.recording = f"{interaction.id}_{interaction.visits}" if queue.record and not refused else ""
    step.move(interaction, _S.WAITING)
    step.publish(InteractionQueued(**step.about(interaction), queue_id=queue.id, priority=interaction.priority))
    routing.watch_wait(step, interaction)
    release_to_hold(step, interaction)


def _leave_queue(step: Step, interaction: Interaction, how: Ending) -> None:
    """Out of the queue without an agent. Who has talked to an agent before stays answered."""
    if interaction.ending is not Ending.ANSWERED:
        interaction.ending = how
    interaction.held = False
    for kind in ("longest-wait", "relax", "retry"):
        step.timers.clear(kind, interaction.id)
    if interaction.queue_id is not None:
        step.publish(
            InteractionLeftQueue(
                **step.about(interaction),
                queue_id=interaction.queue_id,
                how=how,
                waited_us=max(0, step.now - interaction.entered_at),
            )
        )


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
    place = routing.place_in_queue(step, interaction)
    step.do(
        Ask(
            leg=interaction.leg,
            ask=f"{interaction.id}.a{interaction.asks}",
            prompts=(phrases.position(queue.language, place),),
        )
    )


def callback_taken(step: Step, interaction: Interaction) -> None:
    """The rescue script took a number to call back: the wait is over, kept as a promise."""
    if interaction.state is _S.WAITING:
        _leave_queue(step, interaction, Ending.CALLBACK)
        step.move(interaction, _S.IN_FLOW, reason="callback")
        interaction.pending = None
    elif interaction.state is _S.OFFERED:
        routing.withdraw_offer(step, interaction)
        _leave_queue(step, interaction, Ending.CALLBACK)
        step.move(interaction, _S.WAITING, reason="callback")
        step.move(interaction, _S.IN_FLOW, reason="callback")
        interaction.pending = None
