"""The engine stays away: callers are asked for a number to call back, and the engine takes over each of them once."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable

import pytest

from engine.domain.events import CallbackPromised
from engine.domain.interaction import InteractionState as S
from tests.live.faults.conftest import Count
from tests.live.hall import Hall, open_hall
from tests.live.sound import longest_silence_s

pytestmark = pytest.mark.timeout(240)
RESCUE_AFTER_S = 6
PRESSES_ONE = "1ww" * 16
"""A caller who presses 1 every second and a half: whenever he is asked, he agrees."""


def promises(hall: Hall) -> Counter[str]:
    return Counter(event.spool_id for event in hall.engine.events() if isinstance(event, CallbackPromised))


def spool(hall: Hall) -> list[dict[str, str]]:
    files = sorted(hall.site.asterisk.rescue_spool.glob("rescue-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def imported(hall: Hall) -> int:
    path = hall.engine.settings.paths.data / "callwright.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (many,) = database.execute("SELECT count(*) FROM rescue_callback").fetchone()
    database.close()
    return int(many)


async def test_callers_are_asked_for_a_number_and_each_is_taken_over_once(count: Count) -> None:
    queued, late = count(2, 10), count(2, 10)
    async with open_hall(nailed=1, rescue_after_s=RESCUE_AFTER_S) as hall:
        waiting = await hall.call(queued, digits=PRESSES_ONE, delay=20.0, wait=300.0, listen=True)
        await hall.until_counted({S.WAITING: queued})

        await hall.engine.kill_for_good()
        arriving = await hall.call(late, digits=PRESSES_ONE, delay=8.0, wait=300.0, listen=True)
        await hall.until_over(waiting + arriving, 120.0)
        lines = spool(hall)
        assert [line["outcome"] for line in lines] == ["callback"] * (queued + late)
        assert len({line["id"] for line in lines}) == queued + late
        silence = max(longest_silence_s(ear) for ear in hall.ears.values())
        print(f"{len(lines)} numbers taken while the engine was away; longest silence {silence:.1f} s")
        assert silence <= 12.0

        began = time.monotonic()
        await hall.engine.start()
        await hall.engine.until(lambda _state: len(promises(hall)) == queued + late, 20.0, "all promises")
        print(f"imported {time.monotonic() - began:.1f} s after the start")
        await hall.until_idle()
        await hall.engine.stop()
        await hall.engine.start()  # and not again
        assert set(promises(hall).values()) == {1}
        # those who waited are interactions that ended in a promise; those who came later never reached the engine
        assert hall.endings() == {"callback": queued}
        await hall.verify()


async def test_killed_during_the_import_again_and_again(count: Count) -> None:
    many = count(1500, 6000)
    async with open_hall(nailed=1, rescue_after_s=RESCUE_AFTER_S) as hall:
        await hall.engine.kill_for_good()
        ids = [f"1700000000.{n}-{n}" for n in range(many)]
        lines = [
            {"id": each, "at": n + 1, "uniqueid": each.partition("-")[0], "dialled": "+442079460001", "caller": ""}
            | {"number": f"+4474{n:08d}", "outcome": "callback", "language": "en"}
            for n, each in enumerate(ids)
        ]
        file = hall.site.asterisk.rescue_spool / "rescue-20260101.jsonl"
        file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        await hall.engine.launch()
        moments: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("some lines are in the table", lambda: imported(hall) > 0),
            ("all lines are in the table", lambda: imported(hall) == many),
            ("the first promise is in the journal", lambda: bool(promises(hall))),
        )
        for moment, reached in moments:
            before = hall.engine.starts
            async with asyncio.timeout(60):
                while not reached():  # noqa: ASYNC110 - another process's doing
                    await asyncio.sleep(0.005)
            hall.engine.kill()
            print(f"killed when {moment}: {imported(hall)} in the table, {len(promises(hall))} promised")
            await hall.engine.until_back(before)
        await hall.engine.until(lambda _state: len(promises(hall)) == many, 60.0, "all promises")
        assert promises(hall) == dict.fromkeys(ids, 1)
        assert imported(hall) == many
        await hall.verify()
