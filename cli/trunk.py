"""`callwright trunk`: lines to the public telephone network."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column
from cli.shell import Json, Yes, examples, group

app = group("Trunks: lines to the telephone network.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The trunk's id, e.g. carrier-a.")]
Host = Annotated[str | None, typer.Option(help="Name or address that its calls come from.")]
Port = Annotated[int | None, typer.Option(help="Its SIP port.")]
Username = Annotated[str | None, typer.Option(help="Our name there, if the carrier asks for a password.")]
Unit = Annotated[str | None, typer.Option(help="The unit it belongs to.")]
COLUMNS: Final = (
    Column("ID", "id", keep=True),
    Column("HOST", "host"),
    Column("PORT", "port", justify="right"),
    Column("USERNAME", "username"),
    Column("UNIT", "unit"),
)


@app.command("add", epilog=examples("callwright trunk add carrier-a --host sip.example.com"))
def add(
    id_: Id,
    host: Annotated[str, typer.Option(help="Name or address that its calls come from.")],
    port: Port = None,
    username: Username = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Add a trunk."""
    fields = {"id": id_, "host": host, "port": port, "username": username, "unit": unit}
    rolls.add_one(Noun.TRUNK, fields, as_json=as_json)


@app.command("list", epilog=examples("callwright trunk list --json"))
def list_(as_json: Json = False) -> None:
    """List all trunks."""
    rolls.list_all(Noun.TRUNK, COLUMNS, as_json=as_json)


@app.command("show", epilog=examples("callwright trunk show carrier-a"))
def show(id_: Id, as_json: Json = False) -> None:
    """Show one trunk."""
    rolls.show_one(Noun.TRUNK, id_, as_json=as_json)


@app.command("set", epilog=examples("callwright trunk set carrier-a --port 5070"))
def set_(
    id_: Id,
    host: Host = None,
    port: Port = None,
    username: Username = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Change a trunk."""
    fields = {"host": host, "port": port, "username": username, "unit": unit}
    rolls.change_one(Noun.TRUNK, id_, fields, as_json=as_json)


@app.command(
    "secret", epilog=examples("callwright trunk secret carrier-a", "callwright trunk secret carrier-a < password.txt")
)
def secret(id_: Id, as_json: Json = False) -> None:
    """Set the password that the carrier asks for: typed, or one line of standard input."""
    rolls.keep_secret(Noun.TRUNK, id_, "password", as_json=as_json)


@app.command("remove", epilog=examples("callwright trunk remove carrier-a --yes"))
def remove(id_: Id, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a trunk."""
    rolls.remove_one(Noun.TRUNK, id_, yes=yes, as_json=as_json)
