"""`callwright flow`, called as people call it: arguments in, text or JSON and an exit code out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from cli.flow import app
from cli.main import app as callwright
from cli.play import judged
from cli.rules import Rules
from engine.domain.values import AskOutcome, Collect, DigitPattern

FLOWS = Path(__file__).parents[2] / "ivr_flows"
EN = str(FLOWS / "main-en.yaml")
ZH = str(FLOWS / "main-zh.yaml")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings and no database of this machine; the folder of the data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLWRIGHT_CONFIG", raising=False)
    monkeypatch.setenv("CALLWRIGHT__PATHS__DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CALLWRIGHT__PATHS__FLOWS", str(FLOWS))
    return tmp_path / "data"


def flow(*arguments: str, typed: str = "") -> Result:
    result = CliRunner().invoke(app, list(arguments), input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def played(*arguments: str) -> dict[str, Any]:
    result = flow("run", *arguments, "--json")
    assert result.exit_code == 0
    value: dict[str, Any] = json.loads(result.stdout)
    return value


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text("flow: b\nstart: one\nnodes:\n  one: {say: Hi, nxt: two}\n", encoding="utf-8")
    return path


def test_sound_files() -> None:
    result = flow("check", EN, ZH)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith(f"{EN}: ok, flow main-en, 10 nodes, version ")
    assert result.stderr == ""


def test_a_broken_file_is_told_with_its_places(broken: Path) -> None:
    result = flow("check", EN, str(broken))
    assert result.exit_code == 2
    assert f"{broken}:4:18: node `one`: the key `nxt` is not known — did you mean `next`?" in result.stderr
    assert "broken.yaml" not in result.stdout


def test_a_queue_that_is_not_defined_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = (
        "flow: s\nstart: a\nnodes:\n  a: {queue: salez, on_timeout: b, on_closed: b, after: b}\n  b: {hangup: Bye.}\n"
    )
    path.write_text(text, encoding="utf-8")
    alone = flow("check", str(path))
    assert (alone.exit_code, alone.stderr) == (0, "")
    for arguments in (["skill", "add", "sales"], ["queue", "add", "sales", "--need", "sales=1"]):
        assert CliRunner().invoke(callwright, arguments).exit_code == 0
    told = flow("check", str(path))
    assert told.exit_code == 0
    assert told.stderr == f"{path}:4:1: warning: node `a`: no queue salez is defined — did you mean sales?\n"
    path.write_text(text.replace("salez", "xyz"), encoding="utf-8")
    (warned,) = json.loads(flow("check", str(path), "--json").stdout)["items"][0]["warnings"]
    assert warned["mend"] == "add it with `callwright queue add xyz`"
    path.write_text(text.replace("salez", "sales"), encoding="utf-8")
    assert flow("check", str(path)).stderr == ""


def test_a_flows_name_is_no_path_but_understood() -> None:
    told = flow("run", "main-en")
    assert (told.exit_code, f"did you mean {EN}?" in told.stderr) == (3, True)
    assert "check the path" in flow("run", "main-eo").stderr


def test_check_as_json(broken: Path) -> None:
    result = flow("check", EN, str(broken), "nowhere.yaml", "--json")
    assert result.exit_code == 2
    value = json.loads(result.stdout)
    assert value["ok"] is False
    sound, faulty, missing = value["items"]
    assert sound.keys() == faulty.keys() == missing.keys()
    assert (sound["ok"], sound["flow"], sound["language"], sound["errors"]) == (True, "main-en", "en", [])
    assert faulty["errors"][1]["what"] == "node `one`: the key `nxt` is not known"
    assert (faulty["errors"][1]["line"], faulty["errors"][1]["column"]) == (4, 18)
    assert missing["errors"][0]["what"] == "there is no such file"


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("flow: o\nstart: a\nnodes:\n  a: {hangup: }\n  b: {hangup: }\n", encoding="utf-8")
    result = flow("check", str(path))
    assert result.exit_code == 0
    assert "odd.yaml:5:3: warning: no way leads to node `b`" in result.stderr


@pytest.mark.parametrize("command", ["check", "run", "draw"])
def test_files_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"flow: x\nstart: \xe9\n")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * (1 << 20) + b"\n\n")
    assert flow(command, str(tmp_path / "none.yaml")).exit_code == 3
    assert flow(command, str(tmp_path)).exit_code == 2
    assert flow(command, str(latin)).exit_code == 2
    assert "latin.yaml:2:8: not UTF-8" in flow(command, str(latin)).stderr
    assert "more than 1,048,576 bytes" in flow(command, str(huge)).stderr
    assert flow(command, "a\0b").exit_code == 2


def test_a_byte_order_mark_is_no_part_of_the_flow(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + Path(EN).read_bytes())
    assert flow("check", str(path)).exit_code == 0


def test_run_with_keys() -> None:
    value = played(EN, "--keys", "1")
    assert value["entered"] == ["office", "welcome", "menu", "to-sales", "sales", "thanks"]
    assert (value["ended"], value["node"], value["as"]) == ("hung-up", "thanks", "phone")
    assert value["variables"] == {"choice": "1", "priority": "1"}
    assert value["turns"][1] == {
        "node": "menu",
        "prompts": ["For sales, press 1. For support, press 2."],
        "outcome": "answered",
        "choice": "1",
    }
    assert value["turns"][2] == {"node": "sales", "queue": "sales", "outcome": "answered"}


def test_run_through_a_closed_queue_and_a_full_one() -> None:
    assert played(EN, "--keys", "2", "--queue", "closed")["node"] == "closed"
    assert played(ZH, "--keys", ",1,1234#", "--queue", "timeout")["node"] == "sorry-urgent"
    assert played(ZH, "--keys", "9,5,2", "--queue", "timeout")["node"] == "sorry"


def test_run_keeps_the_refusal() -> None:
    assert played(ZH, "--keys", "9,2")["recording_refused"] is True
    assert played(ZH, "--keys", ",2")["recording_refused"] is False


def test_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "hours.yaml"
    path.write_text(
        "flow: h\nstart: a\nnodes:\n"
        "  a: {hours: mon-fri 09:00-17:00, timezone: Asia/Shanghai, open: b, closed: c}\n"
        "  b: {hangup: Open.}\n  c: {hangup: Closed.}\n",
        encoding="utf-8",
    )
    assert played(str(path), "--at", "2026-11-23T09:00+08:00")["node"] == "b"
    assert played(str(path), "--at", "2026-11-22T09:00+08:00")["node"] == "c"
    for wrong in ("noon", "9999-12-31T23:59", "0001-01-01"):
        result = flow("run", str(path), "--at", wrong)
        assert result.exit_code == 2
        assert f"`{wrong}` is no time\n  write ISO 8601" in result.stderr


def test_run_from_the_keyboard() -> None:
    result = flow("run", EN, typed="2\nmaybe\nt\n")
    assert result.exit_code == 0
    assert "♪ For sales, press 1." in result.stdout
    assert "♪ We are sorry" in result.stdout
    assert result.stdout.endswith("(the flow hangs up)\n")


def test_the_caller_hangs_up_at_the_end_of_input() -> None:
    assert flow("run", EN).stdout.endswith("(the caller hangs up)\n")
    assert flow("run", EN, typed="1\n").stdout.endswith("(the caller hangs up)\n")


def test_by_text() -> None:
    result = flow("run", EN, "--as", "text", "--keys", "1")
    assert "< For sales, press 1." in result.stdout


def test_a_flow_that_goes_round_for_ever_ends(tmp_path: Path) -> None:
    path = tmp_path / "ring.yaml"
    path.write_text("flow: r\nstart: a\nnodes:\n  a: {say: Hello., next: a}\n", encoding="utf-8")
    assert played(str(path), "--keys", "")["ended"] == "gave-up"


def test_a_poor_terminal_shows_what_it_can() -> None:
    for arguments in (["run", ZH, "--keys", "9,2"], ["draw", ZH], ["check", ZH, "无.yaml"]):
        result = CliRunner(charset="ascii").invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_draw() -> None:
    assert flow("draw", EN).stdout.startswith("flowchart TD\n")
    value = json.loads(flow("draw", EN, "--json").stdout)
    assert value["mermaid"].startswith("flowchart TD\n")
    assert value["flow"] == "main-en"


@pytest.mark.parametrize("command", ["check", "run", "draw"])
def test_help_has_an_example(command: str) -> None:
    assert f"callwright flow {command} " in flow(command, "--help").stdout


def test_wrong_use() -> None:
    assert flow("run").exit_code == 2
    assert flow("run", EN, "--as", "fax").exit_code == 2
    assert flow("chekc", EN).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "rules", "outcome", "choice"),
    [
        ("", Rules.PHONE, AskOutcome.SILENCE, ""),
        ("12345678", Rules.PHONE, AskOutcome.ANSWERED, "account"),
        ("12345678#9", Rules.PHONE, AskOutcome.ANSWERED, "account"),
        ("1234567", Rules.PHONE, AskOutcome.INVALID, ""),
        ("123456789", Rules.PHONE, AskOutcome.INVALID, ""),
        ("hello", Rules.PHONE, AskOutcome.INVALID, ""),
        ("12345678", Rules.TEXT, AskOutcome.ANSWERED, "account"),
    ],
)
def test_digits_are_judged(typed: str, rules: Rules, outcome: AskOutcome, choice: str) -> None:
    collect = Collect(max_digits=8, patterns=(DigitPattern(name="account", regex="[0-9]{8}"),))
    heard = judged(collect, typed, rules)
    assert (heard.outcome, heard.choice) == (outcome, choice)


@pytest.mark.parametrize(
    ("typed", "rules", "choice"),
    [("1", Rules.PHONE, "1"), ("12", Rules.PHONE, "1"), ("12", Rules.TEXT, ""), ("x", Rules.TEXT, "")],
)
def test_menu_keys_are_judged(typed: str, rules: Rules, choice: str) -> None:
    assert judged(Collect(options=("1", "2"), terminator=""), typed, rules).choice == choice


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.binary(max_size=200))
def test_no_file_makes_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    assert flow("check", os.fspath(path)).exit_code == 2
