"""A flow as a graph: its arrows, what cannot be reached, and where a caller would go round without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Final, NamedTuple

from engine.domain.flow import (
    AnyNode,
    CollectDigits,
    Enqueue,
    HangUpNode,
    Hours,
    Menu,
    Node,
    Notice,
    Say,
    SetVariables,
    Switch,
)

Nodes = Mapping[str, AnyNode]

_RINGS_REPORTED: Final = 20
_RINGS_TRIED: Final = 200  # each costs a copy of the path


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
    """Rings of nodes along `leads`, each as names in walking order; at most 20, no node in two of them.

    One walk in depth; a ring closes where it meets its own path. Empty only if there is no ring at all.
    """
    found: list[tuple[str, ...]] = []
    closed_at: set[str] = set()
    for path, target in _meetings(nodes, leads):
        if target in closed_at or len(closed_at) == _RINGS_TRIED:
            continue
        closed_at.add(target)
        names = list(path)
        ring = tuple(names[names.index(target) :])
        if len(found) < _RINGS_REPORTED and not any(name in other for other in found for name in ring):
            found.append(ring)
    return found


def _meetings(nodes: Nodes, leads: Callable[[AnyNode], tuple[str, ...]]) -> Iterator[tuple[Iterable[str], str]]:
    """Each arrow back to the path walked so far: the path (valid until the next step) and the end of the arrow."""
    done: set[str] = set()
    for root in nodes:
        path = {} if root in done else {root: iter(leads(nodes[root]))}
        while path:
            name = next(reversed(path))
            target = next(path[name], None)
            if target is None:
                done.add(name)
                del path[name]
            elif target in path:
                yield path, target
            elif target in nodes and target not in done:
                path[target] = iter(leads(nodes[target]))


def longest_wordless(nodes: Nodes, kind: type[Node] = Node) -> int:
    """How many nodes of a kind lie at most on one way without a word. The graph must have no wordless ring."""
    graph = {name: [target for target in wordless(node) if target in nodes] for name, node in nodes.items()}
    passed: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        onward = max((passed[target] for target in graph[name]), default=0)
        passed[name] = onward + isinstance(nodes[name], kind)
    return max(passed.values(), default=0)
