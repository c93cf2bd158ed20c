"""The benchmark's reading of Asterisk's event log, against lines as Asterisk 22 writes them."""

import json

import pytest

from tests.bench import cel
from tests.bench.figures import figure, percentile


def line(
    event: str, at: float, channel: str, bridge: str = "", technology: str = "simple_bridge", app: str = ""
) -> str:
    extra = json.dumps({"bridge_id": bridge, "bridge_technology": technology}) if bridge else ""
    row = {"eventtype": event, "eventtime": at, "uniqueid": channel, "channame": channel}
    return json.dumps({**row, "appname": app, "eventextra": extra}) + "\n"


CALLER, AGENT, OTHER = "PJSIP/trunk-ours-00000001", "PJSIP/agent-1001-00000002", "PJSIP/trunk-ours-00000003"


def answers(*lines: str) -> list[cel.Answer]:
    return cel.answers(cel.rows("".join(lines).encode()))


def test_an_agent_was_free_when_the_caller_came() -> None:
    (answer,) = answers(
        line("APP_END", 10.0, CALLER, app="AGI"),
        line("BRIDGE_ENTER", 10.02, CALLER, "b1"),
        line("BRIDGE_ENTER", 10.03, AGENT, "b1"),
    )
    assert answer.waited == answer.delay == pytest.approx(0.03)


def test_a_caller_who_waited_counts_from_the_moment_the_agent_was_free() -> None:
    first, second = answers(
        line("APP_START", 10.0, CALLER, app="Queue"),
        line("APP_START", 11.0, OTHER, app="Queue"),
        line("BRIDGE_ENTER", 12.0, CALLER, "b1"),
        line("BRIDGE_ENTER", 12.0, AGENT, "b1"),
        line("BRIDGE_EXIT", 15.0, AGENT, "b1"),
        line("BRIDGE_ENTER", 15.1, OTHER, "b2"),
        line("BRIDGE_ENTER", 15.2, AGENT, "b2"),
    )
    assert first.waited == pytest.approx(2.0)
    assert second.waited == pytest.approx(4.2)
    assert second.delay == pytest.approx(0.2)


def test_an_agent_of_a_pool_is_free_in_the_holding_bridge_and_hears_the_caller_by_way_of_a_local_channel() -> None:
    (answer,) = answers(
        line("BRIDGE_ENTER", 9.0, AGENT, "hold", "holding_bridge"),
        line("APP_START", 10.0, CALLER, app="Queue"),
        line("BRIDGE_EXIT", 10.4, AGENT, "hold", "holding_bridge"),
        line("BRIDGE_ENTER", 10.4, AGENT, "b1"),
        line("BRIDGE_ENTER", 10.5, CALLER, "b2"),
        line("BRIDGE_EXIT", 11.0, AGENT, "b1"),
        line("BRIDGE_ENTER", 11.0, AGENT, "b2"),
    )
    assert answer.delay == pytest.approx(0.5)


def test_a_figure_is_the_median_and_knows_its_limit() -> None:
    assert figure("f", [3.0, 1.0, 2.0], "ms", limit=2.0).ok is True
    assert figure("f", [], "ms", limit=2.0).ok is False
    assert figure("f", [1.0], "ms").ok is None
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
