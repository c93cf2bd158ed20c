"""A journal from the future: the engine says so, and serves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.domain.facts import TimePassed
from engine.domain.values import SECOND
from engine.main.console import LiveConsole
from engine.main.timekeeping import TOLERATED, future
from engine.store.journal import Journal, last_moment
from tests.main.hall import NAILED, Hall

DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (-DAY, ""),
        (TOLERATED, ""),
        (65 * SECOND, "the journal's clock is 0:01:05 ahead of this machine's"),
        (400 * DAY + SECOND, "the journal's clock is 400 days, 0:00:01 ahead of this machine's"),
    ],
)
def test_what_is_said(ahead: int, said: str) -> None:
    assert future(ahead) == said


async def test_after_a_day_in_the_future_calls_are_served_and_everybody_is_told(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        assert (await LiveConsole(hall.engine).health()).warnings == ()
        await hall.on_disk()
        await hall.kill()
        folder = hall.settings.paths.journal
        ahead = time.time_ns() // 1000 + 2 * DAY
        journal = Journal.open(folder, "")
        journal.append(TimePassed(), ahead)
        journal.close()
        assert last_moment(folder) == ahead

        with capture_logs() as logs:
            await hall.start()
        [line] = [each for each in logs if "ahead of this machine's" in each["event"]]
        assert line["event"].startswith("the journal's clock is 1 day, 23:59:")
        assert "timedatectl" in line["mend"]
        health = await LiveConsole(hall.engine).health()
        assert health.ready
        [warning] = health.warnings
        assert warning.startswith("time: the journal's clock is 1 day, 23:59:")
        await hall.sign_in(NAILED)
        await hall.talk(await hall.call_in())
