"""Opening the database: SQLite by default, PostgreSQL by URL, behind one door.

    sqlite+aiosqlite:///var/callwright.db        (or plain sqlite:///…)
    postgresql+asyncpg://user:secret@host/name   (or plain postgresql://…)

SQLite runs in WAL mode. Writers begin with BEGIN IMMEDIATE, so that two writers wait for each other at the start of a
transaction and not fail in the middle; readers see a snapshot and wait for nobody. A commit is synced to disk only when
the writer asks for `durable`: the rest can be rebuilt from the journal (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from engine.errors import ConfigError, StoreBroken, StoreUnavailable

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 15.0
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
# PostgreSQL's error classes that pass by themselves: connection, transaction rollback (deadlock), out of resources,
# object in use, operator intervention, system error. Appendix A of its manual.
_PASSING_SQLSTATES = ("08", "40", "53", "55", "57", "58")
_DAMAGE_SQLSTATES = ("XX001", "XX002")  # data_corrupted, index_corrupted


def parse_url(text: str) -> URL:
    """Return a database URL with the driver that we use.

    :raises ConfigError: it is no URL, or of a database that is not supported.
    """
    try:
        url = make_url(text)
    except ArgumentError as wrong:
        raise ConfigError(
            "this is no database URL", where="store.url", mend="Use sqlite:///FILE or postgresql://…"
        ) from (wrong)
    driver = _DRIVERS.get(url.drivername, url.drivername)
    if driver not in _DRIVERS.values():
        raise ConfigError(
            f"{url.drivername} is not supported", where="store.url", mend="Use sqlite:///FILE or postgresql://…"
        )
    if driver == "sqlite+aiosqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError("SQLite needs a file", where="store.url", mend="Use sqlite:///FILE.")
    return url.set(drivername=driver)


def is_passing(error: BaseException) -> bool:
    """Tell whether a database error may pass by itself: gone, locked, full, overloaded."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlstate = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or sqlstate.startswith(_PASSING_SQLSTATES)


def is_damage(error: BaseException) -> bool:
    """Tell whether a database says that its own files are damaged, or no database at all."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):  # the low byte, for SQLite adds details above it: sqlite.org/rescode.html
        return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return str(getattr(cause, "sqlstate", None) or "") in _DAMAGE_SQLSTATES


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn damage into `StoreBroken` and passing errors into `StoreUnavailable`; let every other through."""
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        if is_damage(error):
            raise _broken(url, cause) from error
        if not is_passing(error):
            raise
        raise StoreUnavailable(
            f"the database does not serve: {cause or type(cause).__name__}",
            where="store.url",
            mend="See that it runs, is reachable, has free space and no long writer.",
        ) from error


def _broken(url: URL, cause: BaseException) -> StoreBroken:
    is_file = url.get_backend_name() == "sqlite"
    return StoreBroken(
        f"the database is damaged: {cause}",
        where=str(url.database) if is_file else "store.url",
        mend="Stop the engine and bring back a backup: `callwright db restore FILE --yes`"
        + (", which sets the damaged file aside" if is_file else "")
        + "; the next start tells the fact tables from the journal what happened since. "
        "Without a backup see `Files` in docs/operating.md.",
    )


class Database:
    """An open database. Connections are made when needed: opening never fails because the server is away."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.engine = _engine(url)
        self._in_thread = _thread_engine(url) if self.is_sqlite else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction that only reads: one snapshot, no lock.

        :raises StoreUnavailable: the database is away, locked or full.
        :raises StoreBroken: it is damaged.
        """
        with explained(self.url):
            async with self.engine.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def writing(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction that commits at the end, and rolls back on any error.

        `durable` syncs the commit, and with it every earlier one. Without it SQLite leaves that to its next checkpoint,
        and a power cut may take back the last commits: right for what the journal rebuilds at the next start.
        PostgreSQL always syncs: it may crash while the engine lives on, and then nobody would rebuild anything.

        :raises StoreUnavailable: the database is away, locked or full; nothing was changed.
        """
        with explained(self.url):
            async with self.engine.connect() as connection:
                await connection.execution_options(callwright_write=True, callwright_durable=durable)
                async with connection.begin():
                    yield connection

    async def write(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Run `work` in one transaction that commits when it returns; the way for many statements at once.

        `work` is given a connection without `await`: on SQLite it runs in a thread, where a statement costs a tenth of
        what it costs through the event loop; so it must touch nothing that belongs to the loop.

        :raises StoreUnavailable: the database is away, locked or full; nothing was changed.
        """
        if self._in_thread is None:
            async with self.writing(durable=durable) as connection:
                return await connection.run_sync(work)
        with explained(self.url):
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work, durable)

    async def close(self) -> None:
        """Close every connection. Using the database again opens new ones."""
        await self.engine.dispose()
        if self._in_thread is not None:
            await asyncio.to_thread(self._in_thread.dispose)

    def _work(self, work: Callable[[Connection], T], durable: bool) -> T:
        assert self._in_thread is not None  # noqa: S101 - only SQLite comes here
        with self._in_thread.connect() as connection:
            options = connection.execution_options(callwright_write=True, callwright_durable=durable)
            with options.begin():
                return work(options)


def open_database(url: str) -> Database:
    """Open a database by URL; its tables are made by `engine.store.schema.upgrade`.

    :raises ConfigError: the URL cannot be used.
    """
    return Database(parse_url(url))


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    else:
        engine = create_async_engine(
            url,
            pool_size=5,
            max_overflow=5,
            pool_pre_ping=True,
            pool_timeout=CONNECT_WITHIN_S,
            hide_parameters=True,  # error texts reach logs, and parameters hold people's numbers
            connect_args={
                "timeout": CONNECT_WITHIN_S,
                "command_timeout": ANSWER_WITHIN_S,
                "server_settings": {"application_name": "callwright", "lock_timeout": str(BUSY_TIMEOUT_MS)},
            },
        )
    return engine


def _thread_engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions of its own: see "Pysqlite / aiosqlite" in SQLAlchemy's SQLite dialect page.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("callwright_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    wanted = "FULL" if options["callwright_durable"] else "NORMAL"
    if connection.info.get("synchronous", "NORMAL") != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous={wanted}")
        connection.info["synchronous"] = wanted
    connection.exec_driver_sql("BEGIN IMMEDIATE")
