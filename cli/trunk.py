"""`callwright trunk`: lines to the public telephone network."""

from __future__ import annotations

from typing import Annotated, Final, TypedDict, Unpack

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column, words
from cli.shell import Json, examples, group, unpacked

app = group("Trunks: lines to the telephone network.")

ID: Final = typer.Argument(metavar="ID", help="The trunk's id, e.g. carrier-a.")
HOST: Final = typer.Option(help="Name or address that its calls come from.")


class Options(TypedDict, total=False):
    """What else may be said of a trunk."""

    port: Annotated[int, typer.Option(help="Its SIP port.")]
    username: Annotated[str, typer.Option(help="Our name there, if the carrier asks for a password.")]
    lines: Annotated[int, typer.Option(help="Calls that may be placed over it at once; 0 for no limit.")]
    calls_per_second: Annotated[float, typer.Option(help="New calls per second that it takes; 0 for no limit.")]
    unit: rolls.Unit


@app.command("add", epilog=examples("callwright trunk add carrier-a --host sip.example.com"))
@unpacked
def add(id_: Annotated[str, ID], host: Annotated[str, HOST], as_json: Json = False, **given: Unpack[Options]) -> None:
    """Add a trunk."""
    rolls.add_one(Noun.TRUNK, {"id": id_, "host": host, **given}, as_json=as_json)


@app.command(
    "set",
    epilog=examples(
        "callwright trunk set carrier-a --port 5070", "callwright trunk set carrier-a --lines 30 --calls-per-second 5"
    ),
)
@unpacked
def set_(
    id_: Annotated[str, ID],
    host: Annotated[str | None, HOST] = None,
    as_json: Json = False,
    **given: Unpack[Options],
) -> None:
    """Change a trunk."""
    rolls.change_one(Noun.TRUNK, id_, {"host": host, **given}, as_json=as_json)


@app.command(
    "secret", epilog=examples("callwright trunk secret carrier-a", "callwright trunk secret carrier-a < password.txt")
)
def secret(id_: Annotated[str, ID], as_json: Json = False) -> None:
    """Set the password that the carrier asks for: typed, or one line of standard input."""
    rolls.keep_secret(Noun.TRUNK, id_, "password", as_json=as_json)


rolls.add_common(
    app,
    Noun.TRUNK,
    ID,
    (
        Column("ID", "id", keep=True),
        Column("HOST", "host"),
        Column("PORT", "port", justify="right"),
        Column("USERNAME", "username"),
        Column("LINES", shows=lambda trunk: words(trunk["lines"] or None), justify="right"),
        Column("CALLS/S", shows=lambda trunk: words(trunk["calls_per_second"] or None), justify="right"),
        Column("UNIT", "unit"),
    ),
    example="carrier-a",
    removal="Remove a trunk.",
)
