"""Asking the caller: prompts in order, then digits. Pure: replies in, the next command or the answer out.

Rules:

- A key of `escape` during a prompt stops it and all prompts after it, and counts as the first digit (barge-in).
- Then digits are collected until `max_digits`, the terminator, or a pause longer than the timeout.
- *Too many*: where a terminator exists, callers press it by habit after a full number too. So after the last digit the
  line is listened to for `overrun_ms`: the terminator is swallowed; any other key means the caller typed more than was
  asked, and typing is drained until it pauses (at most 32 keys). The answer then keeps the first `max_digits`.
- *Too late*: keys pressed after the answer is out are not kept. Asterisk itself drops what arrives between two commands
  (res_agi.c, run_agi), and what arrives during the next prompt is a barge-in of that prompt. Nothing is typed ahead.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from engine.agi import command
from engine.agi.codec import DIGITS, Reply
from engine.agi.command import Command
from engine.errors import AgiCommandInvalid

DRAINED_KEYS = 32


class Reason(StrEnum):
    """Why an asking ended."""

    PLAYED = "played"
    """Every prompt was heard, and nothing was to be collected."""
    COMPLETE = "complete"
    """As many digits as were asked for."""
    TERMINATOR = "terminator"
    """The caller said that was all."""
    TIMEOUT = "timeout"
    """The caller pressed nothing, or nothing more, in time."""
    TOO_MANY = "too_many"
    """The caller went on typing beyond `max_digits`."""


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """What to collect. Times in milliseconds.

    `overrun_ms` defaults to 1000 where a terminator and more than one digit are asked for, else 0: a menu answers at
    once.
    """

    max_digits: int = 1
    min_digits: int = 1
    first_ms: int = 5000
    between_ms: int = 3000
    terminator: str = "#"
    overrun_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be collected.

        Raises:
            AgiCommandInvalid: names the field.
        """
        if not 1 <= self.max_digits <= 64 or not 0 <= self.min_digits <= self.max_digits:
            raise AgiCommandInvalid(
                f"min_digits {self.min_digits} and max_digits {self.max_digits} cannot be collected",
                where="collect",
                mend="choose 1 <= max_digits <= 64 and 0 <= min_digits <= max_digits",
            )
        if len(self.terminator) > 1 or self.terminator not in DIGITS:
            raise AgiCommandInvalid(
                f"terminator {self.terminator!r} is no telephone key", where="collect", mend=f"one of {DIGITS}, or none"
            )
        for field in ("first_ms", "between_ms"):
            command.wait_for_digit(getattr(self, field))

    @property
    def listen_on_ms(self) -> int:
        """How long to listen for keys after the last digit."""
        if self.overrun_ms is not None:
            return self.overrun_ms
        return 1000 if self.terminator and self.max_digits > 1 else 0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: the digits (terminator excluded), why it ended, and whether it is as long as was asked."""

    digits: str
    reason: Reason
    enough: bool = True

    def __repr__(self) -> str:
        """Without the digits: they may be a PIN or a card."""
        return f"Asked({len(self.digits)} digits, {self.reason}, enough={self.enough})"


class Asking:
    """One question under way: `start`, then `answered` with each reply until an `Asked` comes out."""

    def __init__(self, prompts: Sequence[str], escape: str = "", collect: Collect | None = None) -> None:
        # Built now, so that a wrong name is refused before the caller hears anything.
        self._prompts = [command.stream_file(prompt, escape) for prompt in reversed(prompts)]
        self._collect = collect
        self._digits = ""
        self._drained = 0

    def start(self) -> Command | Asked:
        """The first command, or at once the answer when there is nothing to do."""
        if self._prompts:
            return self._prompts.pop()
        return self._listen()

    def answered(self, reply: Reply) -> Command | Asked:
        """What to do after this reply of the last command."""
        digit = reply.digit
        if self._drained or self._full:
            return self._overrun(digit)
        if not digit and self._prompts:
            return self._prompts.pop()
        if digit:
            self._prompts.clear()
            return self._pressed(digit)
        if self._waiting:
            return self._done(Reason.TIMEOUT)
        return self._listen()

    _waiting = False

    @property
    def _full(self) -> bool:
        return self._collect is not None and len(self._digits) >= self._collect.max_digits

    def _listen(self) -> Command | Asked:
        if self._collect is None:
            return self._done(Reason.PLAYED)
        self._waiting = True
        return command.wait_for_digit(self._collect.between_ms if self._digits else self._collect.first_ms)

    def _pressed(self, digit: str) -> Command | Asked:
        collect = self._collect
        if collect is None:
            self._digits = digit
            return self._done(Reason.COMPLETE)
        if digit == collect.terminator:
            return self._done(Reason.TERMINATOR)
        self._digits += digit
        if not self._full:
            return self._listen()
        return command.wait_for_digit(collect.listen_on_ms) if collect.listen_on_ms else self._done(Reason.COMPLETE)

    def _overrun(self, digit: str) -> Command | Asked:
        assert self._collect is not None  # noqa: S101 - only a collection can be full
        ended = not digit or digit == self._collect.terminator
        if ended:
            return self._done(Reason.TOO_MANY if self._drained else Reason.COMPLETE)
        self._drained += 1
        if self._drained >= DRAINED_KEYS:
            return self._done(Reason.TOO_MANY)
        return command.wait_for_digit(self._collect.between_ms)

    def _done(self, reason: Reason) -> Asked:
        collect = self._collect
        enough = collect is None or (len(self._digits) >= collect.min_digits and reason is not Reason.TOO_MANY)
        return Asked(digits=self._digits, reason=reason, enough=enough)
