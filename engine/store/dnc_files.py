"""Files of numbers that must not be called: one a line, or a CSV with a column of numbers.

It may be in UTF-8, or in UTF-16 as its mark tells. In a file without a header that names a column every cell that reads
as a number is one: a number too many on the list costs less than one that is missing.
Batches are written one transaction each; an import that was cut off is begun again with the same file, for what is
there already changes nothing.
"""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from engine.errors import ConfigError
from engine.store.dialable import Undialable, read_number
from engine.store.dnc import DoNotCallList
from engine.store.list_columns import FIELDS, find_columns
from engine.store.list_files import SEPARATORS, open_text, separator_told

AT_ONCE = 500
REJECTED_KEPT = 100
LONGEST_LINE = 8_192


class BadLine(NamedTuple):
    """A line that holds no number; `digits` is how many it has."""

    line: int
    reason: str
    digits: int


class Listed(NamedTuple):
    """What a file came to: numbers added and known before, lines rejected by reason, and the first of those."""

    added: int
    known: int
    reasons: dict[str, int]
    rejected: tuple[BadLine, ...]


async def import_numbers(
    unwanted: DoNotCallList, file: Path, now: int, *, region: str = "", column: str = ""
) -> Listed:
    """Put all numbers of a file on the list. `column` names the numbers' column where its name does not tell.

    :raises NotFound: there is no such file.
    :raises ConfigError: there is no such column.
    :raises StoreUnavailable: the rest was not imported; import the file again.
    """
    lines = await asyncio.to_thread(_open, file, column)
    added = known = 0
    reasons: Counter[str] = Counter()
    rejected: list[BadLine] = []
    with lines.file:
        while batch := await asyncio.to_thread(_read, lines, region):
            good = [line for line in batch if isinstance(line, str)]
            bad = [line for line in batch if isinstance(line, BadLine)]
            new = await unwanted.add_all(good, now, source="import", by=file.name) if good else 0
            added, known = added + new, known + len(good) - new
            reasons.update(line.reason for line in bad)
            rejected += bad[: REJECTED_KEPT - len(rejected)]
    return Listed(added, known, dict(reasons), tuple(rejected))


class _Lines(NamedTuple):
    """An open file; `place` is the numbers' column among those that `separator` divides, None where no header tells."""

    file: TextIO
    numbered: Iterator[tuple[int, str]]
    separator: str
    place: int | None


def _open(path: Path, column: str) -> _Lines:
    # Bytes that are no text stand in names, not in numbers: they must not keep the others off the list.
    file = open_text(path, errors="replace")
    numbered = iter(enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), start=1))
    first = next(numbered, (1, ""))
    told = separator_told(first[1])
    if told:
        first = next(numbered, (2, ""))
    separator = told or max(SEPARATORS, key=first[1].count)
    names = _cells(first[1], separator)
    if column or any(name.lower() in FIELDS["number"] for name in names):
        try:
            found = find_columns(names, {"number": column} if column else {}, where=path.name)
        except ConfigError:
            file.close()
            raise
        return _Lines(file, numbered, separator, names.index(found.number))
    return _Lines(file, _with(first, numbered), separator, None)


def _with(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _read(lines: _Lines, region: str) -> list[str | BadLine]:
    return list(islice(_judged(lines, region), AT_ONCE))


def _judged(lines: _Lines, region: str) -> Iterator[str | BadLine]:
    for number, text in lines.numbered:
        if not text.strip():
            continue
        cells = _cells(text, lines.separator)
        if lines.place is not None:
            cells = cells[lines.place : lines.place + 1]
        numbers, wrong = _numbers(cells, region)
        yield from numbers
        if not numbers:
            yield BadLine(number, wrong, sum(char.isdigit() for char in "".join(cells)))


def _numbers(cells: list[str], region: str) -> tuple[list[str], str]:
    """The numbers among some cells, and why the first other one is none."""
    numbers: list[str] = []
    reasons: list[str] = []
    for cell in cells:
        try:
            numbers.append(read_number(cell, region, assigned_only=False).e164)
        except Undialable as wrong:
            reasons.append(wrong.reason)
    return numbers, next(iter(reasons), "no-number")


def _cells(text: str, separator: str) -> list[str]:
    """The cells of one line: a quoted one may hold the separator.

    Lines are read one by one, so that a quote which nobody closes costs the list no number below it; in its own line it
    is taken for a letter.
    """
    line = text.rstrip("\r\n")
    try:
        cells = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        cells = line.split(separator)
    return [cell.strip().strip('"') for cell in cells]
