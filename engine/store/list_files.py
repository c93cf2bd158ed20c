"""Files of lists as people have them: in which encoding, by which separator, and whether their quotes are closed.

A file is looked through once, in a stream, before anything of it is used: so a byte that is no text, or a quote that
swallows the rest, is told with its line while nothing is imported yet. Memory stays that of one row.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TextIO

from engine.errors import ConfigError, NotFound
from engine.store.list_columns import Columns, find_columns

LONGEST_FIELD = 8_192
LONGEST_LINE = 1 << 20
MOST_LINES_OF_A_ROW = 30
LONGEST_ROW_OF_LINES = 4_096
"""Fields may hold line breaks. A row of more lines or characters than these two is a quote that nobody closed."""
SEPARATORS = ",;\t"
SAMPLE_BYTES = 1 << 16
_ENCODINGS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "gbk", "gb2312", "hz", "big5"),
        *("big5hkscs", "cp950", "shift_jis", "cp932", "euc-jp", "iso-2022-jp", "euc-kr", "cp949", "koi8-r", "koi8-u"),
        *("cp437", "cp850", "cp852", "cp866", "cp874", "mac-roman", *(f"cp{n}" for n in range(1250, 1259))),
        *("ascii", *(f"iso8859-{n}" for n in range(1, 17) if n != 12)),
    )
)
"""What spreadsheets write. Python knows more codecs, and some of them are no encodings of text at all."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE = "Save it as CSV in UTF-8, a header line first and one row for each person."
_HIGH = re.compile(rb"[\x80-\xff]+")
_SEPARATOR_TOLD = re.compile(r"sep=(.)\s*", re.IGNORECASE)


class ListRow(NamedTuple):
    """A row and the line it begins in. `cells` is None where it cannot be read as CSV."""

    line: int
    cells: list[str] | None


class ListFile(NamedTuple):
    """An open list. `rows` leaves out blank lines; `close` the file when done."""

    file: TextIO
    names: list[str]
    columns: Columns
    rows: Iterator[ListRow]

    def place(self, column: str) -> int:
        """Return where a column's cell stands in a row; -1 for none."""
        return self.names.index(column) if column else -1


def open_list(path: Path, wanted: Mapping[str, str], encoding: str = "") -> ListFile:
    """Look through a file and open it at its first row. `encoding` "" is told from the file: its mark, or UTF-8.

    :raises NotFound: it is not there.
    :raises ConfigError: it is no text in that encoding, has no usable header, no row, or a quote that nobody closed.
    """
    csv.field_size_limit(LONGEST_FIELD)
    codec = find_encoding(path, encoding)
    with _opened(path, codec) as file:
        if not sum(1 for _ in _begin(file, path.name, wanted).rows):
            raise ConfigError("there is nothing to import: no row stands below the header", where=path.name, mend=_SAVE)
    file = _opened(path, codec)
    try:
        return _begin(file, path.name, wanted)
    except ConfigError:  # somebody changed it meanwhile
        file.close()
        raise


def open_text(path: Path, *, errors: str = "strict") -> TextIO:
    """Open a file of lines in the encoding that it tells itself.

    :raises NotFound: it is not there.
    :raises ConfigError: it is plainly in an encoding that has to be told.
    """
    return path.open(encoding=find_encoding(path), errors=errors)


def find_encoding(path: Path, told: str = "") -> str:
    """Return the codec of a file: the one that was told, else by its mark, else UTF-8.

    :raises NotFound: it is not there.
    :raises ConfigError: there is no such encoding, or the file is plainly in another one.
    """
    try:
        with path.open("rb") as file:
            sample = file.read(SAMPLE_BYTES)
    except OSError as gone:
        raise NotFound(f"this file cannot be read: {gone.strerror}", where=str(path), mend="Name another.") from gone
    if told:
        return _known_codec(told)
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return codec
    if sample.count(0) * 5 > len(sample):  # ASCII in two bytes a character would pass as UTF-8 with a NUL each
        codec = "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
        raise _not_text(path.name, 1, "utf-8", codec)
    return "utf-8-sig"


def _known_codec(name: str) -> str:
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        codec = ""
    if codec not in _ENCODINGS:
        raise ConfigError(
            f"there is no encoding {name[:40]!r}",
            where="encoding",
            mend="Use utf-8, utf-16, gb18030 (also for GBK and GB2312), big5, shift_jis, euc-kr or cp1252.",
        )
    return {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030"}.get(codec, codec)


def _opened(path: Path, codec: str) -> TextIO:
    try:
        return path.open(encoding=codec, newline="")
    except OSError as gone:
        raise NotFound(f"this file cannot be read: {gone.strerror}", where=str(path), mend="Name another.") from gone


class _Lines:
    """The lines of an open file; `read` of them so far. `row` holds those of the row that is being read."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name
        self.read = 0
        self.row: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            line = self._file.readline(LONGEST_LINE)
        except UnicodeError as wrong:
            raise self._undecodable(wrong) from wrong
        if not line:
            raise StopIteration
        self.read += 1
        if len(line) >= LONGEST_LINE:
            where = f"{self._name}:{self.read}"
            raise ConfigError(f"this line is longer than {LONGEST_LINE:,} characters", where=where, mend=_SAVE)
        self.row.append(line)
        if len(self.row) > 1 and (
            len(self.row) > MOST_LINES_OF_A_ROW or sum(map(len, self.row)) > LONGEST_ROW_OF_LINES
        ):
            raise self.unclosed()
        return line

    def unclosed(self) -> ConfigError:
        """What to say of the row that is being read, when a quote in it swallows other rows."""
        return ConfigError(
            'a quote (") is opened in the row that begins here, and it swallows the rows below',
            where=f"{self._name}:{self.read - len(self.row) + 1}",
            mend='Close it or take it out, and import again. A quote within a quoted field is written twice: "".',
        )

    def _undecodable(self, wrong: UnicodeError) -> ConfigError:
        if not isinstance(wrong, UnicodeDecodeError):  # "UTF-16 stream does not start with BOM"
            return _not_text(self._name, self.read + 1, self._file.encoding, "utf-16-le")
        ahead = wrong.object[: wrong.start].decode(wrong.encoding, "ignore").count("\n")
        return _not_text(self._name, self.read + 1 + ahead, self._file.encoding, guess(wrong.object))


def separator_told(line: str) -> str:
    """The separator that Excel's own line above the header names ("sep=;"); "" where the line is another."""
    told = _SEPARATOR_TOLD.fullmatch(line)
    return told[1] if told else ""


def guess(sample: bytes) -> str:
    """Return what bytes that are no UTF-8 most likely are: Chinese in pairs of high bytes, or a Western code page."""
    runs = [len(run) for run in _HIGH.findall(sample)]
    pairs = sum(length for length in runs if length % 2 == 0)
    if pairs * 10 < sum(runs) * 7:
        return "cp1252"
    try:
        codecs.getincrementaldecoder("gb18030")().decode(sample)
    except UnicodeDecodeError:
        return "big5"
    return "gb18030"


def _not_text(name: str, line: int, codec: str, perhaps: str) -> ConfigError:
    told = codec.removesuffix("-sig")
    return ConfigError(
        f"this is no text in {told}",
        where=f"{name}:{line}",
        mend=f"Tell its encoding, perhaps --encoding {perhaps}; or save it as CSV in UTF-8."
        if perhaps != told
        else "Tell its true encoding with --encoding, or save it as CSV in UTF-8.",
    )


def _begin(file: TextIO, name: str, wanted: Mapping[str, str]) -> ListFile:
    """Read the header of an open file."""
    lines = _Lines(file, name)
    header = next((line for line in lines if line.strip()), "")
    told = separator_told(header)
    if told:
        header = next(lines, "")
    separator = told or max(SEPARATORS, key=header.count)
    try:
        names = next(csv.reader([header], delimiter=separator), [])
    except csv.Error as wrong:
        raise ConfigError(f"this is no CSV: {wrong}", where=f"{name}:{lines.read}", mend=_SAVE) from wrong
    if not header.strip():
        raise ConfigError("there is nothing to import: the file is empty", where=name, mend=_SAVE)
    return ListFile(file, names, find_columns(names, wanted, where=name), _rows(lines, separator))


def _rows(lines: _Lines, separator: str) -> Iterator[ListRow]:
    reader = csv.reader(lines, delimiter=separator)
    while True:
        lines.row.clear()
        line, cells = lines.read + 1, None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            pass
        if len(lines.row) > 1 and (cells is None or not _is_whole(lines.row, separator)):
            raise lines.unclosed()
        if cells is None or any(cells):
            yield ListRow(line, cells)


def _is_whole(row: Sequence[str], separator: str) -> bool:
    """Whether a row of several lines is meant so: its quotes open and close where fields begin and end."""
    try:
        next(csv.reader(row, delimiter=separator, strict=True))
    except csv.Error:
        return False
    return True
