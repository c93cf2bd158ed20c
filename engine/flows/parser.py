"""From the text of a flow file to a `Flow`, or to every fault in it."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from engine.domain.flow import AnyNode, CollectDigits, Enqueue, Flow, Menu, Node, SetVariables, Switch
from engine.flows import graph, strict_yaml
from engine.flows.errors import FlowErrors
from engine.flows.fields import NAME, NAME_RULE, Fields
from engine.flows.interpreter import STEP_LIMIT, Context
from engine.flows.nodes import read_node
from engine.flows.problems import FlowWarning, Mark, Problems, quoted
from engine.flows.prompts import LANGUAGES
from engine.flows.strict_yaml import Table

MAX_NODES: Final = 20_000
MAX_QUEUES: Final = 20
"""Queues that may hand a caller on one after the other, all closed, without a word."""
_RING_SHOWN = 8
_START = Mark(1, 1)


class Checked(NamedTuple):
    """A flow that can be used, and what is odd about it."""

    flow: Flow
    warnings: tuple[FlowWarning, ...]


def parse(text: str, source: str) -> Flow:
    """Read a flow from the text of its file. `source` is the file's name, for messages only.

    Raises:
        FlowErrors: with every fault in `items`. Nothing else, whatever the text.
    """
    return check(text, source).flow


def check(text: str, source: str) -> Checked:
    """Like `parse`, with the warnings.

    Raises:
        FlowErrors: with every fault in `items`. Nothing else, whatever the text.
    """
    problems = Problems(source)
    tree = strict_yaml.read(text, problems)
    flow = _flow(tree, text, problems) if isinstance(tree, Table) else None
    if tree is not None and flow is None:
        problems.error(tree.mark, "the file is no table of `key: value`", "start with `flow: NAME`")
    if problems.errors or flow is None:
        raise FlowErrors(problems.in_file_order())
    return Checked(flow, tuple(problems.warnings))


def version_of(text: str) -> str:
    """The version of a flow: the SHA-256 of its text in UTF-8, first 12 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _flow(top: Table, text: str, problems: Problems) -> Flow:
    nodes_table = top.entries.get("nodes")
    names = list(nodes_table.entries) if isinstance(nodes_table, Table) else []
    fields = Fields("flow", top, problems, frozenset(names))
    name = fields.name("flow", example="main-en")
    language = fields.one_of("language", LANGUAGES, "en")
    start = fields.arrow("start")
    found = fields.table("nodes", "…")
    fields.finish()
    nodes = _nodes(found, language, problems)
    _check_variables(nodes, problems)
    if not problems.errors:  # a graph with holes would only repeat what was said
        _check_graph(nodes, start, found, problems)
    return Flow(name=name, version=version_of(text), language=language, start=start, nodes=nodes)


def _nodes(table: Table, language: str, problems: Problems) -> dict[str, AnyNode]:
    if len(table.entries) > MAX_NODES:
        problems.error(table.mark, f"{len(table.entries):,} nodes, more than {MAX_NODES:,}", "split the flow")
        return {}
    names = frozenset(table.entries)
    nodes: dict[str, AnyNode] = {}
    for name, value in table.entries.items():
        mark = table.marks[name]
        if not NAME.fullmatch(name):
            problems.error(mark, f"{quoted(name)} cannot name a node", NAME_RULE)
        if not isinstance(value, Table):
            problems.error(
                mark, f"node {quoted(name)} is no table of `key: value`", 'write e.g. `say: "Hello."` below it'
            )
            continue
        node = read_node(Fields(f"node {quoted(name)}", value, problems, names), language, mark.line)
        if node is not None:
            nodes[name] = node
    return nodes


def _check_variables(nodes: dict[str, AnyNode], problems: Problems) -> None:
    known = set(Context.__annotations__)
    for node in nodes.values():
        if isinstance(node, SetVariables):
            known.update(node.values)
        elif isinstance(node, Menu | CollectDigits) and node.save:
            known.add(node.save)
    for name, node in nodes.items():
        if isinstance(node, Switch) and node.variable and node.variable not in known:
            mend = problems.guess(node.variable, known, f"known are {', '.join(sorted(known)[:20])}")
            what = f"node {quoted(name)}: nothing sets the variable {quoted(node.variable)}"
            problems.error(Mark(node.line, 1), what, mend)


def _check_graph(nodes: dict[str, AnyNode], start: str, table: Table, problems: Problems) -> None:
    marks = table.marks
    rings = graph.cycles(nodes, graph.wordless)
    for ring in rings:
        problems.error(
            marks.get(ring[0], _START),
            f"a caller would go round for ever without a word: {_drawn(ring)}",
            "put a `say`, `menu` or `hangup` on that way",
        )
    for kind, most, called in ((Node, STEP_LIMIT - 1, "nodes"), (Enqueue, MAX_QUEUES, "queues")):
        if not rings and (longest := graph.longest_wordless(nodes, kind)) > most:
            what = f"{longest:,} {called} in a row without a word, more than {most:,}"
            problems.error(table.mark, what, "put a `say` between them")
    reached = graph.reached(nodes, start)
    for name in nodes:
        if name not in reached:
            problems.warn(marks.get(name, _START), f"no way leads to node {quoted(name)}", "remove it, or lead to it")
    for ring in graph.cycles({name: nodes[name] for name in nodes if name in reached}, graph.unpressed):
        what = f"a caller who presses nothing goes round for ever: {_drawn(ring)}"
        problems.warn(marks.get(ring[0], _START), what, "lead `otherwise` to a queue or a `hangup`")


def _drawn(ring: tuple[str, ...]) -> str:
    shown = [*ring[:_RING_SHOWN], "…"] if len(ring) > _RING_SHOWN else list(ring)
    return " → ".join([*shown, ring[0]])
