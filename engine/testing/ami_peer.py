"""An in-memory Asterisk manager on a real loopback socket, with knobs for everything that can go wrong on the way.

    async with AmiPeer() as peer:
        client = AmiClient(peer.address, ...)
        leg = peer.call_in("+442079460000", "+442071234567")
        bridge = await peer.action("Bridge")
        peer.hangup(leg.uniqueid)

What the little Asterisk does is in `ami_model`, what it answers in `ami_desk`; this file is sockets, sessions, faults.
"""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Self, cast

import msgspec

from engine.ami.codec import Message
from engine.ami.link import AmiAddress
from engine.testing.ami_desk import answer
from engine.testing.ami_model import AsteriskModel, Headers, Leg

MAX_LINE: Final = 1024  # manager.c: `char inbuf[1025]`
MAX_HEADERS: Final = 128  # manager.h AST_MAX_MANHEADERS


class Faults(msgspec.Struct):
    """What goes wrong from now on; change the fields at any time. Sets hold event names, `*` means every event."""

    drop: set[str] = msgspec.field(default_factory=set)
    duplicate: set[str] = msgspec.field(default_factory=set)
    delay: float = 0.0  # seconds before an event is written; answers are not delayed
    reorder: int = 0  # hold back this many events, then write them shuffled
    slice: int = 0  # bytes written at once, each in its own turn of the loop
    blackhole: bool = False  # accept, read and swallow; write nothing
    deaf: bool = False  # events flow, but no action is looked at
    garbage: bytes = b""  # written before every event
    cut_after: str = ""  # carry out the next action of this name, and reset every connection before it is answered


class AmiPeer:
    """One Asterisk: a model, a listening socket, and the sessions of who signed in."""

    def __init__(self, *, username: str = "callwright", secret: str = "secret", seed: int = 1) -> None:  # noqa: S107
        self.username = username
        self.secret = secret
        self.port = 0
        self.faults = Faults()
        self.actions: list[Message] = []  # every action but Login, Ping and Events, in the order they came
        self.logins = 0
        self.pings = 0
        self.on_ring: Callable[[Leg], None] | None = None  # called for every leg that the engine originates
        self.model = AsteriskModel(self._told, time.time)
        self._dice = random.Random(seed)  # noqa: S311  a repeatable shuffle, no secret
        self._sessions: list[_Session] = []
        self._held: list[Headers] | None = None  # events that wait until the answer to their action is written
        self._shuffle: list[Headers] = []
        self._changed = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> AmiAddress:
        """Where and as whom a client may sign in."""
        return AmiAddress("127.0.0.1", self.port, self.username, self.secret)

    @property
    def sessions(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen on loopback; the port is chosen once and kept over `stop` and `start`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.cut()
        if server is not None:
            await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # What people and phones do ------------------------------------------------------------------------------------

    def call_in(self, number: str, caller: str, *, caller_name: str = "", context: str = "callwright-inbound") -> Leg:
        """Somebody dials `number`: a new leg, in state Ring."""
        return self.model.call_in(number, caller, caller_name, context)

    def answer(self, uniqueid: str) -> None:
        """The leg is answered; an originated agent leg then says `idle` or `ringed`."""
        self.model.answer(uniqueid)

    def hangup(self, uniqueid: str, cause: int = 16, sip: int = 0) -> None:
        """The leg ends from its own side; `cause` 17: busy, 19: no answer, 21: rejected; `sip`: its final status."""
        self.model.hangup(uniqueid, cause, sip)

    def user_event(self, uniqueid: str, phase: str) -> None:
        """The dialplan reports a phase of this leg: hold, idle, ringed, …"""
        self.model.user_event(uniqueid, phase)

    def emit(self, raw: bytes) -> None:
        """Write these very bytes to every session that listens to events."""
        for session in self._listeners():
            session.write(raw)

    # What goes wrong ----------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every connection."""
        for session in list(self._sessions):
            session.abort()

    def restart(self) -> None:
        """Asterisk dies and is back at once: no leg lives, every connection is reset, nobody says a word."""
        self.model.crash()
        self.cut()

    # What the engine did ------------------------------------------------------------------------------------------

    def sent(self, name: str) -> list[Message]:
        """The actions of this name so far."""
        return [each for each in self.actions if each["Action"].lower() == name.lower()]

    async def action(self, name: str, nth: int = 1, within: float = 5.0) -> Message:
        """Await the nth action of this name since the start. Raises TimeoutError."""
        await self.until(lambda: len(self.sent(name)) >= nth, within)
        return self.sent(name)[nth - 1]

    async def until(self, condition: Callable[[], bool], within: float = 5.0) -> None:
        """Await a condition on actions, pings, logins or sessions. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # Inside -------------------------------------------------------------------------------------------------------

    def _listeners(self) -> list["_Session"]:
        return [session for session in self._sessions if session.listens]

    def _told(self, headers: Headers) -> None:
        """An event of the model."""
        if self._held is not None:
            self._held.append(headers)
            return
        name = headers[0][1]
        faults = self.faults
        if name in faults.drop or "*" in faults.drop:
            return
        batch = [headers]
        if name in faults.duplicate or "*" in faults.duplicate:
            batch.append(headers)
        if faults.reorder:
            self._shuffle += batch
            if len(self._shuffle) < faults.reorder:
                return
            batch, self._shuffle = self._shuffle, []
            self._dice.shuffle(batch)
        for each in batch:
            self._say(each)

    def _say(self, headers: Headers) -> None:
        raw = self.faults.garbage + frame(headers)
        for session in self._listeners():
            session.write(raw, self.faults.delay)

    def joined(self, session: "_Session") -> None:
        """From a session: it is connected."""
        self._sessions.append(session)
        self._changed.set()

    def signed_in(self) -> None:
        """From a session: name and secret were right."""
        self.logins += 1
        self._changed.set()

    def left(self, session: "_Session") -> None:
        """From a session: it is not any more; told once or more."""
        if session in self._sessions:
            self._sessions.remove(session)
        self._changed.set()

    def act(self, session: "_Session", action: Message) -> None:
        """From a session that is signed in, an action: write the answer, then say what came of it."""
        name = action.get("Action").lower()
        if name == "ping":
            self.pings += 1
        else:
            self.actions.append(action)
        self._changed.set()
        self._held = []
        try:
            frames = answer(self.model, action)
        finally:
            events, self._held = self._held, None
        if name == self.faults.cut_after.lower():
            self.faults.cut_after = ""
            self.cut()
        for each in frames:
            session.write(frame(each))
        for headers in events:
            self._told(headers)
        if name == "originate" and frames[0][0] == ("Response", "Success"):
            self._dial(action)

    def _dial(self, action: Message) -> None:
        leg = self.model.originate(action)
        if leg is None:
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(int(action.get("Timeout", "30000")) / 1000, self._unanswered, leg)
        self._timers.add(timer)
        if self.on_ring is not None:
            loop.call_soon(self.on_ring, leg)

    def _unanswered(self, leg: Leg) -> None:
        if leg.action_id and self.model.legs.get(leg.uniqueid) is leg:
            self.model.hangup(leg.uniqueid, 19, 480)


class _Session(asyncio.Protocol):
    """One connection to the peer."""

    def __init__(self, peer: AmiPeer) -> None:
        self.peer = peer
        self.listens = False
        self._in = False  # signed in
        self._tail = b""
        self._headers: list[tuple[str, str]] = []
        self._out: deque[tuple[float, bytes]] = deque()  # (due, bytes) in the order to write
        self._timer: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer.joined(self)
        self.write(b"Asterisk Call Manager/11.0.0\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._forget()

    def abort(self) -> None:
        """Reset the connection: the other side reads an error, not an end."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._in = self.listens = False
        if self._timer is not None:
            self._timer.cancel()
        self.peer.left(self)

    def data_received(self, data: bytes) -> None:
        """Read actions as manager.c does: lines of at most 1,024 bytes, at most 128 of them."""
        if self.peer.faults.blackhole or self.peer.faults.deaf:
            return
        *lines, self._tail = (self._tail + data).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if len(line) >= MAX_LINE or len(self._headers) >= MAX_HEADERS:
                self.write(b"Response: Error\r\nMessage: Too many or too long lines\r\n\r\n")
                self._headers = []
            elif line:
                name, _, value = line.decode(errors="replace").partition(":")
                self._headers.append((name, value.lstrip(" ")))
            elif self._headers:
                action, self._headers = Message.of(self._headers), []
                self._action(action)

    def write(self, raw: bytes, delay: float = 0.0) -> None:
        """Write in order, later by `delay` seconds and never before what was written before."""
        if self.peer.faults.blackhole:
            return
        self._out.append((self._loop.time() + delay, raw))
        if self._timer is None:
            self._pump()

    def _pump(self) -> None:
        """Write what is due; with `slice`, a few bytes in each turn of the loop."""
        self._timer = None
        size = self.peer.faults.slice
        while self._out:
            due, raw = self._out[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self._pump)
                return
            self._out.popleft()
            if self.peer.faults.blackhole:
                continue
            if size and len(raw) > size:
                self._transport.write(raw[:size])
                self._out.appendleft((due, raw[size:]))
                self._timer = self._loop.call_soon(self._pump)
                return
            self._transport.write(raw)

    def _action(self, action: Message) -> None:
        name = action.get("Action").lower()
        identity = [("ActionID", action["ActionID"])] if "ActionID" in action else []
        if name == "login":
            self._login(action, identity)
        elif not self._in:
            self.write(frame([("Response", "Error"), *identity, ("Message", "Permission denied")]))
        elif name == "logoff":
            self.write(frame([("Response", "Goodbye"), *identity, ("Message", "Thanks for all the fish.")]))
            self._transport.close()
        elif name == "events":
            self.listens = action.get("EventMask").lower() not in {"off", "no", "none"}
            self.write(frame([("Response", "Success"), *identity, ("Events", "On" if self.listens else "Off")]))
        else:
            self.peer.act(self, action)

    def _login(self, action: Message, identity: Headers) -> None:
        good = action.get("Username") == self.peer.username and action.get("Secret") == self.peer.secret
        if not good:
            self.write(frame([("Response", "Error"), *identity, ("Message", "Authentication failed")]))
            self._transport.close()
            return
        self._in = True
        self.listens = action.get("Events", "on").lower() not in {"off", "no", "none"}
        self.peer.signed_in()
        self.write(frame([("Response", "Success"), *identity, ("Message", "Authentication accepted")]))
        if self.listens:
            uptime = [("Uptime", "1"), ("LastReload", "1"), ("Status", "Fully Booted")]
            self.write(frame([("Event", "FullyBooted"), ("Privilege", "system,all"), *uptime]))


def frame(headers: Headers) -> bytes:
    """Headers as Asterisk writes them; values are written raw, as Asterisk does with CallerIDNum and others."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n"
