"""Numbers of the simulated network that can be called: what answers there, after how long, and for how long.

All of it stands in the number, `+8610 P RR TT NNN`, so a list of leads is a list of people, and the network needs to
know nothing of it beforehand. `network/extensions.conf` reads the same digits. The numbers are valid ones of Beijing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

PREFIX: Final = "+8610"
RING_UNIT_S: Final = 0.25
"""One step of RR, unless the network is told another (`Pstn.units`)."""
TALK_UNIT_S: Final = 1.0
"""One step of TT, likewise."""


class Persona(Enum):
    """What is at the other end; the value is the digit P."""

    EARLY = "0"
    """A person who hangs up in the second in which he answers."""
    PERSON = "2"
    """Says hello, talks to an agent, or hears the message out."""
    NO_ANSWER = "3"
    """Rings for ever."""
    MACHINE = "4"
    """Answers with a greeting of 7 s and a beep, records for TT."""
    BUSY = "5"
    UNALLOCATED = "6"
    """No such number: three rising tones before any answer, then 404."""
    OPTS_OUT = "7"
    """A person who presses 9 when he hears the message."""
    FAX = "9"
    """Answers with the tone of a fax."""

    @property
    def is_person(self) -> bool:
        """Whether an answer here is a live one."""
        return self in (Persona.EARLY, Persona.PERSON, Persona.OPTS_OUT)


def number(
    persona: Persona,
    serial: int,
    *,
    ring_s: float = 1.0,
    talk_s: float = 5.0,
    ring_unit_s: float = RING_UNIT_S,
    talk_unit_s: float = TALK_UNIT_S,
) -> str:
    """A number in E.164 at which `persona` answers after `ring_s` and talks for `talk_s`, to the nearest step up to 99.

    `serial` (0 to 999) tells apart the numbers of otherwise equal people.
    """
    ring, talk = (min(99, max(0, round(s / unit))) for s, unit in ((ring_s, ring_unit_s), (talk_s, talk_unit_s)))
    return f"{PREFIX}{persona.value}{ring:02d}{talk:02d}{serial % 1000:03d}"


def persona_of(e164: str) -> Persona | None:
    """What is at this number; None for one that is not the network's."""
    if not e164.startswith(PREFIX) or len(e164) != len(PREFIX) + 8:
        return None
    digit = e164[len(PREFIX)]
    return next((persona for persona in Persona if persona.value == digit), None)
