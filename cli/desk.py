"""Campaigns, leads and the do-not-call list: asked of the running engine, or of its own routes over the store.

Without an engine the very same requests are answered in this process, so a command is written once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from cli.client import Engine, ask, calling, is_served
from cli.office import database, refuse_beside_an_engine
from cli.output import Record
from cli.shell import settings

T = TypeVar("T")


def at_desk(work: Callable[[Engine], Awaitable[T]], *, writing: bool) -> T:
    """Do the work at the engine if one serves, else over the store.

    Raises:
        NotFound: no engine runs, and there is no database to read.
        Conflict: an engine runs but does not serve yet, and the work would change what it has read.
    """

    async def visit() -> T:
        async with _desk(writing=writing) as desk:
            return await work(desk)

    return ask(visit())


def wanted(*path: str, **query: Any) -> Record:
    """Read one thing."""
    return at_desk(lambda desk: desk.get(*path, **query), writing=False)


@asynccontextmanager
async def _desk(*, writing: bool) -> AsyncIterator[Engine]:
    import httpx

    known = settings()
    if is_served(known.paths.socket):
        async with calling(known.paths.socket) as engine:
            yield engine
        return
    if writing:
        refuse_beside_an_engine(known)
    from engine.main.at_rest import AtRest
    from engine.web import create_rest_app

    async with database(known, writing=writing) as opened:
        app = create_rest_app(AtRest(opened, known.paths.data, known.site.timezone))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://store") as client:
            yield Engine(client, known.paths.socket)
