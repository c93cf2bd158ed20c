"""Every test of this folder runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.store.database import Database, open_database
from engine.store.schema import upgrade_database
from tests.servers import PostgresServer, postgres_server

__all__ = ["postgres_server"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'callwright.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database with all tables."""
    opened = open_database(url)
    await upgrade_database(opened)
    yield opened
    await opened.close()
