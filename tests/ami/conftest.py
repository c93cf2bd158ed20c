"""A peer, a client on it, and a log of what the client told, for every test that needs a live link."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from engine.ami.client import AmiClient, LinkState, Pace
from engine.ami.codec import Message
from engine.ami.link import AmiAddress
from engine.ami.session import Keepalive
from engine.testing.ami_peer import AmiPeer

BRISK = Pace(
    keepalive=Keepalive(period_us=100_000, patience_us=75_000, misses=2, deaf_after=50, login_us=300_000),
    connect_timeout=0.5,
    retry_first=0.01,
    retry_most=0.05,
    steady_after=0.5,
)


class Line:
    """A client that runs, and all it told: states and events in one order."""

    def __init__(
        self, address: AmiAddress, *, events: bool = True, pace: Pace = BRISK, kind: type[AmiClient] = AmiClient
    ) -> None:
        self.told: list[LinkState | Message] = []
        self._changed = asyncio.Event()
        self.client = kind(address, name="test", events=events, on_event=self._tell, on_state=self._tell, pace=pace)

    def _tell(self, what: LinkState | Message) -> None:
        self.told.append(what)
        self._changed.set()

    @property
    def events(self) -> list[Message]:
        """The events so far."""
        return [each for each in self.told if isinstance(each, Message)]

    @property
    def states(self) -> list[LinkState]:
        """The link's states so far."""
        return [each for each in self.told if isinstance(each, LinkState)]

    async def until(self, condition: Callable[[], bool], within: float = 5.0) -> None:
        """Await a condition that can only change when the client tells something. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def up(self, times: int = 1) -> None:
        """Await the nth time the link comes up (and is up)."""
        await self.until(lambda: self.client.links >= times and self.client.state is LinkState.UP)

    async def event(self, name: str, nth: int = 1) -> Message:
        """Await the nth event of a name."""
        await self.until(lambda: sum(each.event == name for each in self.events) >= nth)
        return [each for each in self.events if each.event == name][nth - 1]


@asynccontextmanager
async def running(line: Line) -> AsyncIterator[Line]:
    """Run the line's client until the block ends, then see it end cleanly."""
    task = asyncio.create_task(line.client.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert line.client.state is LinkState.DOWN


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    """An Asterisk manager on loopback."""
    async with AmiPeer() as peer:
        yield peer


@pytest.fixture
async def line(peer: AmiPeer) -> AsyncIterator[Line]:
    """A client that is up."""
    async with running(Line(peer.address)) as line:
        await line.up()
        yield line
