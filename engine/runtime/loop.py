"""The loop around the floor: the only caller of `Floor.handle` while the engine runs."""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Callable

import structlog

from engine.domain.commands import AnyCommand, Publish, Resync
from engine.domain.events import AnyEvent
from engine.domain.facts import (
    AgentLegIdled,
    AgentPhoneChanged,
    AnyFact,
    Asked,
    AsteriskLost,
    AsteriskSeen,
    BridgeFailed,
    ClockStepped,
    ControlGained,
    ControlLost,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegJoined,
    LegLeft,
    RingFailed,
    TimePassed,
)
from engine.errors import BrokenInvariant
from engine.floor import Floor
from engine.runtime.clock import Clock
from engine.runtime.ports import Recorder, Telephony

log = structlog.get_logger(__name__)

SLICE = 200
"""Facts handled before other tasks get their turn: about 10 ms of work at the most."""
INBOX_LIMIT = 100_000
COMES_AGAIN = (
    ControlGained,
    ControlLost,
    Asked,
    LegHeld,
    LegAnswered,
    LegEnded,
    LegJoined,
    LegLeft,
    RingFailed,
    BridgeFailed,
    AgentLegIdled,
    AgentPhoneChanged,
    AsteriskSeen,
)
"""What a full inbox may drop: a comparison from blindness sets it right, or the dialplan asks again.

Not a caller's arrival: the edge knows his channel by then, so no comparison would take him for new. Nor a person's wish
or a definition, which nobody repeats. These are as many as people make, and taken in whatever the length."""
WALL_CHECK_S = 10.0


def take(floor: Floor, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
    """`Floor.handle`, the same for live and replay: a bug of ours is reported, and the floor lives on.

    The fact is in the journal already. Were the bug let through, it would end the engine with every caller in its
    hands, and then each start anew. What the fact had caused so far is carried out, and Asterisk is compared.
    """
    try:
        return floor.handle(fact, now)
    except Exception as bug:  # noqa: BLE001 - any bug: see above
        log.error(
            "broken invariant" if isinstance(bug, BrokenInvariant) else "a fact could not be handled",
            what=bug.what if isinstance(bug, BrokenInvariant) else type(bug).__name__,
            fact=type(fact).__name__,
            interaction_id=fact.interaction_id,
            trace=[f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(bug.__traceback__)[-4:]],
        )
        looked = isinstance(fact, AsteriskSeen)  # a comparison that fails must not ask for the next one
        return floor.begun if looked else (*floor.begun, Resync(reason="a fact could not be handled"))


class FloorLoop:
    """Takes facts in order, keeps them, handles them, and starts what they cause."""

    def __init__(
        self,
        floor: Floor,
        clock: Clock,
        recorder: Recorder,
        telephony: Telephony,
        observers: tuple[Callable[[int, AnyEvent], None], ...] = (),
    ) -> None:
        self.floor = floor
        self.clock = clock
        self._recorder = recorder
        self._telephony = telephony
        self._observers = list(observers)
        self._inbox: deque[AnyFact] = deque()
        self._wake = asyncio.Event()
        self._full = False
        self.handled = 0
        self.dropped = 0
        """Facts that a full inbox dropped."""
        self.last_seq = 0

    def observe(self, observer: Callable[[int, AnyEvent], None]) -> None:
        """Hear of every event from now on, with the journal's number of its fact. Must be quick and not raise."""
        self._observers.append(observer)

    def put(self, fact: AnyFact) -> None:
        """Hand over one fact. A full inbox drops what comes again, and compares with Asterisk once it is drained."""
        self._wake.set()
        if len(self._inbox) < INBOX_LIMIT or not isinstance(fact, COMES_AGAIN):
            self._inbox.append(fact)
            return
        self.dropped += 1
        if not self._full:
            self._full = True
            log.warning("more facts than can be handled: some are dropped, and looked up afterwards")

    async def run(self, on_overflow: Callable[[], None] = lambda: None) -> None:
        """Handle facts and deadlines until cancelled. `on_overflow` asks for a comparison with Asterisk."""
        next_wall_check = self.clock.now() + round(WALL_CHECK_S * 1_000_000)
        while True:
            if not self._inbox:
                await self._sleep()
            if self.clock.now() >= next_wall_check:
                next_wall_check = self.clock.now() + round(WALL_CHECK_S * 1_000_000)
                if step := self.clock.wall_step():
                    self.handle(ClockStepped(delta_us=step))
            for _ in range(min(SLICE, len(self._inbox))):
                self.handle(self._inbox.popleft())
            deadline = self.floor.deadline()
            if deadline is not None and deadline.at <= self.clock.now():
                self.handle(TimePassed())
            if self._full and not self._inbox:
                self._full = False
                log.warning("the facts are handled; comparing with Asterisk", dropped=self.dropped)
                self.handle(AsteriskLost())  # what was dropped may have taken something away: see `floor.resync`
                on_overflow()
            await asyncio.sleep(0)

    async def _sleep(self) -> None:
        self._wake.clear()
        deadline = self.floor.deadline()
        wait = WALL_CHECK_S if deadline is None else (deadline.at - self.clock.now()) / 1_000_000
        try:
            async with asyncio.timeout(max(0.0, min(wait, WALL_CHECK_S))):
                await self._wake.wait()
        except TimeoutError:
            pass

    def handle(self, fact: AnyFact) -> None:
        """One fact, whole: kept, handled, its effects begun."""
        now = max(self.clock.now(), self.floor.state.now)
        seq = self._recorder.append(fact, now)
        events: list[AnyEvent] = []
        for command in take(self.floor, fact, now):
            if isinstance(command, Publish):
                events.append(command.event)
            else:
                self._start(command)
        if events:
            self._recorder.note(seq, events)
            for event in events:
                for observer in self._observers:
                    observer(seq, event)
        self.handled += 1
        self.last_seq = seq
        self._wake.set()  # a nearer deadline may have come of it, and the loop sleeps until the one it knew

    def _start(self, command: AnyCommand) -> None:
        try:
            self._telephony.start(command)
        except Exception as bug:  # noqa: BLE001 - one command that cannot be begun must not cost all other calls their engine
            log.error("a command could not be begun", command=type(command).__name__, why=type(bug).__name__)

    @property
    def backlog(self) -> int:
        """Facts waiting to be handled."""
        return len(self._inbox)
