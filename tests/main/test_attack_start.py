"""The watch must not kill an engine that is still reading a long journal, nor take another engine's place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.main.engine import Engine
from tests.main.hall import Hall


async def test_the_heart_beats_before_the_start_is_over(tmp_path: Path, sounds: Path) -> None:
    hall = Hall(tmp_path, sounds)
    async with hall.asterisk:
        beats: list[bool] = []
        engine = Engine(hall.settings)
        engine.heartbeat = lambda: beats.append(hasattr(engine, "floor"))
        async with engine:
            assert beats
            assert not beats[0]  # the floor was not restored yet
            so_far = len(beats)
            await asyncio.sleep(0)
            assert len(beats) == so_far  # the start's own heart has stopped: `run` has one


async def test_who_finds_another_engine_at_work_does_not_beat(tmp_path: Path, sounds: Path) -> None:
    hall = Hall(tmp_path, sounds)
    async with hall.asterisk, Engine(hall.settings):
        beats: list[int] = []
        second = Engine(hall.settings)
        second.heartbeat = lambda: beats.append(1)
        with pytest.raises(Conflict):
            await second.__aenter__()
        assert beats == []
