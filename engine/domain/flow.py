"""A flow is data: named nodes joined by arrows. Parsed from `ivr_flows/*.yaml` by `engine.flows.parser`.

Nodes that speak or listen end in a `want`; nodes that only decide (hours, set, switch) are passed in the same step.
Variables are short texts that are no personal data: choices, pattern names, literals. Typed digits are tokens.
"""

from __future__ import annotations

from engine.domain.policy import SkillNeed
from engine.domain.values import DigitPattern, Prompt, QueueId, Token, Value


class Node(Value, tag=True, tag_field="kind"):
    """Base of all nodes. `line` is where the flow file says it (for errors and drawings)."""

    line: int = 0


class Say(Node):
    """Play prompts, then go on."""

    prompts: tuple[Prompt, ...]
    next: str


class Notice(Node):
    """Tell that the call is recorded. Pressing `refuse_key`, if any, goes on unrecorded."""

    prompts: tuple[Prompt, ...]
    next: str
    refuse_key: str = ""
    wait_s: float = 2.0


class Menu(Node):
    """Offer choices by single keys. `tries` counts silence and wrong keys together; then `otherwise`."""

    prompts: tuple[Prompt, ...]
    options: dict[str, str]
    otherwise: str
    tries: int = 3
    wait_s: float = 6.0
    save: str = ""
    sorry: tuple[Prompt, ...] = ()


class CollectDigits(Node):
    """Gather digits that match one of `patterns`; the variable `save` gets the pattern's name."""

    prompts: tuple[Prompt, ...]
    patterns: tuple[DigitPattern, ...]
    next: str
    otherwise: str
    max_digits: int = 20
    tries: int = 3
    wait_s: float = 8.0
    save: str = ""
    sorry: tuple[Prompt, ...] = ()


class OpenSpan(Value):
    """Open on these weekdays (0 Monday .. 6 Sunday) from `start` to `end`, minutes of the local day, end exclusive."""

    weekdays: tuple[int, ...]
    start: int
    end: int


class Hours(Node):
    """Branch on opening hours in an IANA time zone. `holidays` are closed dates, YYYY-MM-DD."""

    timezone: str
    spans: tuple[OpenSpan, ...]
    open: str
    closed: str
    holidays: tuple[str, ...] = ()


class SetVariables(Node):
    """Set variables to literals. `priority` and names starting with `skill.` steer the queue."""

    values: dict[str, str]
    next: str


class Switch(Node):
    """Branch on a variable's value."""

    variable: str
    cases: dict[str, str]
    otherwise: str


class Enqueue(Node):
    """Wait in a queue.

    `on_timeout`: the longest wait is over; `on_closed`: the queue is closed; `after`: the agent left first.
    """

    queue: QueueId
    on_timeout: str
    on_closed: str
    after: str = ""
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()


class HangUpNode(Node):
    """Say good-bye, if anything, and end the call."""

    prompts: tuple[Prompt, ...] = ()


AnyNode = Say | Notice | Menu | CollectDigits | Hours | SetVariables | Switch | Enqueue | HangUpNode


class Flow(Value):
    """One version of a flow. `version` is the SHA-256 of its file, first 12 hex digits."""

    name: str
    version: str
    language: str
    start: str
    nodes: dict[str, AnyNode]


class FlowState(Value):
    """Where an interaction stands in its flow: a value, so that a snapshot can hold it.

    `tries` counts wrong answers at this node, `failures` the prompts in a row that could not be played.
    """

    flow: str
    version: str
    node: str
    tries: int = 0
    failures: int = 0
    variables: dict[str, str] = {}
    digits: dict[str, Token] = {}
    recording_refused: bool = False
