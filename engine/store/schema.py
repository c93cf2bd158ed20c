"""Making and changing the tables: Alembic migrations that ship with the package.

The one script folder is `engine/store/migrations`; there is no alembic.ini, because the database is named by our own
settings. To write a new migration, change `tables.py` and call `draft("what changes")` on an up-to-date database.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from engine.errors import StoreTooNew
from engine.store.database import Database, open_database

SCRIPTS = Path(__file__).parent / "migrations"
# One number that every Callwright locks while it changes tables; two engines may start at once.
_ADVISORY_LOCK = 0x43_41_4C_4C


def head() -> str:
    """Return the revision that this version of the code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    return revision or ""


async def upgrade(url: str) -> str:
    """Bring the tables of the database to `head()` and return it. Safe to call at every start.

    :raises StoreTooNew: the database was made by a newer Callwright.
    :raises StoreUnavailable: the database is away, locked or full.
    """
    database = open_database(url)
    try:
        return await upgrade_database(database)
    finally:
        await database.close()


async def upgrade_database(database: Database) -> str:
    """Do what `upgrade` does on a database that is open already."""
    async with database.writing() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        await connection.run_sync(_upgrade)
    await asyncio.to_thread(_keep_private, database)
    return head()


def _keep_private(database: Database) -> None:
    """Telephone numbers are in it, also where the folder around it is open to others."""
    file = database.url.database if database.is_sqlite else None
    if file and file != ":memory:":
        for path in (file, f"{file}-wal", f"{file}-shm"):
            with suppress(FileNotFoundError):
                Path(path).chmod(0o600)


async def current(url: str) -> str | None:
    """Return the revision of the database's tables, or None where there are none yet."""
    database = open_database(url)
    try:
        async with database.reading() as connection:
            return await connection.run_sync(_current)
    finally:
        await database.close()


async def draft(url: str, message: str) -> None:
    """Write a new migration from the difference between the tables in code and in the database."""
    database = open_database(url)
    try:
        async with database.writing() as connection:
            await connection.run_sync(
                lambda sync: command.revision(_config(sync), message, autogenerate=True, rev_id=_next_revision())
            )
    finally:
        await database.close()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    before = _current(connection)
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as unknown:
        raise StoreTooNew(
            f"its tables have revision {before}, this version knows up to {head()}",
            where="store.url",
            mend="Use the version of Callwright that wrote it, or a newer one; or restore an older backup.",
        ) from unknown


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _next_revision() -> str:
    return f"{int(head() or 0) + 1:04d}"
