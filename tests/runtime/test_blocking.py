"""The guard against blocking calls works: without it a green suite would prove nothing."""

import asyncio
import time
from pathlib import Path

import pytest
from blockbuster import BlockingError

from engine.store.lines import segment_paths
from engine.store.snapshots import write_snapshot


async def test_a_file_written_by_the_engine_within_the_loop_is_refused(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    trouble: list[BaseException | None] = []
    loop.set_exception_handler(lambda _loop, context: trouble.append(context.get("exception")))
    loop.call_soon(write_snapshot, tmp_path, "seed", 1, b"{}")  # as the engine's own callbacks are called
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [type(each) for each in trouble] == [BlockingError]


async def test_a_thread_may_block(tmp_path: Path) -> None:
    await asyncio.to_thread(write_snapshot, tmp_path, "seed", 1, b"{}")


async def test_a_test_may_block(tmp_path: Path) -> None:
    time.sleep(0.001)  # noqa: ASYNC251 - that is the point
    write_snapshot(tmp_path, "seed", 1, b"{}")


def test_outside_the_loop_everything_may_block(tmp_path: Path) -> None:
    write_snapshot(tmp_path, "seed", 1, b"{}")
    with pytest.raises(FileNotFoundError):
        write_snapshot(tmp_path / "gone", "seed", 1, b"{}")
    assert segment_paths(tmp_path) == []
