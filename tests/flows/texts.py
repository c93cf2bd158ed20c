"""Small flow files for tests: one node under test, the rest just enough to be a flow."""

from textwrap import dedent, indent

from engine.domain.flow import Flow
from engine.flows.errors import FlowErrors
from engine.flows.parser import parse

END = 'bye:\n  hangup: "Good-bye."\n'


def around(nodes: str, start: str = "one", head: str = "") -> str:
    """A flow file whose nodes are `nodes` (dedented) and a final `bye`."""
    body = indent(dedent(nodes).strip("\n") + "\n" + END, "  ")
    return f"flow: test\n{head}start: {start}\nnodes:\n{body}"


def flow_of(nodes: str, start: str = "one", head: str = "") -> Flow:
    return parse(around(nodes, start, head), "test.yaml")


def faults(text: str) -> list[str]:
    """Every fault of a text as `line:column what | mend`; empty when it is sound."""
    try:
        parse(text, "test.yaml")
    except FlowErrors as errors:
        return [f"{item.line}:{item.column} {item.what} | {item.mend}" for item in errors.items]
    return []
