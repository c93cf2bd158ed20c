r"""AMI on the wire: a strict writer and a tolerant reader. Pure: no clock, no socket.

A message is lines of `Name: value`, ended by an empty line (Asterisk: main/manager.c). The two directions differ on
purpose:

* **We write strictly.** A carriage return in a value would begin a second header, or a second action. Asterisk splits
  `Variable:` at commas, refuses lines of 1,025 bytes and the 129th header. So `encode` refuses all of that, naming the
  field, and changes nothing silently.
* **We read tolerantly.** Asterisk sends lone newlines (PJSIPShowContacts without contacts), `\r\n\n`
  (CoreShowChannelMap, asterisk issue 761), tripled line ends, and bytes that are not UTF-8. Each is read for what it
  means. What cannot be read is dropped, counted as an `Anomaly`, and reading goes on with the next message.

**Forged lines.** Asterisk 22.10.1 prints CallerIDNum and others raw (tried: names are escaped, numbers are not), so a
caller whose number holds line ends adds lines, or whole messages. Four rules keep that from being believed:

1. A line that starts with `Event:` in the middle of a message never begins a new message, and `message["Name"]` is
   always the *first* occurrence. A message begins with `Event` or `Response` in exactly this writing.
2. A header given twice that Asterisk gives once is listed in `message.repeated`. Whoever turns events into facts must
   not believe such a message: the forged `Uniqueid` may come before the true one.
3. A forged answer or list item would need our ActionID, which cannot be guessed (`session`); on a connection without
   events every event is dropped, so lists are read there.
4. A whole forged event cannot be told from a true one here. Asterisk must withhold it (asterisk-config/manager.conf):
   `eventfilter(action(exclude),method(regex)) = [[:cntrl:]]Event:`
"""

import enum
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, Self

import msgspec

from engine.errors import AmiHeaderMissing, AmiUnencodable

MAX_ACTION_LINE: Final = 1_000  # bytes; Asterisk's own limit is 1,024 with the line end (manager.h AST_MAX_MANHEADER…)
MAX_ACTION_HEADERS: Final = 120  # Asterisk's own limit is 128
MAX_LINE: Final = 16 * 1024  # bytes of one line we are willing to read
MAX_MESSAGE: Final = 256 * 1024  # bytes of one message we are willing to read
GREETING: Final = b"Asterisk Call Manager/"

_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}(\([a-z]{0,16}\))?(=[A-Za-z0-9_.+*#/-]*)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_REPEATABLE: Final = frozenset({"output", "variable", "chanvariable"})  # Asterisk gives these many times in one message

Header = tuple[str, str]


class Message(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One event or response: headers in the order they came; names compare without case.

    `message["Name"]` is the first value and raises `AmiHeaderMissing`; `get` has a default; `get_all` gives every
    value. `repeated` names headers that came twice although Asterisk gives them once: do not believe such a message.
    """

    headers: tuple[Header, ...]
    first: dict[str, str]  # lower-case name -> first value; derived from `headers`, kept because it is read often
    repeated: tuple[str, ...] = ()  # lower-case names

    @classmethod
    def of(cls, headers: Iterable[Header]) -> Self:
        """A message from (name, value) pairs, e.g. in tests."""
        pairs = tuple(headers)
        names = Counter(name.lower() for name, _ in pairs)
        repeated = tuple(name for name, times in names.items() if times > 1 and name not in _REPEATABLE)
        return cls(pairs, {name.lower(): value for name, value in reversed(pairs)}, repeated)

    def __getitem__(self, name: str) -> str:
        """The first value of a header. Raises `AmiHeaderMissing`, never returns '' for what is not there."""
        try:
            return self.first[name.lower()]
        except KeyError:
            raise AmiHeaderMissing(f"the header {name} is missing", where=self.title) from None

    def __contains__(self, name: str) -> bool:
        """True if the header is there, even with an empty value."""
        return name.lower() in self.first

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header, or the default where it is missing."""
        return self.first.get(name.lower(), default)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of a header in order, e.g. `Output` or `ChanVariable`; empty where it is missing."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == wanted)

    @property
    def event(self) -> str:
        """The event's name, '' for a response. The first header decides: OriginateResponse has both."""
        return self.headers[0][1] if self.headers and self.headers[0][0] == "Event" else ""

    @property
    def is_response(self) -> bool:
        """True for the direct answer to an action."""
        return bool(self.headers) and self.headers[0][0] == "Response"

    @property
    def success(self) -> bool:
        """False only for a response that is an error (`Response: Error`)."""
        return not self.is_response or self.headers[0][1].lower() in {"success", "follows", "goodbye", "pong"}

    @property
    def title(self) -> str:
        """What it is in a few words, without what a caller or customer gave: safe in logs."""
        return f"{self.headers[0][0]}: {self.headers[0][1]}" if self.headers else "empty message"

    def __repr__(self) -> str:
        """Name and size only: values may hold telephone numbers, and reprs reach log files."""
        return f"<Message {self.title!r} {len(self.headers)} headers>"


class Action(msgspec.Struct, frozen=True):
    """A wish to Asterisk: its name and headers, without Action and ActionID.

    `action_id` may be chosen (an attempt's id, so that its OriginateResponse can be found); with '' the session mints
    one.
    """

    name: str
    headers: tuple[Header, ...] = ()
    action_id: str = ""

    def __repr__(self) -> str:
        """Header names only: a value may be the login's secret or a telephone number."""
        return f"<Action {self.name} {self.action_id or '-'} ({', '.join(name for name, _ in self.headers)})>"


class Anomaly(enum.Enum):
    """What a reader met that a correct Asterisk does not send. Counted, never raised."""

    NO_GREETING = "the peer did not greet as Asterisk does"
    NO_COLON = "a line without a colon inside a message"
    NOT_UTF8 = "a line that is not UTF-8, read as latin-1"
    OVERLONG_LINE = "a line over the limit; its message was dropped"
    OVERLONG_MESSAGE = "a message over the limit, dropped"
    ORPHAN = "headers that begin neither an event nor a response, dropped"
    REPEATED_HEADER = "a header given twice that is given once: forged, or two messages run together"


def encode(action: Action, action_id: str = "") -> bytes:
    """The bytes of one action. Raises `AmiUnencodable`, which names the field, rather than repair a value.

    Refused: control characters, characters without UTF-8 form, lines over 1,000 bytes, over 120 headers, header names
    that are not names, and `Variable` values that Asterisk would take apart at commas, quotes and brackets.
    """
    headers = (("Action", action.name), ("ActionID", action.action_id or action_id), *action.headers)
    if len(headers) > MAX_ACTION_HEADERS:
        raise AmiUnencodable(
            f"{len(headers)} headers, at most {MAX_ACTION_HEADERS} fit", where=f"action {action.name[:40]!a}"
        )
    lines = [_encode_line(action.name, name, value) for name, value in headers if value or name != "ActionID"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _encode_line(action: str, name: str, value: str) -> bytes:
    """One header line without its end."""
    where = f"action {action[:40]!a}, field {name[:64]!a}"
    if not _HEADER_NAME.fullmatch(name):
        raise AmiUnencodable("not a header name", where=where, mend="use letters, digits, '-' and '_'")
    if _CONTROL.search(value):
        raise AmiUnencodable("a control character (line end, NUL, …) in the value", where=where, mend="remove it")
    if name.lower() == "variable" and not _VARIABLE.fullmatch(value):
        raise AmiUnencodable(
            "a channel variable may hold only letters, digits and '_', '.', '+', '-', '*', '#', '/'",
            where=where,
            mend="send an opaque id and look the data up by it",
        )
    try:
        line = f"{name}: {value}".encode()
    except UnicodeEncodeError:
        raise AmiUnencodable("a character that has no UTF-8 form", where=where, mend="remove it") from None
    if len(line) > MAX_ACTION_LINE:
        raise AmiUnencodable(f"{len(line)} bytes, at most {MAX_ACTION_LINE} fit in a line", where=where)
    return line


_KEYS: Final[dict[str, str]] = {}
"""Header name as it came -> lower case. Asterisk has some hundred; the bound is for a peer that makes up its own."""
_KEYS_LIMIT: Final = 1000


def _key(name: str) -> str:
    key = name.lower()
    if len(_KEYS) < _KEYS_LIMIT:
        _KEYS[name] = key
    return key


class Decoder:
    """Bytes in, whole messages out; cut wherever the network cuts them. One decoder serves one connection.

    Memory is bounded: at most one line and one message are held. `anomalies` counts what was odd.
    """

    __slots__ = ("_first", "_headers", "_poisoned", "_repeated", "_size", "_skipping", "_tail", "anomalies", "greeting")

    def __init__(self) -> None:
        self.anomalies: Counter[Anomaly] = Counter()
        self.greeting: str | None = None  # Asterisk's first line, once it came; "" where the peer did not greet
        self._tail = b""  # the line that is not complete yet
        self._headers: list[Header] = []
        self._first: dict[str, str] = {}
        self._repeated: list[str] = []
        self._size = 0  # bytes of the message so far
        self._poisoned = False  # drop what comes until the message ends
        self._skipping = False  # drop what comes until the line ends

    def feed(self, data: bytes) -> list[Message]:
        """Take what was read (any number of bytes); return the messages that are complete now, in order."""
        lines = (self._tail + data).split(b"\n")
        self._tail = lines.pop()
        messages: list[Message] = []
        for raw in lines:
            line = raw.rstrip(b"\r")
            if self._skipping:
                self._skipping = False
            elif len(raw) > MAX_LINE:
                self._poison(Anomaly.OVERLONG_LINE)
            elif line:
                self._line(line)
            elif self._size:
                message = self._finish()
                if message is not None:
                    messages.append(message)
        if len(self._tail) > MAX_LINE:
            self._poison(Anomaly.OVERLONG_LINE)
            self._tail = b""
            self._skipping = True
        return messages

    def _line(self, line: bytes) -> None:
        """Add one line, which is not empty, to the message."""
        if self.greeting is None and self._greet(line):
            return
        self._size += len(line) + 2
        if self._poisoned:
            return
        if self._size > MAX_MESSAGE:
            self._poison(Anomaly.OVERLONG_MESSAGE)
            return
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.anomalies[Anomaly.NOT_UTF8] += 1
            text = line.decode("latin-1")
        name, colon, value = text.partition(":")
        if not colon:
            self._no_colon(text)
            return
        if value[:1] == " ":
            value = value[1:]
        self._headers.append((name, value))
        key = _KEYS.get(name) or _key(name)
        if key not in self._first:
            self._first[key] = value
        elif key not in _REPEATABLE:
            self.anomalies[Anomaly.REPEATED_HEADER] += 1
            self._repeated.append(key)

    def _greet(self, line: bytes) -> bool:
        """Take the connection's first line; False where it is no greeting but the start of a message."""
        if line.startswith(GREETING):
            self.greeting = line[:100].decode("latin-1")
            return True
        self.greeting = ""
        self.anomalies[Anomaly.NO_GREETING] += 1
        return False

    def _no_colon(self, text: str) -> None:
        """A line of raw command output (Asterisk 13 and older, after `Response: Follows`), or rubbish."""
        if self._first.get("response", "").lower() == "follows":
            self._headers.append(("Output", text))
            self._first.setdefault("output", text)
        else:
            self.anomalies[Anomaly.NO_COLON] += 1

    def _poison(self, why: Anomaly) -> None:
        """Drop the message: what came of it and what will, until it ends. Counted once a message."""
        self._size += 1  # the message exists, even where this was its first line
        if not self._poisoned:
            self.anomalies[why] += 1
        self._poisoned = True
        self._headers, self._first, self._repeated = [], {}, []

    def _finish(self) -> Message | None:
        """End the message; None where it is to be dropped."""
        headers, first, repeated, poisoned = self._headers, self._first, self._repeated, self._poisoned
        self._headers, self._first, self._size, self._poisoned = [], {}, 0, False
        if repeated:
            self._repeated = []
        if poisoned:
            return None
        if not headers or headers[0][0] not in {"Event", "Response"}:
            self.anomalies[Anomaly.ORPHAN] += 1
            return None
        return Message(tuple(headers), first, tuple(repeated))
