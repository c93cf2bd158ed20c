"""`callwright dnc`: the own do-not-call list."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from cli.desk import at_desk
from cli.lists import Region, check_readable, told_reasons
from cli.output import Record, done, emit, local
from cli.shell import Json, Yes, confirm, examples, group, settings

app = group("The own do-not-call list: numbers that nobody here may call, whatever the campaign.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="With + and country code, or national with --region.")]


@app.command("add", epilog=examples("callwright dnc add +442079460123", "callwright dnc add 02079460123 --region GB"))
def add(number: Number, region: Region = "", as_json: Json = False) -> None:
    """Put a number on the list. It holds from the answer on, also for leads that are claimed already."""
    body = {"number": number, "region": region or settings().site.region, "by": _me()}
    entry = at_desk(lambda desk: desk.post("do-not-call", body=body), writing=True)
    done(f"{entry['number']} is on the do-not-call list{_since(entry)}.", entry, as_json=as_json)


@app.command(
    "remove", epilog=examples("callwright dnc remove +442079460123", "callwright dnc remove +442079460123 --yes")
)
def remove(number: Number, region: Region = "", yes: Yes = False, as_json: Json = False) -> None:
    """Take a number off the list: it may be called again, also leads that ended because of it. Asks first."""
    what = f"this lets {number} be called again, which its owner may have forbidden"
    question = f"Take {number} off the do-not-call list, so that it is called again?"
    confirm(question, what, "dnc remove", yes=yes)
    where = region or settings().site.region
    entry = at_desk(lambda desk: desk.delete("do-not-call", number, region=where), writing=True)
    done(f"{entry['number']} is off the do-not-call list.", entry, as_json=as_json)


@app.command("check", epilog=examples("callwright dnc check +442079460123"))
def check(number: Number, region: Region = "", as_json: Json = False) -> None:
    """Tell whether a number is on the list."""
    where = region or settings().site.region
    entry = at_desk(lambda desk: desk.get("do-not-call", number, region=where), writing=True)
    if as_json:
        emit(entry)
        return
    typer.echo(f"{entry['number']} is {'' if entry['listed'] else 'not '}on the do-not-call list{_since(entry)}.")


@app.command(
    "import",
    epilog=examples("callwright dnc import register.txt", "callwright dnc import stop.csv --column phone --region GB"),
)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One number a line, or a CSV with a header.")],
    region: Region = "",
    column: Annotated[str, typer.Option(metavar="NAME", help="The column with the numbers.")] = "",
    as_json: Json = False,
) -> None:
    """Put all numbers of a file on the list."""
    check_readable(file)
    query = {"source": file.name, "region": region or settings().site.region, "column": column}
    result = at_desk(lambda desk: desk.post_file("do-not-call", "imports", file=file, **query), writing=True)
    lines = [f"{result['added']} numbers added, {result['known']} known already, {result['rejected']} rejected."]
    lines += told_reasons(result["reasons"])
    lines += [f"    line {row['line']}: {row['reason']} ({row['masked']})" for row in result["rejected_rows"][:5]]
    done("\n".join(lines), result, as_json=as_json)


def _since(entry: Record) -> str:
    if not entry["listed"]:
        return ""
    return f" since {local(entry['added'], settings().site.timezone)} ({entry['source']}, {entry['by']})"


def _me() -> str:
    """Who says so: the user of this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "console"
