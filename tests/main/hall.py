"""The whole engine in one test, against an Asterisk in memory: real journal, real SQLite, real AMI and FastAGI sockets.

    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in("1001")
        call = await hall.call_in(keys="1")       # dials, hears the flow, presses 1, waits on hold
        await hall.talk(call)                     # both legs are in one bridge
        hall.kill()                               # kill -9: nothing is closed, nothing is flushed
        await hall.start()                        # another engine on the same data
        await call.hang_up()
        await hall.ended(call)

Asterisk (`hall.asterisk`, an `AmiPeer`) outlives the engine as the real one does. What the dialplan would do with a
caller, `Call` does when it is told to. Every wait is for a condition, looked at after each event; none is for a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from engine.asterisk import phone_desk, prompts
from engine.domain.agent import AgentState
from engine.domain.events import AnyEvent
from engine.domain.facts import AgentSignedIn
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, LegMode, QueueId
from engine.floor import phrases
from engine.floor.state import Agent, Interaction
from engine.flows.parser import parse
from engine.main.companions import companions
from engine.main.definitions import texts
from engine.main.engine import Engine
from engine.settings import Asterisk, Mqtt, Paths, Recording, Settings, Site
from engine.store.definitions import SkillDefinition
from engine.testing.agi_peer import AgiPeer
from engine.testing.ami_model import Leg
from engine.testing.ami_peer import AmiPeer

NUMBER = "+442079460001"
CALLER = "+447700900123"
"""From the range that Ofcom keeps for drama: nobody's."""
CALLER_NAME = "Wilhelmina Canary"
AGI_SECRET = "a-secret-of-the-tests"
PATIENCE_S = 20.0
SKILL = "sales"
NAILED, RUNG = "1001", "1002"
NO_MQTT = Mqtt()

FLOW = """
flow: main
language: en
start: choose
nodes:
  choose:
    menu: For sales, press 1. For a number, press 2.
    options:
      1: sales
      2: number
    otherwise: bye
  sales:
    queue: sales
    on_timeout: bye
    on_closed: bye
  number:
    collect: Please enter your number.
    patterns:
      any: 4-12 digits
    save: kind
    next: sales
    otherwise: bye
  bye:
    hangup: Good-bye.
"""


def prepare_sounds(sounds: Path) -> None:
    """Put a file where each text's speech would be kept, so that no test waits for speech to be made.

    Should the library name its files otherwise one day, it just speaks.
    """
    spoken = sounds / prompts.SPOKEN
    spoken.mkdir(parents=True)
    flow = parse(FLOW, "hall")
    for text, language in {*phone_desk.TEXTS, *phrases.every(), *texts([flow])}:
        voice = prompts.VOICES[language]
        key = f"{prompts.RECIPE}\0{voice.name}\0{voice.words_per_minute}\0{text}"
        (spoken / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav").touch()


class Hall:
    """One site: an Asterisk in memory, and an engine that may be killed and started again on the same data."""

    def __init__(
        self,
        home: Path,
        sounds: Path,
        *,
        flow: str = FLOW,
        snapshot_every: int = 10_000,
        min_free_percent: float = 0,
        mqtt: Mqtt = NO_MQTT,
    ) -> None:
        self.home = home
        self.asterisk = AmiPeer()
        self.events: list[tuple[int, AnyEvent]] = []
        """(journal number, event) of every engine of this hall, in order."""
        self._snapshot_every = snapshot_every
        self._sounds = sounds
        self._min_free_percent = min_free_percent
        self._mqtt = mqtt
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self.engine: Engine
        self.recordings = home / "recordings"
        self.spool = home / "rescue"
        for folder in (home / "flows", self.recordings, self.spool):
            folder.mkdir(parents=True)
        (home / "flows" / "main.yaml").write_text(flow)

    @property
    def settings(self) -> Settings:
        """Settings that fit an engine to this hall."""
        return Settings(
            site=Site(name="hall", region="GB"),
            paths=Paths(data=self.home / "data", flows=self.home / "flows"),
            asterisk=Asterisk(
                ami_port=self.asterisk.port,
                ami_secret=SecretStr(self.asterisk.secret),
                agi_port=0,
                agi_secret=SecretStr(AGI_SECRET),
                sounds=self._sounds,
                recordings=self.recordings,
                rescue_spool=self.spool,
                cel=self.home / "cel.jsonl",
            ),
            recording=Recording(min_free_mb=0, min_free_percent=self._min_free_percent),
            mqtt=self._mqtt,
        )

    async def __aenter__(self) -> Self:
        await self.asterisk.start()
        for agent in (NAILED, RUNG):
            self.asterisk.model.devices[f"PJSIP/agent-{agent}"] = "NOT_INUSE"
        self.asterisk.on_ring = lambda leg: self.asterisk.answer(leg.uniqueid)
        await self.start(define=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        if self._running is not None:
            await self.stop()
        await self.asterisk.stop()

    # --- the engine's lives ------------------------------------------------------------------------------------------

    async def start(self, *, define: bool = False) -> None:
        """Start an engine, and return when it sees Asterisk and serves callers."""
        self.engine = Engine(self.settings, snapshot_every=self._snapshot_every)
        await self.engine.__aenter__()
        if define:
            await self._define()
        self.engine.loop.observe(self._on_event)
        self._running = asyncio.create_task(self.engine.run(extra=companions(self.engine)))
        await self.until(lambda: not self.engine.floor.state.blind and self.engine.switch.agi.listening)

    async def stop(self) -> None:
        """SIGTERM: drain, and end in order."""
        assert self._running is not None
        self.engine.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self._running
        self._running = None
        await self.engine.__aexit__(None, None, None)

    async def kill(self) -> None:
        """`kill -9` as far as one process can: no task of the engine runs on, and what was not on disk is gone.

        The kernel closes a dead process's files and sockets, so the journal's lock and the connections go too.
        """
        assert self._running is not None
        engine, running, self._running = self.engine, self._running, None
        os.close(engine.journal._lock)  # first: a flush from now on would be the dead writing
        engine.journal._waiting.clear()
        engine.clerk._noted.clear()
        running.cancel()
        with contextlib.suppress(BaseException):
            await running
        engine.clerk._thread.shutdown(wait=True)
        await engine.database.close()

    async def restart(self) -> None:
        """Kill it, and start another on the same data."""
        await self.kill()
        await self.start()

    async def _define(self) -> None:
        defined = self.engine.definitions
        await defined.skills.add(SkillDefinition(id=SKILL, name="Sales"))
        steps = (RoutingStep(needs=(SkillNeed(skill=SKILL),)),)
        await defined.queues.add(QueuePolicy(id=QueueId("sales"), name="Sales", steps=steps, wrap_up_s=0.0))
        for agent, mode in ((NAILED, LegMode.NAILED_UP), (RUNG, LegMode.ON_DEMAND)):
            await defined.agents.add(
                AgentProfile(
                    id=AgentId(agent), name=f"Agent {agent}", endpoint=f"agent-{agent}", skills={SKILL: 5}, mode=mode
                )
            )
        await defined.numbers.add(NumberPolicy(e164=NUMBER, flow="main"))

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE_S) -> None:
        """Return when `condition` holds. Looked at after each event, and often enough for what makes none.

        :raises TimeoutError: it did not hold in time.
        """
        async with asyncio.timeout(within):
            while not condition():
                if self._running is not None and self._running.done():
                    await self._running  # the engine died: its error is the test's
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()

    def _on_event(self, seq: int, event: AnyEvent) -> None:
        self.events.append((seq, event))
        self._changed.set()

    async def on_disk(self) -> None:
        """Return when all facts are durable and the fact tables hold their events."""
        await self.engine.clerk.barrier(self.engine.loop.last_seq)
        await self.until(lambda: not self.engine.clerk._noted)

    # --- people ------------------------------------------------------------------------------------------------------

    def agent(self, agent_id: str) -> Agent:
        """An agent as the engine sees him."""
        agent = self.engine.floor.agent(agent_id)
        assert agent is not None
        return agent

    async def sign_in(self, agent_id: str) -> None:
        """An agent signs in by command, and is ready: a nailed-up one's phone was rung and answered."""
        await self.until(lambda: self.agent(agent_id).state is AgentState.OFFLINE)
        mode = self.agent(agent_id).profile.mode
        self.engine.loop.put(AgentSignedIn(agent_id=AgentId(agent_id), mode=mode, by="test"))
        await self.until(lambda: self.agent(agent_id).can_take())

    async def dial(self, caller: str = CALLER, number: str = NUMBER, name: str = CALLER_NAME) -> Call:
        """Somebody dials; the dialplan has not asked for the flow yet."""
        call = Call(self, self.asterisk.call_in(number, caller, caller_name=name))
        await self.until(lambda: call.interaction is not None)
        call.id = call.live.id
        return call

    async def call_in(self, keys: str = "1", caller: str = CALLER) -> Call:
        """Somebody calls, goes through the flow by these keys, and waits on hold."""
        call = await self.dial(caller)
        await call.flow(keys)
        assert call.next == "hold", call.next
        await call.hold()
        return call

    async def talk(self, call: Call) -> None:
        """Return when the caller talks to an agent."""
        await self.until(lambda: call.state is InteractionState.TALKING)

    async def ended(self, call: Call) -> None:
        """Return when the interaction is over."""
        await self.until(lambda: call.state is InteractionState.ENDED)


class Call:
    """One caller, and what the dialplan does with him."""

    def __init__(self, hall: Hall, leg: Leg) -> None:
        self.hall = hall
        self.leg = leg
        self.id = ""
        self.next = ""
        """Where the engine sent him last: flow, hold or hangup; empty when it died meanwhile."""
        self.variables: dict[str, str] = {}
        self.played: list[str] = []

    @property
    def interaction(self) -> Interaction | None:
        """His interaction while it lives."""
        found = self.hall.engine.floor.state.interactions.values()
        return next((each for each in found if each.leg == self.leg.uniqueid), None)

    @property
    def live(self) -> Interaction:
        """His interaction, which lives."""
        found = self.interaction
        assert found is not None
        return found

    @property
    def state(self) -> InteractionState:
        """Of his interaction."""
        found = self.interaction
        return InteractionState.ENDED if found is None else found.state

    async def ask(self, script: str, keys: str = "", *, hang_up_at: int | None = None) -> None:
        """The dialplan runs AGI(`script`) on him until the engine is done with it."""
        peer = AgiPeer(
            uniqueid=self.leg.uniqueid,
            secret=AGI_SECRET,
            script=script,
            channel=self.leg.name,
            context="callwright-call",
            extension="flow" if script == "flow" else "hold",
            callerid=self.leg.number,
            calleridname=self.leg.caller_name,
            keys=keys,
            hang_up_at=hang_up_at,
        )
        self.leg.context, self.leg.exten = "callwright-call", peer.extension
        async with asyncio.timeout(PATIENCE_S):
            await peer.call("127.0.0.1", self.hall.engine.switch.agi.port)
        self.played += peer.played
        self.variables = peer.variables
        self.next = peer.variables.get("CW_NEXT", "") if peer.variables.get("CW_ENGINE_DONE") == "1" else ""
        if peer.answered:
            self.hall.asterisk.answer(self.leg.uniqueid)

    async def flow(self, keys: str = "") -> None:
        """The flow, from where it stands to where it lets him go."""
        await self.ask("flow", keys)

    async def hold(self) -> None:
        """The dialplan puts him on hold and says so."""
        self.leg.context, self.leg.exten = "callwright-call", "hold"
        self.hall.asterisk.answer(self.leg.uniqueid)
        self.hall.asterisk.user_event(self.leg.uniqueid, "hold")
        await self.hall.until(lambda: self.interaction is None or self.live.held or self.state.value == "talking")

    async def poll(self) -> None:
        """The hold loop asks whether there is something to say."""
        await self.ask("poll")

    async def hang_up(self) -> None:
        """He hangs up."""
        self.hall.asterisk.hangup(self.leg.uniqueid)

    @property
    def bridged(self) -> bool:
        """Whether Asterisk has him in a bridge."""
        return bool(self.leg.bridge)
