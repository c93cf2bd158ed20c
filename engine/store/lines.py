"""The journal's file format: one header, then one fact a line, each chained to the one before.

    {"journal":1,"seed":"…","created":…,"engine":"0.1.0","first_seq":1,"prev":""}
    {"seq":1,"now":1763800000000000,"fact":{"fact":"EngineStarted",…},"h":"0123456789abcdef"}

`h` is the first 16 hex digits of sha256(previous h + body), the body being the line's own bytes without `h`. The chain
is checked on bytes as they lie on disk, never on a re-encoding: a field added to a fact later must not break old
journals. A segment's chain starts with the digest of its header, whose `prev` is the last `h` of the segment before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.domain.facts import AnyFact
from engine.domain.values import Value
from engine.errors import JournalBroken, StoreTooNew

FORMAT = 1
SEGMENT_NAME = re.compile(r"journal-(\d{12})\.jsonl")
_SEAL = re.compile(rb',"h":"([0-9a-f]{16})"\}\n\Z')


class Header(Value):
    """A segment's first line. `created` is UTC microseconds; `engine` the version that began the segment."""

    journal: int
    seed: str
    created: int
    engine: str
    first_seq: int
    prev: str


class Record(Value):
    """One fact of the journal: its number (from 1, no gaps), the engine's time, and the fact."""

    seq: int
    now: int
    fact: AnyFact
    h: str = ""


class Violation(Value):
    """Where a journal does not fit together.

    `code` is journal-header, journal-line, journal-chain, journal-gap or journal-snapshot; `line` counts from 1.
    """

    code: str
    file: str
    line: int
    expected: str
    found: str

    def error(self) -> JournalBroken:
        """Return it as the error that stops a reader."""
        return JournalBroken(
            f"{self.code}: expected {self.expected}, found {self.found}",
            where=f"{self.file}:{self.line}",
            mend="Restore the file from a backup; what follows this line cannot be trusted.",
        )


_ENCODER = msgspec.json.Encoder()
_RECORD = msgspec.json.Decoder(Record)
_HEADER = msgspec.json.Decoder(Header)


def digest(prev: str, body: bytes) -> str:
    """Return the chain's next link, 16 hex digits."""
    return hashlib.sha256(prev.encode() + body).hexdigest()[:16]


def encode_body(seq: int, now: int, fact: AnyFact) -> bytes:
    """Return a line's bytes before sealing."""
    return _ENCODER.encode(Record(seq=seq, now=now, fact=fact))


def seal(body: bytes, h: str) -> bytes:
    """Return the finished line, newline included."""
    return body[:-1] + b',"h":"' + h.encode() + b'"}\n'


def encode_header(header: Header) -> bytes:
    """Return a segment's first line, newline included."""
    return _ENCODER.encode(header) + b"\n"


def segment_path(directory: Path, first_seq: int) -> Path:
    """Return where the segment that begins with `first_seq` lies."""
    return directory / f"journal-{first_seq:012d}.jsonl"


def segment_paths(directory: Path) -> list[Path]:
    """Return the segments of a journal, oldest first."""
    return sorted(path for path in directory.glob("journal-*.jsonl") if SEGMENT_NAME.fullmatch(path.name))


def first_seq_of(path: Path) -> int:
    """Return the number that a segment's name promises for its first fact."""
    found = SEGMENT_NAME.fullmatch(path.name)
    assert found is not None  # noqa: S101 - only paths from segment_paths come here
    return int(found[1])


def read_header(path: Path) -> Header:
    """Return a segment's header.

    :raises JournalBroken: it has none that we can read.
    """
    with path.open("rb") as segment:
        raw = segment.readline()
    header = _parse_header(path, raw)
    if isinstance(header, Violation):
        raise header.error()
    return header


def examine(
    path: Path, *, prev: str | None = None, seq: int | None = None, is_last: bool = True
) -> Iterator[Record | Violation]:
    """Yield every record of a segment, and a violation wherever one does not fit the one before.

    `prev` and `seq` are the last link of the segment before and the first number expected; None trusts the header.
    In the last segment a line without its newline was never acknowledged: it is passed over. Memory: one line.

    :raises StoreTooNew: a sound line holds a fact that this version does not know.
    """
    with path.open("rb") as segment:
        raw = segment.readline()
        header = _parse_header(path, raw)
        if isinstance(header, Violation):
            yield header
            return
        if prev is not None and header.prev != prev:
            yield Violation(code="journal-chain", file=path.name, line=1, expected=f"prev {prev}", found=header.prev)
        if seq is not None and header.first_seq != seq:
            yield Violation(
                code="journal-gap", file=path.name, line=1, expected=f"seq {seq}", found=f"seq {header.first_seq}"
            )
        link, expected = digest("", raw), header.first_seq
        for number, line in enumerate(segment, start=2):
            if is_last and not line.endswith(b"\n"):
                return
            for found in _examine_line(path, number, line, link, expected):
                yield found
                if isinstance(found, Record):
                    link, expected = found.h, found.seq + 1


def _examine_line(path: Path, number: int, line: bytes, link: str, expected: int) -> Iterator[Record | Violation]:
    def bad(code: str, wanted: str, found: str) -> Violation:
        return Violation(code=code, file=path.name, line=number, expected=wanted, found=found)

    sealed = _SEAL.search(line)
    if sealed is None:
        yield bad("journal-line", "a sealed line", _shorten(line))
        return
    body, h = line[: sealed.start()] + b"}", sealed[1].decode()
    if (wanted := digest(link, body)) != h:
        yield bad("journal-chain", f"h {wanted}", f"h {h}")
    try:
        record = _RECORD.decode(line)
    except msgspec.ValidationError as unknown:
        if wanted != h:
            yield bad("journal-line", "a known fact", str(unknown))
            return
        raise StoreTooNew(
            f"a fact that this version cannot read: {unknown}",
            where=f"{path.name}:{number}",
            mend="Use the version of Callwright that wrote it, or a newer one.",
        ) from unknown
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        yield bad("journal-line", "JSON", str(broken))
        return
    if record.seq != expected:
        yield bad("journal-gap", f"seq {expected}", f"seq {record.seq}")
    yield record


def _parse_header(path: Path, raw: bytes) -> Header | Violation:
    try:
        header = _HEADER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Violation(
            code="journal-header", file=path.name, line=1, expected="a journal header", found=_shorten(raw)
        )
    if header.journal != FORMAT:
        raise StoreTooNew(f"journal format {header.journal}, known is {FORMAT}", where=path.name)
    if header.first_seq != first_seq_of(path):
        return Violation(
            code="journal-header",
            file=path.name,
            line=1,
            expected=f"first_seq {first_seq_of(path)}",
            found=f"first_seq {header.first_seq}",
        )
    return header


def _shorten(line: bytes) -> str:
    return repr(line[:60])
