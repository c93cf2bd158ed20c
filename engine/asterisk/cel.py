"""Asterisk's own channel event log (CEL): the proof of what happened to a call, whether or not anybody watched.

One JSON object a line, in order of time (`asterisk-config/cel_custom.conf`). AMI tells what happens to who is connected
then; the log holds it also for who was not (manager.c; cel/cel_custom.c writes and flushes line by line).

A log that was turned over (logrotate) is read together with what it was before: `callwright.jsonl.1` and so on, or
`callwright.jsonl-20261123`; compressed ones are not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from ulid import ULID

from engine.asterisk.channels import is_shell
from engine.domain.campaign import AttemptId
from engine.domain.facts import AttemptTraced, OptedOut
from engine.domain.values import SECOND

LONGEST_LINE = 16_384
CLAIMED_BEFORE_S = 5.0
"""An attempt's id is minted before it is dialled; this much more allows for two clocks."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log."""

    event: str = msgspec.field(name="eventtype")
    """The type; of an event of the dialplan's own its name, which `user_event` holds too."""
    user_event: str = msgspec.field(name="userdeftype", default="")
    at: float = msgspec.field(name="eventtime")
    """Seconds since 1970, UTC."""
    leg: str = msgspec.field(name="uniqueid")
    channel: str = msgspec.field(name="channame", default="")
    number: str = msgspec.field(name="num", default="")
    exten: str = ""
    context: str = ""
    extra: str = msgspec.field(name="eventextra", default="")

    @property
    def at_us(self) -> int:
        """Its moment in UTC µs."""
        return round(self.at * SECOND)


class _HangupExtra(msgspec.Struct, frozen=True):
    hangupcause: int = 16


_ROW = msgspec.json.Decoder(Row, strict=False)


def trace(log: Path, attempts: Collection[AttemptId]) -> list[AttemptTraced]:
    """What became of these attempts, in one reading. Belongs in a thread.

    That one was not dialled is said only where the log reaches back to before its id was minted; of one that cannot be
    judged nothing is said.

    Raises:
        OSError: the log cannot be read.
    """
    wanted: dict[str, list[Row]] = {attempt: [] for attempt in attempts}
    began = {attempt: _minted(attempt) for attempt in attempts}
    if not wanted:
        return []
    first = min(began.values()) - CLAIMED_BEFORE_S
    files = parts(log)
    for part in files:
        with part.open("rb") as file:
            if file_ends_before(file, first):
                continue
            seek(file, first)
            for row in rows(file):
                if row.leg in wanted and not is_shell(row.channel):
                    wanted[row.leg].append(row)
    reaches_back = _begins(files)
    return [
        _traced(attempt, wanted[attempt])
        for attempt in attempts
        if wanted[attempt] or reaches_back <= began[attempt] - CLAIMED_BEFORE_S
    ]


def opted_out(log: Path, after: int, before: int) -> list[OptedOut]:
    """Every opt-out pressed from `after` to before `before` (UTC µs), in order. Belongs in a thread.

    Raises:
        OSError: the log cannot be read.
    """
    found: list[Row] = []
    for part in parts(log):
        with part.open("rb") as file:
            if file_ends_before(file, after / SECOND):
                continue
            seek(file, after / SECOND)
            found += [row for row in rows(file) if row.user_event == "opted-out" and after <= row.at_us < before]
    return [OptedOut(at=row.at_us, attempt_id=AttemptId(row.leg)) for row in found]


def _traced(attempt: AttemptId, seen: list[Row]) -> AttemptTraced:
    def first(*events: str) -> int:
        return next((row.at_us for row in seen if row.event in events or row.user_event in events), 0)

    return AttemptTraced(
        attempt_id=attempt,
        dialled=bool(seen),
        answered_at=first("ANSWER"),
        joined_at=first("BRIDGE_ENTER"),
        message_at=first("abandoned", "message"),
        opted_out_at=first("opted-out"),
        ended_at=first("CHAN_END") or first("HANGUP"),
        cause=next((cause(row.extra) for row in seen if row.event == "HANGUP"), 0),
    )


def _minted(attempt: AttemptId) -> float:
    """When the id was made, in seconds; 0 (the whole log is read) for one that does not tell."""
    try:
        return ULID.from_str(attempt.partition("_")[2]).timestamp
    except ValueError:
        return 0.0


# --- the file ---------------------------------------------------------------------------------------------------------


def parts(log: Path) -> list[Path]:
    """The log and what it was before it was turned over, oldest first.

    Raises:
        FileNotFoundError: there is none at all.
    """
    turned = [path for path in log.parent.glob(f"{log.name}[.-]*") if path.name[len(log.name) + 1 :].isdigit()]
    turned.sort(key=lambda path: path.stat().st_mtime)
    if not turned and not log.exists():
        raise FileNotFoundError(f"there is no channel event log {log}")
    return [*turned, log] if log.exists() else turned


def rows(file: BinaryIO) -> Iterator[Row]:
    """Whole lines from here on; one that is still being written is left for the next reading.

    A line that cannot be read is passed over: one bad line must not hide what is behind it.
    """
    for line in iter(lambda: file.readline(LONGEST_LINE), b""):
        if not line.endswith(b"\n"):
            continue
        row = _row(line)
        if row is not None:
            yield row


def cause(extra: str) -> int:
    """The Q.850 cause of a hang-up's extra text, which is JSON within JSON: {"hangupcause":16,...}."""
    try:
        return msgspec.json.decode(extra, type=_HangupExtra).hangupcause
    except msgspec.MsgspecError:
        return 16


def seek(file: BinaryIO, at: float) -> None:
    """Go to a line boundary at or before the first line of this time: the log of months is not read for one minute."""
    low, high = 0, file.seek(0, 2)
    while high - low > LONGEST_LINE:
        middle = (low + high) // 2
        row = _first_row(file, middle, high)
        low, high = (low, middle) if row is None or row.at >= at else (middle, high)
    _to_line(file, low)


def file_ends_before(file: BinaryIO, at: float) -> bool:
    """Whether all of the file is older."""
    end = file.seek(0, 2)
    _to_line(file, max(0, end - 2 * LONGEST_LINE))
    newest = max((row.at for row in rows(file)), default=at)
    return newest < at


def _begins(files: list[Path]) -> float:
    """Seconds of the oldest row; infinity when there is none."""
    for part in files:
        with part.open("rb") as file:
            row = next(rows(file), None)
        if row is not None:
            return row.at
    return float("inf")


def _row(line: bytes) -> Row | None:
    try:
        return _ROW.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _first_row(file: BinaryIO, offset: int, end: int) -> Row | None:
    """The first readable row that begins after `offset` and before `end`."""
    _to_line(file, offset)
    while file.tell() < end and (line := file.readline(LONGEST_LINE)):
        if (row := _row(line)) is not None:
            return row
    return None


def _to_line(file: BinaryIO, offset: int) -> None:
    """Go to the first line that begins at `offset` or later; the log's own beginning is one."""
    file.seek(max(0, offset - 1))
    if offset:
        file.readline(LONGEST_LINE)
