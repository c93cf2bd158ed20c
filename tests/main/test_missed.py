"""Calls that came and went while the engine was away, or blind: in the sums, once."""

import json
import time
from pathlib import Path

from sqlalchemy import text

from engine.domain.events import InteractionArrived
from tests.main.hall import NUMBER, Call, Hall


def note(hall: Hall, call: Call, began: float, ended: float | None) -> None:
    """What Asterisk writes of one call's beginning and end."""
    rows = [("CHAN_START", began)] + ([("CHAN_END", ended)] if ended is not None else [])
    with (hall.home / "cel.jsonl").open("a") as log:
        for event, at in rows:
            row = {
                "eventtype": event,
                "eventtime": f"{at:.6f}",
                "uniqueid": call.leg.uniqueid,
                "channame": call.leg.name,
                "num": call.leg.number,
                "exten": NUMBER,
                "context": "callwright-inbound",
            }
            log.write(json.dumps(row) + "\n")


def unseen(hall: Hall, *, ends: bool = True) -> Call:
    """Somebody calls, and mostly hangs up again, while nobody listens."""
    call = Call(hall, hall.asterisk.call_in(NUMBER, "+447700900123"))
    began = time.time()
    if ends:
        hall.asterisk.hangup(call.leg.uniqueid)
    note(hall, call, began, time.time() if ends else None)
    return call


async def arrivals(hall: Hall) -> list[str]:
    """The legs of all conversations in the fact tables."""
    await hall.on_disk()
    async with hall.engine.database.reading() as connection:
        rows = await connection.execute(text("SELECT leg FROM session WHERE purpose = 'customer'"))
        return sorted(row.leg for row in rows)


async def test_who_came_and_went_while_the_engine_was_dead_is_counted_once(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        known = await hall.dial()
        note(hall, known, time.time(), None)
        await hall.on_disk()
        await hall.kill()
        gone, waiting = unseen(hall), unseen(hall, ends=False)
        await hall.start()
        await hall.until(lambda: hall.engine.missed.told == 1)
        legs = sorted(call.leg.uniqueid for call in (known, gone, waiting))
        assert await arrivals(hall) == legs
        await hall.restart()
        await hall.until(lambda: hall.engine.missed._resyncs > 0)
        assert await arrivals(hall) == legs
        assert hall.engine.missed.told == 0


async def test_who_came_and_went_while_the_link_was_cut_is_counted_once(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.until(lambda: hall.engine.missed._resyncs > 0)
        await hall.asterisk.stop()
        await hall.until(lambda: hall.engine.floor.state.blind)
        gone = unseen(hall)
        await hall.asterisk.start()
        await hall.until(lambda: hall.engine.missed.told == 1)
        assert await arrivals(hall) == [gone.leg.uniqueid]


async def test_who_was_seen_is_not_told_again(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        began = time.time()
        call = await hall.dial()
        await call.hang_up()
        await hall.ended(call)
        note(hall, call, began, time.time())
        compared = hall.engine.switch.telephony.resyncs
        hall.asterisk.cut()
        await hall.until(lambda: hall.engine.missed._resyncs > compared)
        assert len([1 for _, event in hall.events if isinstance(event, InteractionArrived)]) == 1
        assert hall.engine.missed.told == 0
