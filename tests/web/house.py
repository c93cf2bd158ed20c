"""A whole engine (floor, journal, SQLite) before an Asterisk in memory, and the people around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from engine.domain.agent import AgentState
from engine.domain.facts import ControlGained
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, LegId, QueueId
from engine.main.console import LiveConsole
from engine.main.engine import Engine
from engine.main.truth import Verifier
from engine.runtime.views import Skill
from engine.settings import Asterisk, Paths, Settings, Site
from engine.testing.ami_model import Leg
from engine.testing.ami_peer import AmiPeer

NUMBER, CALLER = "+442079460000", "+447700900123"
FLOW = """\
flow: main
start: sales
nodes:
  sales:
    queue: sales
    on_timeout: bye
    on_closed: bye
  bye:
    hangup: Good bye.
"""
SALES = QueuePolicy(
    id=QueueId("sales"),
    name="Sales",
    steps=(RoutingStep(needs=(SkillNeed(skill="english", level=3),)),),
    wrap_up_s=600.0,
    record=False,
)
ANN = AgentProfile(id=AgentId("1001"), name="Ann", endpoint="agent-1001", skills={"english": 5})
BOB = AgentProfile(id=AgentId("1002"), name="Bob", endpoint="agent-1002", skills={"english": 1})


class House:
    """One engine, its Asterisk, its console."""

    def __init__(self, engine: Engine, asterisk: AmiPeer) -> None:
        self.engine = engine
        self.asterisk = asterisk
        self.console = LiveConsole(engine)
        self.verifier = Verifier(engine, pause=self._settle)
        self._changed = asyncio.Event()
        engine.loop.observe(lambda _seq, _event: self._changed.set())

    async def until(self, condition: Callable[[], Any], within_s: float = 10.0) -> None:
        """Wait for a condition: looked at after every event of the floor, and now and then without one."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()

    async def written(self) -> None:
        """Wait until the fact tables hold everything so far."""
        upto = self.engine.loop.last_seq
        await self.engine.clerk.barrier(upto)
        async with asyncio.timeout(10):
            while await self.engine.projector.last_seq() < upto and self.engine.clerk._noted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the tables follow on their own time, and tell nobody

    async def _settle(self, _seconds: float) -> None:
        await self.written()

    async def furnish(self) -> None:
        """Define a skill, a queue, two agents and a number."""
        await self.console.skills.add(Skill(id="english", name="English"))
        await self.console.queues.add(SALES)
        await self.console.agents.add(ANN)
        await self.console.agents.add(BOB)
        await self.console.numbers.add(NumberPolicy(e164=NUMBER, flow="main"))

    async def call(self) -> tuple[Leg, str]:
        """Somebody calls and waits on hold: his leg, and his interaction's id."""
        leg = self.asterisk.call_in(NUMBER, CALLER, caller_name="Zoe")
        await self.until(lambda: LegId(leg.uniqueid) in self.engine.floor.state.legs)
        self.engine.loop.put(ControlGained(leg=LegId(leg.uniqueid), script="flow"))
        interaction = self.engine.floor.state.legs[LegId(leg.uniqueid)].interaction_id
        assert interaction is not None
        await self.until(lambda: self.state(interaction) is InteractionState.WAITING)
        leg.context, leg.exten = "callwright-call", "hold"
        self.asterisk.user_event(leg.uniqueid, "hold")
        return leg, interaction

    async def talk(self) -> tuple[Leg, str]:
        """A caller and Ann talk."""
        self.asterisk.on_ring = lambda rung: self.asterisk.answer(rung.uniqueid)
        await self.console.agents.login("1001")
        leg, interaction = await self.call()
        await self.until(lambda: self.state(interaction) is InteractionState.TALKING)
        return leg, interaction

    def state(self, interaction_id: str) -> InteractionState | None:
        """Where an interaction stands; None when it is not on the floor."""
        found = self.engine.floor.interaction(interaction_id)
        return found.state if found is not None else None

    async def gone(self, interaction_id: str) -> None:
        """Wait until an interaction has left the floor."""
        await self.until(lambda: self.state(interaction_id) is None)

    def agent(self, agent_id: str) -> AgentState:
        """What an agent does."""
        found = self.engine.floor.agent(agent_id)
        assert found is not None
        return found.state


def settings_for(folder: Path, sounds: Path, asterisk: AmiPeer) -> Settings:
    """Settings of an engine that keeps everything in one folder."""
    flows = folder / "flows"
    flows.mkdir(exist_ok=True)
    (flows / "main.yaml").write_text(FLOW, encoding="utf-8")
    return Settings(
        site=Site(timezone="Europe/London"),
        paths=Paths(data=folder / "data", flows=flows),
        asterisk=Asterisk(
            ami_port=asterisk.port,
            ami_user=asterisk.username,
            ami_secret=SecretStr(asterisk.secret),
            agi_port=0,
            agi_secret=SecretStr("lab-secret-of-one-run"),
            sounds=sounds,
            recordings=folder / "recordings",
            rescue_spool=folder / "rescue",
        ),
    )


@asynccontextmanager
async def open_house(folder: Path, sounds: Path) -> AsyncIterator[House]:
    """An engine that runs and sees its Asterisk, until the block ends."""
    async with AmiPeer() as asterisk, Engine(settings_for(folder, sounds, asterisk)) as engine:
        house = House(engine, asterisk)
        running = asyncio.create_task(engine.run())
        try:
            async with asyncio.timeout(10):
                while engine.floor.state.blind and not running.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # the first comparison publishes no event
            if running.done():
                await running
            await house.furnish()
            yield house
        finally:
            engine.stop()
            await asyncio.wait([running])
        await running
