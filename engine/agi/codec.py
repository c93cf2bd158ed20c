r"""The bytes of FastAGI, both ways. Pure.

Facts from res/res_agi.c of Asterisk 22 that shape this file:

- The environment is a run of `agi_name: value` lines and a blank line. The caller's number, the dialled extension,
  DNID and RDNIS are printed raw, so a caller who smuggles a line end into them forges further lines.
- A command is one line; words are split at blanks, `"` quotes, `\` escapes (parse_args). The line buffer holds 8192
  bytes today and held 2048 for twenty years. Reading is buffered but polling is not, so two commands sent at once
  hang the second: never more than one is under way.
- A reply is one line, but `520-` runs on until the line that starts with `520 `; and the value of a variable is printed
  raw, so it may run over several lines too.
- `HANGUP` on a line of its own may come before, after or instead of a reply.
"""

import re
from collections.abc import Iterable

import msgspec

from engine.errors import AgiCommandInvalid, AgiProtocolError

ENVIRONMENT_BYTES = 8 * 1024
ENVIRONMENT_LINES = 64
REPLY_LINE_BYTES = 64 * 1024
REPLY_LINES = 128
COMMAND_BYTES = 2000
"""Below the 2048 bytes of every Asterisk before 22, line end included."""

DIGITS = "0123456789*#ABCD"
_KEYS = {str(ord(digit)): digit for digit in DIGITS}

_NUMBER = re.compile(r"\+?[0-9*#]{0,32}")
_PRINTABLE_GAPS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class AgiRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What Asterisk says about the channel when it opens a session.

    `args` are the dialplan's own arguments (the secret included until the server takes it off). `callerid` and
    `calleridname` are the caller's claims: the number is empty unless it looks like one; the name is any text.
    `context`, `extension` and `callerid` can be forged by a caller with line ends in a SIP URI: when `repeated` is
    not empty, somebody tried. `uniqueid` and `channel` are printed before anything a caller controls.
    """

    script: str
    uniqueid: str
    channel: str
    context: str
    extension: str
    priority: int
    callerid: str
    calleridname: str
    language: str = ""
    args: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without number and name: this text ends up in logs."""
        return f"AgiRequest(script={self.script!r}, uniqueid={self.uniqueid!r}, context={self.context!r})"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of Asterisk: `200 result=RESULT (DATA) endpos=ENDPOS`, or a code from 500 and its `text`."""

    code: int
    result: str = ""
    data: str | None = None
    endpos: int | None = None
    text: str = ""

    @property
    def digit(self) -> str:
        """The key that was pressed, or "": the result is its ASCII number (48 for the key 0; 0 for none)."""
        return _KEYS.get(self.result, "")


class LineReader:
    """Cuts bytes into lines, however they arrive. A line feed ends a line; a carriage return before it goes too."""

    def __init__(self, limit: int, where: str) -> None:
        self._limit = limit
        self._where = where
        self._rest = b""

    def widen(self, limit: int, where: str) -> None:
        """From now on allow lines of `limit` bytes; `where` names the new part of the conversation in errors."""
        self._limit = limit
        self._where = where

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes, without their ends.

        Raises:
            AgiProtocolError: a line is longer than the limit.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self._limit or any(len(line) > self._limit for line in lines):
            self._rest = b""
            raise AgiProtocolError(f"a line is longer than {self._limit} bytes", where=self._where)
        return [_text(line.removesuffix(b"\r")) for line in lines]


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


class EnvironmentReader:
    """Collects the lines of one environment and reads them when the blank line has come."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._bytes = 0

    def add(self, line: str) -> AgiRequest | None:
        """Take the next line; the request once `line` is the blank one.

        Raises:
            AgiProtocolError: too many lines or bytes, or a request without channel or uniqueid.
        """
        if not line and self._lines:
            return read_environment(self._lines)
        self._bytes += len(line.encode(errors="replace")) + 1
        if self._bytes > ENVIRONMENT_BYTES or len(self._lines) >= ENVIRONMENT_LINES:
            raise AgiProtocolError(
                f"more than {ENVIRONMENT_BYTES} bytes or {ENVIRONMENT_LINES} lines", where="FastAGI environment"
            )
        if line:
            self._lines.append(line)
        return None


def read_environment(lines: Iterable[str]) -> AgiRequest:
    """Read the `agi_*` lines of one environment.

    The first occurrence of a name wins, since Asterisk prints uniqueid and channel before anything a caller controls.
    Arguments are the other way round: it prints them last, so only the block after the last `agi_arg_1` counts.
    """
    values: dict[str, str] = {}
    args: list[str] = []
    repeated: set[str] = set()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.startswith("agi_"):
            continue
        value = value.strip()
        if name == "agi_arg_1":
            args = []
        if name.startswith("agi_arg_"):
            if name == f"agi_arg_{len(args) + 1}":
                args.append(value)
        elif name in values:
            repeated.add(name)
            continue
        if name.startswith("agi_arg_") and name in values:
            repeated.add(name)
        values.setdefault(name, value)
    return _request(values, tuple(args), tuple(sorted(repeated)))


def _request(values: dict[str, str], args: tuple[str, ...], repeated: tuple[str, ...]) -> AgiRequest:
    for name in ("agi_uniqueid", "agi_channel"):
        if not values.get(name):
            raise AgiProtocolError(f"{name} is missing", where="FastAGI environment")
    number = values.get("agi_callerid", "")
    name = values.get("agi_calleridname", "")
    priority = values.get("agi_priority", "")
    return AgiRequest(
        script=values.get("agi_network_script", ""),
        uniqueid=values["agi_uniqueid"],
        channel=values["agi_channel"],
        context=values.get("agi_context", ""),
        extension=values.get("agi_extension", ""),
        priority=int(priority) if priority.isascii() and priority.isdigit() else 0,
        callerid=number if _NUMBER.fullmatch(number) else "",
        calleridname="" if name == "unknown" else name,
        language=values.get("agi_language", ""),
        args=args,
        repeated=repeated,
    )


def encode(verb: str, arguments: Iterable[tuple[str, str]]) -> bytes:
    """Write one command line: the verb bare, each argument quoted.

    `arguments` are (field name, value) pairs; the name only serves the error.

    Raises:
        AgiCommandInvalid: a control character (a line end would start a second command), a lone surrogate, or a line
            longer than Asterisk reads.
    """
    words = [verb]
    for field, value in arguments:
        found = _PRINTABLE_GAPS.search(value)
        if found:
            raise AgiCommandInvalid(
                f"{field} holds the character U+{ord(found.group()):04X} at position {found.start()}",
                where=f"AGI {verb}",
                mend="remove control characters",
            )
        words.append('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"')
    line = " ".join(words).encode() + b"\n"
    if len(line) > COMMAND_BYTES:
        raise AgiCommandInvalid(
            f"the command is {len(line)} bytes long, Asterisk reads {COMMAND_BYTES}",
            where=f"AGI {verb}",
            mend="shorten its longest argument",
        )
    return line


class ReplyReader:
    """Puts the lines of one reply together, then those of the next."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str, *, expects_value: bool = False) -> Reply | None:
        """Take the next line; the reply once it is whole.

        `expects_value`: the command asked for a variable, whose value may run over several lines until its `)`.

        Raises:
            AgiProtocolError: this is no reply, or one without end.
        """
        if not line and not self._lines:
            return None
        self._lines.append(line)
        if len(self._lines) > REPLY_LINES:
            raise AgiProtocolError(f"a reply of more than {REPLY_LINES} lines", where="AGI reply")
        first = self._lines[0]
        if not re.match(r"[1-9][0-9]{2}(?:[ -]|$)", first, re.ASCII):
            self._lines = []
            raise AgiProtocolError(f"not a reply: {first[:80]!r}", where="AGI reply")
        if first.startswith("100"):
            self._lines = []
            return None
        if first[3:4] == "-" and not (len(self._lines) > 1 and line.startswith(first[:3] + " ")):
            return None
        if expects_value and first.startswith("200 result=1 (") and not line.endswith(")"):
            return None
        text = "\n".join(self._lines)
        self._lines = []
        return parse_reply(text)


def parse_reply(text: str) -> Reply:
    """Read a whole reply. `text` starts with three digits."""
    code = int(text[:3])
    rest = text[4:]
    if code != 200:
        return Reply(code=code, text=rest)
    result, data, tail = "", None, ""
    if rest.startswith("result="):
        result, _, tail = rest.removeprefix("result=").partition(" ")
    if tail.startswith("("):
        # A value may itself hold brackets: it ends at the line's last one.
        data, _, tail = tail[1:].rpartition(")")
    endpos = re.search(r"(?:^| )endpos=([0-9]{1,18})(?: |$)", tail, re.ASCII)
    return Reply(code=code, result=result, data=data, endpos=int(endpos[1]) if endpos else None, text=rest)
