"""The AGI commands this engine sends, and no others. Pure.

Every builder checks its values and returns a `Command`; there is no way to send a raw line. Applications run through
`execute`, which knows a short list of harmless ones: never System, never anything that opens a file of its choosing.
"""

import re

import msgspec

from engine.agi.codec import DIGITS, encode
from engine.errors import AgiCommandInvalid

PROMPT_SECONDS = 900.0
"""Longest prompt that is still believed to be playing."""

ANSWER_SECONDS = 10.0
SHORT_SECONDS = 5.0

APPLICATIONS = frozenset(
    {"MSet", "Playback", "Progress", "Ringing", "StartMusicOnHold", "StopMusicOnHold", "UserEvent", "Wait"}
)
FUNCTIONS = frozenset({"CHANNEL(language)", "CHANNEL(musicclass)"})
"""Dialplan functions that may be written; anything else with brackets is refused."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_APPLICATION_ARGUMENT = re.compile(r"[\w .:/@+*#=-]*")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.:/+-]{0,200}")
_SOUND = re.compile(r"[\w./+-]{1,200}")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command, ready to send.

    `reply_within`: seconds after which a reply is no longer to be expected. `expects_value`: the reply carries a
    variable's value. `ends_early`: a new command makes Asterisk stop this one; `silent_when_ended`: and then it gets
    no reply at all. `may_fail_alive`: result -1 does not prove that the caller is gone.
    """

    verb: str
    line: bytes
    arguments: tuple[str, ...] = ()
    reply_within: float = SHORT_SECONDS
    expects_value: bool = False
    ends_early: bool = False
    silent_when_ended: bool = False
    may_fail_alive: bool = False


def answer() -> Command:
    """Answer the channel unless it is up. Waits for first media, at most 500 ms."""
    return _command("ANSWER", reply_within=ANSWER_SECONDS)


def hangup() -> Command:
    """Hang this channel up."""
    return _command("HANGUP")


def noop() -> Command:
    """Do nothing, and say so: brings both sides back in step after an abandoned command."""
    return _command("NOOP")


def channel_status() -> Command:
    """Ask for the channel's state. Refused with 511 when the caller is gone: the one sure way to tell."""
    return _command("CHANNEL STATUS")


def stream_file(name: str, escape_digits: str = "") -> Command:
    """Play a sound to its end or until one of `escape_digits` is pressed.

    `name` is relative to Asterisk's sounds folder, without extension. A missing sound and a hang-up both give -1.
    """
    return _command(
        "STREAM FILE",
        ("sound", _sound(name)),
        ("escape digits", _digits(escape_digits, "escape digits", "STREAM FILE")),
        reply_within=PROMPT_SECONDS,
        ends_early=True,
        silent_when_ended=True,
        may_fail_alive=True,
    )


def wait_for_digit(timeout_ms: int) -> Command:
    """Wait for any key, at most `timeout_ms` (1 to 3,600,000; Asterisk would take -1 as for ever, we never do)."""
    if not 1 <= timeout_ms <= 3_600_000:
        raise AgiCommandInvalid(
            f"{timeout_ms} ms is no waiting time",
            where="AGI WAIT FOR DIGIT",
            mend="choose 1 to 3600000 ms",
        )
    return _command(
        "WAIT FOR DIGIT",
        ("timeout", str(timeout_ms)),
        reply_within=timeout_ms / 1000 + SHORT_SECONDS,
        ends_early=True,
    )


def say_number(number: int, escape_digits: str = "") -> Command:
    """Speak a number with Asterisk's own sounds."""
    digits = _digits(escape_digits, "escape digits", "SAY NUMBER")
    return _say("SAY NUMBER", ("number", str(number)), digits)


def say_digits(digits: str, escape_digits: str = "") -> Command:
    """Speak digit by digit with Asterisk's own sounds."""
    spoken = _digits(digits, "digits", "SAY DIGITS")
    return _say("SAY DIGITS", ("digits", spoken), _digits(escape_digits, "escape digits", "SAY DIGITS"))


def set_variable(name: str, value: str) -> Command:
    """Set a channel variable, or one of `FUNCTIONS`. Asterisk takes the value as it is: nothing in it is expanded."""
    return _command("SET VARIABLE", ("name", _variable(name, "SET VARIABLE")), ("value", value))


def get_variable(name: str) -> Command:
    """Read a channel variable; unset gives result 0."""
    return _command("GET VARIABLE", ("name", _variable(name, "GET VARIABLE")), expects_value=True)


def is_plain(value: str) -> bool:
    """Whether a value can stand in an argument as it is: no dialplan syntax, and no blanks, which MSet would trim."""
    return bool(_PLAIN_VALUE.fullmatch(value))


def execute(application: str, *arguments: str, seconds: float = PROMPT_SECONDS) -> Command:
    """Run a dialplan application of `APPLICATIONS`; `seconds` bounds the wait for its end."""
    if application not in APPLICATIONS:
        raise AgiCommandInvalid(
            f"{application!r} is not an application that flows may run",
            where="AGI EXEC",
            mend=f"use one of {', '.join(sorted(APPLICATIONS))}",
        )
    for position, argument in enumerate(arguments, start=1):
        if not _APPLICATION_ARGUMENT.fullmatch(argument):
            raise AgiCommandInvalid(
                f"argument {position} of {application} holds a character that dialplan syntax uses: {argument!r}",
                where="AGI EXEC",
                mend="use letters, digits and . : / @ + * # = - only",
            )
    fields = [("application", application), ("options", ",".join(arguments))]
    return _command("EXEC", *fields, reply_within=seconds, may_fail_alive=True)


def _say(verb: str, spoken: tuple[str, str], escape_digits: str) -> Command:
    fields = (spoken, ("escape digits", escape_digits))
    return _command(verb, *fields, reply_within=PROMPT_SECONDS, may_fail_alive=True)


def _command(
    verb: str,
    *fields: tuple[str, str],
    reply_within: float = SHORT_SECONDS,
    expects_value: bool = False,
    ends_early: bool = False,
    silent_when_ended: bool = False,
    may_fail_alive: bool = False,
) -> Command:
    return Command(
        verb=verb,
        line=encode(verb, fields),
        arguments=tuple(value for _, value in fields),
        reply_within=reply_within,
        expects_value=expects_value,
        ends_early=ends_early,
        silent_when_ended=silent_when_ended,
        may_fail_alive=may_fail_alive,
    )


def _sound(name: str) -> str:
    if not _SOUND.fullmatch(name) or ".." in name.split("/"):
        raise AgiCommandInvalid(
            f"{name!r} is no sound name",
            where="AGI STREAM FILE",
            mend="use letters, digits and _ . + - with / between folders, no extension",
        )
    return name


def _digits(digits: str, field: str, verb: str) -> str:
    for digit in digits:
        if digit not in DIGITS:
            raise AgiCommandInvalid(
                f"{field}: {digit!r} is no telephone key", where=f"AGI {verb}", mend=f"use {DIGITS}"
            )
    return digits


def _variable(name: str, verb: str) -> str:
    if name not in FUNCTIONS and not _VARIABLE.fullmatch(name):
        raise AgiCommandInvalid(
            f"{name!r} is no variable name",
            where=f"AGI {verb}",
            mend=f"use letters, digits and _ (functions: {', '.join(sorted(FUNCTIONS))})",
        )
    return name
