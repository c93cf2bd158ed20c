"""`callwright top`: the floor, live, read-only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.client import Engine, NoEngine, ask, asked, calling
from cli.output import Record, emit, screen
from cli.shell import Json, Reveal, examples, settings
from engine.errors import CallwrightError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EXAMPLE: Final = examples("callwright top", "callwright top --once", "callwright top --once --json")


def top(
    once: Annotated[bool, typer.Option("--once", help="Print the floor once and end.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    reveal: Reveal = False,
    as_json: Json = False,
) -> None:
    """Watch queues, agents and calls live. Ctrl-C ends it; nothing can be changed here."""
    if as_json:
        emit(asked("floor", reveal=reveal))
        return
    out = screen()
    if once or not out.is_terminal:
        out.print(_picture(asked("floor", reveal=reveal), out, height=None))
        return
    asked("floor")  # no engine, no screen: the error belongs below the prompt
    try:
        ask(_watch(out, every, reveal=reveal))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(out: Console, every: float, *, reveal: bool) -> None:
    import asyncio

    from rich.live import Live

    async with calling(settings().paths.socket) as engine:
        with Live(console=out, screen=True, auto_refresh=False) as live:
            while True:
                live.update(await _look(engine, out, reveal=reveal), refresh=True)
                await asyncio.sleep(every)


async def _look(engine: Engine, out: Console, *, reveal: bool) -> RenderableType:
    """The floor at this moment; an engine that went away is awaited."""
    from rich.text import Text

    try:
        floor = await engine.get("floor", reveal=reveal)
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
