"""The API over a console in memory, asked without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from engine.runtime.console import Console
from engine.web import create_app
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
