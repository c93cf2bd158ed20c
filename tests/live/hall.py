"""A call centre for fault tests: two real Asterisks, the real engine as its own process, people and agents' phones.

Three judges that do not trust the engine: the far side's own log (who was dropped), Asterisk's channel list (what is
really there), and sums over journal and fact tables (nobody lost, nobody counted twice).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from engine.domain.agent import AgentState
from engine.domain.events import InteractionAnswered, InteractionArrived, InteractionEnded
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy
from engine.domain.values import AgentId, LegMode, QueueId
from engine.floor.state import FloorState, Interaction
from engine.lab.loopback import free_port
from engine.lab.pstn import Script
from engine.lab.truth import Call
from engine.lab.wire import Event, Wire
from engine.main import belief
from engine.main.demo.site import DemoSite
from engine.settings import Mqtt, Settings
from engine.store.database import open_database
from engine.store.definitions import Definitions
from engine.store.journal import verify_journal
from engine.store.schema import upgrade_database
from tests.live.engine_process import EngineProcess
from tests.live.proxy import Proxy

PIN = "2468"
DESK, MENU, WALK = "+442079460001", "+442079460002", "+442079460003"
"""Numbers: straight into the queue; a menu that asks for ever; a flow with every kind of node."""
QUEUE = QueuePolicy(id=QueueId("desk"), name="Desk", ring_s=4.0, wrap_up_s=1.0, max_wait_s=600.0, announce_every_s=15.0)
FLOWS = {
    "desk": """
flow: desk
language: en
start: hello
nodes:
  hello: { say: Hello., next: desk }
  desk: { queue: desk, on_timeout: sorry, on_closed: sorry }
  sorry: { hangup: Sorry. }
""",
    "menu": """
flow: menu
language: en
start: menu
nodes:
  menu:
    menu: For the desk, press 1.
    options: { 1: desk }
    wait_s: 3
    tries: 9
    otherwise: menu
  desk: { queue: desk, on_timeout: sorry, on_closed: sorry }
  sorry: { hangup: Sorry. }
""",
    "walk": """
flow: walk
language: en
start: notice
nodes:
  notice:
    notice: This call may be recorded. Press 9 to refuse.
    refuse_key: 9
    wait_s: 1
    next: menu
  menu:
    menu: For the desk, press 1.
    options: { 1: card }
    wait_s: 5
    tries: 3
    otherwise: card
  card:
    collect: Your card number, please.
    patterns: { card: 4 digits }
    wait_s: 6
    tries: 2
    save: card
    sorry: That is no card number.
    next: thanks
    otherwise: refused
  thanks: { say: Thank you. One moment please., next: desk }
  desk: { queue: desk, on_timeout: refused, on_closed: refused, after: rate }
  rate:
    menu: Were you content? Press 1.
    options: { 1: bye }
    wait_s: 4
    tries: 1
    otherwise: bye
  bye: { hangup: Good-bye. }
  refused: { hangup: We are sorry. Good-bye. }
""",
}
_serial = count(1)


def profiles(nailed: int, on_demand: int = 0) -> tuple[AgentProfile, ...]:
    """Agents 1001.. with nailed-up legs, 2001.. whose phones are rung."""
    kinds = ((1000, nailed, LegMode.NAILED_UP), (2000, on_demand, LegMode.ON_DEMAND))
    return tuple(
        AgentProfile(id=AgentId(str(base + n)), name=f"Agent {base + n}", endpoint=f"agent-{base + n}", mode=mode)
        for base, many, mode in kinds
        for n in range(1, many + 1)
    )


class Hall:
    """Site, engine and eyes on both."""

    wire: Wire
    """Our own eyes on the site's Asterisk."""

    def __init__(self, site: DemoSite, engine: EngineProcess, home: Path) -> None:
        self.site, self.engine, self.home = site, engine, home
        self._callers = count(7_400_000_001)
        self.ears: dict[str, Path] = {}
        """What listening callers heard, by call."""

    async def look(self) -> None:
        """Connect to the site's Asterisk (anew: after it was restarted)."""
        self.wire = Wire(self.site.plan.ami_port, self.site.plan.ami_secret)
        await self.wire.__aenter__()

    async def look_away(self) -> None:
        """Disconnect."""
        await self.wire.__aexit__()

    # --- people ------------------------------------------------------------------------------------------------------

    async def call(
        self, many: int = 1, to: str = DESK, script: Script = "patient", *, listen: bool = False, **manner: Any
    ) -> list[str]:
        """So many people call; the ids of their legs. With `listen`, what each hears is kept (`ear`)."""
        ids = []
        for _ in range(many):
            number = next(self._callers)
            stem = self.site.pstn.instance.recordings / f"ear-{number}"
            call_id = await self.site.pstn.place(
                f"+44{number}", to, script, listen=stem if listen else None, **{"delay": 0.0, **manner}
            )
            if listen:
                self.ears[call_id] = stem.with_suffix(".wav")
            ids.append(call_id)
        return ids

    async def sign_in(self, *codes: str, within_s: float = 60.0) -> None:
        """Agents dial *45 with code and PIN, and take calls; who waits may be served at once."""
        for code in codes:
            await self.site.pstn.agent_login(code, PIN)
        await self.engine.until(
            lambda state: all(_works(state, code) for code in codes), within_s, f"{', '.join(codes)} at work"
        )

    def leg(self, call_id: str) -> Call:
        """The far side's view of one call."""
        leg = self.site.pstn.truth().call(call_id)
        assert leg is not None, call_id
        return leg

    def up(self, calls: Sequence[str]) -> list[str]:
        """Those that stand by the far side's own log."""
        seen = {leg.id: leg for leg in self.site.pstn.truth().calls}
        return [call for call in calls if call in seen and seen[call].answered and not seen[call].ended]

    async def until_over(self, calls: Sequence[str], within_s: float = 60.0) -> None:
        """All these people have hung up or were hung up."""
        wanted = set(calls)
        await self.site.pstn.until_truth(
            lambda truth: wanted <= {leg.id for leg in truth.calls if leg.ended is not None}, within_s
        )

    async def until_idle(self, within_s: float = 30.0) -> FloorState:
        """Nobody is on the floor any more."""
        return await self.engine.until(lambda state: not state.interactions, within_s, "everybody gone")

    async def until_counted(self, counts: dict[InteractionState, int], within_s: float = 40.0) -> FloorState:
        """So many interactions stand in each of these states."""
        return await self.engine.until(lambda state: standing(state, counts) == counts, within_s, str(counts))

    # --- judges ------------------------------------------------------------------------------------------------------

    async def channels(self) -> list[Event]:
        """Every channel of the site's Asterisk, by Asterisk."""
        since = len(self.wire.events)
        await self.wire.send("CoreShowChannels")
        await self.wire.until(since=since, Event="CoreShowChannelsComplete")
        return [event for event in self.wire.events[since:] if event.get("Event") == "CoreShowChannel"]

    async def differences(self) -> list[str]:
        """Where the engine's belief and Asterisk's channels disagree, in words."""
        rows = {row["Uniqueid"]: row for row in await self.channels()}
        state = await asyncio.to_thread(self.engine.state)
        found = []
        callers = {leg for leg, row in rows.items() if row["Context"] in _CALLERS}
        ours = {i.leg: i for i in state.interactions.values() if not i.leg_gone}
        found += [
            f"Asterisk has a caller that the engine has not: {rows[leg]['Channel']}" for leg in callers - set(ours)
        ]
        found += [f"the engine believes in a caller that is gone: {ours[leg].id}" for leg in set(ours) - callers]
        for each in ours.values():
            found += _broken_talk(each, rows)
        for agent in state.agents.values():
            if agent.leg is not None and agent.leg not in rows and agent.state is not AgentState.OFFLINE:
                found.append(f"the engine believes in a leg of agent {agent.profile.id} that is gone")
        return found

    async def until_agreed(self, within_s: float = 8.0) -> None:
        """Belief and Asterisk agree; a moment of news on its way is allowed."""
        differences = await self.differences()
        try:
            async with asyncio.timeout(within_s):
                while differences:
                    await asyncio.sleep(0.25)
                    differences = await self.differences()
        except TimeoutError:
            raise AssertionError(f"{differences}; {self.engine.tail()}") from None

    async def verify(self) -> None:
        """Our own comparison, the journal's chain, a replay, and the engine's own `verify` through its API."""
        await self.until_agreed()
        assert verify_journal(self.engine.settings.paths.journal) == []
        assert belief.replay(self.engine.settings.paths.journal).ok
        if self.engine.settings.paths.socket.exists():
            report = await self.engine.ask("POST", "/v1/verify")
            assert report["ok"], report["violations"]

    def endings(self) -> Counter[str]:
        """How interactions ended by the journal's events; each arrived once and ended once, else it fails here."""
        arrived, ended = Counter[str](), Counter[str]()
        how = Counter[str]()
        for event in self.engine.events():
            if isinstance(event, InteractionArrived):
                arrived[str(event.interaction_id)] += 1
            elif isinstance(event, InteractionEnded):
                ended[str(event.interaction_id)] += 1
                how[event.ending.value] += 1
        assert all(many == 1 for many in (arrived + ended).values()) or (
            set(arrived.values()) | set(ended.values()) <= {1}
        ), (arrived, ended)
        assert set(ended) <= set(arrived)
        return how

    def answered(self) -> list[InteractionAnswered]:
        """Every answer, in order."""
        return [event for event in self.engine.events() if isinstance(event, InteractionAnswered)]

    async def until_told(self, within_s: float = 15.0) -> None:
        """The fact tables tell as many interactions as the journal."""
        async with asyncio.timeout(within_s):
            while sum(self.table().values()) != sum(self.endings().values()):  # noqa: ASYNC110 - another process's table
                await asyncio.sleep(0.25)

    def table(self) -> Counter[str]:
        """How conversations ended by the fact tables."""
        found: Counter[str] = Counter()
        with sqlite3.connect(f"file:{self.engine.settings.paths.data / 'callwright.db'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT ending FROM conversation WHERE ended_us IS NOT NULL").fetchall()
        database.close()
        for (ending,) in rows:
            found[str(ending)] += 1
        return found

    async def all_is_well(self, placed: int, endings: dict[str, int] | None = None) -> None:
        """The end of every fault test: nobody on the floor, sums equal what the far side placed, verify clean."""
        await self.until_idle()
        how = self.endings()
        assert sum(how.values()) == placed == len(self.site.pstn.truth().placed()), (how, placed)
        if endings is not None:
            assert how == endings, how
        await self.until_told()
        assert self.table() == how
        await self.verify()


_CALLERS = frozenset({"callwright-inbound", "callwright-call", "callwright-rescue"})


def _works(state: FloorState, code: str) -> bool:
    agent = state.agents.get(AgentId(code))
    return agent is not None and (agent.can_take() or agent.interaction_id is not None)


def standing(state: FloorState, counts: dict[InteractionState, int]) -> dict[InteractionState, int]:
    """How many interactions stand in each of the states that `counts` names. Waiting means: on hold, with music."""
    found = Counter(i.state for i in state.interactions.values() if i.state is not InteractionState.WAITING or i.held)
    return {wanted: found[wanted] for wanted in counts}


def _broken_talk(each: Interaction, rows: dict[str, Event]) -> list[str]:
    row = rows.get(each.leg)
    if row is None:
        return []
    bridge = row.get("BridgeId", "")
    if each.state is InteractionState.TALKING:
        other = rows.get(each.agent_leg or "", {}).get("BridgeId", "")
        return [] if bridge and bridge == other else [f"{each.id} is believed talking, bridges {bridge!r} {other!r}"]
    wraps = each.state in (InteractionState.WRAP_UP, InteractionState.OFFERED)
    return [f"{each.id} is believed {each.state} and is in a bridge"] if bridge and not wraps else []


async def define(settings: Settings, agents: Sequence[AgentProfile], queue: QueuePolicy = QUEUE) -> None:
    """What a supervisor would have defined before the engine's first start."""
    database = open_database(settings.database_url)
    try:
        await upgrade_database(database)
        definitions = Definitions(database)
        await definitions.queues.add(queue)
        for agent in agents:
            await definitions.agents.add(agent)
            await definitions.pins.set(agent.id, PIN)
        for e164, flow in ((DESK, "desk"), (MENU, "menu"), (WALK, "walk")):
            await definitions.numbers.add(NumberPolicy(e164=e164, flow=flow))
    finally:
        await database.close()


@asynccontextmanager
async def open_hall(
    nailed: int = 1,
    on_demand: int = 0,
    *,
    rescue_after_s: int = 60,
    queue: QueuePolicy = QUEUE,
    mqtt: Mqtt | None = None,
    ami: Proxy | None = None,
    agi: Proxy | None = None,
    site_of: Callable[..., DemoSite] = DemoSite,
    also: Callable[[Settings], Awaitable[None]] | None = None,
    process: Callable[[Settings, Path], EngineProcess] = EngineProcess,
    **of_site: Any,
) -> AsyncIterator[Hall]:
    """A hall whose engine is up and sees. `ami` and `agi`, if given, carry these links.

    `site_of` makes the site, with `of_site`; `also` defines more before the first start; `process` is what is started.
    """
    name = f"fault{os.getpid()}-{next(_serial)}"
    agents = profiles(nailed, on_demand)
    with tempfile.TemporaryDirectory(prefix="callwright-") as folder:
        home = Path(folder)
        async with site_of(name, agents, lambda _text: None, rescue_after_s=rescue_after_s, **of_site) as site:
            settings = _settings(site, home, mqtt, _through(site, ami, agi))
            await define(settings, agents, queue)
            if also is not None:
                await also(settings)
            engine = process(settings, home)
            async with AsyncExitStack() as stack:
                for proxy in (ami, agi):
                    if proxy is not None:
                        await stack.enter_async_context(proxy)
                hall = Hall(site, engine, home)
                stack.push_async_callback(hall.look_away)
                await hall.look()
                try:
                    await engine.start()
                    yield hall
                finally:
                    await engine.end()
                    _show(engine, site)
        shutil.rmtree(site.data, ignore_errors=True)


def _through(site: DemoSite, ami: Proxy | None, agi: Proxy | None) -> dict[str, int]:
    """Put the proxies between site and engine; the engine's ports then."""
    ports = {}
    if ami is not None:
        ami.target, ports["ami_port"] = site.plan.ami_port, ami.port
    if agi is not None:
        agi.port, agi.target = site.plan.agi_port, free_port()
        ports["agi_port"] = agi.target
    return ports


def _settings(site: DemoSite, home: Path, mqtt: Mqtt | None, ports: dict[str, int]) -> Settings:
    flows = home / "flows"
    flows.mkdir()
    for flow, text in FLOWS.items():
        (flows / f"{flow}.yaml").write_text(text)
    paths = site.settings.paths.model_copy(update={"data": home / "data", "flows": flows})
    update: dict[str, Any] = {"paths": paths, "mqtt": mqtt or Mqtt()}
    if ports:
        update["asterisk"] = site.settings.asterisk.model_copy(update=ports)
    (home / "data").mkdir(mode=0o700)
    return site.settings.model_copy(update=update)


def _show(engine: EngineProcess, site: DemoSite) -> None:
    """pytest shows it only when the test failed."""
    print(engine.tail(60))
    for instance in (site.asterisk, site.pstn.instance):
        log = instance.home / "log" / "messages"
        print(log.read_text(errors="replace")[-3000:] if log.exists() else "no log")
