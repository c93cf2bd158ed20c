"""The guard against blocking calls works: without it a green suite would prove nothing."""

import time
from pathlib import Path

import pytest
from blockbuster import BlockingError

from engine.store.lines import segment_paths
from engine.store.snapshots import write_snapshot


async def test_a_file_read_by_the_engine_within_the_loop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlockingError):
        write_snapshot(tmp_path, "seed", 1, b"{}")


async def test_a_test_may_block() -> None:
    time.sleep(0.001)  # noqa: ASYNC251 - that is the point


def test_outside_the_loop_everything_may_block(tmp_path: Path) -> None:
    write_snapshot(tmp_path, "seed", 1, b"{}")
    assert segment_paths(tmp_path) == []
