"""What the pages tell people to paste: every command line names a command that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "README.zh-CN.md", "docs/campaigns.md", "docs/quick-start.md")
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def command_lines(page: str) -> Iterator[str]:
    """The lines of a page's shell blocks that run `callwright`, those that go on in the next line joined."""
    for block in _BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line.startswith("callwright "))


def parsed(command: Any, words: list[str], parent: Any = None) -> Any:
    """Read a command line as far as the command itself, which is not run."""
    name = command.name or "callwright"
    context = command.make_context(name, words, parent=parent)
    if hasattr(command, "resolve_command"):
        _, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        return parsed(below, rest, context)
    return context


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_can_be_read(page: str) -> None:
    lines = list(command_lines(page))
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
        with suppress(typer.Exit):  # --version
            parsed(typer.main.get_command(app), words)


def test_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(Exception, match="--agents"):
        parsed(typer.main.get_command(app), shlex.split("campaign start spring --agents 3"))
