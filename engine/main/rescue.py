"""Callers whom the rescue script served while the engine was away, told to the floor: each exactly once.

The order matters at start: the fact tables have caught up with the journal (else a promise would be made twice), and
Asterisk has not been compared yet (else a caller who left a number would first be counted as gone).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from engine.domain.facts import CallbackTaken
from engine.errors import StoreUnavailable
from engine.floor import Floor
from engine.runtime.loop import FloorLoop
from engine.store.rescue import Rescue

log = structlog.get_logger(__name__)

EVERY_S = 2.0


class RescueDesk:
    """Looks into the spool now and then."""

    def __init__(self, rescue: Rescue, floor: Floor, loop: FloorLoop, every_s: float = EVERY_S) -> None:
        self._rescue = rescue
        self._floor = floor
        self._loop = loop
        self._every_s = every_s
        self._said = ""
        self.imported = 0
        self.trouble = ""
        """Why the spool could not be read at the last look; "" while all is well."""
        self.unread = 0
        """Lines of the spool that wait for the database."""

    @property
    def bad_lines(self) -> int:
        """Lines of the spool that cannot be read."""
        return len(self._rescue.bad)

    async def run(self) -> None:
        """Import until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> int:
        """Import what is there; return how many callers. Trouble is told once and tried again at the next look."""
        try:
            await self._rescue.collect()
            waiting = await self._rescue.waiting()
        except (StoreUnavailable, OSError) as away:
            self._tell(str(away))
            with suppress(OSError):
                self.unread = await asyncio.to_thread(self._rescue.unread)
            return 0
        self._tell("")
        self.unread = 0
        for call in waiting:
            leg = self._floor.state.legs.get(call.uniqueid)
            # Straight to the floor: a full inbox would drop it, and it is handed out once.
            self._loop.handle(
                CallbackTaken(
                    at=call.at,
                    interaction_id=leg.interaction_id if leg is not None else None,
                    leg=call.uniqueid,
                    number=call.number,
                    spool_id=call.spool_id,
                )
            )
        if waiting:
            log.info("callers of the rescue script are owed a call", callers=len(waiting))
        self.imported += len(waiting)
        return len(waiting)

    def _tell(self, trouble: str) -> None:
        self.trouble = trouble
        if trouble != self._said:
            self._said = trouble
            if trouble:
                log.warning("the rescue spool cannot be imported now", why=trouble)
