"""`serve` and `demo`: what they print; the demo itself has its own tests on real Asterisk."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.main.demo import run
from engine.main.demo.run import DemoResult
from tests.cli import keys
from tests.cli.conftest import Callwright

RESULT: dict[str, Any] = {
    "asterisk": {"version": "22.10.1"},
    "inbound": {
        "arrived": 20,
        "ended_in_flow": 2,
        "offered": 18,
        "answered": 16,
        "abandoned": 1,
        "overflowed": 1,
        "callback": 0,
        "in_progress": 0,
        "asa_s": 2.5,
        "flow_to_agent_ms": {"p50": 12.0, "p99": 31.0, "n": 9},
        "ring_to_agent_ms": {"p50": None, "p99": None, "n": 0},
    },
    "outbound": {
        "attempts": 30,
        "live_answers": 12,
        "connected": 10,
        "abandoned": 1,
        "hung_up_early": 1,
        "abandon_rate": 0.08333,
        "machines": 3,
        "answer_to_agent_ms": {"p50": 4.2, "p99": 19.5},
        "agent_utilisation": 0.83,
        "outcomes": {"connected": 10},
        "refused": {},
        "forecast_answers": 12_000,
        "leads": 120,
        "reasons": {"no-number": 2},
        "far_side_dialled": 30,
        "far_side_talked": 10,
    },
    "far_side": {"placed": 20, "talked": 16},
    "verify": {"ok": True, "violations": [], "runs": 2, "live_calls_compared": 7},
    "seconds": 65.2,
}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A demo that has ended without being run; what it was asked for, and with which failures it ends."""
    asked: list[dict[str, Any]] = []

    def main(seconds: float, **wanted: Any) -> DemoResult:
        wanted["say"]("Starting Asterisk ...")
        asked.append({"seconds": seconds, **wanted})
        failures = ["20 were placed, 19 arrived"] if wanted["seed"] == 13 else []
        return msgspec.convert(RESULT | {"failures": failures}, DemoResult)

    monkeypatch.setattr(run, "main", main)
    return asked


def test_json_is_the_last_line_and_whole(callwright: Callwright, ended: list[dict[str, Any]]) -> None:
    told = callwright("demo", "--seconds", "30", "--headless", "--json")
    assert told.code == 0
    assert told.err == "Starting Asterisk ...\n"
    assert told.json["inbound"]["ring_to_agent_ms"] == {"p50": None, "p99": None, "n": 0}
    assert told.json["failures"] == []
    keys.check("demo", told.json)
    assert (ended[0]["seconds"], ended[0]["headless"], ended[0]["seed"]) == (30.0, True, 1)


def test_a_summary_for_people(callwright: Callwright, ended: list[dict[str, Any]]) -> None:
    told = callwright("demo", "--headless")
    for words in ("answered", "16", "12 ms, 99 % within 31 ms", "7 in 2 runs", "agree", "1 (8.3%)", "83%", "4.2 ms"):
        assert words in told.out
    assert "phone rung" not in told.out
    assert told.err.splitlines()[-1].startswith("What next: docs/quick-start.md")
    assert "`callwright explain ID`" in told.err


def test_a_failure_is_told_and_ends_with_1(callwright: Callwright, ended: list[dict[str, Any]]) -> None:
    told = callwright("demo", "--seed", "13", "--json")
    assert (told.code, told.json["failures"]) == (1, ["20 were placed, 19 arrived"])
    assert "FAILED: 20 were placed, 19 arrived" in told.err


def test_a_demo_is_neither_too_short_nor_endless(callwright: Callwright) -> None:
    assert callwright("demo", "--seconds", "1").code == 2
    assert callwright("demo", "--seconds", "1e9").code == 2


def test_settings_that_cannot_be_used_end_serve(callwright: Callwright) -> None:
    told = callwright("serve", "--config", "/nowhere/callwright.toml")
    assert (told.code, "/nowhere/callwright.toml" in told.err) == (2, True)
