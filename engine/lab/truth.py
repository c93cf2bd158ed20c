"""What the far side saw: Asterisk's own channel event log (CEL), one JSON object a line.

The log is written by Asterisk as things happen, whether or not the engine was alive; so it can judge the engine.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.lab.called import PREFIX

_DESK: Final = re.compile(r"desk[0-9A-Za-z]+")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log. Times are seconds since 1970, UTC."""

    event: str = msgspec.field(name="eventtype")
    user_event: str = msgspec.field(name="userdeftype", default="")
    at: float = msgspec.field(name="eventtime")
    uniqueid: str
    linkedid: str = ""
    channel: str = msgspec.field(name="channame", default="")
    number: str = msgspec.field(name="num", default="")
    exten: str = ""
    context: str = ""
    extra: str = msgspec.field(name="eventextra", default="")


class _HangupExtra(msgspec.Struct, frozen=True):
    hangupcause: int | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One leg from its beginning to its end, or to now."""

    id: str
    channel: str
    number: str
    """Caller's number as shown when the leg began."""
    desk: str
    """Agent code when this is an agent's phone, else empty."""
    started: float
    answered: float | None
    heard: tuple[float, ...]
    """Moments at which this person heard the other side's tone (TALKED for callers, HEARD for desks)."""
    ended: float | None
    cause: int | None
    """ISUP/Q.850 cause from the hang-up; None while it lasts."""
    dialled: str = ""
    """The number that was dialled, for a call that came from the site; else empty."""
    notes: tuple[tuple[str, float], ...] = ()
    """What this person noted and when: TALKED, HEARD, MESSAGE, SILENCE, BEEP, GAVE_UP."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """All that happened in one network so far."""

    calls: tuple[Call, ...]

    def placed(self) -> tuple[Call, ...]:
        """Calls that went out over the trunk to the site under test."""
        return tuple(call for call in self.calls if call.channel.startswith("PJSIP/site-"))

    def talked(self) -> tuple[Call, ...]:
        """Placed calls whose caller heard an agent."""
        return tuple(call for call in self.placed() if call.heard)

    def heard(self, code: str) -> tuple[float, ...]:
        """Moments at which the agent `code` heard a caller's tone; while it lasts, about every 2 s."""
        return tuple(at for call in self.calls if call.desk == code for at in call.heard)

    def called(self, number: str = "") -> tuple[Call, ...]:
        """What the site dialled of `engine.lab.called`, each dial for itself; or its dials of one number."""
        return tuple(call for call in self.calls if call.dialled and number in ("", call.dialled))

    def call(self, call_id: str) -> Call | None:
        """The leg with this id."""
        return next((call for call in self.calls if call.id == call_id), None)


def rows(log: Path) -> Iterator[Row]:
    """All whole lines of the log, in order of writing; a line still being written is left for the next reading."""
    if not log.exists():
        return
    decoder = msgspec.json.Decoder(Row, strict=False)
    for line in log.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield decoder.decode(line)


Test = Callable[[Truth], bool]


def read(log: Path) -> Truth:
    """The truth as far as it is written."""
    legs: dict[str, list[Row]] = {}
    for row in rows(log):
        legs.setdefault(row.uniqueid, []).append(row)
    return Truth(calls=tuple(_call(leg) for leg in legs.values()))


def _call(leg: list[Row]) -> Call:
    first = leg[0]
    hangup = next((row for row in leg if row.event == "HANGUP"), None)
    return Call(
        id=first.uniqueid,
        channel=first.channel,
        number=next((row.number for row in leg if row.number), ""),
        desk=next((word[4:] for row in leg for word in (row.number, row.exten) if _DESK.fullmatch(word)), ""),
        started=first.at,
        answered=next((row.at for row in leg if row.event == "ANSWER"), None),
        heard=tuple(row.at for row in leg if row.user_event in {"TALKED", "HEARD"}),
        ended=hangup.at if hangup else None,
        cause=_cause(hangup.extra) if hangup else None,
        dialled=first.exten if first.context == "arriving" and first.exten.startswith(PREFIX) else "",
        notes=tuple((row.user_event, row.at) for row in leg if row.user_event),
    )


def _cause(extra: str) -> int | None:
    """The cause out of a hang-up's extra text, which is JSON within JSON: {"hangupcause":16,...}."""
    try:
        return msgspec.json.decode(extra, type=_HangupExtra).hangupcause
    except msgspec.MsgspecError:
        return None
