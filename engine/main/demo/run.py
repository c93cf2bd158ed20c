"""Runs the demo: set up, sign in, let people call, watch, check, sum up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from engine.domain.agent import AgentState
from engine.domain.events import AnyEvent, InteractionAnswered
from engine.domain.facts import AgentSignedIn
from engine.domain.values import LegMode, Value
from engine.errors import CallwrightError
from engine.main import logs
from engine.main.companions import companions
from engine.main.console import LiveConsole
from engine.main.demo import company, outbound, outbound_sums, sums
from engine.main.demo.crowd import Crowd
from engine.main.demo.outbound import Outreach
from engine.main.demo.screen import Screen
from engine.main.demo.site import DemoSite
from engine.main.engine import Engine
from engine.store.definitions import SkillDefinition

log = structlog.get_logger(__name__)
SETTLE_S = 75.0
"""How long after the last call the demo waits at most for everybody to be done."""
SIGN_IN_S = 60.0
WRITTEN_WITHIN_S = 20.0
Say = Callable[[str], None]


class Version(Value):
    """The Asterisk the demo ran on."""

    version: str


class Verified(Value):
    """All runs of `verify` during the demo, added up."""

    ok: bool
    violations: tuple[str, ...]
    runs: int
    live_calls_compared: int


class DemoResult(Value):
    """What `callwright demo --json` prints as its last line. `failures`: why the exit code is 1."""

    asterisk: Version
    inbound: sums.Inbound
    outbound: outbound_sums.Outbound
    far_side: sums.FarSide
    verify: Verified
    seconds: float
    failures: tuple[str, ...] = ()


class Demo:
    """One demo. `before_sums` is called with the engine when all calls are over; tests tamper there."""

    def __init__(
        self,
        seconds: float,
        *,
        headless: bool,
        seed: int,
        say: Say,
        outbound_agents: int = company.OUTBOUND_AGENTS,
    ) -> None:
        self.seconds = seconds
        self.headless = headless
        self.seed = seed
        self.say = say
        self.agents = (*company.AGENTS, *company.outbound_agents(outbound_agents))
        self.outbound_agents = outbound_agents
        self.answered: list[InteractionAnswered] = []
        self.compared = 0
        self.runs = 0
        self.violations: list[str] = []

    async def run(self) -> DemoResult:
        """Run to the end.

        Raises:
            CallwrightError: it could not be set up; with the mend.
        """
        name = f"demo{os.getpid()}"
        site = await asyncio.to_thread(DemoSite, name, self.agents, self.say)
        async with site:
            async with Engine(site.settings) as engine:
                await self._define(engine, site)
                engine.loop.observe(self._on_event)
                running = asyncio.create_task(engine.run(extra=companions(engine)))
                try:
                    return await self._play(site, engine, running)
                finally:
                    engine.stop()
                    with contextlib.suppress(asyncio.CancelledError):
                        await running

    def _on_event(self, _seq: int, event: AnyEvent) -> None:
        if isinstance(event, InteractionAnswered) and event.queue_id != company.CALLERS_QUEUE.id:
            self.answered.append(event)

    async def _define(self, engine: Engine, site: DemoSite) -> None:
        for skill in company.SKILLS:
            await engine.definitions.skills.add(SkillDefinition(id=skill, name=skill.title()))
        for queue in company.QUEUES:
            await engine.definitions.queues.add(queue)
        await outbound.define(engine, site)
        for agent in self.agents:
            await engine.definitions.agents.add(agent)
            await engine.definitions.pins.set(agent.id, company.PIN)
        for number in company.NUMBERS:
            await engine.definitions.numbers.add(number)

    async def _play(self, site: DemoSite, engine: Engine, running: asyncio.Task[None]) -> DemoResult:
        began = time.monotonic()
        console = LiveConsole(engine)
        await self._until_up(engine, running)
        outreach = Outreach(engine, console, self.outbound_agents, self.say)
        await outreach.prepare(site, self.seconds, self.seed)
        await self._sign_in(site, engine)
        program = _short(Path(sys.prefix, "bin", "callwright"))
        self.say(f"In another terminal: CALLWRIGHT__PATHS__DATA={_short(site.data)} {program} top")
        with Screen(engine, site, outreach, headless=self.headless, say=self.say) as screen:
            reports = asyncio.create_task(outreach.keep_report())
            try:
                await self._work(screen, running, console, Crowd(site.pstn, self.seed), outreach)
            finally:
                reports.cancel()
        await self._until_written(engine)
        await self.before_sums(engine)
        return await self._sum_up(site, engine, outreach, time.monotonic() - began)

    async def _work(
        self, screen: Screen, running: asyncio.Task[None], console: LiveConsole, crowd: Crowd, outreach: Outreach
    ) -> None:
        """Calls in and out until the time is over; then everybody finishes."""
        clock = asyncio.get_running_loop().time
        ends, peak = clock() + self.seconds, clock() + self.seconds * 0.7
        await outreach.start()
        calls = asyncio.create_task(crowd.call_until(ends))
        while not calls.done():
            await self._tick(screen, running, f"{max(0.0, ends - clock()):.0f} s to go")
            if not self.runs and clock() > peak:
                await self._verify(console)
        await calls
        await outreach.stop()
        patience = clock() + SETTLE_S
        while screen.busy and clock() < patience:
            await self._tick(screen, running, "the last calls finish")
        await self._verify(console)

    async def _until_up(self, engine: Engine, running: asyncio.Task[None]) -> None:
        self.say("Starting the engine (the first start speaks all prompts) ...")
        while engine.floor.state.blind or not engine.switch.agi.listening:
            await asyncio.sleep(0.05)
            if running.done():
                await running

    async def _until_written(self, engine: Engine) -> None:
        """All that happened is on disk, and the tables tell it; where they never do, the sums will say so."""
        last = engine.loop.last_seq
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await engine.clerk.barrier(last)
                while await engine.projector.last_seq() < last:  # noqa: ASYNC110 - rows have no event
                    await asyncio.sleep(0.05)

    async def before_sums(self, engine: Engine) -> None:
        """All calls are over and nothing is counted yet."""

    async def _tick(self, screen: Screen, running: asyncio.Task[None], title: str) -> None:
        screen.update(title)
        await asyncio.sleep(0.25)
        if running.done():
            await running  # the engine died: its error is the demo's

    async def _sign_in(self, site: DemoSite, engine: Engine) -> None:
        self.say("Agents sign in: nailed-up legs by telephone with code and PIN, the others by command ...")
        for agent in self.agents:
            if agent.mode is LegMode.NAILED_UP:
                await site.pstn.agent_login(agent.id, company.PIN)
        deadline = asyncio.get_running_loop().time() + SIGN_IN_S
        ready = False
        while not ready:
            for agent in self.agents:
                state = engine.floor.state.agents.get(agent.id)
                at_desk = state is not None and state.state is AgentState.OFFLINE and state.reachable
                if at_desk and agent.mode is LegMode.ON_DEMAND:
                    engine.loop.put(AgentSignedIn(agent_id=agent.id, mode=agent.mode, by="demo"))
            await asyncio.sleep(0.25)
            ready = len(engine.floor.state.agents) == len(self.agents) and all(
                agent.can_take() for agent in engine.floor.state.agents.values()
            )
            if asyncio.get_running_loop().time() > deadline:
                out = [agent.profile.id for agent in engine.floor.state.agents.values() if not agent.can_take()]
                raise CallwrightError(
                    f"{len(out)} of the {len(self.agents)} agents could not sign in: {', '.join(out)}",
                    mend="is the machine busy with other things? Then try again later; else see the log in var/",
                )

    async def _verify(self, console: LiveConsole) -> None:
        report = await console.verify()
        self.runs += 1
        self.compared += report.live_calls_compared
        self.violations += [f"{v.code} {','.join(v.ids)}" for v in report.violations]

    async def _sum_up(self, site: DemoSite, engine: Engine, outreach: Outreach, seconds: float) -> DemoResult:
        truth = site.pstn.truth()
        far = sums.FarSide(placed=len(truth.placed()), talked=len(truth.talked()))
        rung = frozenset(agent.id for agent in company.AGENTS if agent.mode is LegMode.ON_DEMAND)
        ours = await sums.inbound(engine.database, self.answered, rung)
        called, wrong = await outreach.sum_up(truth)
        failures = [*sums.disagreements(ours, far), *wrong, *self.violations]
        return DemoResult(
            asterisk=Version(version=engine.switch.telephony.version),
            inbound=ours,
            outbound=called,
            far_side=far,
            verify=Verified(
                ok=not self.violations,
                violations=tuple(self.violations),
                runs=self.runs,
                live_calls_compared=self.compared,
            ),
            seconds=round(seconds, 1),
            failures=tuple(failures),
        )


def _short(folder: Path) -> Path:
    """The folder as seen from where the command was given, to be pasted there."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def main(seconds: float, *, headless: bool, seed: int, say: Say) -> DemoResult:
    """Run one demo in this process."""
    logging.captureWarnings(capture=True)
    from engine.settings import Log

    logs.configure(Log(level="error"))
    return asyncio.run(Demo(seconds, headless=headless, seed=seed, say=say).run())
