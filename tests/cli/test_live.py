"""What needs a running engine: verbs of agents, calls, interactions, flows, reports, verify, explain, top."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.agent import AgentState
from engine.errors import AsteriskUnreachable
from engine.runtime.console import Wanted
from tests.cli import keys
from tests.cli.conftest import Callwright
from tests.web.memory import MemoryConsole

FLOW = str(Path(__file__).parents[2] / "ivr_flows" / "main-en.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["agent", "login", "1001"],
        ["call", "list"],
        ["call", "hangup", "ix_1"],
        ["interaction", "list"],
        ["interaction", "show", "ix_1"],
        ["report", "agents"],
        ["report", "service-level"],
        ["verify"],
        ["top", "--once"],
        ["flow", "list"],
    ],
)
def test_without_an_engine(callwright: Callwright, data: Path, arguments: list[str]) -> None:
    told = callwright(*arguments)
    assert (told.code, told.out) == (1, "")
    first, mend = told.err.splitlines()
    assert first == f"Error: no engine is running at {data}/callwright.sock"
    assert mend == "  start it with `callwright serve`; one that runs with other settings is found by --config FILE"
    assert callwright(*arguments, "--json").error["error_id"] == "no-engine"


def test_an_agents_day(callwright: Callwright, engine: MemoryConsole) -> None:
    callwright("agent", "add", "1001", "--name", "Ada")
    assert callwright("agent", "ready", "1001").code == 4
    assert callwright("agent", "login", "1001").out == "Agent 1001, Ada, is available.\n"
    assert callwright("agent", "login", "1001", "--json").error["error_id"] == "conflict"
    told = callwright("agent", "not-ready", "1001", "--reason", "lunch", "--json").json
    assert (told["state"], told["reason"]) == ("not-ready", "lunch")
    keys.check("agent-show", told)
    assert callwright("agent", "ready", "1001").out == "Agent 1001, Ada, is available.\n"
    assert callwright("agent", "wrapup", "1001").code == 4
    engine.agents.states["1001"] = AgentState.WRAP_UP
    assert callwright("agent", "wrapup", "1001").code == 0
    assert callwright("agent", "logout", "1001").out == "Agent 1001, Ada, is offline.\n"
    assert callwright("agent", "login", "1001", "--not-ready").out == "Agent 1001, Ada, is not-ready.\n"
    assert callwright("agent", "logout", "1002").code == 3


def test_calls(callwright: Callwright, engine: MemoryConsole) -> None:
    keys.check("call-list", callwright("call", "list", "--json").json)
    keys.check("call-show", callwright("call", "show", "ix_1", "--json").json)
    assert "+44••••21" in callwright("call", "list").out
    assert "+442079460021" in callwright("call", "list", "--reveal").out
    assert callwright("call", "show", "ix_2").code == 3
    assert callwright("call", "hangup", "ix_1").out == "Asterisk was asked to end ix_1 (talking).\n"
    assert engine.calls.hung_up == ["ix_1"]


def test_interactions(callwright: Callwright, engine: MemoryConsole) -> None:
    wanted = ("--from", "2026-03-28", "--to", "2026-03-29", "--queue", "sales", "--agent", "1001", "--limit", "7")
    page = callwright("interaction", "list", *wanted, "--cursor", "1.ix_0", "--json").json
    keys.check("interaction-list", page)
    asked = Wanted(start="2026-03-28", end="2026-03-29", queue="sales", agent="1001", cursor="1.ix_0", limit=7)
    assert engine.interactions.asked == [(asked, False)]
    told = callwright("interaction", "list")
    assert "2026-03-29 09:30:00" in told.out  # London's summer time had just begun
    assert "autumn" in told.out
    assert "lead_1" in told.out
    assert "--cursor 1.ix_1" in told.err
    keys.check("interaction-show", callwright("interaction", "show", "ix_1", "--json").json)
    shown = callwright("interaction", "show", "ix_1").out
    assert "rec_1" in shown
    assert "lead_1" in shown
    assert "PHASE" in shown
    assert callwright("interaction", "list", "--from", "yesterday").code == 2
    assert callwright("interaction", "list", "--limit", "501").code == 2


def test_flows(callwright: Callwright, engine: MemoryConsole) -> None:
    told = callwright("flow", "activate", FLOW)
    assert told.out == "Flow main-en, version v1, is live.\n"
    assert engine.flows.texts["main-en"] == Path(FLOW).read_text(encoding="utf-8")
    keys.check("flow-activate", callwright("flow", "activate", FLOW, "--json").json)
    keys.check("flow-list", callwright("flow", "list", "--json").json)
    assert "main-en" in callwright("flow", "list").out


def test_reports(callwright: Callwright, engine: MemoryConsole) -> None:
    level = callwright("report", "service-level", "--from", "2026-03-29", "--queue", "sales", "--json").json
    keys.check("report-service-level", level)
    assert engine.reports.asked == [("2026-03-29", "", "sales", "")]
    shown = callwright("report", "service-level")
    assert "sl.callwright/1" in shown.err
    assert shown.out.splitlines()[-1].startswith("all")
    keys.check("report-agents", callwright("report", "agents", "--json").json)
    assert "Ann" in callwright("report", "agents").out
    unknown = callwright("report", "service-level", "--formula", "sl.genesis/1", "--json")
    assert (unknown.code, unknown.error["where"]) == (3, "formula")


def test_verify(callwright: Callwright, engine: MemoryConsole) -> None:
    told = callwright("verify", "--json")
    assert told.code == 1
    keys.check("verify", told.json)
    assert "stray-channel" in callwright("verify").out
    engine.fault = AsteriskUnreachable("the link is down")
    away = callwright("verify")
    assert away.code == 5
    assert "Error: Asterisk cannot be reached, so nothing was compared" in away.err
    assert "see `callwright doctor`" in away.err
    engine.fault = RuntimeError("a bug")
    bug = callwright("verify", "--json")
    assert (bug.code, bug.error["error_id"]) == (1, "bug")


def test_explain(callwright: Callwright, engine: MemoryConsole) -> None:
    found = callwright("explain", "ix_1", "--json").json
    keys.check("explain", found)
    shown = callwright("explain", "ix_1").out
    assert "chosen by longest-idle: agent 1001" in shown
    assert "offline; signed out" in shown


def test_top(callwright: Callwright, engine: MemoryConsole) -> None:
    callwright("campaign", "create", "autumn", "--queue", "sales", "--trunk", "a")
    callwright("campaign", "start", "autumn")
    told = callwright("top", "--json").json
    keys.check("top", told)
    assert told["campaigns"][0]["answer_rate"] == 0.3061  # 30 of the 98 that ended
    shown = callwright("top", "--once").out
    assert "19 of 32 allowed (1.9% of 1000 answers, cap 3.0%)" in shown
    assert "autumn: one more call would risk more than its price; held back: as many calls as" in shown
    assert "Sales" in shown
    assert "next: wrap-up of 1001" in shown
