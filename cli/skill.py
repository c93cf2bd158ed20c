"""`callwright skill`: what queues ask for and agents have."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column
from cli.shell import Json, Yes, examples, group

app = group("Skills that queues ask for and agents have.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The skill's id, e.g. sales.")]
COLUMNS: Final = (Column("ID", "id", keep=True), Column("NAME", "name"))


@app.command("add", epilog=examples("callwright skill add sales --name Sales"))
def add(
    id_: Id,
    name: Annotated[str | None, typer.Option(help="What people call it; the id if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Add a skill."""
    rolls.add_one(Noun.SKILL, {"id": id_, "name": name or id_}, as_json=as_json)


@app.command("list", epilog=examples("callwright skill list --json"))
def list_(as_json: Json = False) -> None:
    """List all skills."""
    rolls.list_all(Noun.SKILL, COLUMNS, as_json=as_json)


@app.command("show", epilog=examples("callwright skill show sales"))
def show(id_: Id, as_json: Json = False) -> None:
    """Show one skill."""
    rolls.show_one(Noun.SKILL, id_, as_json=as_json)


@app.command("set", epilog=examples("callwright skill set sales --name 'New business'"))
def set_(
    id_: Id, name: Annotated[str | None, typer.Option(help="What people call it.")] = None, as_json: Json = False
) -> None:
    """Change a skill."""
    rolls.change_one(Noun.SKILL, id_, {"name": name}, as_json=as_json)


@app.command("remove", epilog=examples("callwright skill remove sales --yes"))
def remove(id_: Id, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a skill that no agent has and no queue asks for."""
    rolls.remove_one(Noun.SKILL, id_, yes=yes, as_json=as_json)
