"""Caps go by the number itself, leads count dials that reached nobody, imports tell their column."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 50_000
"""So many attempts are filled in by one statement: a server may end those that take long."""

_ATTEMPT = sa.table("attempt", sa.column("id"), sa.column("number"), sa.column("lookup"))
_TOKEN = sa.table("token", sa.column("id"), sa.column("lookup"))


def upgrade() -> None:
    """Change the tables."""
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lookup", sa.LargeBinary(), nullable=True))
    _fill_in()
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_lookup_intent_us"), ["lookup", "intent_us"], unique=False)
    with op.batch_alter_table("lead", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unrung", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("lead_import", schema=None) as batch_op:
        batch_op.add_column(sa.Column("number_column", sa.String(), server_default="", nullable=False))


def _fill_in() -> None:
    """Give attempts the hash of their number. Whom the vault forgot before this stays without: nobody can know it."""
    connection = op.get_bind()
    known = sa.select(_TOKEN.c.lookup).where(_TOKEN.c.id == _ATTEMPT.c.number).scalar_subquery()
    after = ""
    while True:
        ids = sa.select(_ATTEMPT.c.id).where(_ATTEMPT.c.id > after).order_by(_ATTEMPT.c.id).limit(AT_ONCE).subquery()
        last = connection.execute(sa.select(sa.func.max(ids.c.id))).scalar_one()
        if last is None:
            return
        part = sa.and_(_ATTEMPT.c.id > after, _ATTEMPT.c.id <= last)
        connection.execute(sa.update(_ATTEMPT).where(part).values(lookup=known))
        after = last
