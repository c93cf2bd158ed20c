"""The command line as people use it: arguments in; text or JSON, messages and an exit code out.

`engine` is the real API over a console in memory, served on a real socket by a thread; `house` a whole engine before an
Asterisk in memory. Without either, commands find only the store.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from cli.client import is_served
from cli.main import app
from engine.web import create_app, serve_unix
from tests.web.house import House, open_house
from tests.web.memory import MemoryConsole

T = TypeVar("T")


class Answer:
    """What a command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        """Standard output as one JSON object."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error that standard error tells as JSON."""
        told: dict[str, str] = json.loads(self.err.splitlines()[-1])["error"]
        return told


Callwright = Callable[..., Answer]


@pytest.fixture(autouse=True)
def nothing_blocks() -> None:
    """Blocking is no fault here: a command's loop serves one command. The engine's own tests watch over the engine."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder; its path is short enough for a socket."""
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path, data: Path) -> Path:
    """A settings file for a site of its own."""
    path = tmp_path / "callwright.toml"
    (tmp_path / "etc").mkdir()
    flows = Path(__file__).parents[2] / "ivr_flows"
    path.write_text(
        f'[site]\ntimezone = "Europe/London"\n[paths]\ndata = "{data}"\nflows = "{flows}"\n'
        f'[asterisk]\nconfig = "{tmp_path}/etc"\nsounds = "{tmp_path}/ast/sounds"\nrecordings = "{tmp_path}/ast/rec"\n'
        f'rescue_spool = "{tmp_path}/ast/rescue"\nami_port = 1\n'
        'ami_secret = "secret-of-one-run"\nagi_secret = "secret-of-one-run"\n',
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def callwright(config: Path, monkeypatch: pytest.MonkeyPatch) -> Callwright:
    """Runs a command line in this process."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, typed: str = "") -> Answer:
        result = CliRunner().invoke(app, ["--config", str(config), *arguments], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@contextmanager
def in_thread(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What an async block opens, living in a thread's own loop, entered and left by one task."""
    inside: Future[T] = Future()
    leave: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        leave.set_result((loop, over))
        try:
            async with opened() as found:
                inside.set_result(found)
                await over.wait()
        except Exception as failed:  # whatever it is, the waiting test must hear of it
            if inside.done():
                raise
            inside.set_exception(failed)

    with ThreadPoolExecutor(1) as pool:
        living = pool.submit(asyncio.run, live())
        try:
            yield inside.result(30)
        finally:
            loop, over = leave.result(5)
            if not living.done():
                loop.call_soon_threadsafe(over.set)
            living.result(40)


@asynccontextmanager
async def serving(app_: Any, socket: Path) -> AsyncIterator[None]:
    """The API on a socket."""
    task = asyncio.create_task(serve_unix(app_, socket))
    try:
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(is_served, socket):  # noqa: ASYNC110 - a file appears, nobody tells
                await asyncio.sleep(0.01)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def engine(data: Path) -> Iterator[MemoryConsole]:
    """A console in memory behind the real API on the real socket."""
    console = MemoryConsole()
    with in_thread(lambda: serving(create_app(console), data / "callwright.sock")):
        yield console


class Neighbour:
    """A whole engine next door; `do` has it do something."""

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self.house = house
        self._loop = loop

    def do(self, work: Callable[[House], Any]) -> Any:
        """Await something in the engine's own loop."""
        return asyncio.run_coroutine_threadsafe(work(self.house), self._loop).result(20)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Asterisk's sounds folder, filled once: speech takes longer than a test."""
    return tmp_path_factory.mktemp("sounds")


@asynccontextmanager
async def next_door(folder: Path, sounds: Path) -> AsyncIterator[Neighbour]:
    """A whole engine before an Asterisk in memory, with its API on the socket of `folder`/data."""
    async with open_house(folder, sounds) as house:
        async with serving(create_app(house.console), house.engine.settings.paths.socket):
            yield Neighbour(house, asyncio.get_running_loop())


@pytest.fixture
def neighbour(tmp_path: Path, sounds: Path) -> Iterator[Neighbour]:
    """A whole engine in the data folder of the command line."""
    with in_thread(lambda: next_door(tmp_path, sounds)) as found:
        yield found
