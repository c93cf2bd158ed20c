"""Tasks that miss a cancellation are ended all the same."""

from __future__ import annotations

import asyncio

import pytest

from engine.bus.endings import end, first_end, to_the_end


async def deaf(times: int, heard: list[str]) -> None:
    """Ignore the first cancellations, as `asyncio.wait_for` of Python 3.11 can."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            if len(heard) > times:
                raise


async def test_end_asks_until_it_is_heard() -> None:
    heard: list[str] = []
    task = asyncio.create_task(deaf(3, heard))
    await asyncio.sleep(0)
    await end([task])
    assert task.cancelled()
    assert len(heard) == 4


async def test_first_end_raises_what_ended_it_and_ends_the_others() -> None:
    heard: list[str] = []

    async def breaks() -> None:
        await asyncio.sleep(0)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await first_end(deaf(1, heard), breaks())
    assert len(heard) == 2


async def test_first_end_cancelled_twice_leaves_no_task() -> None:
    heard: list[str] = []
    running = asyncio.create_task(first_end(deaf(2, heard), deaf(2, [])))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_to_the_end_lets_the_task_finish_before_it_gives_in() -> None:
    may_finish, finished = asyncio.Event(), asyncio.Event()

    async def important() -> None:
        await may_finish.wait()
        finished.set()

    waiting = asyncio.create_task(to_the_end(asyncio.create_task(important()), patience_s=10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    may_finish.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert finished.is_set()
