"""Callers whom the rescue script served come to the engine exactly once, wherever it is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.domain.events import CallbackPromised
from engine.domain.facts import CallbackTaken
from engine.domain.values import Token
from engine.store.clerk import Clerk
from engine.store.database import Database
from engine.store.journal import Journal, read_journal
from engine.store.projector import Projector
from engine.store.rescue import Rescue, RescuedCall
from engine.store.vault import Vault

T0 = 1_763_800_000_000_000


def line(which: int, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "id": f"lab.{which}-{T0 + which}",
        "at": T0 + which,
        "uniqueid": f"lab.{which}",
        "dialled": "+33123456789",
        "caller": f"+3360000000{which}",
        "number": f"+3360000000{which}",
        "outcome": "callback",
        "language": "zh",
    }
    return json.dumps(fields | changes, separators=(",", ":")).encode() + b"\n"


def write(spool: Path, *lines: bytes, day: str = "20261122") -> None:
    spool.mkdir(exist_ok=True)
    with (spool / f"rescue-{day}.jsonl").open("ab") as file:
        file.write(b"".join(lines))


class Life:
    """One life of an engine, from start to kill."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.directory = directory

    async def begin(self) -> Life:
        self.vault = await Vault.open(self.database, self.directory)
        self.rescue = Rescue(self.database, self.vault, self.directory / "spool")
        return self

    def engage(self) -> None:
        self.journal = Journal.open(self.directory / "journal", "seed")
        self.projector = Projector(self.database)
        self.clerk = Clerk(self.journal, self.vault, self.projector)

    async def replay(self) -> None:
        """What the engine does at its start: bring the tables up to the journal."""
        last = await self.projector.attach("seed")
        for record in self.journal.read(1):
            if record.seq > last:
                self.promise(record.seq, record.fact)

    def promise(self, seq: int, fact: object) -> None:
        assert isinstance(fact, CallbackTaken)
        self.clerk.note(seq, [CallbackPromised(at=T0, number=fact.number, spool_id=fact.spool_id)])


def ids(calls: list[RescuedCall]) -> list[str]:
    return [call.uniqueid for call in calls]


async def test_lines_become_calls_without_numbers(database: Database, tmp_path: Path) -> None:
    write(tmp_path / "spool", line(2), line(1))
    write(tmp_path / "spool", line(3), day="20261123")
    life = await Life(database, tmp_path).begin()
    assert await life.rescue.collect() == 3
    calls = await life.rescue.waiting()
    assert ids(calls) == ["lab.1", "lab.2", "lab.3"]
    assert calls[0].number.startswith("num_")
    assert (calls[0].language, calls[0].at) == ("zh", T0 + 1)
    assert await life.vault.resolve([calls[0].number]) == {calls[0].number: "+33600000001"}
    assert await life.rescue.waiting() == []
    assert await life.rescue.collect() == 0


async def test_a_line_still_being_written_waits(database: Database, tmp_path: Path) -> None:
    whole = line(2)
    write(tmp_path / "spool", line(1), whole[:40])
    life = await Life(database, tmp_path).begin()
    assert await life.rescue.collect() == 1
    write(tmp_path / "spool", whole[40:])
    assert await life.rescue.collect() == 1
    assert ids(await life.rescue.waiting()) == ["lab.1", "lab.2"]
    assert life.rescue.bad == []


async def test_a_line_cut_by_a_full_disk_does_not_hide_the_next(database: Database, tmp_path: Path) -> None:
    write(tmp_path / "spool", line(1)[:50] + line(2), b"garbage\n", b"\n", b'{"id":1}\n', line(3))
    life = await Life(database, tmp_path).begin()
    await life.rescue.collect()
    assert ids(await life.rescue.waiting()) == ["lab.2", "lab.3"]
    assert [bad.line for bad in life.rescue.bad] == [1, 2, 4]


async def test_who_left_no_number_is_counted_and_not_called(database: Database, tmp_path: Path) -> None:
    write(tmp_path / "spool", line(1, number="", outcome="hung-up", caller=""), line(2, number=""))
    life = await Life(database, tmp_path).begin()
    assert await life.rescue.collect() == 2
    assert await life.rescue.waiting() == []


async def test_no_spool_is_no_trouble(database: Database, tmp_path: Path) -> None:
    life = await Life(database, tmp_path).begin()
    assert await life.rescue.collect() == 0
    assert await life.rescue.waiting() == []


STEPS = ("collected", "handed out", "journalled", "projected")


@pytest.mark.parametrize("killed_after", STEPS)
async def test_a_kill_between_any_two_steps_repeats_none_and_skips_none(
    database: Database, tmp_path: Path, killed_after: str
) -> None:
    write(tmp_path / "spool", line(1), line(2))
    await _live(database, tmp_path, until=killed_after)
    write(tmp_path / "spool", line(3))
    await _live(database, tmp_path, until="projected")
    await _live(database, tmp_path, until="projected")
    facts = [record.fact for record in read_journal(tmp_path / "journal")]
    taken = [fact.spool_id for fact in facts if isinstance(fact, CallbackTaken)]
    assert sorted(taken) == [f"lab.{number}-{T0 + number}" for number in (1, 2, 3)]


async def _live(database: Database, directory: Path, until: str) -> None:
    """Live up to a step; then nothing more is written, as after kill -9."""
    life = await Life(database, directory).begin()
    life.engage()
    try:
        await life.replay()
        await life.projector.apply_all(life.clerk._noted)  # the tables catch up before anybody is handed out
        await life.rescue.collect()
        if until == "collected":
            return
        calls = await life.rescue.waiting()
        if until == "handed out":
            return
        for call in calls:
            fact = CallbackTaken(leg=call.uniqueid, number=Token(call.number), spool_id=call.spool_id)
            life.promise(life.clerk.append(fact, T0), fact)
        life.vault.flush()
        life.journal.flush()
        if until == "journalled":
            return
        await life.clerk.close()
    finally:
        # A kill writes nothing more: what waits in memory is forgotten.
        life.journal._waiting.clear()
        life.journal.last_seq = life.journal.durable_seq
        life.journal.close()
