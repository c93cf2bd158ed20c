"""Help, completion, documentation and start-up: what one meets first."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.reference import PAGE, commands, page

COMMANDS = dict(commands())
HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "fastapi",
    "panoramisk",
    "aiortc",
    "pydantic",
    "httpx",
    "rich",
    "asyncio",
    "structlog",
)
CONTRACT = """
serve demo doctor verify top explain replay
agent:add,list,show,set,remove,login,logout,ready,not-ready,wrapup queue:add,list,show,set,remove,open,close
skill:add,list,show,set,remove number:add,list,show,set,remove trunk:add,list,show,set,remove
campaign:create,import,check,start,pause,stop,list,show,watch,report lead:list,show,import,export
dnc:add,remove,import,check call:list,show,hangup interaction:list,show flow:check,run,draw report:service-level,agents
db:upgrade,backup,restore asterisk:render,apply,remove config:show,check
"""


def test_the_contract_of_names() -> None:
    for word in CONTRACT.split():
        noun, _, verbs = word.partition(":")
        for verb in verbs.split(",") if verbs else [""]:
            assert f"callwright {noun} {verb}".strip() in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_a_true_example(name: str) -> None:
    command: Any = COMMANDS[name]
    shown = CliRunner().invoke(app, [*name.split()[1:], "-h"])
    assert shown.exit_code == 0
    assert command.help
    assert max(map(len, shown.stdout.splitlines())) <= 100
    lines = [line.strip() for line in command.epilog.splitlines() if line.startswith("  ")]
    assert lines
    for line in lines:
        assert line.startswith(name), line


def test_every_command_speaks_json() -> None:
    without = [name for name, command in COMMANDS.items() if all("--json" not in each.opts for each in command.params)]
    assert without == ["callwright serve"]


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m cli.reference`"


def test_help_loads_nothing_heavy() -> None:
    program = f"""
import sys, json
from cli.main import app
try:
    app(["--help"])
except SystemExit:
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == []


def test_version() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout.split()[0]) == (0, "callwright")


@pytest.mark.parametrize(
    ("typed", "near"),
    [(["agnt", "list"], "'agent'"), (["call", "lst"], "'list'"), (["report", "service-levle"], "'service-level'")],
)
def test_typos_are_met_with_a_suggestion(typed: list[str], near: str) -> None:
    told = CliRunner().invoke(app, typed)
    assert told.exit_code == 2
    assert f"Did you mean {near}?" in told.stderr


def test_a_wrong_option_is_met_with_a_suggestion() -> None:
    told = CliRunner().invoke(app, ["interaction", "list", "--quue", "sales"])
    assert (told.exit_code, "--queue" in told.stderr) == (2, True)


def test_completion_is_on() -> None:
    told = CliRunner().invoke(
        app,
        [],
        prog_name="callwright",
        env={"_CALLWRIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "callwright ag", "COMP_CWORD": "1"},
    )
    assert told.stdout.split() == ["agent"]
