"""How errors are told, and options that may stand anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from cli.shell import ANYWHERE, DEBUG, Json, group, in_front, unpacked
from engine.errors import (
    AsteriskUnreachable,
    CallwrightError,
    ConfigError,
    Conflict,
    NotFound,
    RefusedByRule,
    UsageError,
)

ERRORS = {
    CallwrightError: 1,
    UsageError: 2,
    ConfigError: 2,
    NotFound: 3,
    Conflict: 4,
    AsteriskUnreachable: 5,
    RefusedByRule: 6,
}


def program(error: Exception) -> typer.Typer:
    """A group whose only verb fails."""
    made = group("A test.")

    @made.command()
    def go(as_json: bool = typer.Option(False, "--json")) -> None:
        raise error

    @made.command()
    def other() -> None:
        pass

    return made


@pytest.mark.parametrize(("kind", "code"), ERRORS.items())
def test_each_error_has_its_exit_code(kind: type[CallwrightError], code: int) -> None:
    error = kind("it is broken", where="the door", mend="mend it")
    told = CliRunner().invoke(program(error), ["go"])
    assert (told.exit_code, told.stdout) == (code, "")
    assert told.stderr == "Error: the door: it is broken\n  mend it\n"
    as_json = CliRunner().invoke(program(error), ["go", "--json"])
    expected = {"error_id": kind.error_id, "what": "it is broken", "where": "the door", "mend": "mend it"}
    assert (as_json.exit_code, json.loads(as_json.stderr)) == (code, {"error": expected})


def test_wrong_use_as_json() -> None:
    told = CliRunner().invoke(program(Exception()), ["go", "--json", "--fast"])
    assert (told.exit_code, json.loads(told.stderr)["error"]["error_id"]) == (2, "usage")


def test_what_nobody_foresaw_is_one_line_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = CliRunner().invoke(program(ZeroDivisionError("secret")), ["go"])
    assert told.exit_code == 1
    assert "Traceback" not in told.stderr
    assert "secret" not in told.stderr
    (log,) = tmp_path.rglob("*.log")
    assert str(log) in told.stderr
    assert "ZeroDivisionError: secret" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_debug_shows_where() -> None:
    token = DEBUG.set(True)
    try:
        assert "Traceback" in CliRunner().invoke(program(ZeroDivisionError()), ["go"]).stderr
    finally:
        DEBUG.reset(token)


def test_a_question_answered_no() -> None:
    told = CliRunner().invoke(program(typer.Abort()), ["go"])
    assert (told.exit_code, told.stderr) == (1, "Nothing was done.\n")


def test_the_settings_file_may_be_named_behind_the_command(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["config", "check", "--config", str(tmp_path / "none.toml")])
    assert (told.exit_code, "none.toml: cannot be read" in told.stderr) == (2, True)


WORDS = st.lists(st.sampled_from(["--config", "--config=a", "--debug", "agent", "list", "--json", "x"]))


@given(WORDS)
def test_options_of_the_program_may_stand_anywhere(words: list[str]) -> None:
    moved = in_front(words, ANYWHERE)
    assert sorted(moved) == sorted(words)
    assert in_front(moved, ANYWHERE) == moved


def test_nothing_behind_dashes_is_an_option() -> None:
    assert in_front(["a", "--debug", "--", "--config", "b"], ANYWHERE) == ["--debug", "a", "--", "--config", "b"]
    assert in_front(["a", "b", "--config", "c", "d"], ANYWHERE) == ["--config", "c", "a", "b", "d"]


class Options(TypedDict, total=False):
    """What two commands have in common."""

    colour: Annotated[str, typer.Option(help="Its colour.")]
    sizes: Annotated[list[int], typer.Option("--size")]
    loud: Annotated[bool, typer.Option("--loud/--quiet")]


def test_shared_options_arrive_by_name_and_only_if_given(capsys: pytest.CaptureFixture[str]) -> None:
    app = group("Things.")

    @app.command("make")
    @unpacked
    def make(id_: str, as_json: Json = False, **more: Unpack[Options]) -> None:
        typer.echo(json.dumps([id_, as_json, more]))

    def made(*words: str) -> Any:
        with pytest.raises(SystemExit):
            app(["make", *words])
        return json.loads(capsys.readouterr().out)

    app.callback()(lambda: None)
    assert made("a") == ["a", False, {}]
    assert made("a", "--size", "1", "--size", "2", "--quiet", "--json") == ["a", True, {"sizes": [1, 2], "loud": False}]
    assert made("--colour", "", "a") == ["a", False, {"colour": ""}]
