"""Virtual time: facts in, commands out, and whose turn it is.

The world plays Asterisk, the store and the people. At each instant everything that happens then is told, each fact with
what it causes, and only then the floor is asked for its next deadline. So facts of one instant are decided together.
What the real parts need milliseconds for (claiming leads, joining two legs) takes no time here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain import facts as f
from engine.domain.campaign import Budget, CampaignId, CampaignPolicy, Mode, TrunkId, Window
from engine.domain.commands import AnyCommand
from engine.domain.facts import AnyFact, SeenLeg
from engine.domain.policy import QueuePolicy, TrunkPolicy
from engine.domain.values import LegId, QueueId
from engine.errors import BrokenInvariant
from engine.floor import Deadline
from engine.simulation.agenda import NEVER, Agenda
from engine.simulation.book import Book
from engine.simulation.chance import Dice
from engine.simulation.desks import Desks, Party
from engine.simulation.fates import SECOND, Fates, People
from engine.simulation.inbound import NEVER_ENDS_S, Caller, Inbound
from engine.simulation.outbound import MakePeople, Outbound
from engine.simulation.scenario import Campaign, Scenario
from engine.simulation.tally import Tally

FIRST_DAY = 1_767_600_000 * SECOND
"""2026-01-05 08:00 UTC, a Monday."""
DAY = 86_400 * SECOND
FOUND_AFTER = 15 * SECOND
"""The engine's own checks find out so much later what an event should have told."""
QUEUE, TRUNK = QueueId("outbound"), TrunkId("carrier")
MOST_ROUNDS = 1_000
"""A floor that wants to be called so often at one instant goes round in circles."""

Recorder = Callable[[AnyFact, int], object]
"""Is given every fact and its instant, as the engine's journal is."""


class Core(Protocol):
    """What the world needs of a floor."""

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        """Take one fact and return the commands that it causes."""

    def deadline(self) -> Deadline | None:
        """When `TimePassed` is wanted next."""


def _drawn(seed: int) -> MakePeople:
    def people(campaign: Campaign, day: int) -> People:
        return Fates(campaign.calls, day, campaign.name, seed=seed)

    return people


class World:
    """One scenario, played to one floor. `people`: who is called, instead of people drawn by the seed."""

    def __init__(
        self,
        core: Core,
        scenario: Scenario,
        *,
        seed: int,
        mode: Mode = Mode.PREDICTIVE,
        governed: bool = True,
        days: int = 1,
        people: MakePeople | None = None,
        record: Recorder | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self.now = FIRST_DAY
        self.agenda = Agenda()
        self.tally = Tally()
        self.parties: dict[LegId, Party] = {}
        """Every leg that is no agent's."""
        self.budget = Budget(window=Window.RUN, cap=scenario.limits.abandon_cap)
        self.desks = Desks(self, scenario.most_agents)
        self._core = core
        self._mode = mode
        self._days = days
        self._record = record
        self._progress = progress
        self._inbox: deque[AnyFact] = deque()
        self._outbound = Outbound(self, scenario, people or _drawn(seed))
        self._book = Book(self, scenario, days, governed=governed)
        inbound = scenario.inbound
        calls = scenario.campaigns[0].calls
        self._inbound = Inbound(self, inbound, calls, seed) if inbound is not None and inbound.erlangs > 0 else None
        self._loss = scenario.carrier.event_loss
        self._losses = Dice(seed, "event-loss")
        self._hears: dict[type, Callable[[Any], None]] = {
            e.AgentMoved: self.desks.heard,
            e.AttemptEnded: self._book.heard,
        }
        self._acts: dict[type, Callable[[Any], None]] = {
            c.Publish: self._publish,
            c.Dial: self._outbound.dial,
            c.Bridge: self.desks.bridge,
            c.HangUp: self._hang_up,
            c.Release: self._release,
            c.ClaimLeads: self._book.claim,
            c.ReadBook: self._book.read,
            c.Trace: self._outbound.trace,
            c.Resync: self._resync,
        }

    # --- facts -------------------------------------------------------------------------------------------------------

    def tell(self, fact: AnyFact) -> None:
        """The floor hears this next, after what it was told before."""
        self._inbox.append(fact)

    def report(self, fact: AnyFact) -> None:
        """Asterisk tells this, or it is lost on the way and found out later; an answer is never found in time."""
        if self._loss and self._losses.roll() < self._loss:
            if not isinstance(fact, f.AttemptAnswered | f.MessageStarted):
                self.agenda.plan(self.now + FOUND_AFTER, self.tell, fact)
            return
        self._inbox.append(fact)

    # --- days --------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """All days, one after the other, to the same floor."""
        self._define()
        length = round(self.scenario.hours * 3600 * SECOND)
        for day in range(self._days):
            begin = FIRST_DAY + day * DAY
            self.now = max(self.now, begin)
            self.tally.begin = begin + round(self.scenario.warmup_minutes * 60 * SECOND)
            self.tally.end = begin + length
            self._begin_day(day, begin)
            self._run(begin + length)
            self._end_day(begin + length)

    def _define(self) -> None:
        self.tell(f.EngineStarted(version="simulation", epoch=1))
        queue = QueuePolicy(
            id=QUEUE,
            name="Outbound",
            wrap_up_s=NEVER_ENDS_S,
            max_wait_s=NEVER_ENDS_S,
            announce_position=False,
            record=False,
        )
        self.tell(f.QueueDefined(queue=queue))
        if self._inbound is not None:
            self._inbound.define(self.scenario)
        self.desks.define()
        limits = self.scenario.limits
        trunk = TrunkPolicy(
            id=TRUNK, host="carrier.invalid", lines=limits.lines, calls_per_second=limits.calls_per_second
        )
        self.tell(f.TrunkDefined(trunk=trunk))
        for campaign in self.scenario.campaigns:
            self.tell(f.CampaignDefined(campaign=self._policy(campaign)))
        self.tell(f.AsteriskSeen(legs=(), boot="simulation"))
        self._drain()

    def _policy(self, campaign: Campaign) -> CampaignPolicy:
        return CampaignPolicy(
            id=CampaignId(campaign.name),
            name=campaign.name,
            queue_id=QUEUE,
            seller="simulation",
            mode=self._mode,
            caller_id="+12025550100",
            trunks=(TRUNK,),
            ring_s=max(15.0, campaign.calls.no_answer_s),
            connect_limit_s=self.scenario.limits.connect_deadline_s,
            budgets=(self.budget,),
            answer_rate=campaign.prior_answer_rate,
        )

    def _begin_day(self, day: int, begin: int) -> None:
        self._outbound.begin_day(day, begin)
        self._book.begin_day(day, begin)
        self.desks.begin_day(begin, self.scenario.agents.count)
        if self._inbound is not None:
            self._inbound.begin_day(day, begin)
        for campaign in self.scenario.campaigns:
            self.agenda.plan(begin, self.tell, f.CampaignStarted(campaign_id=CampaignId(campaign.name)))
        if self._progress is not None:
            hours = int(self.scenario.hours)
            for hour in range(hours):
                share = (day + hour / self.scenario.hours) / self._days
                self.agenda.plan(begin + hour * 3600 * SECOND, self._progress, share)

    def _end_day(self, end: int) -> None:
        """The lights go out: what goes on is counted up to here, and cut off."""
        self.now = max(self.now, end)
        self.desks.close(end)
        self._find_everything()
        for campaign in self.scenario.campaigns:
            self.tell(f.CampaignStopped(campaign_id=CampaignId(campaign.name)))
        self._outbound.end_day()
        if self._inbound is not None:
            self._inbound.end_day()
        self.desks.end_day()
        self._loss = 0.0
        self._drain()
        self._loss = self.scenario.carrier.event_loss
        self.agenda.clear()

    def _find_everything(self) -> None:
        """Over night every event is found out that was lost; nothing else that was planned happens."""
        while self.agenda.first() < NEVER:
            _, _, do, whom = self.agenda.take()
            if do == self.tell:
                do(whom)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _run(self, until: int) -> None:
        """Let time pass up to, not including, `until`."""
        agenda, inbox, drain, deadline = self.agenda, self._inbox, self._drain, self._core.deadline
        due = self._due(deadline())
        while True:
            at = min(agenda.first(), due)
            if at >= until:
                return
            if at > self.now:
                self.now = at
            now = self.now
            while agenda.first() <= now:
                _, _, do, whom = agenda.take()
                do(whom)
                if inbox:
                    drain()
            rounds = 0
            while (due := self._due(deadline())) <= now:
                rounds += 1
                if rounds > MOST_ROUNDS:
                    raise BrokenInvariant(f"the floor asks for {deadline()} again and again")
                inbox.append(f.TimePassed())
                drain()

    @staticmethod
    def _due(deadline: Deadline | None) -> int:
        return NEVER if deadline is None else deadline.at

    def _drain(self) -> None:
        """Tell what is to be told, and carry out what it causes, until nobody has anything to say."""
        inbox, handle, acts, now, record = self._inbox, self._core.handle, self._acts, self.now, self._record
        while inbox:
            fact = inbox.popleft()
            if record is not None:
                record(fact, now)
            for command in handle(fact, now):
                act = acts.get(command.__class__)
                if act is not None:
                    act(command)

    # --- what the floor wants ----------------------------------------------------------------------------------------

    def _publish(self, command: c.Publish) -> None:
        event = command.event
        hear = self._hears.get(event.__class__)
        if hear is not None:
            hear(event)

    def _hang_up(self, command: c.HangUp) -> None:
        party = self.parties.get(command.leg)
        if party is not None:
            party.hung_up(command.cause)
        elif (desk := self.desks.by_leg.get(command.leg)) is not None:
            self.desks.hung_up(desk)

    def _release(self, command: c.Release) -> None:
        desk = self.desks.by_leg.get(command.leg)
        if desk is not None:
            self.desks.released(desk, command)
            return
        party = self.parties.get(command.leg)
        if isinstance(party, Caller) and self._inbound is not None:
            self._inbound.released(party, command)

    def _resync(self, command: c.Resync) -> None:
        """Every leg there is. No place is told: while the floor sees, its events tell those."""
        legs = tuple(SeenLeg(leg=leg, place="") for leg in (*self.parties, *self.desks.by_leg))
        self.tell(f.AsteriskSeen(legs=legs, boot="simulation"))
