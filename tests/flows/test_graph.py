from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.flow import AnyNode, HangUpNode, SetVariables, Switch
from engine.flows.graph import arrows, cycles, longest_wordless, reached, unpressed, wordless
from tests.flows.texts import flow_of

Graph = dict[str, list[str]]
_graphs: st.SearchStrategy[Graph] = st.integers(1, 8).flatmap(
    lambda size: st.fixed_dictionaries(
        {f"n{n}": st.lists(st.sampled_from([f"n{m}" for m in range(size)]), max_size=3) for n in range(size)}
    )
)


def nodes_of(graph: Graph) -> dict[str, AnyNode]:
    return {
        name: Switch(variable="v", cases={str(n): target for n, target in enumerate(out)}, otherwise=out[0])
        if out
        else HangUpNode()
        for name, out in graph.items()
    }


def can_reach(graph: Graph, start: str) -> set[str]:
    """Everything that can be reached from `start` by one arrow or more."""
    seen: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += graph[name]
    return seen


@given(_graphs)
def test_rings_are_found_where_there_are_some_and_are_rings(graph: Graph) -> None:
    found = cycles(nodes_of(graph), wordless)
    assert bool(found) == any(name in can_reach(graph, name) for name in graph)
    for ring in found:
        assert all(after in graph[before] for before, after in zip(ring, (*ring[1:], ring[0]), strict=True))
    everywhere = [name for ring in found for name in ring]
    assert len(everywhere) == len(set(everywhere))


@given(_graphs)
def test_reached(graph: Graph) -> None:
    assert reached(nodes_of(graph), "n0") == {"n0"} | can_reach(graph, "n0")


def test_the_longest_wordless_way_counts_its_nodes() -> None:
    chain: dict[str, AnyNode] = {f"n{n}": SetVariables(values={"a": "1"}, next=f"n{n + 1}") for n in range(5)}
    chain["n5"] = HangUpNode()
    assert longest_wordless(chain) == 6
    assert longest_wordless({}) == 0


def test_arrows_of_every_kind() -> None:
    flow = flow_of(
        """
        one: {menu: Hi, options: {2: two, 1: bye}, otherwise: two}
        two: {queue: s, on_timeout: bye, on_closed: three, after: one}
        three: {collect: Hi, patterns: {a: 1 digit}, save: a, next: four, otherwise: bye}
        four: {hours: mon 09:00-10:00, timezone: UTC, open: five, closed: bye}
        five: {switch: a, cases: {a: six}, otherwise: bye}
        six: {notice: Hi, next: one}
        """
    )
    assert {name: tuple(map(tuple, arrows(node))) for name, node in flow.nodes.items()} == {
        "one": (("2", "two"), ("1", "bye"), ("otherwise", "two")),
        "two": (("timeout", "bye"), ("closed", "three"), ("after", "one")),
        "three": (("", "four"), ("otherwise", "bye")),
        "four": (("open", "five"), ("closed", "bye")),
        "five": (("a", "six"), ("otherwise", "bye")),
        "six": (("", "one"),),
        "bye": (),
    }
    assert wordless(flow.nodes["two"]) == ("bye", "three")
    assert unpressed(flow.nodes["two"]) == ()
    assert unpressed(flow.nodes["one"]) == ("two",)
