"""The clerk: order, groups, and what happens when a disk or a database will not."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.facts import CallArrived, TimePassed
from engine.domain.values import LegId
from engine.errors import CallwrightError, StoreUnavailable
from engine.store.clerk import Clerk
from engine.store.database import Database, open_database
from engine.store.journal import Journal, read_journal
from engine.store.outbox import Outbox
from engine.store.projector import Projector
from engine.store.schema import upgrade_database
from engine.store.tables import Conversation, PersonalData, table
from engine.store.vault import Vault
from tests.servers import PostgresServer, scratch
from tests.store.stories import T0, answered

LONG_S = 30.0


class Office:
    """A clerk at work, with everything that he writes to."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.directory = directory
        self.outbox = Outbox(database)
        self.troubles: list[CallwrightError | None] = []
        self.changed = asyncio.Event()

    async def open(self, **options: Any) -> Office:
        self.journal = Journal.open(self.directory, "seed")
        self.vault = await Vault.open(self.database, self.directory)
        topics = lambda event, seq: [(type(event).__name__, b"", False)]  # noqa: E731
        self.projector = Projector(self.database, topics=topics, outbox=self.outbox)
        await self.projector.attach(self.journal.seed)
        self.clerk = Clerk(self.journal, self.vault, self.projector, on_trouble=self._trouble, **options)
        return self

    def _trouble(self, trouble: CallwrightError | None) -> None:
        self.troubles.append(trouble)
        self.changed.set()

    def call(self, caller: str) -> int:
        token = self.vault.token("number", caller)
        seq = self.clerk.append(CallArrived(leg=LegId(caller), number="+33123456789", caller=token), T0)
        self.clerk.note(seq, answered(f"i{seq}").events)
        return seq

    async def trouble(self, there: bool) -> None:
        async with asyncio.timeout(LONG_S):
            while (self.clerk.trouble is not None) != there:
                await self.changed.wait()
                self.changed.clear()

    async def projected(self, seq: int) -> None:
        async with asyncio.timeout(LONG_S):
            while True:
                self.outbox.filled.clear()
                if await self.projector.last_seq() >= seq:
                    return
                await self.outbox.filled.wait()


@asynccontextmanager
async def at_work(office: Office) -> AsyncIterator[Office]:
    running = asyncio.create_task(office.clerk.run())
    try:
        yield office
    finally:
        await office.clerk.close()
        await running
        office.journal.close()


async def test_a_barrier_means_on_disk_tokens_first(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    async with at_work(office):
        seq = office.call("+33600000001")
        assert office.clerk.durable_seq < seq
        async with asyncio.timeout(LONG_S):
            await office.clerk.barrier(seq)
        [record] = list(read_journal(tmp_path))
        assert isinstance(record.fact, CallArrived)
        reborn = await Vault.open(database, tmp_path)
        assert await reborn.resolve([str(record.fact.caller)]) == {record.fact.caller: "+33600000001"}
        await office.clerk.barrier(seq)


async def test_everything_arrives_in_the_tables_and_the_outbox(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    async with at_work(office):
        for number in range(30):
            office.call(f"+336000000{number:02}")
        await office.projected(30)
    async with database.reading() as connection:
        assert len((await connection.execute(select(table(Conversation).c.id))).all()) == 30
        assert len((await connection.execute(select(table(PersonalData).c.id))).all()) == 30
    assert await office.outbox.size() == 30 * len(answered("i").events)
    assert (tmp_path / "vault.pending").read_bytes() == b""


async def test_the_tables_are_told_of_as_far_as_they_are(database: Database, tmp_path: Path) -> None:
    """Budgets go by this: drops that wait to be written must not be missing in a reading that says it is of now."""
    office = await Office(database, tmp_path).open()
    now = T0 + 60_000_000
    assert office.clerk.told_until(now) == now
    office.call("+33600000001")
    first = answered("i1").events[0].at
    assert office.clerk.told_until(now) == first - 1
    async with at_work(office):
        await office.projected(1)
    assert office.clerk.told_until(now) == now


async def test_closing_writes_what_is_left_without_run(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    office.call("+33600000001")
    office.clerk.append(TimePassed(), T0)
    await office.clerk.close()
    office.journal.close()
    assert [record.seq for record in read_journal(tmp_path)] == [1, 2]
    assert await office.projector.last_seq() == 2


async def test_a_restart_replays_only_what_the_tables_lack(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    for number in range(3):
        office.call(f"+3360000000{number}")
    # Killed after the journal, before the tables.
    office.vault.flush()
    office.journal.flush()
    office.journal.close()
    office = await Office(database, tmp_path).open()
    assert await office.projector.last_seq() == 0
    async with at_work(office):
        for record in office.journal.read(1):
            office.clerk.note(record.seq, answered(f"i{record.seq}").events)
        office.call("+33600000009")
        await office.projected(4)
    async with database.reading() as connection:
        assert len((await connection.execute(select(table(Conversation).c.id))).all()) == 4


async def test_a_full_disk_holds_barriers_until_there_is_space(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await Office(database, tmp_path).open(facts_limit=5)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with at_work(office):
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            seq = office.call("+33600000001")
            waiting = asyncio.create_task(office.clerk.barrier(seq))
            await office.trouble(there=True)
            assert "No space left" in str(office.clerk.trouble)
            for number in range(6):
                office.call(f"+3361000000{number}")
            seen = [office.clerk.behind, waiting.done()]
        async with asyncio.timeout(LONG_S):
            await waiting
            await office.clerk.barrier(7)
        await office.trouble(there=False)
        assert [*seen, office.clerk.behind] == [True, False, False]
    assert [record.seq for record in read_journal(tmp_path)] == list(range(1, 8))


async def test_a_clerk_who_let_go_stops_in_the_middle_of_rereading_and_pretends_nothing(
    database: Database, tmp_path: Path
) -> None:
    begun: list[int] = []
    asked = asyncio.Event()

    async def read_for_ever(upto: int) -> None:
        begun.append(upto)
        asked.set()
        await asyncio.Event().wait()

    office = await Office(database, tmp_path).open(events_limit=5, reread=read_for_ever)
    async with at_work(office):
        seqs = [office.call(f"+3361000000{number}") for number in range(6)]
        assert office.clerk.let_go
        assert office.clerk.waiting <= 5
        async with asyncio.timeout(LONG_S):
            await asked.wait()
        assert office.clerk.behind
    assert begun[0] in seqs
    assert await office.projector.last_seq() < begun[0]  # the next start tells the tables


async def test_what_comes_after_the_gap_waits_until_it_is_closed(database: Database, tmp_path: Path) -> None:
    tried: list[int] = []

    async def reread(upto: int) -> None:
        tried.append(upto)
        if len(tried) < 3:
            raise StoreUnavailable("away again")
        for seq in range(1, upto + 1):
            await office.projector.apply(seq, answered(f"i{seq}").events)

    events = len(answered("i").events)
    office = await Office(database, tmp_path).open(events_limit=2 * events, reread=reread)
    async with at_work(office):
        for number in range(4):
            office.call(f"+3361000000{number}")
        assert office.clerk.waiting == events  # the third made it too much; the fourth came after
        await office.projected(4)
        async with asyncio.timeout(LONG_S):
            await office.trouble(there=False)
        assert not office.clerk.let_go
    assert tried == [3, 3, 3]
    assert await office.outbox.size() == 4 * events


async def test_a_snapshot_waits_for_the_journal(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    async with at_work(office):
        seq = office.call("+33600000001")
        await office.clerk.snapshot(seq, b"{}")
        assert office.journal.nearest_snapshot(seq) == (seq, b"{}")


async def test_a_barrier_does_not_survive_the_clerk(database: Database, tmp_path: Path) -> None:
    office = await Office(database, tmp_path).open()
    async with at_work(office):
        waiting = asyncio.create_task(office.clerk.barrier(99))
        await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await waiting


async def test_a_locked_sqlite_delays_no_barrier_and_loses_nothing(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'callwright.db'}")
    await upgrade_database(database)
    office = await Office(database, tmp_path).open()
    loop = asyncio.get_running_loop()
    async with at_work(office):
        with closing(sqlite3.connect(tmp_path / "callwright.db", isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            for number in range(10):
                before = loop.time()
                seq = office.call(f"+3360000000{number}")
                async with asyncio.timeout(LONG_S):
                    await office.clerk.barrier(seq)
                assert loop.time() - before < 4.0  # the lock alone would hold it for 5 s
            await office.trouble(there=True)
            assert "locked" in str(office.clerk.trouble)
            intruder.execute("ROLLBACK")
        await office.projected(10)
        await office.trouble(there=False)
    async with database.reading() as connection:
        assert len((await connection.execute(select(table(Conversation).c.id))).all()) == 10
    await database.close()


async def test_postgresql_killed_and_back_loses_nothing(tmp_path: Path) -> None:
    with scratch("killed-postgres") as directory:
        server = PostgresServer(directory)
        server.start()
        database = open_database(server.new_database())
        try:
            await upgrade_database(database)
            office = await Office(database, tmp_path).open()
            async with at_work(office):
                office.call("+33600000001")
                await office.projected(1)
                await asyncio.to_thread(server.kill)
                for number in range(2, 6):
                    seq = office.call(f"+3360000000{number}")
                    async with asyncio.timeout(LONG_S):
                        await office.clerk.barrier(seq)
                await office.trouble(there=True)
                await asyncio.to_thread(server.start)
                await office.projected(5)
                await office.trouble(there=False)
            async with database.reading() as connection:
                assert len((await connection.execute(select(table(Conversation).c.id))).all()) == 5
                assert len((await connection.execute(select(table(PersonalData).c.id))).all()) == 5
        finally:
            await database.close()
            server.stop()
