"""Fact tables that are far behind: told in batches, one in memory, at a start and after the database was away."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from engine.bus.topics import Announcer
from engine.domain.events import AnyEvent
from engine.errors import StoreUnavailable
from engine.main.catching_up import CatchingUp
from engine.main.console import LiveConsole
from engine.settings import Mqtt
from engine.store.vault import Vault
from tests.main.hall import NAILED, Hall
from tests.servers import free_port


class SlowTables:
    """Takes batches as the projector does, and looks how far the replay has run ahead meanwhile."""

    def __init__(self, away_after: int = 1_000_000) -> None:
        self.told: list[int] = []
        self.batches: list[int] = []
        self.furthest_ahead = 0
        self.read = 0
        self.on_batch: Callable[[], object] = lambda: None
        self._away_after = away_after

    async def apply_all(self, batch: Sequence[tuple[int, Sequence[AnyEvent]]], vault: Vault | None = None) -> None:
        """Take one batch."""
        if len(self.batches) >= self._away_after:
            raise StoreUnavailable("away")
        await asyncio.sleep(0)
        self.furthest_ahead = max(self.furthest_ahead, self.read - len(self.told))
        self.told += [seq for seq, _ in batch]
        self.batches.append(len(batch))
        self.on_batch()

    def replay(self, telling: CatchingUp, facts: int) -> None:
        """What `belief.restore` does, in a thread."""
        for seq in range(1, facts + 1):
            self.read = seq
            telling.take(seq, [])


@pytest.mark.parametrize(("facts", "batches"), [(0, 0), (7, 1), (100, 1), (101, 2), (25_001, 251)])
async def test_one_batch_in_memory_however_long_the_journal(facts: int, batches: int) -> None:
    tables = SlowTables()
    async with CatchingUp(tables, None, size=100) as telling:
        await asyncio.to_thread(tables.replay, telling, facts)
    assert tables.told == list(range(1, facts + 1))
    assert len(tables.batches) == batches
    assert max(tables.batches, default=0) <= 100
    assert tables.furthest_ahead <= 100


async def test_tables_that_go_away_end_the_replay() -> None:
    tables = SlowTables(away_after=3)
    with pytest.raises(StoreUnavailable):
        async with CatchingUp(tables, None, size=100) as telling:
            await asyncio.to_thread(tables.replay, telling, 25_000)
    assert tables.told == list(range(1, 301))
    assert tables.read == 400


async def test_who_is_cancelled_tells_no_more() -> None:
    tables = SlowTables()
    third = asyncio.Event()
    replays: list[asyncio.Future[None]] = []

    async def work() -> None:
        async with CatchingUp(tables, None, size=100) as telling:
            replay = partial(tables.replay, telling, 10_000_000)
            replays.append(asyncio.get_running_loop().run_in_executor(None, replay))
            await asyncio.shield(replays[0])

    tables.on_batch = lambda: third.set() if len(tables.batches) == 3 else None
    task = asyncio.create_task(work())
    async with asyncio.timeout(20):
        await third.wait()
        task.cancel()
        with pytest.raises(StoreUnavailable, match="the engine stops"):
            await replays[0]
    assert len(tables.batches) < 10


async def test_events_let_go_while_the_database_was_away_are_told_from_the_journal(
    tmp_path: Path, sounds: Path
) -> None:
    limit = 20
    nobody = Mqtt(host="127.0.0.1", port=free_port())  # no broker: every message stays in the outbox, to be counted
    async with Hall(tmp_path, sounds, snapshot_every=15, mqtt=nobody) as hall:
        clerk = hall.engine.clerk
        clerk._limits = (20_000, limit)
        most: list[int] = []
        hall.engine.loop.observe(lambda _seq, _event: most.append(clerk.waiting))
        await hall.sign_in(NAILED)
        with closing(sqlite3.connect(tmp_path / "data" / "callwright.db", isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            with capture_logs() as logs:
                while not clerk.let_go:
                    call = await hall.call_in()
                    await hall.talk(call)
                    await call.hang_up()
                    await hall.ended(call)
                await clerk.barrier(hall.engine.loop.last_seq)
            assert sum("waits to be written" in line["event"] for line in logs) == 1
            health = await LiveConsole(hall.engine).health()
            assert any("too much waits" in reason for reason in health.reasons)
            intruder.execute("ROLLBACK")
        last = await hall.call_in()  # what comes after the gap is told after it
        await hall.talk(last)
        await hall.until(lambda: not clerk.let_go, within=30)
        await hall.on_disk()
        assert max(most) <= limit
        assert not clerk.behind
        report = await LiveConsole(hall.engine).verify()
        assert report.violations == ()
        announced = Announcer("hall")
        expected = sum(len(announced(event, seq)) for seq, event in hall.events)
        async with hall.engine.database.reading() as connection:
            outbox = (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        assert outbox == expected  # each message once


async def test_an_engine_that_stops_while_behind_leaves_the_rest_to_the_next(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        hall.engine.clerk._limits = (20_000, 5)
        await hall.sign_in(NAILED)
        with closing(sqlite3.connect(tmp_path / "data" / "callwright.db", isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            call = await hall.call_in()
            await hall.talk(call)
            await hall.until(lambda: hall.engine.clerk.let_go)
            hall.engine.hurry()
            await hall.stop()
            intruder.execute("ROLLBACK")
        await hall.start()
        await hall.on_disk()
        assert (await LiveConsole(hall.engine).verify()).violations == ()
