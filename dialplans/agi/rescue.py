#!/usr/bin/env python3
"""The last fallback: the engine stays away, so note a number to call back.

Needs Asterisk, Python and pyst2, nothing else. Called by the dialplan as `AGI(rescue.py,SPOOL,LANGUAGE)`. Appends one
line of JSON to `SPOOL/rescue-YYYYMMDD.jsonl` (UTC):
    id        uniqueid and start time; the engine imports each id once
    at        start, microseconds since 1970 UTC
    uniqueid  of the caller's channel
    dialled   the number the caller dialled, if it is still known
    caller    the caller's own number, or ""
    number    where to call back, or ""
    outcome   "callback" (a number was confirmed, or given without contradiction) or "hung-up"
    language  "en" or "zh"
The caller may hang up at any point: the line is then written with "hung-up", so that nobody is lost from the count.
"""

import json
import os
import re
import signal
import sys
import time
from typing import Any, Final

from asterisk.agi import AGI, AGIException

NUMBER: Final = re.compile(r"\+?[0-9]{5,15}")
CHOICE_MS: Final = 6000
FIRST_DIGIT_MS: Final = 8000
NEXT_DIGIT_MS: Final = 4000
MOST_DIGITS: Final = 16
TRIES: Final = 3


class HungUp(Exception):
    """The caller has gone."""


class Caller:
    """The person on the line: hears prompts, presses keys, may go at any moment."""

    def __init__(self, agi: Any, language: str) -> None:
        self._agi = agi
        self._language = language

    def hear(self, name: str, keys: str = "") -> str:
        """Play one prompt; the key of `keys` that broke it off, or "".

        Raises:
            HungUp: the caller has gone.
        """
        try:
            return str(self._agi.stream_file(f"callwright/{self._language}/{name}", keys))
        except (AGIException, OSError, ValueError) as gone:  # pyst2 meets the end of input as int('')
            raise HungUp from gone

    def hear_digits(self, number: str, keys: str = "") -> str:
        """Read a number out digit by digit, as `hear`."""
        for digit in number.lstrip("+"):
            key = self.hear(f"digit-{digit}", keys)
            if key:
                return key
        return ""

    def press(self, timeout_ms: int) -> str:
        """The next key, or "" when none comes in time.

        Raises:
            HungUp: the caller has gone.
        """
        try:
            return str(self._agi.wait_for_digit(timeout_ms))
        except (AGIException, OSError, ValueError) as gone:
            raise HungUp from gone


def choose(caller: Caller, intro: str, number: str, question: str) -> str:
    """Read `number` back and ask: "1", "2", or "" when the caller presses nothing twice."""
    for _ in range(2):
        key = caller.hear(intro, "12") or caller.hear_digits(number, "12") or caller.hear(question, "12")
        key = key or caller.press(CHOICE_MS)
        if key in ("1", "2"):
            return key
    return ""


def enter(caller: Caller) -> str:
    """A number keyed in, ended by # or a pause; "" when it is none."""
    digits = caller.hear("rescue-enter", "0123456789")
    while len(digits) < MOST_DIGITS:
        key = caller.press(NEXT_DIGIT_MS if digits else FIRST_DIGIT_MS)
        if key in ("", "#"):
            break
        if key.isdigit():
            digits += key
    return digits if NUMBER.fullmatch(digits) else ""


def number_to_call(caller: Caller, own: str) -> str:
    """Where this person wants to be called back; "" when no number could be had."""
    caller.hear("rescue-sorry")
    if own and choose(caller, "rescue-own", own, "rescue-choose") != "2":
        return own
    for _ in range(TRIES):
        number = enter(caller)
        if not number:
            caller.hear("rescue-invalid")
        elif choose(caller, "rescue-you-entered", number, "rescue-confirm") != "2":
            return number
    return own


def note(spool: str, line: dict[str, object]) -> None:
    """Append one line, whole and on disk before this returns (O_APPEND: writers do not mix).

    Raises:
        OSError: it could not be written.
    """
    day = time.strftime("%Y%m%d", time.gmtime())
    path = os.path.join(spool, f"rescue-{day}.jsonl")
    data = (json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n").encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        if os.write(file, data) != len(data):
            raise OSError("the line was cut short: is the disk full?")
        os.fsync(file)
    finally:
        os.close(file)


def main() -> int:
    """Serve one caller; always 0, so that Asterisk goes on to hang up."""
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    with open(os.devnull, "w") as quiet:  # pyst2 prints every exchange, numbers included, to stderr
        agi = AGI(stdin=sys.stdin, stdout=sys.stdout, stderr=quiet)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        spool, language = agi.env.get("agi_arg_1", ""), agi.env.get("agi_arg_2", "en")
        serve(agi, Caller(agi, language), spool, language)
    return 0


def serve(agi: Any, caller: Caller, spool: str, language: str) -> None:
    """Ask for a number and note it, whether or not the caller stays."""
    started = time.time_ns() // 1000
    uniqueid = agi.env.get("agi_uniqueid", "")
    own = agi.env.get("agi_callerid", "")
    own = own if NUMBER.fullmatch(own) else ""
    number, here = "", True
    try:
        number = number_to_call(caller, own)
    except HungUp:
        here = False
    line: dict[str, object] = {
        "id": f"{uniqueid}-{started}",
        "at": started,
        "uniqueid": uniqueid,
        "dialled": agi.env.get("agi_dnid", ""),
        "caller": own,
        "number": number,
        "outcome": "callback" if number else "hung-up",
        "language": language,
    }
    prompt = "rescue-thanks" if number else "goodbye"
    try:
        note(spool, line)
    except OSError as failed:
        print(f"rescue.py: {spool}: {failed.strerror or failed}", file=sys.stderr)
        prompt = "rescue-failed"
    if here:
        try:
            caller.hear(prompt)
        except HungUp:
            return


if __name__ == "__main__":
    sys.exit(main())
