"""A backup restores everything, and nothing that is no backup is restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError, Conflict, NotFound, StoreUnavailable
from engine.store.backup import backup, restore
from engine.store.database import Database, open_database
from engine.store.definitions import Definitions, SkillDefinition

SALES = SkillDefinition(id="sales", name="Sales")
LATER = SkillDefinition(id="later", name="Later")


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_restore_brings_back_what_was_and_removes_what_came_after(
    database: Database, url: str, tmp_path: Path
) -> None:
    definitions = Definitions(database)
    await definitions.skills.add(SALES)
    path = tmp_path / "callwright.backup"
    await backup(url, path)
    assert path.stat().st_mode & 0o777 == 0o600
    await definitions.skills.add(LATER)
    await definitions.skills.remove("sales")
    await database.close()
    await restore(url, path)
    assert await definitions.skills.list() == [SALES]
    assert [name for name in names(tmp_path) if "draft" in name] == []


async def test_tls_is_spelt_as_the_database_is_opened_with(url: str, tmp_path: Path) -> None:
    """asyncpg and libpq have two words for it; SQLite has none."""
    named = url if url.startswith("sqlite") else f"{url}?ssl=prefer"
    opened = open_database(named)
    await Definitions(opened).skills.add(SALES)
    await opened.close()
    await backup(named, tmp_path / "b")
    await restore(named, tmp_path / "b")


async def test_a_backup_replaces_no_file(database: Database, url: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("mine")
    with pytest.raises(Conflict):
        await backup(url, path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"no backup", b"SQLite format 3\0" + bytes(200)])
async def test_what_is_no_backup_is_refused(database: Database, url: str, tmp_path: Path, content: bytes) -> None:
    await Definitions(database).skills.add(SALES)
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="no sound backup"):
        await restore(url, path)
    assert await Definitions(database).skills.list() == [SALES]


async def test_a_file_that_is_not_there(database: Database, url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await restore(url, tmp_path / "none")


async def test_no_database_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "b")
    with pytest.raises(StoreUnavailable, match="pg_dump"):
        await backup("postgresql://nobody:pw@127.0.0.1:1/none", tmp_path / "b")
    assert names(tmp_path) == []
