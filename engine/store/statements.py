"""Statements that SQLite and PostgreSQL spell alike, but SQLAlchemy does not."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_new(into: Table, connection: AsyncConnection | Connection) -> SqliteInsert | PostgresInsert:
    """Return an INSERT that passes over rows whose key is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(into).on_conflict_do_nothing()
    return postgresql.insert(into).on_conflict_do_nothing()
