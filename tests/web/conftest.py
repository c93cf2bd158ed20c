"""The API over a console in memory, asked without a socket; and a whole engine in its house."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.runtime.console import Console
from engine.web import create_app
from tests.web.house import House, open_house
from tests.web.memory import MemoryConsole


@pytest.fixture
def console() -> MemoryConsole:
    """The console behind the API."""
    return MemoryConsole()


@pytest.fixture
async def api(console: MemoryConsole) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API."""
    kept: Console = console
    transport = httpx.ASGITransport(app=create_app(kept))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        yield client


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Asterisk's sounds folder, filled once: speech takes longer than a test."""
    return tmp_path_factory.mktemp("sounds")


@pytest.fixture
async def house(tmp_path: Path, sounds: Path) -> AsyncIterator[House]:
    """A running engine with a queue, two agents and a number."""
    async with open_house(tmp_path, sounds) as opened:
        yield opened
