"""A predictive campaign on the real Asterisk: 25 nailed-up agents, 125 lines, talk times shortened to 10 to 20 s.

Two Asterisks (ours and the simulated network) and the engine in its own process, so that CPU is counted for each. Who
is called is drawn by the simulator's own dice (`engine.simulation.fates`), so the simulator's forecast is for the very
same people in the same order; utilisation is worked out of the floor's events by the same code on both sides.

The governor needs to know how many live answers the run is part of. Both sides tell it one working day of these agents.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.dialer.clopper_pearson import clopper_pearson_upper
from engine.dialer.forecast import Conditions, predictive
from engine.dialer.law import Rules
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import LEGAL_RING_S, Budget, CampaignId, CampaignPolicy, TrunkId
from engine.domain.commands import AnyCommand, Publish
from engine.domain.events import AgentMoved, AnyEvent, AttemptBegun, AttemptEnded
from engine.domain.facts import AnyFact
from engine.domain.policy import AgentProfile, QueuePolicy, TrunkPolicy
from engine.domain.values import SECOND, AgentId, LegMode, QueueId
from engine.floor import Deadline, Floor
from engine.lab.called import Persona, number
from engine.lab.pstn import TRUNK_HOST
from engine.lab.truth import Truth
from engine.main.demo import company
from engine.main.demo.outbound_sums import Dialled, disagreements, ledger
from engine.main.demo.site import DemoSite
from engine.simulation.distributions import Constant, Lognormal, Uniform
from engine.simulation.fates import Fates, Picks
from engine.simulation.pacings import rule
from engine.simulation.run import floor_for
from engine.simulation.scenario import Agents, Calls, Campaign, Limits, Scenario
from engine.simulation.world import World
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database, open_database
from engine.store.definitions import Definitions
from engine.store.imports import Imports
from engine.store.schema import upgrade_database
from engine.store.vault import Vault
from tests.bench import cel, cpu
from tests.bench.figures import Figure, Report, calibrate, figure, percentile
from tests.live.engine_process import EngineProcess

AGENTS: Final = 25
LINES: Final = 125
CAP: Final = 0.03
ANSWER_RATE: Final = 0.3
WRAP_UP_S: Final = 3.0
WARM_UP_S: Final = 45.0
WORKING_DAY_H: Final = 8.0
UNIT_S: Final = 0.25
"""One step of ringing and of talking in the numbers that are called."""
DIALS_PER_S: Final = 8.0
"""More than any pace of these agents needs: the list shall not end before the time does."""
SIGN_IN_S: Final = 60.0
SETTLE_S: Final = 75.0
REPORT_EVERY_S: Final = 15.0
LIMITS: Final = {"p50_ms": 20.0, "p99_ms": 100.0, "points": 5.0, "cpu": 1.0}
CAMPAIGN: Final = CampaignId("bench")
_TALKS: Final = Uniform(low=10, high=20)
_CALLS: Final = Calls(
    answer_rate=((0, ANSWER_RATE),),
    ring_s=Lognormal(mean=3.5, sd=1.0, max=6.0),
    no_answer_s=LEGAL_RING_S,
    talk_s=_TALKS,
    wrap_s=Constant(value=WRAP_UP_S),
)
SCENARIO: Final = Scenario(
    name=CAMPAIGN,
    hours=WORKING_DAY_H,
    agents=Agents(count=((0, AGENTS),)),
    campaigns=(Campaign(name=CAMPAIGN, calls=_CALLS, prior_answer_rate=ANSWER_RATE),),
    limits=Limits(lines=LINES, abandon_cap=CAP),
)
_BUSY: Final = (AgentState.TALKING, AgentState.WRAP_UP)
_QUEUE: Final = QueuePolicy(
    id=QueueId("bench"), name="Bench", wrap_up_s=WRAP_UP_S, announce_position=False, record=False
)
Say = Callable[[str], None]


# --- what is measured on both sides ----------------------------------------------------------------------------------


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """One run by the floor's events. Waits are milliseconds from the answer to the agent, of the connected.

    `both_p99`: counted from the moment when both were there, so without the wait for an agent to be free.
    `utilisation`: talk and wrap-up over logged-in time, after the warm-up. All else counts from the first dial.
    """

    attempts: int
    live_answers: int
    connected: int
    abandoned: int
    utilisation: float
    wait_p50: float
    wait_p99: float
    both_p99: float
    waited: int
    """How many of the connected had to wait for an agent to be free."""

    @property
    def abandon_rate(self) -> float:
        """Share of the live answers."""
        return self.abandoned / max(1, self.live_answers)

    @property
    def upper95(self) -> float:
        """Its one-sided bound (Clopper and Pearson)."""
        return clopper_pearson_upper(self.abandoned, self.live_answers)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run: ours, the simulator's forecast of it, CPU seconds after the warm-up, and where records disagree."""

    live: Sums
    simulated: Sums
    engine: float
    asterisk: float
    lines: int
    """The most calls that stood at the far side at once, agents' phones left out."""
    cel_p50: float
    cel_p99: float
    """Milliseconds from the answer to the bridge by our Asterisk's event log, which knows nothing of the engine."""
    wrong: tuple[str, ...]


def sums(events: Sequence[AnyEvent], seconds: float) -> Sums:
    """Judge the events of a run whose measured time is `seconds` after the warm-up."""
    first = next((event.at for event in events if isinstance(event, AttemptBegun)), 0)
    begin = first + round(WARM_UP_S * SECOND)
    end = begin + round(seconds * SECOND)
    ended = [event for event in events if isinstance(event, AttemptEnded)]
    joins = _joins(events)
    waits = [event.wait_us / 1000 for event, _freed in joins]
    both = [(event.connected_at - max(event.answered_at, freed)) / 1000 for event, freed in joins]
    return Sums(
        attempts=sum(isinstance(event, AttemptBegun) for event in events),
        live_answers=sum(event.outcome.live_answer for event in ended),
        connected=sum(event.outcome is Outcome.CONNECTED for event in ended),
        abandoned=sum(event.outcome is Outcome.ABANDONED for event in ended),
        utilisation=_busy_us(events, begin, end) / (AGENTS * (end - begin)),
        wait_p50=percentile(waits, 0.5),
        wait_p99=percentile(waits, 0.99),
        both_p99=percentile(both, 0.99),
        waited=sum(freed > event.answered_at for event, freed in joins),
    )


def _busy_us(events: Iterable[AnyEvent], begin: int, end: int) -> int:
    """Agents' time with people and after them, between two instants."""
    since: dict[AgentId, int] = {}
    busy = 0
    for event in events:
        if isinstance(event, AgentMoved):
            if event.agent_id in since:
                busy += _between(since.pop(event.agent_id), event.at, begin, end)
            if event.new in _BUSY:
                since[event.agent_id] = event.at
    return busy + sum(_between(at, end, begin, end) for at in since.values())


def _between(since: int, until: int, begin: int, end: int) -> int:
    return max(0, min(until, end) - max(since, begin))


def _joins(events: Iterable[AnyEvent]) -> list[tuple[AttemptEnded, int]]:
    """Everybody who was connected, and since when his agent was free (µs)."""
    freed: dict[AgentId, int] = {}
    found = []
    for event in events:
        if isinstance(event, AgentMoved) and event.new is AgentState.AVAILABLE:
            freed[event.agent_id] = event.at
        elif isinstance(event, AttemptEnded) and event.outcome is Outcome.CONNECTED and event.agent_id is not None:
            found.append((event, freed.get(event.agent_id, 0)))
    return found


# --- the simulator's side --------------------------------------------------------------------------------------------


class _Over(Exception):
    """The run is as long as it shall be; the working day goes on without us."""


class _Overheard:
    """A floor whose events are kept, up to an instant after its first dial."""

    def __init__(self, floor: Floor, length_us: int) -> None:
        self._floor = floor
        self._length_us = length_us
        self._ends = 0
        self.events: list[AnyEvent] = []

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        """See `Floor.handle`."""
        if self._ends and now >= self._ends:
            raise _Over
        commands = self._floor.handle(fact, now)
        for command in commands:
            if isinstance(command, Publish):
                self.events.append(command.event)
                if not self._ends and isinstance(command.event, AttemptBegun):
                    self._ends = now + self._length_us
        return commands

    def deadline(self) -> Deadline | None:
        """See `Floor.deadline`."""
        return self._floor.deadline()


def simulated(seconds: float, seed: int) -> Sums:
    """The first minutes of the working day, played."""
    chosen = rule("predictive", None)
    core = _Overheard(floor_for(chosen), round((WARM_UP_S + seconds) * SECOND))
    world = World(core, SCENARIO, seed=seed, mode=chosen.mode, governed=chosen.governed)
    try:
        world.play()
    except _Over:
        return sums(core.events, seconds)
    raise AssertionError("the simulated day was shorter than the run")


def people(count: int, seed: int) -> list[str]:
    """The numbers of those whom the simulator plays for this seed, in its order, each once."""
    fates = Fates(_CALLS, 0, CAMPAIGN, seed=seed)
    found: dict[str, None] = {}
    for place in range(count):
        picks, after, _cause = fates.dialled(place, 0)
        person = picks is Picks.PERSON
        ring_s = after / SECOND if person else place // 1000 * UNIT_S
        talk_s = fates.talk_us(place) / SECOND if person else 0.0
        serial = place
        while (e164 := _number(Persona.PERSON if person else Persona.NO_ANSWER, serial, ring_s, talk_s)) in found:
            serial += 1
        found[e164] = None
    return list(found)


def _number(persona: Persona, serial: int, ring_s: float, talk_s: float) -> str:
    return number(persona, serial, ring_s=ring_s, talk_s=talk_s, ring_unit_s=UNIT_S, talk_unit_s=UNIT_S)


# --- the real side ---------------------------------------------------------------------------------------------------


def forecast_answers() -> int:
    """Live answers of one working day of these agents: what the governor is told."""
    handle_s = _TALKS.average() + WRAP_UP_S
    hoped = predictive(
        Conditions(agents=AGENTS, answer_rate=ANSWER_RATE, handle_s=handle_s, answer_s=3.5, fail_s=LEGAL_RING_S)
    )
    return round(AGENTS * hoped * WORKING_DAY_H * 3600 / handle_s)


def profiles() -> tuple[AgentProfile, ...]:
    """The agents: all hold their phone open."""
    codes = [str(2001 + place) for place in range(AGENTS)]
    return tuple(
        AgentProfile(id=AgentId(code), name=f"Agent {code}", endpoint=f"agent-{code}", mode=LegMode.NAILED_UP)
        for code in codes
    )


def policy() -> CampaignPolicy:
    """The campaign as our side is given it."""
    return CampaignPolicy(
        id=CAMPAIGN,
        name="Bench",
        queue_id=_QUEUE.id,
        seller="Callwright Bench",
        caller_id=company.NUMBER,
        trunks=(TrunkId("pstn"),),
        ring_s=LEGAL_RING_S,
        budgets=(Budget(cap=CAP),),
        answer_rate=ANSWER_RATE,
        forecast_answers=forecast_answers(),
        wrap_up_s=WRAP_UP_S,
    )


async def define(site: DemoSite, numbers: Sequence[str], folder: Path) -> None:
    """What a supervisor would have defined and imported before the engine's first start."""
    database = open_database(site.settings.database_url)
    try:
        await upgrade_database(database)
        definitions = Definitions(database)
        await definitions.queues.add(_QUEUE)
        for agent in profiles():
            await definitions.agents.add(agent)
        for own in company.NUMBERS:
            await definitions.numbers.add(own)
        await definitions.trunks.add(TrunkPolicy(id="pstn", host=TRUNK_HOST, port=site.pstn.trunk_port, lines=LINES))
        await definitions.campaigns.add(policy())
        await definitions.campaigns.set_terms(CAMPAIGN, CampaignTerms(rules=Rules(hours=()), timezone="Asia/Shanghai"))
        leads = folder / "leads.csv"
        leads.write_text("number\n" + "".join(f"{each}\n" for each in numbers))
        vault = await Vault.open(database, site.settings.paths.data)
        done = await Imports(database, vault).import_csv(CAMPAIGN, leads, time.time_ns() // 1000)
        assert done.accepted == len(numbers), done
    finally:
        await database.close()


async def one(seconds: float, seed: int, say: Say) -> Measured:
    """Play one run on the real parts, and then the simulator's."""
    name = f"bench{os.getpid()}-{seed}"
    numbers = people(round((WARM_UP_S + seconds) * DIALS_PER_S), seed)
    site = await asyncio.to_thread(DemoSite, name, profiles(), say)
    with tempfile.TemporaryDirectory(prefix="callwright-bench-") as folder:
        async with site:
            await site.pstn.units(ring_s=UNIT_S, talk_s=UNIT_S)
            await define(site, numbers, Path(folder))
            engine = EngineProcess(site.settings, Path(folder))
            try:
                await engine.start()
                used = await _campaign(site, engine, seconds, say)
                truth, rows = await _settled(site, say)
                logged = _logged_waits(cel.rows(site.asterisk.cel.read_bytes()))
            finally:
                await engine.stop()
            events = await asyncio.to_thread(engine.events)
    wrong = [*disagreements(rows, truth), *_unlike(rows, truth)]
    if len(engine.starts) != 1:
        wrong.append(f"the engine was started {len(engine.starts)} times")
    measured = Measured(
        live=sums(events, seconds),
        simulated=await asyncio.to_thread(simulated, seconds, seed),
        engine=used[0],
        asterisk=used[1],
        lines=_most_lines(truth),
        cel_p50=percentile(logged, 0.5),
        cel_p99=percentile(logged, 0.99),
        wrong=tuple(wrong),
    )
    if wrong or measured.live.both_p99 > LIMITS["p99_ms"]:
        say(f"  Not as it should be: journal and tables are kept in {site.data}")
    else:
        shutil.rmtree(site.data, ignore_errors=True)
    return measured


async def _campaign(site: DemoSite, engine: EngineProcess, seconds: float, say: Say) -> tuple[float, float]:
    """Sign in, dial for the time, stop. CPU seconds of the engine and of our Asterisk after the warm-up."""
    say(f"{AGENTS} agents sign in ...")
    for agent in profiles():
        await engine.ask("POST", f"/v1/agents/{agent.id}/login", {"ready": True, "mode": agent.mode.value})
    await engine.until(lambda state: _crew(state.agents.values()) == AGENTS, SIGN_IN_S, "agents ready")
    say(
        f"The campaign begins: {WARM_UP_S:g} s of warm-up, {seconds:g} s measured. The governor is told the "
        f"{policy().forecast_answers:,} live answers of one working day ({WORKING_DAY_H:g} h) of these agents."
    )
    database = open_database(site.settings.database_url)
    try:
        await engine.ask("POST", f"/v1/campaigns/{CAMPAIGN}/start", {})
        began = time.monotonic()
        await _watch(database, began, WARM_UP_S, say)
        before = _cpu(site, engine)
        await _watch(database, began, WARM_UP_S + seconds, say)
        after = _cpu(site, engine)
        await engine.ask("POST", f"/v1/campaigns/{CAMPAIGN}/stop", {})
    finally:
        await database.close()
    return after[0] - before[0], after[1] - before[1]


def _crew(agents: Iterable[Any]) -> int:
    return sum(agent.can_take() for agent in agents)


def _cpu(site: DemoSite, engine: EngineProcess) -> tuple[float, float]:
    return cpu.tree_seconds(engine.watch_pid), cpu.seconds(site.asterisk.pid)


async def _watch(database: Database, began: float, until: float, say: Say) -> None:
    """Let time pass up to so many seconds after the beginning, and tell how it goes."""
    while (left := began + until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, REPORT_EVERY_S))
        counts = Counter(row.outcome or "open" for row in await ledger(database, CAMPAIGN))
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        say(f"  {time.monotonic() - began:4.0f} s: {counts.total()} dialled: {told}")


async def _settled(site: DemoSite, say: Say) -> tuple[Truth, list[Dialled]]:
    """Everybody has hung up and every attempt has its outcome; or the time for that is over."""
    say("The last calls finish ...")
    database = open_database(site.settings.database_url)
    deadline = time.monotonic() + SETTLE_S
    try:
        while True:
            truth, rows = await asyncio.to_thread(site.pstn.truth), await ledger(database, CAMPAIGN)
            over = all(row.outcome for row in rows) and all(call.ended is not None for call in truth.called())
            if over or time.monotonic() > deadline:
                return truth, rows
            await asyncio.sleep(1)
    finally:
        await database.close()


def _unlike(rows: Sequence[Dialled], truth: Truth) -> list[str]:
    """Attempts of which one side says that they were answered, and the other that they were not; or without an end."""
    found = []
    for row in rows:
        calls = truth.called(row.number)
        answered = any(call.answered is not None for call in calls)
        live = bool(row.outcome) and Outcome(row.outcome).live_answer
        if not row.outcome or answered != live:
            words = "answered" if answered else "unanswered"
            found.append(f"{row.number} was {words} by the far side's records, {row.outcome or 'open'} by our ledger")
    return found


def _logged_waits(log: Iterable[cel.Row]) -> list[float]:
    """From the answer to the first bridge (ms) of every leg that we dialled."""
    answered: dict[str, float] = {}
    waits = []
    for row in log:
        if row.uniqueid.startswith("att_"):
            if row.event == "ANSWER":
                answered[row.uniqueid] = row.at
            elif row.event == "BRIDGE_ENTER" and row.bridge and row.uniqueid in answered:
                waits.append(1000 * (row.at - answered.pop(row.uniqueid)))
    return waits


def _most_lines(truth: Truth) -> int:
    """How many calls of ours stood at the far side at once at most."""
    moments = [(call.started, 1) for call in truth.called()]
    moments += [(call.ended, -1) for call in truth.called() if call.ended is not None]
    most = now = 0
    for _at, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


# --- figures ---------------------------------------------------------------------------------------------------------


def figures(runs: Sequence[Measured]) -> list[Figure]:
    """What the runs say. Disagreements are added up over all of them; no median hides one."""
    live = [run.live for run in runs]
    forecast = [run.simulated for run in runs]
    gaps = [100 * abs(run.live.utilisation - run.simulated.utilisation) for run in runs]
    return [
        figure("campaign.answer_to_agent_p50", [r.wait_p50 for r in live], "ms", limit=LIMITS["p50_ms"]),
        figure("campaign.answer_to_agent_p99", [r.wait_p99 for r in live], "ms", limit=LIMITS["p99_ms"]),
        figure("campaign.answer_to_agent_p99.forecast", [r.wait_p99 for r in forecast], "ms"),
        figure("campaign.both_there_to_joined_p99", [r.both_p99 for r in live], "ms", limit=LIMITS["p99_ms"]),
        figure("campaign.answer_to_agent_p50.cel", [run.cel_p50 for run in runs], "ms"),
        figure("campaign.answer_to_agent_p99.cel", [run.cel_p99 for run in runs], "ms"),
        figure("campaign.utilisation", [100 * r.utilisation for r in live], "%"),
        figure("campaign.utilisation.forecast", [100 * r.utilisation for r in forecast], "%"),
        figure("campaign.utilisation.difference", gaps, "points", limit=LIMITS["points"]),
        figure("campaign.abandoned", [100 * r.abandon_rate for r in live], "%", limit=100 * CAP),
        figure("campaign.abandoned.upper95", [100 * r.upper95 for r in live], "%"),
        figure("campaign.abandoned.forecast", [100 * r.abandon_rate for r in forecast], "%"),
        figure("campaign.live_answers", [r.live_answers for r in live], "calls"),
        figure("campaign.cpu", [run.engine / run.asterisk for run in runs], "x Asterisk", limit=LIMITS["cpu"]),
        figure("campaign.disagreements", [sum(len(run.wrong) for run in runs)], "calls", limit=0.0),
    ]


async def measure(seconds: float, runs: int, say: Say) -> Report:
    """Run so often, each time with other people and a new site. `seconds` are measured, after the warm-up."""
    played = []
    for place in range(runs):
        say(f"campaign, run {place + 1} of {runs}: {AGENTS} agents, {LINES} lines")
        played.append(await one(seconds, place + 1, say))
        say(f"  {_line(played[-1])}")
    details = {
        "seconds": seconds,
        "warm_up_s": WARM_UP_S,
        "forecast_answers": forecast_answers(),
        "runs": [msgspec.to_builtins(run) for run in played],
    }
    return Report(bench="campaign", figures=tuple(figures(played)), calibration_ms=calibrate(), details=details)


def _line(run: Measured) -> str:
    live, forecast = run.live, run.simulated
    return (
        f"{live.attempts} dialled, at most {run.lines} at once; {live.live_answers} answers, {live.abandoned} "
        f"abandoned ({live.abandon_rate:.1%}, at 95 % at most {live.upper95:.1%}); utilisation {live.utilisation:.1%}, "
        f"forecast {forecast.utilisation:.1%}; agent after p50 {live.wait_p50:.0f} p99 {live.wait_p99:.0f} ms, "
        f"{live.waited} waited for one, joined p99 {live.both_p99:.0f} ms after both were there; "
        f"CPU engine {run.engine:.1f} s, Asterisk {run.asterisk:.1f} s; "
        f"{len(run.wrong)} disagreements{''.join(f'{chr(10)}    {each}' for each in run.wrong[:10])}"
    )
