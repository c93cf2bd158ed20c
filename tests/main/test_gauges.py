"""What Prometheus is told of the work beside the calls, in health and in trouble."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.main.console import LiveConsole
from tests.main.hall import CALLER, Hall

QUIET = (
    "facts_dropped",
    "missed_calls",
    "missed_calls_trouble",
    "recordings_disk_low",
    "recordings_failures",
    "recordings_refused",
    "recordings_unfinished",
    "rescue_bad_lines",
    "rescue_imported",
    "rescue_trouble",
    "rescue_unread",
    "store_behind",
    "store_let_go",
)


def figures(console: LiveConsole) -> dict[str, float]:
    """Name -> value, of those without labels."""
    return {each.name.removeprefix("callwright_"): each.value for each in console.readings() if not each.labels}


def spool(hall: Hall, *lines: str) -> None:
    """Append to the rescue script's file."""
    with (hall.spool / "rescue-20261122.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def caller(number: int) -> str:
    """A line of the rescue script."""
    line = {"id": f"17.{number}-1", "at": 1_700_000_000_000_000, "uniqueid": f"17.{number}", "number": CALLER}
    return json.dumps(line, separators=(",", ":"))


async def test_a_quiet_site(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.until(lambda: hall.engine.missed._resyncs > 0)
        seen = figures(LiveConsole(hall.engine))
        assert seen["recordings_free_bytes"] > 0
        expected = dict.fromkeys(QUIET, 0)
        assert {name: seen[name] for name in expected} == expected


async def test_a_rescue_spool_that_waits_for_the_database(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        console = LiveConsole(hall.engine)
        with closing(sqlite3.connect(tmp_path / "data" / "callwright.db", isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            spool(hall, caller(1), caller(2), "{no json")
            await hall.until(lambda: figures(console)["rescue_trouble"] == 1)
            assert figures(console)["rescue_unread"] == 3
            intruder.execute("ROLLBACK")
        await hall.until(lambda: figures(console)["rescue_imported"] == 2)
        seen = figures(console)
        assert (seen["rescue_trouble"], seen["rescue_unread"]) == (0, 0)
        assert seen["rescue_bad_lines"] == 1  # however often it was read


async def test_recordings_without_space(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds, min_free_percent=100) as hall:
        console = LiveConsole(hall.engine)
        await hall.call_in()
        seen = figures(console)
        assert (seen["recordings_disk_low"], seen["recordings_refused"]) == (1, 1)
        await asyncio.to_thread(hall.recordings.rename, hall.home / "gone")
        await hall.engine.recordings.look_at_disk()
        assert "recordings_free_bytes" not in figures(console)
