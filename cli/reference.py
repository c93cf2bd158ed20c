"""Writes docs/cli.md from the commands themselves: `python -m cli.reference`. A test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer.main

from cli.main import app

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_HEAD: Final = """# The command line

Made from the commands themselves by `python -m cli.reference`; do not edit.

Every command takes `--json`: one JSON object on standard output, with stable keys; messages, and errors as
`{"error": {"error_id", "what", "where", "mend"}}`, go to standard error. Lists are `{"items", "next"}`. Times are ISO
8601; without an offset they are the site's. `--config FILE` and `--debug` may stand anywhere. Colours follow the
terminal and `NO_COLOR`; `callwright --install-completion` makes the Tab key useful.

| Exit code | Means |
|---|---|
| 0 | ok |
| 1 | failed, or a check found a fault |
| 2 | the command line, a file or a setting makes no sense |
| 3 | not found |
| 4 | conflicts with the present state |
| 5 | Asterisk cannot be reached |
| 6 | refused by a rule |

A running engine is reached over its Unix socket (`callwright.sock` in the data folder). When none runs, definitions are
read and changed in the store, `explain` and `replay` read the journal, and everything live says so.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order of the help."""
    yield from _below("callwright", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, each in children.items():
        yield from _below(f"{name} {child}", each)


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Any) -> str:
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"], "terminal_width": 100, "max_content_width": 100}
    with command.context_class(command, info_name=name, **settings) as context:
        shown = command.get_help(context)
    return f"\n## {name}\n\n```text\n{shown.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
