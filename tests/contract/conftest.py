"""Every test of this folder runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.store.database import Database, open_database
from engine.store.schema import head, upgrade
from engine.store.tables import Row
from tests.servers import PostgresServer, postgres_server

__all__ = ["postgres_server"]

TABLES = ", ".join(f'"{table.name}"' for table in Row.metadata.sorted_tables)
AS_NEW = (  # names from our own tables, no stranger's text
    f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE;"  # noqa: S608
    "INSERT INTO unit (id, name) VALUES ('main', 'Main');"
    f"UPDATE alembic_version SET version_num = '{head()}'"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'callwright.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables: copying it is faster than making them anew."""
    path = tmp_path_factory.mktemp("template") / "callwright.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the one PostgreSQL database with all tables that tests use in turn."""
    url = postgres_server.new_database()
    asyncio.run(upgrade(url))
    return url


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with all tables, as a migration leaves them."""
    if kind == "sqlite":
        path = tmp_path / "callwright.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    used: str = request.getfixturevalue("postgres_url")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.execute(used, AS_NEW)
    return used


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database with all tables."""
    opened = open_database(url)
    yield opened
    await opened.close()
