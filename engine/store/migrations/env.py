"""What Alembic runs. The connection comes from `engine.store.schema`, in a transaction of its own making."""

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString

from engine.store.tables import Row


def _render(kind: str, item: Any, _api: object) -> str | Literal[False]:
    """SQLModel's text type is a plain VARCHAR; migrations must not import what may change."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    # SQLite cannot alter most things: Alembic then copies the table.
    render_as_batch=True,
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
