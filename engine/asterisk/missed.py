"""Calls that came and went while nobody watched, as Asterisk's own channel event log (CEL) has them.

One JSON object a line, in order of time (`asterisk-config/cel_custom.conf`). AMI tells what happens to who is connected
then; the log holds it also for who was not (manager.c; cel/cel_custom.c writes and flushes line by line).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.ami.codec import Message
from engine.asterisk.channels import INBOUND, Channels
from engine.domain.facts import AnyFact, LegEnded
from engine.domain.values import SECOND, LegId

LONGEST_LINE = 16_384


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    event: str = msgspec.field(name="eventtype")
    at: float = msgspec.field(name="eventtime")
    """Seconds since 1970, UTC."""
    leg: str = msgspec.field(name="uniqueid")
    channel: str = msgspec.field(name="channame", default="")
    number: str = msgspec.field(name="num", default="")
    exten: str = ""
    context: str = ""
    extra: str = msgspec.field(name="eventextra", default="")


class _HangupExtra(msgspec.Struct, frozen=True):
    hangupcause: int = 16


class GoneCall(msgspec.Struct, frozen=True, kw_only=True):
    """One inbound call from beginning to end. Instants in UTC µs; `dialled` and `caller` as the trunk gave them."""

    leg: LegId
    channel: str
    dialled: str
    caller: str
    began: int
    ended: int
    cause: int


_ROW = msgspec.json.Decoder(_Row, strict=False)


def gone_calls(log: Path, after: int, before: int) -> list[GoneCall]:
    """Inbound calls that began at `after` or later and ended before `before` (UTC µs). Belongs in a thread.

    A line that cannot be read is passed over: one bad line must not hide the calls behind it.

    Raises:
        OSError: the log cannot be read.
    """
    began: dict[str, _Row] = {}
    numbers: dict[str, str] = {}
    causes: dict[str, int] = {}
    found = []
    with log.open("rb") as file:
        _seek(file, after / SECOND)
        for row in _rows(file):
            if row.at * SECOND >= before:
                break
            if row.event == "CHAN_START" and row.context == INBOUND and row.at * SECOND >= after:
                began[row.leg] = row
            if row.leg not in began:
                continue
            numbers[row.leg] = numbers.get(row.leg) or row.number
            if row.event == "HANGUP":
                causes[row.leg] = _cause(row.extra)
            elif row.event == "CHAN_END":
                found.append(_call(began.pop(row.leg), row, numbers[row.leg], causes.get(row.leg, 16)))
    return found


def facts(channels: Channels, call: GoneCall) -> list[AnyFact]:
    """What the floor is told of such a call: that it came, and that it went."""
    row = Message.of([("Channel", call.channel), ("CallerIDNum", call.caller)])
    told = channels.arrival(call.leg, row, call.dialled, call.began)
    del channels.known[call.leg]
    channels.bury(call.leg)
    ended = LegEnded(at=call.ended, leg=call.leg, cause=call.cause, interaction_id=told[0].interaction_id)
    return [*told, ended]


def _call(first: _Row, last: _Row, number: str, cause: int) -> GoneCall:
    return GoneCall(
        leg=LegId(first.leg),
        channel=first.channel,
        dialled=first.exten,
        caller=number,
        began=round(first.at * SECOND),
        ended=round(last.at * SECOND),
        cause=cause,
    )


def _cause(extra: str) -> int:
    """Out of a hang-up's extra text, which is JSON within JSON: {"hangupcause":16,...}."""
    try:
        return msgspec.json.decode(extra, type=_HangupExtra).hangupcause
    except msgspec.MsgspecError:
        return 16


def _rows(file: BinaryIO) -> Iterator[_Row]:
    """Whole lines from here on; one that is still being written is left for the next reading."""
    for line in iter(lambda: file.readline(LONGEST_LINE), b""):
        if not line.endswith(b"\n"):
            continue
        row = _row(line)
        if row is not None:
            yield row


def _row(line: bytes) -> _Row | None:
    try:
        return _ROW.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _seek(file: BinaryIO, at: float) -> None:
    """Go to a line boundary at or before the first line of this time: the log of months is not read for one minute."""
    low, high = 0, file.seek(0, 2)
    while high - low > LONGEST_LINE:
        middle = (low + high) // 2
        row = _first_row(file, middle, high)
        low, high = (low, middle) if row is None or row.at >= at else (middle, high)
    _to_line(file, low)


def _first_row(file: BinaryIO, offset: int, end: int) -> _Row | None:
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
