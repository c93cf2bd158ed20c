"""What commands print: tables for people, JSON for programs. Data on standard output, messages on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Record = dict[str, Any]
"""One JSON object."""

GAP: Final = 2
"""Blanks between two columns."""
PIPED_WIDTH: Final = 200
"""Columns of a table that goes to a file or a program, unless COLUMNS says otherwise."""


@dataclass(frozen=True)
class Column:
    """One column of a table. `shows` makes the cell's text from the record; without it the record's `key` is shown."""

    title: str
    key: str = ""
    shows: Callable[[Record], str] | None = None
    justify: Literal["left", "right"] = "left"
    keep: bool = False
    """Never shortened: ids."""
    spare: bool = False
    """Left out where the terminal is too narrow for all columns."""

    def cell(self, record: Record) -> str:
        """The cell's text."""
        return self.shows(record) if self.shows is not None else words(record.get(self.key))


def screen(*, stderr: bool = False) -> Console:
    """A rich console. What the terminal's encoding cannot show becomes `?`; a pipe gets wide, plain lines."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def plain(value: Any) -> Any:
    """A value as plain JSON types, every field there also where it has its default."""
    fields: tuple[str, ...] | None = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return instant(value)
    return value.value if isinstance(value, Enum) else value


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def emit(value: Any) -> None:
    """One JSON object in one line."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False))


def emit_list(items: Sequence[Any], next_: str | None = None) -> None:
    """A list, `{items, next}`."""
    emit({"items": items, "next": next_})


def say(text: str) -> None:
    """A message beside the data."""
    typer.echo(text, err=True)


def done(text: str, record: Any, *, as_json: bool) -> None:
    """What was done: in words, or the object as it is now."""
    if as_json:
        emit(record)
    else:
        typer.echo(text)


def show_table(columns: Sequence[Column], records: Iterable[Record], *, empty: str) -> None:
    """Records as a table that fits the terminal; `empty` where there are none."""
    from rich.table import Table

    rows = list(records)
    if not rows:
        say(empty)
        return
    chosen = fitting(columns, rows, screen().width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in chosen:
        least = natural_width(column, rows) if column.keep else None
        table.add_column(column.title, justify=column.justify, no_wrap=True, min_width=least)
    for row in rows:
        table.add_row(*(column.cell(row) for column in chosen))
    show(table)


def fitting(columns: Sequence[Column], rows: Sequence[Record], width: int) -> list[Column]:
    """The columns without the last spare ones, as far as `width` demands it; whatever stays may still be shortened."""
    chosen = list(columns)
    widths = {column.title: natural_width(column, rows) for column in columns}
    for column in reversed(columns):
        if sum(widths[each.title] + GAP for each in chosen) - GAP <= width:
            break
        if column.spare:
            chosen.remove(column)
    return chosen


def natural_width(column: Column, rows: Sequence[Record]) -> int:
    """How many terminal cells a column would like; a Chinese character takes two."""
    from rich.cells import cell_len

    return max(cell_len(column.title), *(cell_len(column.cell(row)) for row in rows))


def show_record(record: Record) -> None:
    """One object, a line for each key."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in record.items():
        table.add_row(key.replace("_", " "), words(value))
    show(table)


def show(table: Table) -> None:
    """Print a table; to a file or a program without the blanks that fill its last column."""
    out = screen()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as kept:
        out.print(table)
    typer.echo("\n".join(line.rstrip() for line in kept.get().splitlines()))


def words(value: Any) -> str:
    """A JSON value for people: nothing is a dash, yes and no are words, tables are `a=1, b=2`."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={words(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(words(each) for each in value)
    return str(value)


def seconds(value: float | None) -> str:
    """A duration: `7 s`, `4:05`, `1:02:03`."""
    if value is None:
        return "-"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def local(text: str | None, timezone: str) -> str:
    """An instant (ISO 8601) as the site's clock shows it; of today only the time."""
    from zoneinfo import ZoneInfo

    if not text:
        return "-"
    zone = ZoneInfo(timezone)
    moment = datetime.fromisoformat(text).astimezone(zone)
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now(zone).date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def percent(ratio: float | None) -> str:
    """A ratio for people."""
    return "-" if ratio is None else f"{ratio:.1%}"
