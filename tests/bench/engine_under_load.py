"""The whole engine in this process (journal, SQLite, embedded MQTT broker) against an Asterisk in another one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from pydantic import SecretStr

from engine.domain.agent import AgentState
from engine.domain.facts import AgentSignedIn
from engine.domain.interaction import InteractionState
from engine.domain.policy import NumberPolicy
from engine.domain.values import LegMode
from engine.main.companions import companions
from engine.main.engine import Engine
from engine.settings import Asterisk, Mqtt, Paths, Recording, Settings, Site
from engine.store.definitions import SkillDefinition
from tests.bench.crowd import NUMBER
from tests.bench.site import ROOT, SKILL, profile, queue_policy
from tests.main.hall import FLOW, prepare_sounds

AGI_SECRET: Final = "a-secret-of-the-bench"
PATIENCE_S: Final = 120.0


class EngineUnderLoad:
    """`async with EngineUnderLoad(agents) as load`: `load.engine` runs, `load.order("wait 500")` makes callers."""

    engine: Engine

    def __init__(self, agents: int) -> None:
        self._codes = [str(1001 + n) for n in range(agents)]
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="callwright-bench-")))
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "tests.bench.crowd", str(len(self._codes)))
        self._crowd = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
        self._stack.push_async_callback(self._send_home)
        manager = await self._answer()
        self.engine = await self._stack.enter_async_context(Engine(_settings(home, manager)))
        await self._define()
        self._running = asyncio.create_task(self.engine.run(extra=companions(self.engine)))
        self._stack.push_async_callback(self._stop)
        await self.until(lambda: not self.engine.floor.state.blind and self.engine.switch.agi.listening)
        await self.order(f"agi {self.engine.switch.agi.port} {AGI_SECRET}")
        await self._sign_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def order(self, line: str) -> dict[str, Any]:
        """Tell the crowd what to do and await that it is done."""
        assert self._crowd.stdin is not None
        self._crowd.stdin.write(line.encode() + b"\n")
        return await self._answer()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds, looked at every 10 ms."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - the engine's state has no event for this
                await asyncio.sleep(0.01)

    def standing(self, state: InteractionState) -> int:
        """How many callers are in this state."""
        return sum(1 for each in self.engine.floor.state.interactions.values() if each.state is state)

    async def written(self) -> None:
        """Return when every fact is on disk and the tables hold its events."""
        await self.engine.clerk.barrier(self.engine.loop.last_seq)
        last = self.engine.loop.last_seq
        while await self.engine.projector.last_seq() < last and self.engine.clerk._noted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _answer(self) -> dict[str, Any]:
        assert self._crowd.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self._crowd.stdout.readline()
        told: dict[str, Any] = json.loads(line)
        return told

    async def _send_home(self) -> None:
        assert self._crowd.stdin is not None
        self._crowd.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._crowd.wait()
        except TimeoutError:
            self._crowd.kill()

    async def _stop(self) -> None:
        self.engine.hurry()
        await self._running

    async def _define(self) -> None:
        defined = self.engine.definitions
        await defined.skills.add(SkillDefinition(id=SKILL, name="Sales"))
        await defined.queues.add(queue_policy())
        for code in self._codes:
            await defined.agents.add(profile(code, LegMode.NAILED_UP))
        await defined.numbers.add(NumberPolicy(e164=NUMBER, flow="main"))

    async def _sign_in(self) -> None:
        agents = self.engine.floor.state.agents
        await self.until(lambda: all(agent.state is AgentState.OFFLINE for agent in agents.values()))
        for agent in list(agents.values()):
            self.engine.loop.put(AgentSignedIn(agent_id=agent.profile.id, mode=LegMode.NAILED_UP, by="bench"))
        await self.until(lambda: all(agent.can_take() for agent in agents.values()))


def _settings(home: Path, manager: dict[str, Any]) -> Settings:
    for folder in ("flows", "recordings", "rescue", "sounds"):
        (home / folder).mkdir()
    (home / "flows" / "main.yaml").write_text(FLOW)
    prepare_sounds(home / "sounds")
    return Settings(
        site=Site(name="bench", region="GB"),
        paths=Paths(data=home / "data", flows=home / "flows"),
        asterisk=Asterisk(
            ami_port=manager["port"],
            ami_secret=SecretStr(manager["secret"]),
            agi_port=0,
            agi_secret=SecretStr(AGI_SECRET),
            sounds=home / "sounds",
            recordings=home / "recordings",
            rescue_spool=home / "rescue",
            cel=home / "cel.jsonl",
        ),
        recording=Recording(min_free_mb=0, min_free_percent=0),
        mqtt=Mqtt(embedded=True),
    )
