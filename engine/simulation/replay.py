"""A recorded campaign played to a fresh floor that knows what the recorded one knew when it began.

What an engine knew is in its journal: the rules in force, what its estimators had learnt, each reading of the ledger
(what was answered and dropped before and elsewhere, and the forecast from schedule and list), and who was still busy
with calls of before. `recall` reads it. Without it the budgets' windows begin with the record, and the forecast is the
policy's, or what the agents' remaining hours bring.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter

import msgspec
from msgspec.structs import replace as changed

from engine.dialer.learnt import Learnt
from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy, Tally
from engine.domain.commands import AnyCommand, Dial, Publish
from engine.domain.events import AgentMoved
from engine.domain.facts import AnyFact
from engine.domain.policy import TrunkPolicy
from engine.domain.recorded import RecordedCampaign, RecordedSpan
from engine.domain.values import AgentId, Value
from engine.floor import Deadline, Floor
from engine.floor.state import Campaign as CampaignOnFloor
from engine.floor.state import FloorState
from engine.runtime.loop import take
from engine.simulation.changes import Changes
from engine.simulation.fates import People
from engine.simulation.pacings import BOUND, Rule, rule
from engine.simulation.record import Record
from engine.simulation.result import Result, result
from engine.simulation.run import floor_for, simulate
from engine.simulation.scenario import Campaign
from engine.simulation.world import FIRST_DAY, World

_NOT_BUSY = (AgentState.AVAILABLE, AgentState.NOT_READY, AgentState.OFFLINE)
WRITTEN_US = 1_000_000
"""A dial is in the ledger a moment after it was decided: what it was decided by is looked for so long before."""
NOT_RECALLED = "what its engine knew then is not in the journal: it begins without experience"


class Reading(Value):
    """The ledger's sums as the floor was told them, read at `at` (UTC µs)."""

    at: int
    tallies: tuple[Tally, ...]


class Memory(Value):
    """What the engine knew as the recorded time began, and what it was told of its budgets during it.

    `policy` and `trunks`: those in force then. `learnt`: without the calls that were in flight. `readings`: in order of
    time. `engaged`: who was still busy with calls of before, from the beginning until he was done.
    """

    policy: CampaignPolicy
    trunks: tuple[TrunkPolicy, ...]
    learnt: Learnt
    readings: tuple[Reading, ...] = ()
    engaged: tuple[RecordedSpan, ...] = ()

    def applied(self, recorded: RecordedCampaign) -> RecordedCampaign:
        """The record under the rules of its own time; who was engaged comes to work when he is done."""
        engaged = (*recorded.elsewhere, *self.engaged)
        return changed(recorded, policy=self.policy, trunks=self.trunks, elsewhere=engaged)  # type: ignore[type-var]


def recall(
    campaign_id: CampaignId, floor: Floor, later: Iterable[tuple[int, AnyFact]], begin: int, end: int
) -> Memory | None:
    """Go on with `floor` through the facts that it has not seen yet, each with its instant, and tell what it knew.

    `begin`: the record's first dial (UTC µs); `end`: read no further. None: it does not know the campaign.
    """
    memory: Memory | None = None
    readings: list[Reading] = []
    engaged: list[RecordedSpan] = []
    busy: set[AgentId] = set()
    for now, fact in later:
        if now > end:
            break
        campaign = floor.state.campaigns.get(campaign_id) if memory is None and now >= begin - WRITTEN_US else None
        if campaign is not None and isinstance(fact, f.TimePassed):  # only then it is decided who is dialled
            memory = _as_it_began(floor, campaign)
            readings = [Reading(at=campaign.book.read_at, tallies=campaign.book.tallies)] * bool(campaign.book.tallies)
            busy = {each.profile.id for each in floor.state.agents.values() if each.state not in _NOT_BUSY}
        if memory is None or busy:
            for agent_id in _freed(take(floor, fact, now)) & busy:
                busy.remove(agent_id)
                engaged.append(RecordedSpan(agent_id=agent_id, begin=begin, end=now))
        if memory is not None and isinstance(fact, f.BookRead) and fact.campaign_id == campaign_id:
            readings.append(Reading(at=fact.at or now, tallies=fact.tallies))
    engaged += [RecordedSpan(agent_id=agent_id, begin=begin, end=end) for agent_id in sorted(busy)]
    if memory is None:
        return None
    return changed(memory, readings=tuple(readings), engaged=tuple(engaged))  # type: ignore[type-var]


def _as_it_began(floor: Floor, campaign: CampaignOnFloor) -> Memory:
    policy, known = campaign.policy, floor.state.trunks
    return Memory(
        policy=policy,
        trunks=tuple(known[each] for each in policy.trunks if each in known),
        learnt=_without_flights(campaign.learnt),
    )


def _without_flights(learnt: Learnt) -> Learnt:
    """A copy that does not wait for calls which nobody will tell it of; its half seconds begin anew."""
    copy = msgspec.json.decode(msgspec.json.encode(learnt), type=Learnt)
    copy.rate.cohorts = [0] * len(copy.rate.cohorts)
    copy.rate.slot = copy.rate.fresh = 0
    return copy


def _freed(commands: Iterable[AnyCommand]) -> set[AgentId]:
    events = (each.event for each in commands if isinstance(each, Publish))
    return {each.agent_id for each in events if isinstance(each, AgentMoved) and each.new in _NOT_BUSY}


def replay(
    record: Record,
    pacing: str,
    *,
    memory: Memory | None = None,
    changes: Changes | None = None,
    seed: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Result:
    """Play a record to a fresh floor. `recorded` of the result is what really came of it, under its own settings.

    `memory`: what was known then; `record` must be of the campaign that it was applied to.

    :raises UsageError: there is no such pacing, or the changes cannot be played.
    """
    wanted = changes or Changes()
    scenario = record.scenario(wanted)
    if pacing == BOUND:
        return changed(simulate(scenario, pacing, seed=seed), recorded=record.sums)  # type: ignore[type-var]
    began = perf_counter()
    chosen, people = rule(pacing), record.people(seed)

    def recorded(_campaign: Campaign, _day: int) -> People:
        return people

    core = _Recalling(record, chosen, memory, wanted) if chosen.governed else _Replayed(record, floor_for(chosen))
    world = World(
        core, scenario, seed=seed, mode=chosen.mode, governed=chosen.governed, people=recorded, progress=progress
    )
    world.play()
    wall_s = perf_counter() - began
    found = result(world.tally, scenario=scenario.name, pacing=pacing, seed=seed, wall_s=wall_s)
    beyond = people.asked - len(record)
    notes = [NOT_RECALLED] if chosen.governed and memory is None else []
    if beyond > 0:
        notes.append(f"{beyond} attempts beyond the record's {len(record)} met people drawn from it again")
    return changed(found, recorded=record.sums, note="; ".join(notes))  # type: ignore[type-var]


class _Replayed:
    """A floor whose campaign pauses when the recorded one did, and that believes each verdict on a machine.

    Some were a detector's and some an agent's who was joined already; the record tells only those that were believed.
    """

    def __init__(self, record: Record, floor: Floor) -> None:
        self._floor = floor
        campaign_id = record.policy.id
        self._switches: deque[tuple[int, AnyFact]] = deque()
        for begin, end in record.quiet:
            self._switches.append((FIRST_DAY + begin, f.CampaignPaused(campaign_id=campaign_id)))
            self._switches.append((FIRST_DAY + end, f.CampaignStarted(campaign_id=campaign_id)))

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        """See `Core`."""
        switched: tuple[AnyCommand, ...] = ()
        while self._switches and self._switches[0][0] <= now:
            switched += self._floor.handle(self._switches.popleft()[1], now)
        if isinstance(fact, f.MachineDetected):
            fact = f.MachineDetected(attempt_id=fact.attempt_id, by="agent")
        return switched + self._floor.handle(fact, now)

    def deadline(self) -> Deadline | None:
        """See `Core`."""
        due = self._floor.deadline()
        if self._switches and (due is None or self._switches[0][0] < due.at):
            return Deadline(at=self._switches[0][0], why="recorded", subject="")
        return due


class _Recalling(_Replayed):
    """A floor that is also told of its budgets what the recorded one was told, as far as dialling has come.

    What was answered and dropped before or elsewhere is the recorded reading less the record's own calls; on top come
    the calls that are played. Readings go by the dial and not by the clock, as the people do: after as many dials a
    faster pacing has as much of its list and its day behind it.
    """

    def __init__(self, record: Record, chosen: Rule, memory: Memory | None, changes: Changes) -> None:
        policy = changed(record.policy, mode=chosen.mode)  # type: ignore[type-var]
        self._budgets = tuple(_capped(each, changes) for each in policy.budgets)
        self._forecast = policy.forecast_answers
        self._record = record
        self._readings = memory.readings if memory is not None else ()
        self._read_at = [each.at for each in self._readings]
        self._dialled = 0
        state = FloorState()
        if memory is not None and memory.policy.mode is chosen.mode:
            learnt = _without_flights(memory.learnt)
            state.campaigns[policy.id] = CampaignOnFloor(policy=policy, learnt=learnt)
        super().__init__(record, Floor(state, make_pacing=chosen.make))

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        """See `Core`."""
        if isinstance(fact, f.CampaignDefined):
            own = changed(fact.campaign, budgets=self._budgets)  # type: ignore[type-var]
            fact = f.CampaignDefined(campaign=own)
        elif isinstance(fact, f.BookRead):
            fact = f.BookRead(campaign_id=fact.campaign_id, tallies=self._tallies(fact.tallies[0]), at=fact.at)
        commands = super().handle(fact, now)
        self._dialled += sum(isinstance(each, Dial) for each in commands)
        return commands

    def _tallies(self, played: Tally) -> tuple[Tally, ...]:
        """`played`: the sums of the calls that were played, and what the world would forecast by itself."""
        then = self._reading()
        return tuple(self._tally(each, then, played) for each in self._budgets)

    def _reading(self) -> Reading | None:
        """The last that was made before the dial which is next."""
        if not self._readings:
            return None
        return self._readings[max(0, bisect_right(self._read_at, self._record.dialled_at(self._dialled)) - 1)]

    def _tally(self, budget: Budget, then: Reading | None, played: Tally) -> Tally:
        told = [t for t in then.tallies if (t.window, t.of_seller) == (budget.window, budget.of_seller)] if then else []
        if then is None or not told:
            left = max(0, self._forecast - played.answers) if self._forecast else played.forecast
            return changed(  # type: ignore[type-var]
                played, window=budget.window, of_seller=budget.of_seller, forecast=left
            )
        answers, drops = self._record.settled(then.at)
        return Tally(
            window=budget.window,
            of_seller=budget.of_seller,
            answers=max(0, told[0].answers - answers) + played.answers,
            drops=max(0, told[0].drops - drops) + played.drops,
            forecast=told[0].forecast,
        )


def _capped(budget: Budget, changes: Changes) -> Budget:
    cap = changes.limits.get("abandon_cap", budget.cap)
    return Budget(window=budget.window, cap=cap, of_seller=budget.of_seller)
