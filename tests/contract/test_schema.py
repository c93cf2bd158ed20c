"""Migrations lead to the tables in code, and a database of the future is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, text

from engine.errors import ConfigError, StoreTooNew, StoreUnavailable
from engine.store.database import Database, open_database
from engine.store.schema import current, head, upgrade
from engine.store.tables import PersonalData, Row, table


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Row.metadata))


async def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(_differences) == []


async def test_upgrading_twice_changes_nothing(empty_url: str) -> None:
    assert await current(empty_url) is None
    assert await upgrade(empty_url) == head()
    assert await upgrade(empty_url) == head()
    assert await current(empty_url) == head()


async def test_a_database_file_is_read_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "callwright.db"
    await upgrade(f"sqlite:///{file}")
    assert file.stat().st_mode & 0o077 == 0


async def test_old_attempts_get_the_hash_of_their_number(database: Database, url: str) -> None:
    """Down to revision 0002 by hand, with attempts of a known and of a forgotten person, and up again."""
    attempt = "INSERT INTO attempt (id, campaign_id, seller, lead_id, number, trunk_id, intent_us, cause, rule) VALUES"
    async with database.writing() as connection:
        await connection.execute(
            insert(table(PersonalData)).values(id="num_1", kind="number", value="+1", lookup=b"hash", created_us=0)
        )
        for statement in (
            f"{attempt} ('att_1', 'c', '', 'lead_1', 'num_1', 't', 1, 0, '')",
            f"{attempt} ('att_2', 'c', '', 'lead_2', 'num_gone', 't', 1, 0, '')",
            "DROP INDEX ix_attempt_lookup_intent_us",
            "ALTER TABLE attempt DROP COLUMN lookup",
            "ALTER TABLE lead DROP COLUMN unrung",
            "ALTER TABLE lead_import DROP COLUMN number_column",
            "UPDATE alembic_version SET version_num = '0002'",
        ):
            await connection.execute(text(statement))
    assert await upgrade(url) == head()
    async with database.reading() as connection:
        rows = (await connection.execute(text("SELECT id, lookup FROM attempt ORDER BY id"))).all()
        assert [(row.id, row.lookup and bytes(row.lookup)) for row in rows] == [("att_1", b"hash"), ("att_2", None)]
        assert await connection.run_sync(_differences) == []


async def test_two_engines_may_upgrade_at_once(empty_url: str) -> None:
    assert list(await asyncio.gather(upgrade(empty_url), upgrade(empty_url))) == [head(), head()]


async def test_a_database_of_the_future_is_refused_and_left_alone(database: Database, url: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="9999"):
        await upgrade(url)
    assert await current(url) == "9999"


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO unit (id, name) VALUES ('gone', 'Gone')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT id FROM unit"))).scalars().all() == ["main"]


async def test_readers_and_a_writer_do_not_wait_for_each_other(database: Database) -> None:
    async with asyncio.timeout(4):  # less than the busy time-out
        async with database.writing() as writer:
            await writer.execute(text("INSERT INTO unit (id, name) VALUES ('north', 'North')"))
            async with database.reading() as reader:
                assert (await reader.execute(text("SELECT count(*) FROM unit"))).scalar_one() == 1
        async with database.reading() as reader:
            before = (await reader.execute(text("SELECT count(*) FROM unit"))).scalar_one()
            async with database.writing(durable=False) as writer:
                await writer.execute(text("INSERT INTO unit (id, name) VALUES ('south', 'South')"))
            assert (await reader.execute(text("SELECT count(*) FROM unit"))).scalar_one() == before == 2


@pytest.mark.parametrize("bad", ["", "no url", "mysql://host/x", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_be_used_say_what_can(bad: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///FILE"):
        open_database(bad)


async def test_a_server_that_is_away_is_no_surprise() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="does not serve"):
        async with database.reading():
            pass
    await database.close()
