"""Ending tasks that do not always hear it the first time.

`asyncio.wait_for` of Python 3.11 loses a cancellation that comes in the same moment as the result (CPython issue 86296,
mended in 3.12), and aiomqtt waits with it for every PUBACK. A task that lost its cancellation runs on for ever, and a
task group around it waits for ever. So these functions ask again until the task is gone, and the tasks that must not
miss a cancellation (the link's own) wait only in ways that cannot lose it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

_ASK_AGAIN_S: Final = 0.1


async def first_end(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends, end the others, raise what the first raised.

    Cancelled, it ends all before it leaves.
    """
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if errors:
        raise errors[0]


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until all are done. A cancellation of the caller is raised afterwards, not instead."""
    interrupted = False
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
        except asyncio.CancelledError:
            interrupted = True
    if interrupted:
        raise asyncio.CancelledError


async def to_the_end(task: asyncio.Task[Any], *, patience_s: float) -> None:
    """Wait for a task that must not be stopped half-way; cancelled, give it `patience_s` seconds, then end it."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=patience_s)
        await end([task])
        raise
