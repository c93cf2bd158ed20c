"""`callwright top`: the floor, live, read-only."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from cli.client import Engine, NoEngine, ask, asked, calling
from cli.output import Record, emit, screen
from cli.shell import Json, Reveal, examples, settings
from engine.errors import CallwrightError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FRESH_S: Final = 1.0
REPORTED_S: Final = 10.0
COST_FACTOR: Final = 20
"""Campaigns and their reports of today are asked for again after so long, and never take more than 1/20 of the time."""
EXAMPLE: Final = examples("callwright top", "callwright top --once", "callwright top --once --json")


def top(
    once: Annotated[bool, typer.Option("--once", help="Print the floor once and end.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    reveal: Reveal = False,
    as_json: Json = False,
) -> None:
    """Watch queues, campaigns, agents and calls live. Ctrl-C ends it; nothing can be changed here."""
    if as_json:
        emit(_once(reveal=reveal))
        return
    out = screen()
    if once or not out.is_terminal:
        out.print(_picture(_once(reveal=reveal), out, height=None))
        return
    asked("floor")  # no engine, no screen: the error belongs below the prompt
    try:
        ask(_watch(out, every, reveal=reveal))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _once(*, reveal: bool) -> Record:
    async def work() -> Record:
        async with calling(settings().paths.socket) as engine:
            return await _floor(engine, Campaigns(), reveal=reveal)

    return ask(work())


class Campaigns:
    """Campaigns as the screen shows them. Both readings cost the engine something, so both are kept for a while."""

    def __init__(self) -> None:
        self._views: list[Record] = []
        self._reports: dict[str, Record] = {}
        self._views_due = self._reports_due = 0.0

    async def look(self, engine: Engine) -> list[Record]:
        """All campaigns, at most some seconds old."""
        from cli.floor_campaigns import line_of

        began = time.monotonic()
        if began >= self._views_due:
            self._views = (await engine.get("campaigns"))["items"]
            self._views_due = _next(began, FRESH_S)
        began = time.monotonic()
        if began >= self._reports_due:
            self._reports = await self._today(engine)
            self._reports_due = _next(began, REPORTED_S)
        return [line_of(each, self._reports.get(each["id"])) for each in self._views]

    async def _today(self, engine: Engine) -> dict[str, Record]:
        today = datetime.now(ZoneInfo(settings().site.timezone)).date().isoformat()
        at_work = [each["id"] for each in self._views if each["state"] != "stopped"]
        return {id_: await engine.get("campaigns", id_, "report", **{"from": today}) for id_ in at_work}


def _next(began: float, fresh_s: float) -> float:
    """When what was begun to be read then, and is read now, is read again."""
    return began + max(fresh_s, COST_FACTOR * (time.monotonic() - began))


async def _floor(engine: Engine, campaigns: Campaigns, *, reveal: bool) -> Record:
    """The floor with its campaigns."""
    floor = await engine.get("floor", reveal=reveal)
    return {**floor, "campaigns": await campaigns.look(engine)}


async def _watch(out: Console, every: float, *, reveal: bool) -> None:
    import asyncio

    from rich.live import Live

    campaigns = Campaigns()
    async with calling(settings().paths.socket) as engine:
        with Live(console=out, screen=True, auto_refresh=False) as live:
            while True:
                live.update(await _look(engine, campaigns, out, reveal=reveal), refresh=True)
                await asyncio.sleep(every)


async def _look(engine: Engine, campaigns: Campaigns, out: Console, *, reveal: bool) -> RenderableType:
    """The floor at this moment; an engine that went away is awaited."""
    from rich.text import Text

    try:
        floor = await _floor(engine, campaigns, reveal=reveal)
    except NoEngine:
        return Text(
            f"{datetime.now().astimezone():%H:%M:%S}  the engine is away; calls go on without it …", style="bold red"
        )
    except CallwrightError as error:
        return Text(str(error), style="bold red")
    return _picture(floor, out, height=out.height)


def _picture(floor: Record, out: Console, *, height: int | None) -> RenderableType:
    from cli.floor_screen import picture

    return picture(floor, width=out.width, height=height, timezone=settings().site.timezone)
