"""Walks a person through a flow: one answer in, the next want out. Knows no channel and no clock but `now`.

Nodes that only decide (hours, set, switch) are passed in the same step. A state is a value: keep it, store it, and
`present` says again what its owner wants, e.g. when a call comes back after the engine was away.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypedDict, Unpack, cast

import msgspec

from engine.domain.flow import (
    AnyNode,
    CollectDigits,
    Enqueue,
    Flow,
    FlowState,
    HangUpNode,
    Hours,
    Menu,
    Notice,
    Say,
    SetVariables,
    Switch,
)
from engine.domain.policy import SkillNeed
from engine.domain.values import AskOutcome, Channel, Collect, Prompt, Token, Value
from engine.errors import BrokenInvariant
from engine.flows.hours import is_open
from engine.flows.steering import needs_of, priority_of

STEP_LIMIT: Final = 1_000
"""More nodes than this are never passed in one step; the parser refuses flows that would."""

FAILURES_LIMIT: Final = 10
"""So many prompts in a row could not be played: the call is ended rather than kept in silence."""


class Context(Value):
    """What a `switch` may ask about the interaction, besides the flow's own variables. No personal data.

    `number` is ours (E.164), `unit` the unit it belongs to, `language` the number's language.
    """

    channel: Channel = Channel.VOICE
    number: str = ""
    unit: str = "main"
    language: str = "en"


class WantAsk(Value):
    """Say (or show) `prompts`, then gather what `collect` asks for, if anything. Answered by `Heard`."""

    prompts: tuple[Prompt, ...]
    collect: Collect | None = None


class WantQueue(Value):
    """Wait in `node.queue`. `priority` and `needs` hold the variables' share too. Answered by `QueueLeft`."""

    node: Enqueue
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()


class WantHangUp(Value):
    """Say `prompts`, then end the interaction. Needs no answer; `Heard` brings it again without the prompts."""

    prompts: tuple[Prompt, ...] = ()


Want = WantAsk | WantQueue | WantHangUp


class Heard(Value):
    """A `WantAsk` is over. `choice` is the option or the pattern's name, `digits` what was typed."""

    outcome: AskOutcome
    choice: str = ""
    digits: Token | None = None


class QueueLeft(Value):
    """A `WantQueue` is over, and the person is still there."""

    reason: Literal["timeout", "closed", "agent-left"]


Input = Heard | QueueLeft


class Step(NamedTuple):
    """Where the person stands now, what he wants, and the nodes entered on the way, in order."""

    state: FlowState
    want: Want
    entered: tuple[str, ...] = ()


class _Changes(TypedDict, total=False):
    node: str
    tries: int
    failures: int
    variables: dict[str, str]
    digits: dict[str, Token]
    recording_refused: bool


def _changed(state: FlowState, **changes: Unpack[_Changes]) -> FlowState:
    # type checkers are shown a plain class where msgspec has a Struct (engine.domain.values)
    return cast("FlowState", msgspec.structs.replace(cast("Any", state), **changes))


def begin(flow: Flow, now: int, context: Context | None = None) -> Step:
    """Start at the flow's start. `now` is UTC microseconds."""
    fresh = FlowState(flow=flow.name, version=flow.version, node=flow.start)
    return _enter(flow, fresh, flow.start, now, context or Context())


def resume(flow: Flow, state: FlowState, heard: Input, now: int, context: Context | None = None) -> Step:
    """Go on with what came of the last want.

    Give the version that `state` was made with. With another one the person starts again, for his node may be gone:
    only his refusal to be recorded is kept.

    Raises:
        BrokenInvariant: the input does not answer the present want.
    """
    context = context or Context()
    if (flow.name, flow.version) != (state.flow, state.version):
        fresh = FlowState(
            flow=flow.name, version=flow.version, node=flow.start, recording_refused=state.recording_refused
        )
        return _enter(flow, fresh, flow.start, now, context)
    node = _node(flow, state.node)
    if isinstance(node, Enqueue) and isinstance(heard, QueueLeft):
        return _left_queue(flow, state, node, heard, now, context)
    if isinstance(node, Say | Notice | Menu | CollectDigits | HangUpNode) and isinstance(heard, Heard):
        return _heard(flow, state, node, heard, now, context)
    raise BrokenInvariant(
        f"{type(heard).__name__} does not answer a {type(node).__name__}",
        where=f"flow {flow.name} {flow.version}, node {state.node}",
        mend="answer a WantAsk with Heard and a WantQueue with QueueLeft",
    )


def present(flow: Flow, state: FlowState) -> Want:
    """What the owner of a state wants, said again: for a call that came back. Walks nowhere."""
    return _want(_node(flow, state.node), state)


def _left_queue(flow: Flow, state: FlowState, node: Enqueue, heard: QueueLeft, now: int, context: Context) -> Step:
    target = {"timeout": node.on_timeout, "closed": node.on_closed, "agent-left": node.after}[heard.reason]
    return _enter(flow, state, target, now, context) if target else Step(state, WantHangUp())


def _heard(
    flow: Flow,
    state: FlowState,
    node: Say | Notice | Menu | CollectDigits | HangUpNode,
    heard: Heard,
    now: int,
    context: Context,
) -> Step:
    failures = state.failures + 1 if heard.outcome is AskOutcome.FAILED else 0
    state = _changed(state, failures=failures)
    if isinstance(node, HangUpNode) or failures >= FAILURES_LIMIT:
        return Step(state, WantHangUp())
    match node:
        case Say():
            target = node.next
        case Notice():
            # Who was not told must not be recorded: a notice that could not be played counts as refused.
            refused = heard.outcome is AskOutcome.FAILED or _chose(heard, (node.refuse_key,))
            state = _changed(state, recording_refused=state.recording_refused or refused)
            target = node.next
        case Menu():
            state, target = _after_menu(state, node, heard)
        case CollectDigits():
            state, target = _after_digits(state, node, heard)
    return _enter(flow, state, target, now, context) if target else Step(state, _want(node, state))


def _chose(heard: Heard, options: tuple[str, ...]) -> bool:
    return heard.outcome is AskOutcome.ANSWERED and bool(heard.choice) and heard.choice in options


def _after_menu(state: FlowState, node: Menu, heard: Heard) -> tuple[FlowState, str]:
    if _chose(heard, tuple(node.options)):
        variables = state.variables | {node.save: heard.choice} if node.save else state.variables
        return _changed(state, variables=variables), node.options[heard.choice]
    return _one_try_less(state, node, heard)


def _after_digits(state: FlowState, node: CollectDigits, heard: Heard) -> tuple[FlowState, str]:
    if _chose(heard, tuple(pattern.name for pattern in node.patterns)):
        if node.save:
            digits = state.digits | {node.save: heard.digits} if heard.digits is not None else state.digits
            state = _changed(state, variables=state.variables | {node.save: heard.choice}, digits=digits)
        return state, node.next
    return _one_try_less(state, node, heard)


def _one_try_less(state: FlowState, node: Menu | CollectDigits, heard: Heard) -> tuple[FlowState, str]:
    """Ask again ('' as the target), or give up. A question nobody could hear is not repeated."""
    tries = state.tries + 1
    if tries < node.tries and heard.outcome is not AskOutcome.FAILED:
        return _changed(state, tries=tries), ""
    # an older answer to this question must not pass for the one that was not given now
    without = {name: value for name, value in state.variables.items() if name != node.save}
    digits = {name: token for name, token in state.digits.items() if name != node.save}
    return _changed(state, variables=without, digits=digits), node.otherwise


def _enter(flow: Flow, state: FlowState, target: str, now: int, context: Context) -> Step:
    """Go to `target` and on, through all nodes that need nobody, to one that wants something."""
    entered: list[str] = []
    while len(entered) < STEP_LIMIT:
        node = _node(flow, target)
        entered.append(target)
        match node:
            case Hours():
                target = node.open if is_open(node, now) else node.closed
            case SetVariables():
                state = _changed(state, variables=state.variables | node.values)
                target = node.next
            case Switch():
                target = node.cases.get(_value(node.variable, state, context), node.otherwise)
            case _:
                state = _changed(state, node=target, tries=0)
                return Step(state, _want(node, state), tuple(entered))
    raise BrokenInvariant(
        f"{STEP_LIMIT} nodes in a row without a word",
        where=f"flow {flow.name} {flow.version}, node {target}",
        mend="the parser refuses such a flow: load flows through engine.flows.parser",
    )


def _value(variable: str, state: FlowState, context: Context) -> str:
    known = {
        "channel": context.channel.value,
        "number": context.number,
        "unit": context.unit,
        "language": context.language,
    }
    return state.variables.get(variable, known.get(variable, ""))


def _want(node: AnyNode, state: FlowState) -> Want:
    match node:
        case Say():
            return WantAsk(prompts=node.prompts)
        case Notice():
            key = node.refuse_key
            collect = Collect(first_digit_s=node.wait_s, terminator="", options=(key,)) if key else None
            return WantAsk(prompts=node.prompts, collect=collect)
        case Menu():
            # no terminator: in a menu `#` is a key like any other
            collect = Collect(first_digit_s=node.wait_s, terminator="", options=tuple(node.options))
            return WantAsk(prompts=_again(node, state), collect=collect)
        case CollectDigits():
            collect = Collect(max_digits=node.max_digits, first_digit_s=node.wait_s, patterns=node.patterns)
            return WantAsk(prompts=_again(node, state), collect=collect)
        case Enqueue():
            priority = priority_of(node, state.variables)
            return WantQueue(node=node, priority=priority, needs=needs_of(node, state.variables))
        case HangUpNode():
            return WantHangUp(prompts=node.prompts)
        case Hours() | SetVariables() | Switch():
            raise BrokenInvariant("nobody stands at a node that only decides", where=f"node {state.node}")


def _again(node: Menu | CollectDigits, state: FlowState) -> tuple[Prompt, ...]:
    return node.sorry + node.prompts if state.tries else node.prompts


def _node(flow: Flow, name: str) -> AnyNode:
    node = flow.nodes.get(name)
    if node is None:
        raise BrokenInvariant(
            f"there is no node {name}",
            where=f"flow {flow.name} {flow.version}",
            mend="load flows through engine.flows.parser, and keep a version while a state of it lives",
        )
    return node
