"""`callwright number`: inbound numbers and the flows they lead to."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column
from cli.shell import Json, Yes, examples, group

app = group("Inbound numbers and the flows they lead to.")

E164 = Annotated[str, typer.Argument(metavar="NUMBER", help="In E.164, e.g. +442079460001.")]
Flow = Annotated[str | None, typer.Option(help="The flow that callers walk through, by name.")]
Language = Annotated[str | None, typer.Option(help="Language of the engine's own prompts, e.g. en or zh.")]
Unit = Annotated[str | None, typer.Option(help="The unit it belongs to.")]
COLUMNS: Final = (
    Column("NUMBER", "e164", keep=True),
    Column("FLOW", "flow"),
    Column("LANGUAGE", "language"),
    Column("UNIT", "unit"),
)


@app.command("add", epilog=examples("callwright number add +442079460001 --flow main-en"))
def add(
    e164: E164,
    flow: Annotated[str, typer.Option(help="The flow that callers walk through, by name.")],
    language: Language = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Add an inbound number."""
    fields = {"e164": e164, "flow": flow, "language": language, "unit": unit}
    rolls.add_one(Noun.NUMBER, fields, as_json=as_json)


@app.command("list", epilog=examples("callwright number list --json"))
def list_(as_json: Json = False) -> None:
    """List all inbound numbers."""
    rolls.list_all(Noun.NUMBER, COLUMNS, as_json=as_json)


@app.command("show", epilog=examples("callwright number show +442079460001"))
def show(e164: E164, as_json: Json = False) -> None:
    """Show one inbound number."""
    rolls.show_one(Noun.NUMBER, e164, as_json=as_json)


@app.command("set", epilog=examples("callwright number set +442079460001 --flow main-zh --language zh"))
def set_(e164: E164, flow: Flow = None, language: Language = None, unit: Unit = None, as_json: Json = False) -> None:
    """Change where a number leads."""
    rolls.change_one(Noun.NUMBER, e164, {"flow": flow, "language": language, "unit": unit}, as_json=as_json)


@app.command("remove", epilog=examples("callwright number remove +442079460001 --yes"))
def remove(e164: E164, yes: Yes = False, as_json: Json = False) -> None:
    """Remove an inbound number; calls to it are refused from then on."""
    rolls.remove_one(Noun.NUMBER, e164, yes=yes, as_json=as_json)
