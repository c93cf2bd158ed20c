"""Files of the store whose bytes were damaged, and callers without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.facts import TimePassed
from engine.errors import JournalBroken
from engine.store.database import open_database
from engine.store.journal import Journal, read_journal, verify_journal
from engine.store.lines import digest, encode_body, seal
from engine.store.schema import upgrade_database
from engine.store.vault import Vault


def journal(folder: Path) -> Path:
    opened = Journal.open(folder, "seed")
    for _ in range(3):
        opened.append(TimePassed(), 1)
    opened.close()
    return next(folder.glob("journal-*.jsonl"))


@pytest.mark.parametrize("at", [5, -30], ids=["header", "last line"])
def test_a_byte_that_is_no_text_is_a_violation_and_no_crash(tmp_path: Path, at: int) -> None:
    path = journal(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[at] = 0xFF
    path.write_bytes(damaged)
    assert verify_journal(tmp_path)
    with pytest.raises(JournalBroken):
        list(read_journal(tmp_path))
    with pytest.raises(JournalBroken):
        Journal.open(tmp_path, "seed")


def test_a_sealed_line_that_is_no_text_is_a_violation(tmp_path: Path) -> None:
    path = journal(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    link = digest("", lines[0])
    body = encode_body(1, 1, TimePassed()).replace(b"TimePassed", b"Time\xffassed")
    path.write_bytes(lines[0] + seal(body, digest(link, body)))
    assert [violation.code for violation in verify_journal(tmp_path)] == ["journal-line"]


async def test_the_vault_remembers_no_more_than_it_should(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    try:
        await upgrade_database(database)
        vault = await Vault.open(database, tmp_path, remembered=3)
        tokens = [vault.token("number", f"+44770090000{last}") for last in range(5)]
        assert len(set(tokens)) == 5
        assert len(vault._known) == 3
        assert vault.token("number", "+447700900004") == tokens[4]
        assert vault.token("number", "+447700900000") != tokens[0]  # an older one gets a second token
        assert (await vault.resolve(tokens))[tokens[0]] == "+447700900000"
    finally:
        await database.close()


async def test_a_damaged_pending_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "vault.pending").write_bytes(b'{"id":"num_\xff"}\n')
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    try:
        await upgrade_database(database)
        with pytest.raises(JournalBroken):
            await Vault.open(database, tmp_path)
    finally:
        await database.close()
