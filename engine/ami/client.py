"""The engine's AMI client: one link at a time, made again for ever, with a typed way to send.

Events and actions use two clients (`events=True` and `events=False`): a slow answer never holds up events, and a burst
of events never delays an action.
"""

import asyncio
import enum
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from engine.ami.codec import Action, Anomaly, Message
from engine.ami.link import AmiAddress, AmiProtocol, LinkManager
from engine.ami.session import Died, Keepalive, Phase, Replied, Session
from engine.errors import AmiLost, AmiRefused, AmiTimeout

LOG = logging.getLogger("callwright.ami")
_DICE: Final = secrets.SystemRandom()


class Pace(msgspec.Struct, frozen=True):
    """How fast a client notices and mends a lost link. Seconds, but for `keepalive`."""

    keepalive: Keepalive = Keepalive()
    connect_timeout: float = 3.0
    retry_first: float = 0.1
    retry_most: float = 5.0
    steady_after: float = 2.0  # a link that was up this long starts the back-off anew


class LinkState(enum.Enum):
    """Where a client's link stands; UP only after the login."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"


class AmiClient:
    """A link to one Asterisk that comes back by itself.

    `on_state` and `on_event` are called synchronously, in order, from the loop: UP comes before the first event, DOWN
    after the last. They must be quick and must not raise; what they raise is logged and the next event is handed on.
    After each UP the caller takes a snapshot: what happened while the link was down is not told again.
    """

    def __init__(
        self,
        address: AmiAddress,
        *,
        name: str,
        events: bool,
        on_event: Callable[[Message], None],
        on_state: Callable[[LinkState], None],
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self.state = LinkState.DOWN
        self.trouble = ""  # why the link is not up, in words; "" while it is
        self.links = 0  # how often it came up
        self.anomalies: Counter[Anomaly] = Counter()  # of links that are over; see `oddities`
        self._address = address
        self._events = events
        self._on_event = on_event
        self._on_state = on_state
        self._pace = pace or Pace()
        self._link: AmiProtocol | None = None
        self._session: Session | None = None
        self._over = asyncio.Event()
        self._said = ""  # the trouble logged last: the same one is logged once
        self._new_session()  # a name or secret that cannot be sent is refused here, not in the middle of the night

    async def run(self) -> None:
        """Connect, sign in, stay connected, and begin again whenever the link ends. Returns only by cancellation."""
        retries = 0
        while True:
            steady = await self._once()
            retries = 1 if steady else retries + 1
            await asyncio.sleep(self._pause(retries))

    def send(self, action: Action, timeout: float = 5.0) -> Coroutine[Any, Any, Message]:
        """Send an action and await its response.

        Raises `AmiRefused` (Asterisk said no), `AmiLost` (the link is or went down), `AmiTimeout` (no answer within
        `timeout` seconds), `AmiBusy` and `AmiUnencodable` (not sent). After `AmiLost` and `AmiTimeout` it is unknown
        whether Asterisk acted. Cancelling is safe: the answer is then dropped.
        """
        return self._response(action, timeout)

    def collect(self, action: Action, timeout: float = 10.0) -> Coroutine[Any, Any, list[Message]]:
        """Send an action that is answered by a list; await its items, whole and in order. Raises as `send` does.

        Use a client without events: a list prints callers' numbers raw, no event filter looks at it, and there every
        event that such a number forges is dropped (see `codec`).
        """
        return self._items(action, timeout)

    def oddities(self) -> Counter[Anomaly]:
        """What the reader met on this link and all before that a correct Asterisk does not send."""
        return self.anomalies + (self._session.decoder.anomalies if self._session else Counter())

    def deliver(self, message: Message) -> None:
        """From the link: an event."""
        try:
            self._on_event(message)
        except Exception:  # one event that the engine cannot digest must not cost the link and all events behind it
            LOG.exception("%s: %s was not digested", self.name, message.title)

    def logged_in(self, greeting: str) -> None:
        """From the link: Asterisk let us in."""
        self.trouble = self._said = ""
        self.links += 1
        LOG.info("%s: up, %s", self.name, greeting or "no greeting")
        self._enter(LinkState.UP)

    def ended(self, died: Died) -> None:
        """From the link: it is over."""
        self.trouble = f"Asterisk refused the login: {died.why}" if died.refused else died.why
        self._over.set()

    async def _once(self) -> bool:
        """One connection from beginning to end; True if it was up long enough to be called steady."""
        address = self._address
        session, self._over = self._new_session(), asyncio.Event()
        self._session = session
        manager = LinkManager(address, self, session)
        clock = asyncio.get_running_loop().time
        began = clock()
        self._enter(LinkState.CONNECTING)
        try:
            async with asyncio.timeout(self._pace.connect_timeout):
                _, self._link = await manager.connect()
        except OSError as error:
            self.trouble = f"no connection to {address.host}:{address.port}: {error or 'no answer'}"
        else:
            await self._over.wait()
        finally:
            up = session.was_up
            manager.close()
            self._link = self._session = None
            self.anomalies += session.decoder.anomalies
            if self.trouble != self._said:
                self._said = self.trouble
                LOG.warning("%s: down, %s", self.name, self.trouble)
            self._enter(LinkState.DOWN)
        return up and clock() - began >= self._pace.steady_after

    def _new_session(self) -> Session:
        return Session(
            secrets.token_hex(6),
            username=self._address.username,
            secret=self._address.secret,
            events=self._events,
            keepalive=self._pace.keepalive,
        )

    def _enter(self, state: LinkState) -> None:
        self.state = state
        try:
            self._on_state(state)
        except Exception:  # see `deliver`
            LOG.exception("%s: the change to %s was not digested", self.name, state.value)

    def _pause(self, retries: int) -> float:
        """Seconds until the next attempt: doubled each time, with jitter so that engines do not knock in step."""
        most = min(self._pace.retry_most, self._pace.retry_first * 2.0 ** min(retries, 30))
        return _DICE.uniform(self._pace.retry_first, most)

    async def _response(self, action: Action, seconds: float) -> Message:
        return (await self._ask(action, seconds)).response

    async def _items(self, action: Action, seconds: float) -> list[Message]:
        return list((await self._ask(action, seconds)).items)

    async def _ask(self, action: Action, seconds: float) -> Replied:
        where = f"{self.name}, action {action.name!r}"
        link = self._link
        if link is None or link.session.phase is not Phase.UP:
            raise AmiLost("the link to Asterisk is down; nothing was sent", where=where, mend=self.trouble)
        action_id, future = link.ask(action)
        try:
            async with asyncio.timeout(seconds):
                replied = await future
        except TimeoutError:
            raise AmiTimeout(f"no answer in {seconds:g} s", where=where) from None
        finally:
            link.forget(action_id)
        if not replied.response.success:
            text = replied.response.get("Message", "no reason given")
            raise AmiRefused(text, where=where, headers=replied.response.headers)
        return replied
