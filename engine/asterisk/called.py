"""How a call of ours ended that nobody picked up. Pure: what AMI said of its leg in, a cause and a SIP status out.

Measured on Asterisk 22.10.1 (the table is in docs/outbound.md): Hangup tells the Q.850 cause, and as TechCause the SIP
status it was made from. But when our own time to ring is over it says "19, 480" whatever was heard before: a phone that
rang, a network that said nothing but "100 Trying", a carrier that is gone. Those are told apart here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.ami.codec import Message
from engine.domain.values import SECOND

SIGNS_OF_LIFE: Final = frozenset({"RINGING", "PROGRESS"})
_NO_ANSWER: Final = 19
_NOTHING_HEARD: Final = 18
_REQUEST_TIMEOUT: Final = 408
_EARLY: Final = SECOND // 2
"""Our time to ring counts from the action, a moment before the channel is there; a network's own 480 comes any time."""


class Called(msgspec.Struct):
    """A leg that we dialled. `ring_us`: after which we give up; `began`: Asterisk's time, UTC µs, 0 while unknown.

    `alerted`: ringing, or sound without it, was heard.
    """

    ring_us: int
    began: int = 0
    alerted: bool = False

    def rang(self, message: Message) -> bool:
        """Whether its Hangup event ends a call that rang, or sounded, and was not picked up."""
        state = message.get("ChannelStateDesc")
        return state != "Up" and (self.alerted or state == "Ringing")

    def end(self, message: Message, cause: int, at: int) -> tuple[int, int]:
        """(cause, SIP status) out of its Hangup event, which gave `cause` at `at`.

        Cause 18 is given exactly when nothing was heard of the line, 19 when it rang and nobody came. The status is 0
        when the line was picked up, or when we gave up ourselves.
        """
        state = message.get("ChannelStateDesc")
        sip = number_in(message, "TechCause", 0)
        if state == "Up":
            return cause, 0
        alerted = self.rang(message)
        if cause == _NO_ANSWER and self.began and at - self.began >= self.ring_us - _EARLY:
            return (_NO_ANSWER if alerted else _NOTHING_HEARD), 0
        if sip == _REQUEST_TIMEOUT and alerted:
            return _NO_ANSWER, sip
        return cause, sip


def number_in(message: Message, header: str, otherwise: int) -> int:
    """The header's number; `otherwise` where it is missing or none."""
    text = message.get(header)
    return int(text) if text.isascii() and text.isdigit() else otherwise
