from __future__ import annotations

from hypothesis import given

from engine.flows.drawing import mermaid
from engine.flows.graph import arrows
from engine.flows.parser import parse
from tests.flows.random_flows import flow_texts
from tests.flows.texts import flow_of


def test_a_small_flow() -> None:
    flow = flow_of("one: {menu: 'Say \"A\" <b> #1.', options: {'#': bye}, otherwise: one}")
    assert mermaid(flow) == (
        "flowchart TD\n"
        '    begin(["test"]) --> n0\n'
        '    n0[/"<b>one</b><br/>Say #quot;A#quot; #lt;b#gt; #35;1."/]\n'
        '    n1(["<b>bye</b><br/>Good-bye."])\n'
        '    n0 -->|"#35;"| n1\n'
        '    n0 -->|"otherwise"| n0\n'
    )


@given(flow_texts())
def test_every_node_and_arrow_is_drawn(text: str) -> None:
    flow = parse(text, "random.yaml")
    lines = mermaid(flow).splitlines()
    assert len(lines) == 2 + len(flow.nodes) + sum(len(arrows(node)) for node in flow.nodes.values())
