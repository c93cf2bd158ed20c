"""Calls that came and went while the engine was away, or blind: told to the floor, so that every sum holds them.

What Asterisk still has is found by the comparison (resync). What it has no more is in its channel event log. Each call
is told once: not if the fact tables, the floor or this process have heard of its leg.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

import structlog
from sqlalchemy import select

from engine.asterisk import missed
from engine.asterisk.telephony import Telephony
from engine.domain.events import AnyEvent, InteractionArrived
from engine.domain.values import SECOND, LegId
from engine.errors import StoreUnavailable
from engine.floor import Floor
from engine.runtime.loop import FloorLoop
from engine.store.database import Database
from engine.store.tables import Session, table

log = structlog.get_logger(__name__)

MARGIN = 60 * SECOND
"""How far before the last moment we saw a call may have begun: the journal may lack its last milliseconds."""
REMEMBERED = 50_000
AT_ONCE = 500
_SESSIONS = table(Session)


class MissedCalls:
    """Looks into the log after each comparison with Asterisk. `seen_until`: the last moment known from the journal."""

    def __init__(
        self, record: Path, database: Database, floor: Floor, loop: FloorLoop, telephony: Telephony, seen_until: int
    ) -> None:
        self._record = record
        self._database = database
        self._floor = floor
        self._loop = loop
        self._telephony = telephony
        self._seen_until = seen_until
        self._resyncs = 0
        self._arrived: OrderedDict[LegId, None] = OrderedDict()
        self._said = ""
        self.told = 0
        loop.observe(self._on_event)

    @property
    def trouble(self) -> str:
        """Why calls that came and went unseen could not be counted at the last look; "" while all is well."""
        return self._said

    def _on_event(self, _seq: int, event: AnyEvent) -> None:
        if isinstance(event, InteractionArrived) and event.leg is not None:
            self._arrived[event.leg] = None
            if len(self._arrived) > REMEMBERED:
                self._arrived.popitem(last=False)

    async def run(self, every_s: float = 0.5) -> None:
        """Watch for comparisons until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if self._floor.state.blind:
                continue
            compared, now = self._telephony.resyncs, self._loop.clock.now()
            if compared != self._resyncs:
                # Whatever was told since the link is up has been handled by now, so what is unknown was not told.
                await asyncio.sleep(2 * every_s)
                if not await self.look(now):
                    continue
                self._resyncs = compared
            if not self._floor.state.blind:
                self._seen_until = now

    async def look(self, before: int) -> bool:
        """Tell of calls that nobody told of. False when that could not be done now; trouble is said once."""
        if not self._seen_until:
            return True  # a new journal: what was before it is not ours to count
        try:
            calls = await asyncio.to_thread(missed.gone_calls, self._record, self._seen_until - MARGIN, before)
            known = await self._in_the_tables([call.leg for call in calls])
        except (OSError, StoreUnavailable) as away:
            self._complain(str(away))
            return isinstance(away, OSError)  # a site without such a log is not asked again and again
        self._said = ""
        channels, legs = self._telephony.channels, self._floor.state.legs
        for call in calls:
            seen_here = call.leg in self._arrived or call.leg in legs or call.leg in channels.known
            if call.leg in known or seen_here or channels.is_dead(call.leg):
                continue
            for fact in missed.facts(channels, call):
                self._loop.handle(fact)
            self.told += 1
            log.info("a call came and went unseen", leg=call.leg)
        return True

    async def _in_the_tables(self, legs: list[LegId]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(legs), AT_ONCE):
            wanted = select(_SESSIONS.c.leg).where(_SESSIONS.c.leg.in_(legs[start : start + AT_ONCE]))
            async with self._database.reading() as connection:
                found.update(row.leg for row in await connection.execute(wanted))
        return found

    def _complain(self, trouble: str) -> None:
        if trouble != self._said:
            self._said = trouble
            log.warning("calls that came and went unseen cannot be counted", why=trouble)
