"""A flow as a graph: its arrows, what cannot be reached, and where a caller would go round without a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple

from engine.domain.flow import (
    AnyNode,
    CollectDigits,
    Enqueue,
    HangUpNode,
    Hours,
    Menu,
    Notice,
    Say,
    SetVariables,
    Switch,
)

Nodes = Mapping[str, AnyNode]

_CYCLES_REPORTED: Final = 20


class Leads(NamedTuple):
    """One arrow out of a node: what must happen, and where it leads. `when` is '' for the plain next."""

    when: str
    target: str


def arrows(node: AnyNode) -> tuple[Leads, ...]:
    """Every arrow out of a node, in the order of the file's keys."""
    match node:
        case Say() | Notice() | SetVariables():
            out = [("", node.next)]
        case Menu():
            out = [*node.options.items(), ("otherwise", node.otherwise)]
        case CollectDigits():
            out = [("", node.next), ("otherwise", node.otherwise)]
        case Hours():
            out = [("open", node.open), ("closed", node.closed)]
        case Switch():
            out = [*node.cases.items(), ("otherwise", node.otherwise)]
        case Enqueue():
            out = [("timeout", node.on_timeout), ("closed", node.on_closed), ("after", node.after)]
        case HangUpNode():
            out = []
    return tuple(Leads(when, target) for when, target in out if target)


def wordless(node: AnyNode) -> tuple[str, ...]:
    """Where a node can lead without the caller hearing a word.

    A queue counts: when it is closed, or its longest wait is zero, it hands the caller on at once.
    """
    match node:
        case Hours() | SetVariables() | Switch():
            return tuple(arrow.target for arrow in arrows(node))
        case Enqueue():
            return tuple(target for target in (node.on_timeout, node.on_closed) if target)
        case _:
            return ()


def unpressed(node: AnyNode) -> tuple[str, ...]:
    """Where a caller who presses nothing can get. Nowhere from a queue: waiting is what he came for."""
    match node:
        case Enqueue():
            return ()
        case Menu() | CollectDigits():
            return (node.otherwise,)
        case _:
            return tuple(arrow.target for arrow in arrows(node))


def reached(nodes: Nodes, start: str) -> set[str]:
    """The names of all nodes that some caller can come to."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        ahead.extend(arrow.target for arrow in arrows(nodes[name]))
    return seen


def cycles(nodes: Nodes, leads: Callable[[AnyNode], tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rings of nodes along `leads`, each as names in walking order; at most 20, no node in two of them."""
    left = {name: [target for target in leads(node) if target in nodes] for name, node in nodes.items()}
    found: list[tuple[str, ...]] = []
    while len(found) < _CYCLES_REPORTED:
        ring = _cycle(left)
        if not ring:
            break
        found.append(ring)
        for name in ring:
            left.pop(name, None)
        left = {name: [target for target in targets if target in left] for name, targets in left.items()}
    return found


def _cycle(graph: dict[str, list[str]]) -> tuple[str, ...]:
    # The sorter takes predecessors; a ring read against its arrows is still a ring, so only its order is turned.
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return tuple(reversed(ring[1:]))
    return ()


def longest_wordless(nodes: Nodes) -> int:
    """How many nodes at most are passed in one step. The graph must have no wordless ring."""
    graph = {name: [target for target in wordless(node) if target in nodes] for name, node in nodes.items()}
    passed: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        passed[name] = 1 + max((passed[target] for target in graph[name]), default=0)
    return max(passed.values(), default=0)
