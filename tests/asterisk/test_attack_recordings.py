"""The recordings folder may vanish (unmounted) or lose its rights while calls end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.asterisk.recordings import DiskLimits, Pace, Recordings


async def test_a_folder_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    recordings = Recordings(
        folder, is_live=lambda _id: False, limits=DiskLimits(0, 0.0), pace=Pace(look=0.01, disk=0.01, sweep=0.01)
    )
    running = asyncio.create_task(recordings.run())
    recordings.ended("ix_1")
    async with asyncio.timeout(10):
        while not recordings.trouble:  # noqa: ASYNC110 - there is no event for trouble
            await asyncio.sleep(0.01)
        folder.write_text("a file, not a folder")
        recordings.ended("ix_2")
        await asyncio.sleep(0.1)
    assert not running.done()
    running.cancel()
