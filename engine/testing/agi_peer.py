"""The Asterisk side of FastAGI, without Asterisk: a scripted caller on a real socket.

It connects, says its environment, and answers commands the way res_agi.c does (words split and unquoted by the same
rules, the same replies, `HANGUP` lines, 511 on a dead channel). Time is not spent: a wait without a key is answered at
once, as if its timeout had passed. What the caller does is a text of keys:

    0-9 * # A-D   presses this key at the next chance: during a prompt that may be interrupted, or during a wait
    .             hears one prompt to its end, or lets one wait run out
    !             hangs up during the next prompt, wait or other command

By default the caller hears every prompt to its end without needing dots, so `keys="1"` answers any menu. With
`barge_in=True` each prompt takes one sign too: `keys="..1"` hears two prompts and presses 1. After the last sign the
caller stays silent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

DEAD = b"511 Command Not Permitted on a dead channel or intercept routine\n"
ON_THE_DEAD = frozenset({"SET VARIABLE", "GET VARIABLE", "NOOP", "EXEC"})
VERBS = (
    "ANSWER",
    "CHANNEL STATUS",
    "EXEC",
    "GET VARIABLE",
    "HANGUP",
    "NOOP",
    "SAY DIGITS",
    "SAY NUMBER",
    "SET VARIABLE",
    "STREAM FILE",
    "WAIT FOR DIGIT",
)
_PROMPTS = frozenset({"STREAM FILE", "SAY DIGITS", "SAY NUMBER"})
_KEYS = frozenset("0123456789*#ABCD")


def split_words(line: str) -> list[str]:
    """Split a command line into words as Asterisk does: blanks part, quotes join, a backslash takes the next as is."""
    words: list[str] = []
    quoted = escaped = False
    between = True
    for character in line:
        if escaped or character not in '"\\ \t' or (quoted and character in " \t"):
            if between:
                words.append("")
                between = False
            words[-1] += character
            escaped = False
        elif character == '"':
            quoted = not quoted
            if quoted and between:
                words.append("")
                between = False
        elif character == "\\":
            escaped = True
        else:
            between = True
    return words


@dataclass
class AgiPeer:
    """One call. Make it, `await peer.call(host, port)`, then look at what it saw.

    `sounds`: the sounds that exist; None means all. `variables`: the channel's variables, changed by the session.
    `hang_up_at`: hang up when the n-th command arrives (1 is the first). `pace`: awaited before each reply, to hold
    the caller still. `slice_bytes`: send everything in pieces of this size.
    """

    uniqueid: str
    secret: str
    script: str = "flow"
    args: tuple[str, ...] = ()
    channel: str = "PJSIP/line-00000001"
    context: str = "inbound"
    extension: str = "s"
    callerid: str = "unknown"
    calleridname: str = "unknown"
    keys: str = ""
    barge_in: bool = False
    hang_up_at: int | None = None
    sounds: frozenset[str] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    pace: Callable[[], Awaitable[None]] | None = None
    slice_bytes: int = 65536

    commands: list[tuple[str, ...]] = field(default_factory=list)
    """Every command that arrived: the verb, then its words."""
    played: list[str] = field(default_factory=list)
    """Sounds played to the end or interrupted, in order."""
    answered: bool = False
    hung_up: bool = False
    ended_by: str = ""
    """`engine` closed the session, or `caller` hung up first."""

    def environment(self) -> bytes:
        """The environment as Asterisk prints it: caller's number and extension raw."""
        lines: Mapping[str, str] = {
            "network": "yes",
            "network_script": self.script,
            "request": f"agi://127.0.0.1/{self.script}",
            "channel": self.channel,
            "language": "en",
            "type": "PJSIP",
            "uniqueid": self.uniqueid,
            "version": "22.10.1",
            "callerid": self.callerid,
            "calleridname": self.calleridname,
            "callingpres": "0",
            "callingani2": "0",
            "callington": "0",
            "callingtns": "0",
            "dnid": self.extension,
            "rdnis": "unknown",
            "context": self.context,
            "extension": self.extension,
            "priority": "1",
            "enhanced": "0.0",
            "accountcode": "",
            "threadid": "140140140140140",
        }
        text = "".join(f"agi_{name}: {value}\n" for name, value in lines.items())
        text += "".join(f"agi_arg_{n}: {value}\n" for n, value in enumerate((self.secret, *self.args), start=1))
        return text.encode() + b"\n"

    async def call(self, host: str, port: int) -> None:
        """Make the call and stay on the line until the session is over.

        Raises:
            OSError: nobody listens.
        """
        reader, writer = await asyncio.open_connection(host, port)
        try:
            await self._send(writer, self.environment())
            while line := await reader.readline():
                if self.pace is not None:
                    await self.pace()
                await self._send(writer, self.reply(line.decode().rstrip("\n")))
            self.ended_by = "caller" if self.hung_up else "engine"
        except ConnectionError:
            self.ended_by = "caller" if self.hung_up else "engine"
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for start in range(0, len(data), self.slice_bytes):
            writer.write(data[start : start + self.slice_bytes])
            await writer.drain()
            if len(data) > self.slice_bytes:
                await asyncio.sleep(0)

    def reply(self, line: str) -> bytes:
        """What Asterisk answers to this command line. Pure but for the peer's own record."""
        words = split_words(line)
        verb = next((verb for verb in VERBS if words[: len(verb.split())] == verb.split()), None)
        if verb is None:
            return b"510 Invalid or unknown command\n"
        arguments = words[len(verb.split()) :]
        self.commands.append((verb, *arguments))
        if self.hung_up and verb not in ON_THE_DEAD:
            return DEAD
        if self.hang_up_at is not None and len(self.commands) >= self.hang_up_at and not self.hung_up:
            self.hung_up = True
            return (DEAD if verb == "CHANNEL STATUS" else b"200 result=-1\n") + b"HANGUP\n"
        return self._carry_out(verb, arguments)

    def _carry_out(self, verb: str, arguments: list[str]) -> bytes:
        match verb, arguments:
            case "ANSWER", []:
                self.answered = True
                return b"200 result=0\n"
            case "HANGUP", []:
                self.hung_up = True
                return b"200 result=1\nHANGUP\n"
            case "CHANNEL STATUS", []:
                return b"200 result=6\n" if self.answered else b"200 result=4\n"
            case "SET VARIABLE", [name, value]:
                self.variables[name] = value
                return b"200 result=1\n"
            case "GET VARIABLE", [name]:
                held = self.variables.get(name)
                return b"200 result=0\n" if held is None else f"200 result=1 ({held})\n".encode()
            case "EXEC", ["MSet", assignments]:
                self.variables.update(each.partition("=")[::2] for each in assignments.split(","))
                return b"200 result=0\n"
            case ("NOOP", _) | ("EXEC", [_, *_]):
                return b"200 result=0\n"
            case "WAIT FOR DIGIT", [_]:
                return self._result(self._next_key("*#0123456789ABCD"))
            case (("STREAM FILE" | "SAY DIGITS" | "SAY NUMBER"), [what, escape, *_]):
                return self._play(verb, what, escape)
        return _usage(verb)

    def _play(self, verb: str, what: str, escape: str) -> bytes:
        endpos = b" endpos=8000" if verb == "STREAM FILE" else b""
        if verb == "STREAM FILE" and self.sounds is not None and what not in self.sounds:
            return b"200 result=-1 endpos=0\n"
        self.played.append(what)
        listens = not self.barge_in and not self.keys.startswith("!")
        return self._result("" if listens else self._next_key(escape), endpos)

    def _next_key(self, allowed: str) -> str:
        """Take the caller's next deed: a key, "" for silence, "!" for a hang-up. A key not allowed is lost."""
        if not self.keys:
            return ""
        deed, self.keys = self.keys[0], self.keys[1:]
        return deed if deed == "!" or (deed in _KEYS and deed in allowed) else ""

    def _result(self, deed: str, endpos: bytes = b"") -> bytes:
        if deed == "!":
            self.hung_up = True
            return b"200 result=-1" + endpos + b"\nHANGUP\n"
        return b"200 result=%d" % (ord(deed) if deed else 0) + endpos + b"\n"


def _usage(verb: str) -> bytes:
    return (
        b"520-Invalid command syntax.  Proper usage follows:\n"
        + f" Usage: {verb}\n\tSee the documentation.\n\n".encode()
        + b"520 End of proper usage.\n"
    )
