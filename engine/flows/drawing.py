"""A flow as a Mermaid flowchart, for documents and pages."""

from __future__ import annotations

from engine.domain.flow import (
    AnyNode,
    CollectDigits,
    Enqueue,
    Flow,
    HangUpNode,
    Hours,
    Menu,
    Notice,
    Say,
    SetVariables,
    Switch,
)
from engine.domain.values import Prompt
from engine.flows.graph import arrows

_CLIPPED = 40


def mermaid(flow: Flow) -> str:
    """The source of a top-down flowchart, ending in a line feed. Nodes are numbered, so no name can break it."""
    ids = {name: f"n{number}" for number, name in enumerate(flow.nodes)}
    lines = ["flowchart TD", f'    begin(["{_escaped(flow.name)}"]) --> {ids[flow.start]}']
    for name, node in flow.nodes.items():
        left, right = _shape(node)
        lines.append(f'    {ids[name]}{left}"<b>{_escaped(name)}</b><br/>{_escaped(_label(node))}"{right}')
    for name, node in flow.nodes.items():
        for when, target in arrows(node):
            label = f'|"{_escaped(when)}"|' if when else ""
            lines.append(f"    {ids[name]} -->{label} {ids[target]}")
    return "\n".join(lines) + "\n"


def _shape(node: AnyNode) -> tuple[str, str]:
    match node:
        case Menu() | CollectDigits():
            return "[/", "/]"
        case Hours() | Switch():
            return "{", "}"
        case Enqueue():
            return "[[", "]]"
        case HangUpNode():
            return "([", "])"
        case _:
            return "[", "]"


def _label(node: AnyNode) -> str:
    match node:
        case Say() | Menu() | CollectDigits():
            return _spoken(node.prompts)
        case Notice():
            return f"recording notice: {_spoken(node.prompts)}"
        case Hours():
            return f"open in {node.timezone}?"
        case SetVariables():
            return ", ".join(f"{name} = {value}" for name, value in node.values.items())
        case Switch():
            return f"{node.variable} is?"
        case Enqueue():
            return f"queue {node.queue}"
        case HangUpNode():
            return _spoken(node.prompts) or "hang up"


def _spoken(prompts: tuple[Prompt, ...]) -> str:
    words = " ".join(prompt.text or f"[{prompt.file}]" for prompt in prompts)
    return words if len(words) <= _CLIPPED else words[: _CLIPPED - 1] + "…"


def _escaped(text: str) -> str:
    """Mermaid's own entities: `#quot;` and the like; `#` first, for it starts them."""
    for character, entity in (
        ("#", "#35;"),
        ("&", "#38;"),
        ('"', "#quot;"),
        ("<", "#lt;"),
        (">", "#gt;"),
        ("`", "#96;"),
    ):
        text = text.replace(character, entity)
    return text
