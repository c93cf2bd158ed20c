"""`callwright doctor`: is everything there that the engine needs, and what to do where it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import typer

from cli.checkup.finding import Finding, Verdict, fail, ok, warn
from cli.client import ask
from cli.output import emit, screen, show
from cli.shell import CONFIG, Json, examples, settings
from engine.errors import CallwrightError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from engine.settings import Settings

EXAMPLE = examples("callwright doctor", "callwright doctor --json")
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def doctor(as_json: Json = False) -> None:
    """Check everything the engine needs, and say how to mend it.

    Machine, settings, store, journal, Asterisk, ports. Exit 1 if a check fails; a warning is no failure.
    """
    out = None if as_json else screen()
    findings: list[Finding] = []
    for finding in examined():
        findings.append(finding)
        if out is not None:
            show(_line(finding))
    counts = {verdict: sum(1 for each in findings if each.verdict is verdict) for verdict in Verdict}
    sound = not counts[Verdict.FAIL]
    if out is None:
        items = [
            {"name": each.name, "verdict": each.verdict, "evidence": each.evidence, "mend": each.mend}
            for each in findings
        ]
        emit({"ok": sound, "items": items, "next": None})
    else:
        out.print()
        out.print(f"{counts[Verdict.OK]} ok, {counts[Verdict.WARN]} to look at, {counts[Verdict.FAIL]} failed")
    if not sound:
        raise typer.Exit(1)


def examined() -> Iterator[Finding]:
    """Every check, in the order in which they should be mended."""
    from cli.checkup.machine import machine

    yield from machine()
    try:
        known = settings()
    except CallwrightError as error:
        yield fail("settings", f"{error.where}: {error.what}", error.mend)
        return
    from engine.settings import find_file

    path = find_file(CONFIG.get())
    yield _settings_file(path)
    from cli.checkup.house import house

    yield from house(known)
    yield from ask(_outside(known))


def _settings_file(path: Path | None) -> Finding:
    if path is None:
        return ok("settings", "no file: defaults and environment")
    if path.stat().st_mode & 0o007:  # the group may read: under systemd it is the service's
        return warn("settings", f"{path}, with its secrets, is open to every user", f"chmod o= {path}")
    return ok("settings", str(path))


async def _outside(known: Settings) -> list[Finding]:
    return [finding async for finding in _asterisk_and_ports(known)]


async def _asterisk_and_ports(known: Settings) -> AsyncIterator[Finding]:
    from cli.checkup.telephony import ports, telephony
    from cli.client import is_served

    async for finding in telephony(known):
        yield finding
    async for finding in ports(known, served=is_served(known.paths.socket)):
        yield finding


def _line(finding: Finding) -> Table:
    from rich.table import Table
    from rich.text import Text

    line = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    line.add_column(width=4)
    line.add_column(width=17, no_wrap=True)
    line.add_column(overflow="fold")
    said = Text(finding.evidence)
    if finding.mend:
        said.append(f"\n→ {finding.mend}", style="bold")
    line.add_row(Text(finding.verdict, style=_STYLES[finding.verdict]), finding.name, said)
    return line
