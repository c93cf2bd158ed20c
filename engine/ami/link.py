# mypy: disallow-subclassing-any=False
# (panoramisk publishes no types; everything it hands us is given a type at once)
"""One AMI connection on panoramisk.

panoramisk's `Manager` opens the connection, signs in, holds the ping timer and closes; our `AmiProtocol` is plugged in
as its `protocol_factory` and our `LinkManager` corrects what in 1.4 cannot be left as it is. Each hole has a test that
shows it in the stock class and closed here (tests/ami/test_panoramisk.py):

- values are sent as they are, line ends included: `codec.encode` refuses them
- bytes are decoded per read with 'ignore', so 张伟 cut at a read boundary loses characters: `codec.Decoder`
- a missing header reads as '': `Message` raises
- lists are recognised by English words: `session` goes by `EventList` headers
- a half-open link is not noticed, because nobody waits for the pong: `session` keepalive, and TCP's
- a login that is refused changes nothing: `Owner.ended` gets the reason
- unanswered actions pile up in `awaiting_actions` and are sent again after a reconnect, hours later if need be:
  here they fail with `AmiLost`, and the floor decides what is still true
- reconnects come at a fixed pace, from every engine at once: `AmiClient.run` backs off with jitter
- callbacks of events that are coroutines run in any order: here events are handed on in order, at once
"""

import asyncio
import logging
import socket
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from engine.ami.codec import Action, Message
from engine.ami.session import SECOND, Died, Happened, Keepalive, LoggedIn, Replied, Session
from engine.errors import AmiBusy, AmiLost

LOG: Final = logging.getLogger("callwright.ami")


class AmiAddress(msgspec.Struct, frozen=True):
    """Where Asterisk's manager listens, and as whom we sign in."""

    host: str
    port: int
    username: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret: reprs reach log files."""
        return f"<AmiAddress {self.username}@{self.host}:{self.port}>"


class Owner(Protocol):
    """Who a link reports to, always synchronously and in order."""

    def deliver(self, message: Message) -> None:
        """An event came."""

    def logged_in(self, greeting: str) -> None:
        """Asterisk let us in; nothing was delivered before this."""

    def ended(self, died: Died) -> None:
        """The link is over, once; nothing is delivered after this."""


class AmiProtocol(AMIProtocol):
    """One connection: bytes between asyncio's transport and our session."""

    def __init__(self, session: Session, owner: Owner) -> None:
        self.session = session
        self.closed = False
        self.factory: LinkManager | None = None
        self.responses: dict[str, object] = {}  # the stock class's table; ours is the session's
        self._owner = owner
        self._futures: dict[str, asyncio.Future[Replied]] = {}
        self._login: asyncio.Future[LoggedIn] | None = None
        self._stuffed = False  # Asterisk does not read what we write
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected. The login is sent by panoramisk's manager right after."""
        self.transport = cast("asyncio.Transport", transport)
        _watch_socket(transport.get_extra_info("socket"), self.session.keepalive)

    def pause_writing(self) -> None:
        """More than 64 KiB wait to be written."""
        self._stuffed = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._stuffed = False

    def now(self) -> int:
        """The loop's clock in microseconds."""
        return int(self._loop.time() * SECOND)

    def sign_in(self) -> asyncio.Future[LoggedIn]:
        """Write the login; the future ends with its success, or with `AmiLost`."""
        self._login = self._loop.create_future()
        self.transport.write(self.session.start(self.now()))
        return self._login

    def ask(self, action: Action) -> tuple[str, asyncio.Future[Replied]]:
        """Write an action now; its id and a future of the answer. Raises `AmiLost`, `AmiBusy`, `AmiUnencodable`."""
        if self._stuffed:
            raise AmiBusy("Asterisk does not read what was sent already", where=f"action {action.name!r}")
        action_id, data = self.session.request(action)
        future: asyncio.Future[Replied] = self._loop.create_future()
        self._futures[action_id] = future
        self.transport.write(data)
        return action_id, future

    def forget(self, action_id: str) -> None:
        """Nobody waits for this answer any more."""
        self._futures.pop(action_id, None)
        self.session.forget(action_id)

    def data_received(self, data: bytes) -> None:
        """Bytes were read. Every event of them is handed on, in order, before this returns."""
        for outcome in self.session.receive(data, self.now()):
            if type(outcome) is Happened:
                self._owner.deliver(outcome.message)
            elif isinstance(outcome, Replied):
                _resolve(self._futures.pop(outcome.action_id, None), outcome)
            elif isinstance(outcome, LoggedIn):
                self._owner.logged_in(outcome.greeting)
                _resolve(self._login, outcome)
            elif isinstance(outcome, Died):
                self.end(outcome)

    def tick(self) -> None:
        """The session's deadline passed."""
        data, died = self.session.tick(self.now())
        if data:
            self.transport.write(data)
        if died is not None:
            self.end(died)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        died = self.session.closed(str(exc) if exc else "Asterisk closed the connection")
        self.end(died or Died("closed"))

    def close(self) -> None:
        """Close, whatever waits. Nothing is sent again later."""
        died = self.session.closed("closed by us")
        self.end(died or Died("closed"))

    def end(self, died: Died) -> None:
        """Once: cut the connection, fail who waits, tell the client why."""
        if self.closed:
            return
        self.closed = True
        self.transport.abort()  # close() would first wait to write to a peer that does not read
        for future in (self._login, *self._futures.values()):
            if future is not None and not future.done():
                future.set_exception(AmiLost(f"the link to Asterisk ended: {died.why}", where="AMI"))
                future.exception()  # looked at: nobody may be waiting for it
        self._futures.clear()
        self._owner.ended(died)


class LinkManager(Manager):
    """panoramisk's manager for one connection; `AmiClient.run` makes the next one."""

    pinger: asyncio.TimerHandle | None

    def __init__(self, address: AmiAddress, owner: Owner, session: Session) -> None:
        super().__init__(
            host=address.host,
            port=address.port,
            username=address.username,
            secret=address.secret,
            protocol_factory=lambda: AmiProtocol(session, owner),
            loop=asyncio.get_running_loop(),
            log=LOG,
        )
        self._closed = False

    def connection_made(self, f: "asyncio.Future[tuple[asyncio.BaseTransport, AmiProtocol]]") -> None:
        """The attempt to connect ended. Failure is seen by who awaits it; there is no second attempt here."""
        if f.cancelled() or f.exception() is not None:
            return
        if self._closed:  # closed between the connection and this call: the owner has gone on, tell it nothing
            transport, link = f.result()
            link.closed = True
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(f)
        self._arm()

    def send_action(self, action: Any, as_list: object = None, **kwargs: object) -> "asyncio.Future[Any]":
        """The way panoramisk sends its Login; all else goes by `AmiClient.send`, which is typed."""
        link: AmiProtocol = self.protocol
        if isinstance(action, Action):
            return link.ask(action)[1]
        return link.sign_in()

    def login(self, future: "asyncio.Future[Any]") -> bool:
        """The login is answered, or the link ended before that."""
        self.authenticated = not future.cancelled() and future.exception() is None
        self._arm()
        return self.authenticated

    def ping(self) -> None:
        """The ping timer fired: the session says whether to ping, to judge, or to wait."""
        link: AmiProtocol = self.protocol
        link.tick()
        self._arm()

    def connection_lost(self, exc: object) -> None:
        """Nothing: panoramisk would reconnect from here, at a fixed pace. `AmiClient.run` does that."""

    def close(self) -> None:
        """Close the connection, or the one that is just being made."""
        self._closed = True
        super().close()

    def _arm(self) -> None:
        """Set the ping timer to the session's deadline."""
        if self.pinger is not None:
            self.pinger.cancel()
            self.pinger = None
        link: AmiProtocol = self.protocol
        deadline = link.session.deadline()
        if deadline is not None and not link.closed:
            self.pinger = self.loop.call_at(deadline / SECOND, self.ping)


_T = TypeVar("_T")


def _resolve(future: "asyncio.Future[_T] | None", value: _T) -> None:
    """End a future, unless nobody waits any more."""
    if future is not None and not future.done():
        future.set_result(value)


def _watch_socket(sock: socket.socket | None, keepalive: Keepalive) -> None:
    """Let the kernel notice a dead peer as well, also while bytes we wrote are unacknowledged (Linux; else a no-op)."""
    if sock is None:
        return
    seconds = max(1, keepalive.period_us // SECOND)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", seconds),
        ("TCP_KEEPINTVL", seconds),
        ("TCP_KEEPCNT", keepalive.misses),
        ("TCP_USER_TIMEOUT", seconds * keepalive.misses * 1_000),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
