"""The rescue script against a stand-in Asterisk that speaks AGI over its standard input and output."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dialplans" / "agi" / "rescue.py"


class Line:
    """One call to the rescue: what the caller hears, presses, and when the caller goes."""

    def __init__(self, spool: Path, *, caller: str = "+4930123", language: str = "en") -> None:
        self.spool = spool
        self.heard: list[str] = []
        self._env = {
            "agi_uniqueid": "site-1.1",
            "agi_callerid": caller,
            "agi_dnid": "+498912345",
            "agi_arg_1": str(spool),
            "agi_arg_2": language,
        }

    def run(self, keys: Iterable[str], *, gone_after: int | None = None, closed: bool = False) -> tuple[int, str]:
        """Play the caller: `keys` answer WAIT FOR DIGIT in turn ("" is a pause); gone at command `gone_after`."""
        pressed = iter(keys)
        with subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as script:
            assert script.stdin is not None
            assert script.stdout is not None
            assert script.stderr is not None
            script.stdin.write("".join(f"{name}: {value}\n" for name, value in self._env.items()) + "\n")
            script.stdin.flush()
            for number, command in enumerate(script.stdout):
                gone = gone_after is not None and number >= gone_after
                if gone and closed:
                    script.stdin.close()
                    break
                self.heard.append(command.split()[2].rpartition("/")[2] if command.startswith("STREAM") else "?")
                script.stdin.write(self._result(command, pressed, gone=gone))
                script.stdin.flush()
            errors = script.stderr.read()
            return script.wait(timeout=10), errors

    @staticmethod
    def _result(command: str, pressed: Iterable[str], *, gone: bool) -> str:
        if gone:
            return "200 result=-1\n" if command.startswith("STREAM") else "200 result=-1 (hangup)\n"
        key = next(iter(pressed), "") if command.startswith("WAIT") else ""
        return f"200 result={ord(key) if key else 0}" + (" endpos=8000\n" if command.startswith("STREAM") else "\n")

    def noted(self) -> list[dict[str, object]]:
        return [json.loads(line) for file in self.spool.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_the_callers_own_number_is_confirmed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    assert line.run(["1"]) == (0, "")
    [noted] = line.noted()
    assert (noted["number"], noted["outcome"], noted["caller"]) == ("+4930123", "callback", "+4930123")
    assert noted["dialled"] == "+498912345"
    assert str(noted["id"]).startswith("site-1.1-")
    assert line.heard[-1] == "rescue-thanks"


def test_a_caller_who_presses_nothing_is_called_at_their_own_number(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.run([])
    assert line.noted()[0]["number"] == "+4930123"


def test_another_number_is_keyed_in_and_confirmed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.run(["2", *"0305557", "#", "1"])
    assert line.noted()[0]["number"] == "0305557"


def test_a_number_without_an_end_key_ends_by_itself(tmp_path: Path) -> None:
    line = Line(tmp_path, caller="")
    line.run([*"0305557", "", "1"])
    assert line.noted()[0]["number"] == "0305557"


def test_too_few_digits_are_asked_for_again(tmp_path: Path) -> None:
    line = Line(tmp_path, caller="anonymous")
    line.run([*"12", "#", *"0305557", "#", "2", *"0305558", "#", "1"])
    assert "rescue-invalid" in line.heard
    assert (line.noted()[0]["number"], line.noted()[0]["caller"]) == ("0305558", "")


def test_no_number_at_all_is_noted_as_a_caller_lost(tmp_path: Path) -> None:
    line = Line(tmp_path, caller="")
    line.run([])
    assert (line.noted()[0]["number"], line.noted()[0]["outcome"]) == ("", "hung-up")


@pytest.mark.parametrize("closed", [False, True], ids=["result -1", "end of input"])
@pytest.mark.parametrize("moment", range(14))
def test_hanging_up_at_any_moment_leaves_one_line_and_no_traceback(tmp_path: Path, moment: int, closed: bool) -> None:
    line = Line(tmp_path)
    assert line.run(["2", *"030"], gone_after=moment, closed=closed) == (0, "")
    assert [noted["outcome"] for noted in line.noted()] == ["hung-up"]


def test_a_spool_that_cannot_be_written_is_said_to_the_caller_and_the_operator(tmp_path: Path) -> None:
    line = Line(tmp_path / "not-there")
    code, errors = line.run(["1"])
    assert (code, line.heard[-1]) == (0, "rescue-failed")
    assert "No such file or directory" in errors
    assert "4930123" not in errors


def test_the_prompts_are_the_callers_language(tmp_path: Path) -> None:
    import tomllib

    texts = tomllib.loads((SCRIPT.parents[1] / "prompts.toml").read_text())
    assert texts["en"].keys() == texts["zh"].keys()
    line = Line(tmp_path, language="zh")
    line.run(["2", *"12", "#", *"0305557", "#", "1"])
    assert set(line.heard) - {"?"} <= texts["zh"].keys()
    assert line.noted()[0]["language"] == "zh"
