"""One AMI connection as a state machine. Pure: bytes and `now` in, bytes and outcomes out.

    GREETING --first bytes--> LOGIN --Success--> UP
        any state --silence, refusal, close--> DEAD

The driver hands over what it read (`receive`), asks for bytes to write (`start`, `request`, `tick`), and wakes the
session at `deadline()`. `now` is microseconds of any clock that never goes back.

**Answers.** Asterisk repeats our ActionID in an answer. An answer of one part ends its action. An answer whose header
`EventList` is `start` opens a list: its items are the events with that ActionID up to the one with
`EventList: Complete` or `cancelled` (main/manager.c `astman_send_listack`). English texts are never looked at. Ids we
mint begin with a prefix that a caller cannot guess. What comes late, for an action already given up, is dropped.

**Keepalive.** AMI itself has none. A ping is sent every `period_us`. A *miss* is a ping after which nothing at all was
read for `patience_us`; `misses` in a row are death: 5.5 s at most after the peer fell silent, by default. Misses are
counted by ticks, not by the clock, so an engine that was frozen reads what waits for it before it judges. A peer that
talks but leaves `deaf_after` pings unanswered is dead as well.

Asterisk carries the actions of one connection out one after another, and reads no ping meanwhile (main/manager.c
`session_do`); a Bridge takes it seconds where it has no processor left. So while an action waits for its answer,
`busy_misses` are forgiven: 9.5 s at most. A connection without actions, as that of events, is judged as before, and so
a silent Asterisk is noticed by it.
"""

import enum
from typing import Final

import msgspec

from engine.ami.action import login, ping
from engine.ami.codec import Action, Decoder, Message, encode
from engine.errors import AmiBusy, AmiLost, AmiUnencodable, BrokenInvariant

SECOND: Final = 1_000_000  # microseconds
MAX_FORGOTTEN: Final = 1_000
MAX_ITEMS: Final = 100_000  # of one list: ten times the legs of the largest Asterisk


class Phase(enum.Enum):
    """Where a session stands."""

    GREETING = "greeting"  # connected; login sent; Asterisk's first line has not come
    LOGIN = "login"  # greeted; the login is not answered yet
    UP = "up"
    DEAD = "dead"  # for good: the next connection is a new session


TRANSITIONS: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.GREETING: frozenset({Phase.LOGIN, Phase.DEAD}),
    Phase.LOGIN: frozenset({Phase.UP, Phase.DEAD}),
    Phase.UP: frozenset({Phase.DEAD}),
    Phase.DEAD: frozenset(),
}


class Keepalive(msgspec.Struct, frozen=True):
    """How a session watches over its peer. Periods in microseconds."""

    period_us: int = 2 * SECOND
    patience_us: int = 3 * SECOND // 2
    misses: int = 2
    busy_misses: int = 4
    deaf_after: int = 5
    login_us: int = 5 * SECOND  # greeting and login together


class Replied(msgspec.Struct, frozen=True):
    """An action is answered: its response, and its items where the answer was a list."""

    action_id: str
    response: Message
    items: tuple[Message, ...] = ()


class Happened(msgspec.Struct, frozen=True):
    """An event that answers none of our actions."""

    message: Message


class LoggedIn(msgspec.Struct, frozen=True):
    """Asterisk let us in; events may follow at once."""

    greeting: str


class Died(msgspec.Struct, frozen=True):
    """The session is over. `refused` is true where Asterisk did not accept name and secret."""

    why: str
    refused: bool = False


Outcome = Replied | Happened | LoggedIn | Died


class _Open(msgspec.Struct):
    """A list that has begun: its response and the items so far."""

    response: Message
    items: list[Message]


class Session:
    """See the module's text. `prefix` must differ for every connection and be hard to guess.

    Raises `AmiUnencodable` for a name or secret that cannot be sent.
    """

    def __init__(
        self,
        prefix: str,
        *,
        username: str,
        secret: str,
        events: bool,
        keepalive: Keepalive | None = None,
        max_waiting: int = 2_000,
    ) -> None:
        self.phase = Phase.GREETING
        self.decoder = Decoder()
        self.was_up = False
        self.unasked = 0  # events on a connection that asked for none: forged, and dropped
        self.late = 0  # answers to actions already given up, and answers to nothing
        self._prefix = prefix
        self._events = events
        self._login_id = f"{prefix}-login"
        self._login = encode(login(username, secret, events=events), self._login_id)
        self.keepalive = keepalive or Keepalive()
        self._max_waiting = max_waiting
        self._waiting: dict[str, _Open | None] = {}  # None: not answered yet
        self._forgotten: dict[str, None] = {}  # the last ids given up, oldest first: their list items are dropped
        self._minted = 0
        self._next_tick = 0
        self._pinged: dict[str, None] = {}  # ids of pings without a pong, oldest first
        self._ping_at = 0  # when the last one was sent
        self._judging = False  # the next tick judges that ping; else it sends one
        self._heard = False  # anything read since then
        self._silent = 0  # misses in a row

    @property
    def waiting(self) -> int:
        """How many actions have no answer yet."""
        return len(self._waiting)

    def start(self, now: int) -> bytes:
        """Connected: the login's bytes."""
        self._next_tick = now + self.keepalive.login_us
        return self._login

    def request(self, action: Action) -> tuple[str, bytes]:
        """The id and bytes of an action to write now.

        Raises `AmiLost`, `AmiBusy` or `AmiUnencodable`; then nothing is kept and nothing is to be sent.
        """
        where = f"action {action.name!r}"
        if self.phase is not Phase.UP:
            raise AmiLost("the link to Asterisk is not up; nothing was sent", where=where)
        if len(self._waiting) >= self._max_waiting:
            raise AmiBusy(f"{len(self._waiting)} actions wait for an answer; nothing was sent", where=where)
        action_id = action.action_id or self._mint()
        if action_id in self._waiting:
            raise AmiUnencodable("this ActionID already waits for an answer", where=where, mend="send each id once")
        data = encode(action, action_id)
        self._waiting[action_id] = None
        self._forgotten.pop(action_id, None)
        return action_id, data

    def forget(self, action_id: str) -> None:
        """Nobody waits for this answer any more; if it comes it is counted in `late` and dropped."""
        if action_id in self._waiting:
            del self._waiting[action_id]
            self._forgotten[action_id] = None
            if len(self._forgotten) > MAX_FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]

    def receive(self, data: bytes, now: int) -> list[Outcome]:
        """Take bytes that were read; give what came of them, in order. After `Died` there is nothing more."""
        if self.phase is Phase.DEAD:
            return []
        self._heard = True
        messages = self.decoder.feed(data)
        if self.phase is Phase.GREETING and self.decoder.greeting is not None:
            self._enter(Phase.LOGIN)
        outcomes: list[Outcome] = []
        for message in messages:
            outcome = self._take(message, now)
            if outcome is not None:
                outcomes.append(outcome)
                if isinstance(outcome, Died):
                    break
        return outcomes

    def deadline(self) -> int | None:
        """When `tick` is due, in microseconds; None once dead."""
        return None if self.phase is Phase.DEAD else self._next_tick

    def tick(self, now: int) -> tuple[bytes, Died | None]:
        """The deadline passed: a ping's bytes to write, or the reason of death. Early calls do nothing."""
        if self.phase is Phase.DEAD or now < self._next_tick:
            return b"", None
        if self.phase is not Phase.UP:
            return b"", self._die(f"no answer to the {self.phase.value} in {self.keepalive.login_us / SECOND:g} s")
        if self._judging:
            return b"", self._judge(now)
        return self._ping(now), None

    def _ping(self, now: int) -> bytes:
        ping_id = self._mint()
        self._pinged[ping_id] = None
        self._ping_at, self._judging, self._heard = now, True, False
        self._next_tick = now + self.keepalive.patience_us
        return encode(ping(), ping_id)

    def _judge(self, now: int) -> Died | None:
        """The last ping has had its time: does the peer live?"""
        self._judging = False
        self._next_tick = max(now, self._ping_at + self.keepalive.period_us)
        self._silent = 0 if self._heard else self._silent + 1
        if self._silent >= (self.keepalive.busy_misses if self._waiting else self.keepalive.misses):
            return self._die(f"silent: nothing read after {self._silent} pings")
        if len(self._pinged) >= self.keepalive.deaf_after:
            return self._die(f"deaf: {len(self._pinged)} pings unanswered while events came")
        return None

    def closed(self, why: str) -> Died | None:
        """The connection ended; None where the session was dead already."""
        return None if self.phase is Phase.DEAD else self._die(why)

    def _take(self, message: Message, now: int) -> Outcome | None:
        action_id = message.first.get("actionid", "")
        if message.is_response:
            return self._answer(message, action_id, now)
        if action_id:
            opened = self._waiting.get(action_id)
            if opened is not None:
                return self._item(message, action_id, opened)
            if action_id in self._forgotten:
                self.late += 1
                return None
        if not self._events:
            self.unasked += 1
            return None
        return Happened(message) if self.phase is Phase.UP else None

    def _answer(self, message: Message, action_id: str, now: int) -> Outcome | None:
        """A message that begins with `Response:`."""
        if action_id == self._login_id and self.phase is not Phase.UP:
            return self._logged_in(message, now)
        if action_id in self._pinged:
            self._pinged.clear()  # a pong answers every ping before it as well
            return None
        if action_id not in self._waiting or self._waiting[action_id] is not None:
            self.late += 1
            return None
        if message.success and message.get("EventList").lower() == "start":
            self._waiting[action_id] = _Open(message, [])
            return None
        del self._waiting[action_id]
        return Replied(action_id, message)

    def _item(self, message: Message, action_id: str, opened: _Open) -> Outcome | None:
        """An event of an open list."""
        if message.get("EventList").lower() in {"complete", "cancelled"}:
            del self._waiting[action_id]
            return Replied(action_id, opened.response, tuple(opened.items))
        opened.items.append(message)
        return self._die(f"a list of over {MAX_ITEMS} items") if len(opened.items) > MAX_ITEMS else None

    def _logged_in(self, message: Message, now: int) -> Outcome:
        if not message.success:
            return self._die(message.get("Message", "login refused"), refused=True)
        if self.phase is Phase.GREETING:  # a peer that never greeted, yet let us in
            self._enter(Phase.LOGIN)
        self._enter(Phase.UP)
        self.was_up = True
        self._next_tick = now + self.keepalive.period_us
        return LoggedIn(self.decoder.greeting or "")

    def _die(self, why: str, *, refused: bool = False) -> Died:
        self._enter(Phase.DEAD)
        self._waiting.clear()
        self._pinged.clear()
        return Died(why, refused)

    def _enter(self, phase: Phase) -> None:
        if phase not in TRANSITIONS[self.phase]:
            raise BrokenInvariant(f"a session cannot go from {self.phase.value} to {phase.value}", where="ami session")
        self.phase = phase

    def _mint(self) -> str:
        self._minted += 1
        return f"{self._prefix}-{self._minted}"
