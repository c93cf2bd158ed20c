"""Importing lists: `campaign import` and `lead import`, with progress and a summary of what was left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.client import Engine
from cli.desk import at_desk
from cli.output import Record, done, say, screen
from engine.errors import NotFound

LOOK_EVERY_S: Final = 0.3
REASONS: Final = {
    "no-number": "no telephone number stands there",
    "several-numbers": "several numbers stand in one cell; leave the best one there",
    "no-country": "no country code; name the country with --region",
    "impossible": "too few or too many digits, or an extension",
    "unassigned": "the range is not given out to anybody",
    "letters": "letters stand in it; write a vanity number as the digits it means, and words elsewhere",
    "spreadsheet": "Excel made it a quantity such as 4.4E+11: format the column as Text, type it anew, export again",
    "control": "a control character such as NUL stands in it: the file is damaged",
    "do-not-call": "on the do-not-call list",
    "timezone": "there is no such time zone",
    "priority": "priorities are 1 to 9",
    "segment": "the segment is too long or holds control characters",
    "unreadable": "the row is no CSV",
}
"""Why a row became no lead, in words."""

ListFile = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV with a header, in UTF-8 or --encoding.")]
Region = Annotated[str, typer.Option(metavar="CC", help="The country of numbers without country code, e.g. CN.")]
NumberColumn = Annotated[
    str, typer.Option("--column", "--phone-column", metavar="NAME", help="The column with the numbers.")
]
Encoding = Annotated[str, typer.Option(metavar="NAME", help="The file's encoding if not UTF-8, e.g. gb18030.")]
SegmentColumn = Annotated[str, typer.Option(metavar="NAME", help="The column that tells lists apart.")]


def import_list(
    campaign: str, file: Path, region: str, column: str, segment: str, encoding: str, *, as_json: bool
) -> None:
    """Import a file into a campaign and tell what it came to.

    Raises:
        NotFound: there is no such file, or campaign.
    """
    check_readable(file)
    query = {"source": file.name, "region": region, "number": column, "segment": segment}
    query |= {"encoding": encoding}

    async def work(desk: Engine) -> Record:
        import asyncio

        with _progress(file, shown=not as_json and sys.stderr.isatty()) as moved:
            sending = asyncio.ensure_future(desk.post_file("campaigns", campaign, "imports", file=file, **query))
            while not (await asyncio.wait({sending}, timeout=LOOK_EVERY_S))[0]:
                moved(await _rows_so_far(desk, campaign, file.name))
            return await sending

    result = at_desk(work, writing=True)
    done(summary(result), result, as_json=as_json)
    if result["rejected"]:
        say(f"  see them with `callwright lead list --rejected --import {result['id']}`")


def check_readable(file: Path) -> None:
    """Refuse a file that cannot be read, before anything else is done.

    Raises:
        NotFound: it is not there, or may not be read.
    """
    try:
        with file.open("rb"):
            pass
    except OSError as refused:
        raise NotFound(f"cannot be read: {refused.strerror}", where=str(file), mend="name another file") from None


def summary(result: Record) -> str:
    """What an import came to, with the rejected rows by reason."""
    lines = [
        f"{result['accepted']} leads imported, {result['duplicates']} known already, {result['rejected']} rejected."
    ]
    if result["number_column"]:
        lines.append(f"  Numbers were taken from column {result['number_column']!r}.")
    return "\n".join([*lines, *told_reasons(result["reasons"])])


def told_reasons(reasons: dict[str, int]) -> list[str]:
    """A line for each reason, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return [f"  {count:>7} {reason}: {REASONS.get(reason, reason)}" for reason, count in ordered]


async def _rows_so_far(desk: Engine, campaign: str, source: str) -> int:
    """How many rows the latest import of that name has taken."""
    latest: list[Record] = (await desk.get("campaigns", campaign, "imports"))["items"][:1]
    rows = [each["accepted"] + each["duplicates"] + each["rejected"] for each in latest if each["source"] == source]
    return sum(rows)


@contextmanager
def _progress(file: Path, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over the rows of a file, on standard error; nothing where it is not shown."""
    if not shown:
        yield lambda _rows: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=_rows(file))
        yield lambda rows: bar.update(task, completed=rows)


def _rows(file: Path) -> int:
    """How many rows there are below the header, about: a field may hold line breaks."""
    with file.open("rb") as opened:
        return max(1, sum(piece.count(b"\n") for piece in iter(lambda: opened.read(1 << 20), b"")) - 1)
