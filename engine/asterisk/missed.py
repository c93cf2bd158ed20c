"""Calls that came and went while nobody watched, as Asterisk's own channel event log has them (`cel`)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.ami.codec import Message
from engine.asterisk import cel
from engine.asterisk.channels import INBOUND, NOT_DIALLED_IN, Channels
from engine.domain.facts import AnyFact, LegEnded
from engine.domain.values import SECOND, LegId


class GoneCall(msgspec.Struct, frozen=True, kw_only=True):
    """One inbound call from beginning to end. Instants in UTC µs; `dialled` and `caller` as the trunk gave them."""

    leg: LegId
    channel: str
    dialled: str
    caller: str
    began: int
    ended: int
    cause: int


def gone_calls(log: Path, after: int, before: int) -> list[GoneCall]:
    """Inbound calls that began at `after` or later and ended before `before` (UTC µs). Belongs in a thread.

    Raises:
        OSError: the log cannot be read.
    """
    began: dict[str, cel.Row] = {}
    numbers: dict[str, str] = {}
    causes: dict[str, int] = {}
    found = []
    with log.open("rb") as file:
        cel.seek(file, after / SECOND)
        for row in cel.rows(file):
            if row.at * SECOND >= before:
                break
            if row.event == "CHAN_START" and _came_in(row) and row.at * SECOND >= after:
                began[row.leg] = row
            if row.leg not in began:
                continue
            numbers[row.leg] = numbers.get(row.leg) or row.number
            if row.event == "HANGUP":
                causes[row.leg] = cel.cause(row.extra)
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


def _came_in(row: cel.Row) -> bool:
    return row.context == INBOUND and row.exten != NOT_DIALLED_IN


def _call(first: cel.Row, last: cel.Row, number: str, cause: int) -> GoneCall:
    return GoneCall(
        leg=LegId(first.leg),
        channel=first.channel,
        dialled=first.exten,
        caller=number,
        began=first.at_us,
        ended=last.at_us,
        cause=cause,
    )
