"""The whole store killed with kill -9 in the middle of work, again and again: nothing acknowledged is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from sqlalchemy import select

from engine.domain.facts import CallArrived
from engine.store.database import open_database
from engine.store.journal import read_journal, verify_journal
from engine.store.projector import Projector
from engine.store.tables import Conversation, table
from engine.store.vault import Vault

CHILD = """
import asyncio, sys
from pathlib import Path
from engine.domain.events import InteractionArrived
from engine.domain.facts import CallArrived
from engine.store.clerk import Clerk
from engine.store.database import open_database
from engine.store.journal import Journal
from engine.store.projector import Projector
from engine.store.schema import upgrade_database
from engine.store.vault import Vault


def events(seq, caller):
    return [InteractionArrived(at=1, interaction_id=f"i{seq}", number="+331", flow="f", caller=caller)]


async def main(directory):
    database = open_database(f"sqlite:///{directory / 'callwright.db'}")
    await upgrade_database(database)
    journal = Journal.open(directory, "seed")
    vault = await Vault.open(database, directory)
    projector = Projector(database)
    last = await projector.attach(journal.seed)
    missed = journal.read(last + 1) if last < journal.last_seq else ()
    await projector.apply_all([(record.seq, events(record.seq, record.fact.caller)) for record in missed])
    clerk = Clerk(journal, vault, projector, group_s=0.001, tables_group_s=0.002)
    running = asyncio.create_task(clerk.run())
    while True:
        for _ in range(5):
            token = vault.token("number", f"+336{journal.last_seq:08}")
            fact = CallArrived(leg="leg", number="+331", caller=token)
            seq = clerk.append(fact, 1)
            clerk.note(seq, events(seq, token))
        await clerk.barrier(seq)
        print(seq, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""

LIVES = (60, 150, 240)
"""Facts after which each life is ended."""


def test_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    for until in LIVES:
        acknowledged = _live(tmp_path, until)
        records = list(read_journal(tmp_path))
        assert len(records) >= acknowledged
        assert verify_journal(tmp_path) == []
        asyncio.run(_check(tmp_path, [record.fact for record in records]))


def _live(directory: Path, until: int) -> int:
    """Run a child until it has acknowledged so many facts, kill it, and return how many it had by then."""
    command = [sys.executable, "-c", CHILD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = 0
        for line in child.stdout:
            acknowledged = int(line)
            if acknowledged >= until:
                break
        child.kill()
    assert acknowledged >= until, "the child ended by itself"
    return acknowledged


async def _check(directory: Path, facts: list[object]) -> None:
    """Every token of the journal resolves; the tables hold exactly a beginning of the journal."""
    database = open_database(f"sqlite:///{directory / 'callwright.db'}")
    try:
        vault = await Vault.open(database, directory)
        tokens = [str(fact.caller) for fact in facts if isinstance(fact, CallArrived)]
        resolved = await vault.resolve(tokens)
        assert [resolved.get(token) for token in tokens] == [f"+336{seq:08}" for seq in range(len(tokens))]
        last = await Projector(database).last_seq()
        async with database.reading() as connection:
            ids = set((await connection.execute(select(table(Conversation).c.id))).scalars())
        assert ids == {f"i{seq}" for seq in range(1, last + 1)}
        assert last <= len(facts)
    finally:
        await database.close()
