"""Callers of the rescue script: imported exactly once, whatever is killed when."""

import json
from pathlib import Path

from sqlalchemy import text

from engine.domain.events import CallbackPromised, InteractionEnded
from engine.domain.facts import CallbackTaken
from engine.domain.interaction import Ending
from engine.store.journal import read_journal
from tests.main.hall import CALLER, Hall


def note(hall: Hall, uniqueid: str, number: str = CALLER, *, id_: str = "") -> None:
    """What the script writes for one caller."""
    line = {"id": id_ or f"{uniqueid}-1", "at": 1_700_000_000_000_000, "uniqueid": uniqueid, "number": number}
    with (hall.spool / "rescue-20261122.jsonl").open("a") as spool:
        spool.write(json.dumps(line, separators=(",", ":")) + "\n")


def promises(hall: Hall) -> list[str]:
    return [event.spool_id for _, event in hall.events if isinstance(event, CallbackPromised)]


async def owed(hall: Hall) -> list[tuple[str, bool]]:
    """(spool id, whether it is promised) of every row."""
    async with hall.engine.database.reading() as connection:
        rows = await connection.execute(text("SELECT id, promised_us FROM rescue_callback ORDER BY id"))
        return [(row.id, row.promised_us is not None) for row in rows]


async def test_a_caller_in_the_queue_who_left_his_number_is_counted_as_a_callback(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        call = await hall.call_in()
        await hall.on_disk()
        await hall.kill()
        note(hall, call.leg.uniqueid)
        await call.hang_up()
        await hall.start()
        await hall.ended(call)
        [ended] = [event for _, event in hall.events if isinstance(event, InteractionEnded)]
        assert (ended.interaction_id, ended.ending) == (call.id, Ending.CALLBACK)
        await hall.on_disk()
        assert await owed(hall) == [(f"{call.leg.uniqueid}-1", True)]


async def test_an_unknown_caller_is_promised_too(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        note(hall, "1700000000.77")
        await hall.until(lambda: bool(promises(hall)))
        await hall.on_disk()
        assert await owed(hall) == [("1700000000.77-1", True)]


async def test_kills_repeat_nobody_and_skip_nobody(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        for count in range(4):
            note(hall, f"1700000000.{count}")
            note(hall, f"1700000000.{count}")  # the script's line, twice on disk
            if count % 2:
                await hall.until(lambda: hall.engine.rescue.imported > 0)
            await hall.restart()
        await hall.until(lambda: len(set(promises(hall))) == 4)
        await hall.on_disk()
        assert await owed(hall) == [(f"1700000000.{count}-1", True) for count in range(4)]
        taken = [
            r.fact.spool_id for r in read_journal(hall.settings.paths.journal) if isinstance(r.fact, CallbackTaken)
        ]
        assert sorted(taken) == sorted(set(taken))


async def test_trouble_with_the_spool_is_said_and_does_not_stop_the_engine(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        (hall.spool / "rescue-20261121.jsonl").mkdir()
        await hall.until(lambda: bool(hall.engine.rescue.trouble))
        (hall.spool / "rescue-20261121.jsonl").rmdir()
        note(hall, "1700000000.1")
        await hall.until(lambda: hall.engine.rescue.imported == 1)
        assert hall.engine.rescue.trouble == ""
