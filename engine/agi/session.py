"""One FastAGI session as a state machine. Pure: bytes in, events out; a command in, bytes out.

    ENVIRONMENT   the peer is still saying who calls
    IDLE          nothing is under way; Asterisk reads and drops what the caller presses
    OUTSTANDING   one command is under way, its reply awaited
    GONE          the caller left this session: hung up, or was sent elsewhere in the dialplan
    CLOSED        the connection is over

Never more than one command is under way: Asterisk buffers its reading but polls the socket, so a second command sent
along with the first would lie unread until a third came.

A command whose asker gave up is *abandoned*. Asterisk ends a prompt or a wait at the first byte of the next command:
the wait then still answers, the prompt does not answer at all (res_agi.c, handle_streamfile). So the next command is
preceded by a `NOOP`, whose reply is never mistaken for a prompt's, since a prompt's holds `endpos=`.
"""

from enum import StrEnum

import msgspec

from engine.agi.codec import (
    ENVIRONMENT_BYTES,
    REPLY_LINE_BYTES,
    AgiRequest,
    EnvironmentReader,
    LineReader,
    Reply,
    ReplyReader,
)
from engine.agi.command import Command
from engine.errors import AgiProtocolError, BrokenInvariant

STRAY_LINES = 256


class AgiHangup(Exception):
    """The caller is gone from this session. Every flow ends so sooner or later: no fault, so outside the error tree."""


class State(StrEnum):
    """Where a session stands; the module's docstring tells what each state means."""

    ENVIRONMENT = "environment"
    IDLE = "idle"
    OUTSTANDING = "outstanding"
    GONE = "gone"
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.ENVIRONMENT: frozenset({State.IDLE, State.CLOSED}),
    State.IDLE: frozenset({State.OUTSTANDING, State.GONE, State.CLOSED}),
    State.OUTSTANDING: frozenset({State.IDLE, State.GONE, State.CLOSED}),
    State.GONE: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Started(msgspec.Struct, frozen=True):
    """The environment is complete."""

    request: AgiRequest


class Replied(msgspec.Struct, frozen=True):
    """The reply to the command under way."""

    command: Command
    reply: Reply


class Left(msgspec.Struct, frozen=True):
    """The caller left. `why`: `hangup` (Asterisk said so), `dead` (it refused a command with 511), `eof`."""

    why: str


Event = Started | Replied | Left


class AgiDialogue:
    """The protocol side of one session. Not to be used again after an `AgiProtocolError`: close the connection."""

    def __init__(self) -> None:
        self.state = State.ENVIRONMENT
        self.strays = 0
        """Lines that belonged to nothing: forged ones, or replies that came after all."""
        self._environment = EnvironmentReader()
        self._lines = LineReader(ENVIRONMENT_BYTES, "FastAGI environment")
        self._replies = ReplyReader()
        self._outstanding: Command | None = None
        self._abandoned: Command | None = None

    @property
    def needs_resync(self) -> bool:
        """Whether a `NOOP` must go before the next command."""
        return self._abandoned is not None

    def receive(self, data: bytes) -> list[Event]:
        """Take what arrived. An empty `data` is no end: see `receive_eof`.

        Raises:
            AgiProtocolError: what arrived is no AGI; the state is CLOSED.
        """
        if self.state in (State.GONE, State.CLOSED):
            return []
        events: list[Event] = []
        try:
            for line in self._lines.feed(data):
                event = self._take(line)
                if event is not None:
                    events.append(event)
        except AgiProtocolError:
            self.state = State.CLOSED
            raise
        return events

    def receive_eof(self) -> list[Event]:
        """The peer will send no more.

        Raises:
            AgiProtocolError: the environment was not complete.
        """
        before, self.state = self.state, State.CLOSED
        if before is State.ENVIRONMENT:
            raise AgiProtocolError("the connection ended before the blank line", where="FastAGI environment")
        return [] if before in (State.GONE, State.CLOSED) else [Left("eof")]

    def send(self, command: Command) -> bytes:
        """Start a command and return its bytes.

        Raises:
            AgiHangup: the caller is gone.
            BrokenInvariant: another command is under way, or the session has not begun.
        """
        if self.state in (State.GONE, State.CLOSED):
            raise AgiHangup(self.state)
        if self.state is not State.IDLE:
            raise BrokenInvariant(f"{command.verb} was sent while the session is {self.state}", where="AGI session")
        if self._abandoned is not None and command.verb != "NOOP":
            raise BrokenInvariant(f"{command.verb} was sent before the NOOP that follows an abandoned command")
        self._move(State.OUTSTANDING)
        self._outstanding = command
        return command.line

    def abandon(self) -> None:
        """The asker of the command under way gave up.

        A command that Asterisk does not end early may go on for minutes: the session is then over.
        """
        command, self._outstanding = self._outstanding, None
        if self.state is not State.OUTSTANDING or command is None:
            return
        if not command.ends_early or self._abandoned is not None:
            self._move(State.CLOSED)
            return
        self._move(State.IDLE)
        self._abandoned = command

    def close(self) -> None:
        """Our side ends the session."""
        self._outstanding = None
        if self.state is not State.CLOSED:
            self._move(State.CLOSED)

    def _move(self, to: State) -> None:
        if to not in TRANSITIONS[self.state]:
            raise BrokenInvariant(f"an AGI session cannot go from {self.state} to {to}")
        self.state = to

    def _take(self, line: str) -> Event | None:
        match self.state:
            case State.ENVIRONMENT:
                return self._take_environment(line)
            case State.IDLE | State.OUTSTANDING:
                return self._take_reply(line)
            case _:
                self._stray(line)
                return None

    def _take_environment(self, line: str) -> Event | None:
        request = self._environment.add(line)
        if request is None:
            return None
        self._move(State.IDLE)
        self._lines.widen(REPLY_LINE_BYTES, "AGI reply")
        return Started(request)

    def _take_reply(self, line: str) -> Event | None:
        if line == "HANGUP":
            self._move(State.GONE)
            return Left("hangup")
        command = self._abandoned or self._outstanding
        if command is None:
            self._stray(line)
            return None
        reply = self._replies.add(line, expects_value=command.expects_value)
        return None if reply is None else self._match(reply)

    def _stray(self, line: str) -> None:
        self.strays += bool(line)
        if self.strays > STRAY_LINES:
            raise AgiProtocolError(f"more than {STRAY_LINES} lines that answer nothing", where="AGI reply")

    def _match(self, reply: Reply) -> Event | None:
        """Give a whole reply to the command it answers."""
        abandoned = self._abandoned
        if abandoned is not None:
            self._abandoned = None
            if not abandoned.silent_when_ended or reply.endpos is not None or self._outstanding is None:
                return None
        command = self._outstanding
        if command is None:
            return None
        self._outstanding = None
        if reply.code == 511:
            self._move(State.GONE)
            return Left("dead")
        self._move(State.IDLE)
        return Replied(command, reply)
