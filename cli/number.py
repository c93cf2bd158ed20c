"""`callwright number`: inbound numbers and the flows they lead to."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Final, TypedDict, Unpack

import typer

from cli import rolls
from cli.office import Noun
from cli.output import Column
from cli.shell import Json, examples, group, settings, unpacked
from engine.errors import CallwrightError

app = group("Inbound numbers and the flows they lead to.")

NUMBER: Final = typer.Argument(metavar="NUMBER", help="In E.164, e.g. +442079460001.")
FLOW: Final = typer.Option(help="The flow that callers walk through, by name.")


class Options(TypedDict, total=False):
    """What else may be said of a number."""

    language: Annotated[str, typer.Option(help="Language of the engine's own prompts, e.g. en or zh.")]
    unit: rolls.Unit


@app.command("add", epilog=examples("callwright number add +442079460001 --flow main-en"))
@unpacked
def add(
    e164: Annotated[str, NUMBER], flow: Annotated[str, FLOW], as_json: Json = False, **given: Unpack[Options]
) -> None:
    """Add an inbound number."""
    try:
        rolls.add_one(Noun.NUMBER, {"e164": e164, "flow": flow, **given}, as_json=as_json)
    except CallwrightError as refused:
        if refused.where == "number.e164":
            refused.mend = _meant(e164, settings().site.region)
        raise


def _meant(number: str, region: str) -> str:
    """A mend for what is no E.164: the number as the site's own country reads it, else an example from there."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, format_number

    with suppress(phonenumbers.NumberParseException):
        national = phonenumbers.parse(number, region)
        if phonenumbers.is_possible_number(national) and not national.extension:
            return f"did you mean {format_number(national, PhoneNumberFormat.E164)}?"
    example = phonenumbers.example_number(region)
    shown = format_number(example, PhoneNumberFormat.E164) if example is not None else "+442079460001"
    return f"write it with + and the country code, e.g. {shown}"


@app.command("set", epilog=examples("callwright number set +442079460001 --flow main-zh --language zh"))
@unpacked
def set_(
    e164: Annotated[str, NUMBER],
    flow: Annotated[str | None, FLOW] = None,
    as_json: Json = False,
    **given: Unpack[Options],
) -> None:
    """Change where a number leads."""
    rolls.change_one(Noun.NUMBER, e164, {"flow": flow, **given}, as_json=as_json)


rolls.add_common(
    app,
    Noun.NUMBER,
    NUMBER,
    (
        Column("NUMBER", "e164", keep=True),
        Column("FLOW", "flow"),
        Column("LANGUAGE", "language"),
        Column("UNIT", "unit"),
    ),
    example="+442079460001",
    removal="Remove an inbound number; calls to it are refused from then on.",
)
