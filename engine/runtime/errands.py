"""Work that an edge begins for the floor and waits for nobody: kept from the garbage, and told of when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Errands:
    """Tasks under way. One that ends with an error was a bug: it is logged, and costs nobody else anything."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside everything else."""
        task = asyncio.get_running_loop().create_task(work, name=getattr(work, "__qualname__", None))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def all_done(self) -> None:
        """Wait for those that are under way now."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("an errand broke", errand=task.get_name(), why=type(bug).__name__)
