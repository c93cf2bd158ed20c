"""Time zones are files. They are read in a thread, once, and kept: whoever asks the law afterwards waits for no disk.

`zoneinfo` itself keeps only the eight latest for good; the others stay known as long as somebody holds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_KEPT: dict[str, ZoneInfo] = {}


async def keep_zones(names: Iterable[str]) -> None:
    """Read some time zones, unless they are kept already. Unknown names are passed over."""
    missing = [name for name in names if name and name not in _KEPT]
    if missing:
        _KEPT.update(await asyncio.to_thread(_read, missing))


def _read(names: Iterable[str]) -> dict[str, ZoneInfo]:
    zones = {}
    for name in names:
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            zones[name] = ZoneInfo(name)
    return zones
