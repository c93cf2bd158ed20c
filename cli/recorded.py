"""A recorded campaign, read from the store beside a running engine or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cli.client import ask
from cli.office import database
from cli.shell import settings
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.domain.recorded import RecordedCampaign

NEVER: Final = 1 << 62


def recorded(campaign_id: str, start: str, end: str) -> RecordedCampaign:
    """What the store has kept of a campaign's dials from `start` to `end`, as people write times; empty: all of them.

    Raises:
        NotFound: there is no such campaign, or no database.
        UsageError: a time is none, or the end is not after the beginning.
        StoreUnavailable: the database does not answer.
    """
    known = settings()

    async def read() -> RecordedCampaign:
        from engine.store.calendar import instant, zone
        from engine.store.recorded import Recorded

        tz = zone(known.site.timezone)
        from_us = instant(start, tz) if start else 0
        to_us = instant(end, tz, end=True) if end else NEVER
        if to_us <= from_us:
            raise UsageError("the end is not after the beginning", where="--from, --to", mend="Swap them.")
        async with database(known, writing=False) as opened:
            return await Recorded(opened).campaign(campaign_id, from_us, to_us)

    return ask(read())
