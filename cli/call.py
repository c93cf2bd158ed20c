"""`callwright call`: live calls."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli.client import asked
from cli.output import Column, done, emit, emit_list, seconds, show_record, show_table
from cli.shell import Json, Reveal, examples, group

app = group("Live calls. Needs a running engine.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The call's id, e.g. ix_01K…; see `callwright call list`.")]
COLUMNS: Final = (
    Column("ID", "id", keep=True),
    Column("STATE", "state"),
    Column("PERSON", "caller"),
    Column("NUMBER", "number", spare=True),
    Column("QUEUE", "queue_id"),
    Column("CAMPAIGN", "campaign_id", spare=True),
    Column("AGENT", "agent_id"),
    Column("WAITED", shows=lambda call: seconds(call["waited_s"]), justify="right", spare=True),
    Column("TALK", shows=lambda call: seconds(call["talk_s"]), justify="right"),
)


@app.command("list", epilog=examples("callwright call list", "callwright call list --json --reveal"))
def list_(reveal: Reveal = False, as_json: Json = False) -> None:
    """List live calls, in order of arrival."""
    page = asked("calls", reveal=reveal)
    if as_json:
        emit_list(page["items"], page["next"])
    else:
        show_table(COLUMNS, page["items"], empty="No live calls.")


@app.command("show", epilog=examples("callwright call show ix_01KABCDEFGHJKMNPQRSTVWXYZ0"))
def show(id_: Id, reveal: Reveal = False, as_json: Json = False) -> None:
    """Show one live call with its legs."""
    call = asked("calls", id_, reveal=reveal)
    if as_json:
        emit(call)
    else:
        show_record(call)


@app.command("hangup", epilog=examples("callwright call hangup ix_01KABCDEFGHJKMNPQRSTVWXYZ0"))
def hangup(id_: Id, as_json: Json = False) -> None:
    """End a live call."""
    call = asked("calls", id_, method="delete")
    done(f"Asterisk was asked to end {id_} ({call['state']}).", call, as_json=as_json)
