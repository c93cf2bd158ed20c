"""A caller's way through his flow: what it wants next, is carried out, until it leads him into a queue or away."""

from __future__ import annotations

from engine.domain.commands import Ask, Redirect
from engine.domain.events import FlowStepped
from engine.domain.flow import Enqueue, Flow
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, Collect, Prompt
from engine.floor import phrases, visits
from engine.floor.dialplan import hold_for_successor, in_hand, release
from engine.floor.state import Interaction
from engine.floor.step import Step
from engine.flows import interpreter
from engine.flows.interpreter import Input, QueueLeft, Want, WantAsk, WantHangUp, WantQueue

_S = InteractionState
UNALLOCATED = 1  # Q.850: unallocated number
LOOK_AGAIN = 5 * SECOND


def begin(step: Step, interaction: Interaction) -> None:
    """The first thing that his number's flow says."""
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


def go_on(step: Step, interaction: Interaction, heard: Input) -> None:
    """He (or his queue) has answered: what the flow says to that."""
    state = interaction.flow
    flow = _flow_of(step, interaction)
    if state is None or flow is None:
        _want(step, interaction, WantHangUp(prompts=()))
        return
    interaction.flow, want, entered = interpreter.resume(flow, state, heard, step.now, _context(step, interaction))
    _note_nodes(step, interaction, flow, entered)
    _want(step, interaction, want)


def present(step: Step, interaction: Interaction) -> None:
    """Say (again) what the flow wants said, as soon as the leg is in our hands."""
    if not in_hand(step, interaction):
        return
    if interaction.pending is None:
        release(step, interaction, "hangup")
    elif step.state.draining:
        hold_for_successor(step, interaction)
    elif interaction.hang_up_after and not interaction.pending.prompts:
        release(step, interaction, "hangup")
    else:
        step.do(interaction.pending)


def longest_wait_over(step: Step, interaction: Interaction) -> None:
    """The queue's longest wait has passed; an offer under way is let finish first."""
    if interaction.state is not _S.WAITING:
        return
    leg = step.leg(interaction.leg)
    if leg.bridge:
        # he is joined to somebody and we were not told to whom: nobody is torn out of a talk
        step.timers.set("longest-wait", interaction.id, step.now + LOOK_AGAIN)
        return
    visits.leave(step, interaction, Ending.OVERFLOWED)
    step.move(interaction, _S.IN_FLOW, reason="longest-wait")
    # out of the hold loop before anything is said: only the way through `flow` tells us when he is on hold again
    if leg.controlled:
        release(step, interaction, "flow")
    else:
        step.do(Redirect(leg=interaction.leg, place="flow"))
    go_on(step, interaction, QueueLeft(reason="timeout"))


def goes_on_after_talk(step: Step, interaction: Interaction) -> bool:
    """Whether the queue node says what follows when the agent leaves first."""
    flow = _flow_of(step, interaction)
    node = flow.nodes.get(interaction.flow.node) if flow is not None and interaction.flow is not None else None
    return isinstance(node, Enqueue) and bool(node.after)


def resume_after_talk(step: Step, interaction: Interaction) -> None:
    """Move a talked-to caller back into his flow."""
    step.move(interaction, _S.IN_FLOW, reason="agent-left")
    go_on(step, interaction, QueueLeft(reason="agent-left"))


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
            present(step, interaction)
        case WantHangUp():
            _prepare_ask(interaction, want.prompts, None, hang_up_after=True)
            present(step, interaction)
        case WantQueue():
            if not visits.enter(step, interaction, want):
                go_on(step, interaction, QueueLeft(reason="closed"))


def _prepare_ask(
    interaction: Interaction, prompts: tuple[Prompt, ...], collect: Collect | None, *, hang_up_after: bool
) -> None:
    interaction.asks += 1
    ask = f"{interaction.id}.a{interaction.asks}"
    interaction.pending = Ask(leg=interaction.leg, ask=ask, prompts=prompts, collect=collect)
    interaction.hang_up_after = hang_up_after
