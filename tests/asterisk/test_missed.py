"""Asterisk's channel event log: calls that came and went are found, wherever the reading begins."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asterisk.missed import GoneCall, gone_calls
from engine.domain.values import SECOND, LegId

START = 1_700_000_000


def row(event: str, at: float, leg: str, *, context: str = "callwright-inbound", num: str = "", extra: str = "") -> str:
    """One line as cel_custom writes it: every value a text."""
    return json.dumps(
        {
            "eventtype": event,
            "userdeftype": "",
            "eventtime": f"{at:.6f}",
            "uniqueid": leg,
            "linkedid": leg,
            "channame": f"PJSIP/trunk-{leg}",
            "num": num,
            "exten": "+442079460001",
            "context": context,
            "appname": "",
            "peer": "",
            "eventextra": extra,
        }
    )


def call(leg: str, at: float, lasts: float = 1.0) -> list[str]:
    return [
        row("CHAN_START", at, leg),
        row("ANSWER", at + lasts / 2, leg, context="callwright-call", num="07700900123"),
        row("HANGUP", at + lasts, leg, context="callwright-call", extra='{"hangupcause":17,"hangupsource":""}'),
        row("CHAN_END", at + lasts, leg, context="callwright-call"),
    ]


def write(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "cel.jsonl"
    path.write_text("\n".join(lines) + end)
    return path


def us(seconds: float) -> int:
    return round(seconds * SECOND)


def test_a_call_is_found_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    log = write(tmp_path, *call("1.1", START))
    assert gone_calls(log, us(START), us(START + 9)) == [
        GoneCall(
            leg=LegId("1.1"),
            channel="PJSIP/trunk-1.1",
            dialled="+442079460001",
            caller="07700900123",
            began=us(START),
            ended=us(START + 1),
            cause=17,
        )
    ]


def test_a_call_that_lasts_belongs_to_the_comparison_with_asterisk(tmp_path: Path) -> None:
    log = write(tmp_path, *call("1.1", START)[:-1])
    assert gone_calls(log, 0, us(START + 9)) == []


def test_only_what_began_and_ended_in_the_window_counts(tmp_path: Path) -> None:
    log = write(tmp_path, *call("1.1", START), *call("1.2", START + 5), *call("1.3", START + 10))
    assert [each.leg for each in gone_calls(log, us(START + 1), us(START + 10.5))] == ["1.2"]


def test_agents_legs_are_no_calls(tmp_path: Path) -> None:
    log = write(tmp_path, row("CHAN_START", START, "a", context="callwright-agents"), row("CHAN_END", START + 1, "a"))
    assert gone_calls(log, 0, us(START + 9)) == []


def test_lines_that_cannot_be_read_hide_nothing(tmp_path: Path) -> None:
    lines = call("1.1", START)
    log = write(tmp_path, "{", "", "null", lines[0], '{"eventtype":1}', *lines[1:], '{"eventtype":"CHAN_', end="")
    assert [each.leg for each in gone_calls(log, 0, us(START + 9))] == ["1.1"]


@settings(max_examples=20)
@given(after=st.integers(-5, 1005))
def test_wherever_reading_begins_in_a_long_log_the_same_calls_are_found(
    tmp_path_factory: pytest.TempPathFactory, after: int
) -> None:
    log = _long_log(tmp_path_factory)
    found = [each.began for each in gone_calls(log, us(START + after), us(START + 2000))]
    assert found == [us(START + at) for at in range(max(0, after), 1000)]


_LONG: list[Path] = []


def _long_log(factory: pytest.TempPathFactory) -> Path:
    if not _LONG:
        lines = [line for at in range(1000) for line in call(f"1.{at}", START + at, 0.5)]
        _LONG.append(write(factory.mktemp("cel"), *lines))
    return _LONG[0]
