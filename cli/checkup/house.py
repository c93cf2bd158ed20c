"""The house: settings, data folder, disk, database, journal, flows, the engine itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.checkup.finding import Finding, Findings, fail, judged, ok, warn
from cli.checkup.leads import numbers
from engine.errors import CallwrightError, ConfigError

if TYPE_CHECKING:
    from engine.settings import Settings

GIB: Final = 1024**3
FULL: Final = GIB // 4
"""Below this the journal and the recordings will soon fail."""
LOW: Final = 2 * GIB


def house(settings: Settings) -> Findings:
    """Everything of ours on this machine."""
    parts: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("time-zone", _zone),
        ("data-folder", _data),
        ("disk", _disk),
        ("database", _database),
        ("journal", _journal),
        ("journal-clock", _journal_clock),
        ("flows", _flows),
        ("numbers", numbers),
        ("engine", _engine),
    )
    for name, look in parts:
        yield judged(name, partial(look, settings))


def _zone(settings: Settings) -> Finding:
    from engine.store.calendar import zone

    return ok("time-zone", str(zone(settings.site.timezone)))


def _data(settings: Settings) -> Finding:
    data = settings.paths.data.absolute()
    if not data.is_dir():
        return warn("data-folder", f"{data} is not there yet", "`callwright serve` or `callwright db upgrade` makes it")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return fail("data-folder", f"{data}: you may not write there", f"chown {os.geteuid()} {data}")
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        return warn("data-folder", f"{data} is open to others ({mode:o})", f"chmod 700 {data}")
    return ok("data-folder", f"{data}, only ours")


def _disk(settings: Settings) -> Finding:
    where = next(
        path for path in (settings.paths.data.absolute(), *settings.paths.data.absolute().parents) if path.exists()
    )
    free = shutil.disk_usage(where).free
    evidence = f"{free / GIB:.1f} GiB free at {where}"
    if free < FULL:
        return fail("disk", evidence, "free space: the journal stops when the disk is full")
    if free < LOW:
        return warn("disk", evidence, "free space soon: recordings take about 1 MiB a minute")
    return ok("disk", evidence)


def _database(settings: Settings) -> Finding:
    from cli.office import sqlite_file
    from engine.store.schema import current, head

    url = settings.database_url
    file: Path | None = sqlite_file(url)
    if file is not None and not file.exists():
        return warn("database", f"{file} is not there yet", "callwright db upgrade")
    revision = asyncio.run(current(url))
    kind = f"SQLite {file}" if file is not None else "PostgreSQL"
    if revision != head():
        return fail("database", f"{kind}, revision {revision or 'none'}, needed is {head()}", "callwright db upgrade")
    return ok("database", f"{kind}, revision {revision}")


def _journal(settings: Settings) -> Finding:
    from engine.store.journal import verify_journal
    from engine.store.lines import segment_paths

    folder = settings.paths.journal
    segments = segment_paths(folder) if folder.is_dir() else []
    if not segments:
        return ok("journal", "none yet")
    wrong = verify_journal(folder)
    if wrong:
        first = wrong[0].error()
        evidence = f"{len(wrong)} faults; the first: {first.where}: {first.what}"
        return fail("journal", evidence, first.mend or "restore the journal and the database from one backup")
    size = sum(path.stat().st_size for path in segments)
    return ok("journal", f"gapless and sound, {len(segments)} segments, {size / 1024**2:.1f} MiB")


def _journal_clock(settings: Settings) -> Finding:
    from engine.main import timekeeping
    from engine.store.journal import last_moment

    last = last_moment(settings.paths.journal)
    ahead = timekeeping.future(last - time.time_ns() // 1000)
    if ahead:
        return warn("journal-clock", ahead, timekeeping.MEND)
    return ok("journal-clock", "no fact from the future")


def _flows(settings: Settings) -> Finding:
    from engine.flows.parser import parse

    folder = settings.paths.flows
    files = sorted(folder.glob("*.yaml"))
    if not files:
        return warn("flows", f"no flow file in {folder}", "set paths.flows, or copy ivr_flows/*.yaml there")
    broken = []
    for file in files:
        try:
            parse(file.read_text(encoding="utf-8"), str(file))
        except (ConfigError, UnicodeDecodeError):
            broken.append(file)
    if broken:
        names = ", ".join(file.name for file in broken)
        return fail("flows", f"cannot be used: {names}", f"callwright flow check {broken[0]}")
    return ok("flows", f"{len(files)} in {folder}")


def _engine(settings: Settings) -> Finding:
    from cli.client import asked, is_served
    from cli.office import engine_holds_journal

    socket = settings.paths.socket
    if not is_served(socket):
        if engine_holds_journal(settings):
            return warn(
                "engine", f"runs, but does not serve {socket} yet", "wait; if it stays so, see the engine's log"
            )
        return warn("engine", f"not running at {socket}", "callwright serve")
    if socket.stat().st_mode & 0o077:
        return fail("engine", f"others may open {socket}", f"chmod 600 {socket}")
    try:
        floor = asked("floor")
    except CallwrightError as error:
        return fail("engine", str(error), "see the engine's log")
    down = [f"{link['name']}: {link['detail'] or link['state']}" for link in floor["links"] if not link["up"]]
    if down:
        return fail("engine", f"version {floor['version']}, down: {'; '.join(down)}", "see the checks below")
    return ok("engine", f"version {floor['version']}, {len(floor['calls'])} live calls, every link up")
