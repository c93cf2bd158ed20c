"""Backups of the database: SQLite by its online backup, PostgreSQL by pg_dump and pg_restore.

A backup is taken while the engine runs; a restore wants it stopped. The journal, its snapshots and the vault's key are
files beside the database and belong into the same backup: without the key, known callers get new tokens.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from itertools import chain, count
from pathlib import Path

from sqlalchemy import URL

from engine.errors import ConfigError, Conflict, NotFound, StoreUnavailable
from engine.store.database import is_damage, parse_url
from engine.store.files import PRIVATE, sync_directory

PAGES_AT_ONCE = 1_000
"""So that writers get their turn between two steps (https://sqlite.org/backup.html)."""


async def backup(url: str, path: Path) -> None:
    """Write the whole database to a new file, readable by its owner only.

    :raises Conflict: the file exists.
    :raises NotFound: there is no database.
    :raises ConfigError: pg_dump is needed and not installed.
    :raises StoreUnavailable: it could not be read; no file is left behind.
    """
    if await asyncio.to_thread(path.exists):
        raise Conflict("there is a file already", where=str(path), mend="Choose another name.")
    parsed = parse_url(url)
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
    try:
        if parsed.get_backend_name() == "sqlite":
            await asyncio.to_thread(_copy_sqlite, _sqlite_file(parsed), draft)
        else:
            await _run_postgres("pg_dump", parsed, "--format=custom", f"--file={draft}")
        await asyncio.to_thread(_finish, draft, path)
    finally:
        draft.unlink(missing_ok=True)


async def restore(url: str, path: Path) -> None:
    """Put a backup in place of everything in the database. Stop the engine before.

    A SQLite file that is damaged is kept beside it as `NAME.damaged` (`NAME.damaged-2`, …): SQLite would refuse to
    overwrite its contents, and somebody may want to look at it.

    :raises NotFound: there is no such file.
    :raises ConfigError: the file is no sound backup of this kind of database, or pg_restore is not installed.
    :raises StoreUnavailable: the database is away or in use; it is as it was.
    """
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("there is no such file", where=str(path), mend="Name a file that `db backup` wrote.")
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        await asyncio.to_thread(_check_sqlite, path)
        target = Path(parsed.database or "")
        await asyncio.to_thread(_set_aside_if_damaged, target)
        await asyncio.to_thread(_begin_private, target)
        await asyncio.to_thread(_copy_sqlite, path, target)
        return
    with path.open("rb") as file:
        if file.read(5) != b"PGDMP":
            raise _no_backup(path, "not written by pg_dump")
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
    await _run_postgres("pg_restore", parsed, *options, str(path))


def _sqlite_file(url: URL) -> Path:
    file = Path(url.database or "")
    if not file.is_file():
        raise NotFound("there is no database", where=str(file), mend="Check store.url.")
    return file


def _set_aside_if_damaged(target: Path) -> None:
    if not target.is_file() or _is_whole(target):
        return
    names = (f".damaged{number}" for number in chain([""], (f"-{n}" for n in count(2))))
    ending = next(name for name in names if not target.with_name(target.name + name).exists())
    for part in ("", "-wal", "-shm"):  # the log of a damaged file must not be played into its successor
        file = target.with_name(target.name + part)
        if file.exists():
            file.rename(target.with_name(target.name + ending + part))
    sync_directory(target.parent)


def _is_whole(target: Path) -> bool:
    """Locked counts as whole: the copying itself then says what is wrong."""
    try:
        with closing(sqlite3.connect(target)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as refused:
        return not is_damage(refused)


def _begin_private(target: Path) -> None:
    """Make the file where there is none: SQLite would make one that others may read, telephone numbers and all."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, PRIVATE))
    except OSError as refused:
        raise StoreUnavailable(
            f"it cannot be written: {refused.strerror}", where=str(target), mend="Check the folder and its rights."
        ) from refused


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy page by page; the target sees all of it or nothing, because it is one transaction there."""
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new, pages=PAGES_AT_ONCE)
    except sqlite3.Error as refused:
        raise StoreUnavailable(
            f"copying failed: {refused}", where=str(target), mend="Free space on the disk; stop whatever uses the file."
        ) from refused


def _check_sqlite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            [[result]] = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if result != "ok":
                raise _no_backup(path, result)
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as broken:
        raise _no_backup(path, str(broken)) from broken


def _no_backup(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"this is no sound backup of Callwright: {reason}", where=str(path), mend="Use a file that `db backup` wrote."
    )


def _finish(draft: Path, path: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def _for_libpq(url: URL) -> str:
    """The URL for PostgreSQL's own programs, without the password. What asyncpg calls `ssl` is their `sslmode`."""
    query = {"sslmode" if key == "ssl" else key: value for key, value in url.query.items()}
    return url.set(drivername="postgresql", password=None, query=query).render_as_string()


async def _run_postgres(program: str, url: URL, *options: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise ConfigError(f"{program} is not installed", where="PATH", mend="apt-get install postgresql-client")
    # The password goes by environment: a process list shows arguments to everybody.
    secrets = {"PGPASSWORD": url.password} if url.password else {}
    process = await asyncio.create_subprocess_exec(
        found,
        f"--dbname={_for_libpq(url)}",
        "--no-password",
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **secrets},
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StoreUnavailable(
            f"{program} failed: {said.decode(errors='replace').strip()[-500:]}",
            where="store.url",
            mend="See that the server runs and that its major version is not newer than this program's.",
        )
