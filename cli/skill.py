"""`callwright skill`: what queues ask for and agents have."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column
from cli.shell import Json, examples, group

app = group("Skills that queues ask for and agents have.")

ID: Final = typer.Argument(metavar="ID", help="The skill's id, e.g. sales.")
Name = Annotated[str | None, typer.Option(help="What people call it; a new one's id if not given.")]


@app.command("add", epilog=examples("callwright skill add sales --name Sales"))
def add(id_: Annotated[str, ID], name: Name = None, as_json: Json = False) -> None:
    """Add a skill."""
    rolls.add_one(Noun.SKILL, {"id": id_, "name": name or id_}, as_json=as_json)


@app.command("set", epilog=examples("callwright skill set sales --name 'New business'"))
def set_(id_: Annotated[str, ID], name: Name = None, as_json: Json = False) -> None:
    """Change a skill."""
    rolls.change_one(Noun.SKILL, id_, {"name": name}, as_json=as_json)


rolls.add_common(
    app,
    Noun.SKILL,
    ID,
    (Column("ID", "id", keep=True), Column("NAME", "name")),
    example="sales",
    removal="Remove a skill that no agent has and no queue asks for.",
)
