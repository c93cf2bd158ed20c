"""The real engine as its own process, behind its watch, as an operator runs it: `python -m engine.main.serve`.

A test starts, kills, freezes and stops it by pid, and reads what it believes from its journal on disk, which is the
same belief that the engine itself would start from again. So a test can look at an engine that is dead or frozen.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, SecretStr

from engine.domain.events import AnyEvent
from engine.domain.facts import EngineStarted
from engine.errors import NotFound
from engine.floor.state import FloorState
from engine.main import belief
from engine.settings import Settings
from engine.store.journal import read_journal
from engine.store.lines import Record

ROOT = Path(__file__).resolve().parents[2]
Look = Callable[[FloorState], bool]


def toml_of(settings: Settings) -> str:
    """The settings as the file that `--config` reads; JSON's texts, numbers and lists are TOML's too."""
    lines = []
    for section in type(settings).model_fields:
        values = getattr(settings, section)
        assert isinstance(values, BaseModel)
        lines.append(f"[{section}]")
        lines += [f"{key} = {_plain(getattr(values, key))}" for key in type(values).model_fields]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return json.dumps(str(value) if isinstance(value, Path) else value)


class EngineProcess:
    """One engine with its watch. `home` is a folder for its configuration file and log."""

    module = "engine.main.serve"
    """What is run."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings = settings
        self.log = home / "engine.log"
        self._config = home / "callwright.toml"
        self._watch: asyncio.subprocess.Process | None = None
        self._config.write_text(toml_of(settings))
        self._config.chmod(0o600)

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it, and return when it sees Asterisk."""
        began = self.starts
        await self.launch()
        await self.until_back(began)

    async def launch(self) -> None:
        """Start it, and return at once."""
        command = (sys.executable, "-m", self.module, "--config", str(self._config))
        with self.log.open("ab") as log:
            self._watch = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Of the engine itself, not of its watch."""
        return int((self.settings.paths.data / "engine.pid").read_text())

    def _children(self) -> list[int]:
        """Of the watch: the engine, even before it has written its pid down (proc(5))."""
        try:
            return [
                int(pid) for pid in Path(f"/proc/{self.watch_pid}/task/{self.watch_pid}/children").read_text().split()
            ]
        except FileNotFoundError:
            return []

    @property
    def watch_pid(self) -> int:
        assert self._watch is not None
        return self._watch.pid

    def kill(self) -> float:
        """`kill -9` of the engine; its watch starts it again. When."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return time.time()

    async def kill_for_good(self) -> float:
        """`kill -9` of the watch and the engine: nobody starts it again. When."""
        assert self._watch is not None
        children = self._children()
        for pid in (self.watch_pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        at = time.time()
        await self._watch.wait()
        self._watch = None
        return at

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        """Let a frozen engine go on; none is fine if its watch has killed it."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def stop(self, within_s: float = 40.0) -> float:
        """SIGTERM, as an operator stops it. How many seconds it took to end."""
        if self._watch is None:
            return 0.0
        began = time.monotonic()
        self._watch.terminate()
        async with asyncio.timeout(within_s):
            await self._watch.wait()
        self._watch = None
        return time.monotonic() - began

    async def end(self) -> None:
        """Whatever state it is in: nothing of it is left."""
        if self._watch is not None:
            await self.kill_for_good()

    # --- what it believes --------------------------------------------------------------------------------------------

    def state(self) -> FloorState:
        """The floor by the journal on disk (at most 50 ms behind)."""
        return belief.restore(self.settings.paths.journal).floor.state

    def records(self) -> list[Record]:
        """Every fact it was told."""
        try:
            return list(read_journal(self.settings.paths.journal))
        except NotFound:
            return []

    def events(self) -> list[AnyEvent]:
        """Everything that came of the facts, in order."""
        found: list[AnyEvent] = []
        belief.restore(self.settings.paths.journal, lambda _seq, events: found.extend(events))
        return found

    @property
    def starts(self) -> list[float]:
        """When engines began on this journal, seconds since 1970."""
        return [record.now / 1e6 for record in self.records() if isinstance(record.fact, EngineStarted)]

    async def until(self, look: Look, within_s: float = 20.0, what: str = "") -> FloorState:
        """The first state that passes, read every 100 ms.

        Raises:
            TimeoutError: none did; the message says how the floor stands.
        """
        state = self.state()
        try:
            async with asyncio.timeout(within_s):
                while not look(state):
                    await asyncio.sleep(0.1)
                    state = await asyncio.to_thread(self.state)
        except TimeoutError:
            raise TimeoutError(f"not within {within_s} s: {what}; {summary(state)}; {self.tail()}") from None
        return state

    async def until_back(self, before: list[float], within_s: float = 60.0) -> float:
        """A new engine began after those of `before`, and sees. When it began, seconds since 1970."""
        try:
            async with asyncio.timeout(within_s):
                while len(starts := self.starts) <= len(before):
                    await asyncio.sleep(0.1)
                    if self._watch is not None and self._watch.returncode is not None:
                        raise AssertionError(f"the engine ended with {self._watch.returncode}: {self.tail()}")
                while (await asyncio.to_thread(self.state)).blind:  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"the engine is not back within {within_s} s: {self.tail()}") from None
        return starts[-1]

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    # --- its API -----------------------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None, within_s: float = 15.0) -> Any:
        """One request to the HTTP API on its socket; the answer's JSON.

        Raises:
            AssertionError: it was refused.
        """
        over = httpx.AsyncHTTPTransport(uds=str(self.settings.paths.socket))
        async with httpx.AsyncClient(transport=over, base_url="http://engine", timeout=within_s) as client:
            answer = await client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def summary(state: FloorState) -> str:
    """How a floor stands, in a line."""
    callers = {i.id[-4:]: f"{i.state}{'(held)' if i.held else ''}" for i in state.interactions.values()}
    agents = {a.profile.id: f"{a.state} {a.reason}" for a in state.agents.values()}
    return f"blind={state.blind} callers={callers} agents={agents}"
