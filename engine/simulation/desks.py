"""The agents: at work by the schedule, in talk as the floor joins them, wrapping up as long as the dice say.

Every agent holds a nailed-up leg. The floor's own wrap-up time never ends; an agent says himself when he is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.commands import Bridge, Release
from engine.domain.events import AgentMoved
from engine.domain.policy import AgentProfile
from engine.domain.values import AgentId, LegId, LegMode
from engine.simulation.series import MINUTE

if TYPE_CHECKING:
    from engine.simulation.world import World


class Party(ABC):
    """Who can be joined to an agent: a called person, a machine, a caller."""

    __slots__ = ("desk", "leg")

    def __init__(self, leg: LegId) -> None:
        self.leg = leg
        self.desk: Desk | None = None

    @abstractmethod
    def can_be_joined(self) -> bool:
        """Whether he waits where a bridge would find him."""

    @abstractmethod
    def joined(self) -> bool:
        """He talks from now on. Returns whether the agent's time with him is work: with a machine it is none."""

    @abstractmethod
    def wrap_us(self) -> int:
        """How long his agent will wrap up."""

    @abstractmethod
    def hung_up(self, cause: int) -> None:
        """The floor ends his call."""


class Desk:
    """One agent and his phone."""

    __slots__ = ("at_work", "bridge", "done", "id", "leg", "legs", "party", "shown", "since", "talking", "work", "wrap")

    def __init__(self, agent_id: AgentId) -> None:
        self.id = agent_id
        self.leg: LegId | None = None
        self.legs = 0
        """How many legs he had: each sign-in brings a new one."""
        self.at_work = False
        """By the schedule."""
        self.shown = AgentState.OFFLINE
        """What his page says he is: what the floor believes."""
        self.party: Party | None = None
        self.bridge = ""
        self.since = 0
        """Since when he is logged in."""
        self.talking = 0
        """Since when he talks; 0 when he does not."""
        self.work = False
        self.wrap = 0
        """Since when he wraps up; 0 when he does not."""
        self.done = False
        """He has finished his wrap-up, and says so as soon as his page offers it."""


class Desks:
    """All agents of the scenario."""

    def __init__(self, world: World, count: int) -> None:
        self._world = world
        self.all = {AgentId(f"agent-{n + 1:03}"): Desk(AgentId(f"agent-{n + 1:03}")) for n in range(count)}
        self.by_leg: dict[LegId, Desk] = {}
        self._bridges = 0

    def define(self) -> None:
        """Make the agents known to the floor."""
        for agent_id in self.all:
            profile = AgentProfile(id=agent_id, name=agent_id, endpoint=agent_id, mode=LegMode.NAILED_UP)
            self._world.tell(f.AgentDefined(agent=profile))

    # --- shifts ------------------------------------------------------------------------------------------------------

    def begin_day(self, begin: int, steps: tuple[tuple[float, int], ...]) -> None:
        """Plan the day's shifts."""
        for minute, count in steps:
            self._world.agenda.plan(begin + round(minute * MINUTE), self._staff, count)

    def _staff(self, count: int) -> None:
        """So many are to be at work: the first of them; the others go home, after their call if they have one."""
        for number, desk in enumerate(self.all.values()):
            if number < count and not desk.at_work:
                self._come(desk)
            elif number >= count and desk.at_work:
                desk.at_work = False
                self._world.tell(f.AgentSignedOut(agent_id=desk.id))

    def _come(self, desk: Desk) -> None:
        desk.at_work = True
        if desk.shown is not AgentState.OFFLINE:
            self._world.tell(f.AgentReadied(agent_id=desk.id))  # he was about to leave
            return
        desk.legs += 1
        desk.leg = LegId(f"{desk.id}-{desk.legs}")
        desk.since = self._world.now
        self.by_leg[desk.leg] = desk
        self._world.tell(f.AgentSignedIn(agent_id=desk.id, mode=LegMode.NAILED_UP, leg=desk.leg))

    def end_day(self) -> None:
        """Everybody goes home, and what was going on is over."""
        for desk in self.all.values():
            desk.at_work = False
            self._world.tell(f.AgentSignedOut(agent_id=desk.id))

    def close(self, now: int) -> None:
        """Count what is still going on, up to `now`, and nothing after that."""
        tally = self._world.tally
        for desk in self.all.values():
            if desk.leg is not None:
                tally.staffed(desk.since, now)
            if desk.talking and desk.work:
                tally.talked(desk.talking, now)
            if desk.wrap:
                tally.wrapped(desk.wrap, now)
            desk.talking = desk.wrap = 0
            desk.party = None
        tally.begin = tally.end = now

    # --- what the floor wants ----------------------------------------------------------------------------------------

    def bridge(self, command: Bridge) -> None:
        """Join a waiting party and an idle agent."""
        world = self._world
        party, desk = world.parties.get(command.leg), self.by_leg.get(command.other)
        if party is None or desk is None or desk.party is not None or not party.can_be_joined():
            world.tell(f.BridgeFailed(leg=command.leg, other=command.other, reason="not there"))
            return
        self._bridges += 1
        desk.bridge = f"b{self._bridges}"
        desk.party, party.desk = party, desk
        now = world.now
        desk.talking = now
        desk.work = party.joined()
        world.tell(f.LegJoined(leg=command.leg, bridge=desk.bridge, at=now))
        world.tell(f.LegJoined(leg=command.other, bridge=desk.bridge, at=now))

    def released(self, desk: Desk, command: Release) -> None:
        """His dialplan goes on."""
        if command.next == "idle":
            self._world.tell(f.AgentLegIdled(leg=command.leg, agent_id=desk.id))
        else:
            self.hung_up(desk)

    def hung_up(self, desk: Desk) -> None:
        """The floor lets his phone go."""
        leg = desk.leg
        if leg is None:
            return
        if desk.party is not None:
            self.part(desk.party)
        del self.by_leg[leg]
        desk.leg = None
        self._world.tally.staffed(desk.since, self._world.now)
        self._world.tell(f.LegEnded(leg=leg))

    def heard(self, event: AgentMoved) -> None:
        """His page shows what the floor made of him."""
        desk = self.all[event.agent_id]
        desk.shown = event.new
        if event.new is AgentState.WRAP_UP:
            if desk.done:
                self._finish(desk)
        elif event.new is AgentState.OFFLINE and desk.wrap:
            self._world.tally.wrapped(desk.wrap, self._world.now)  # he goes home instead
            desk.wrap = 0

    # --- the end of a talk -------------------------------------------------------------------------------------------

    def part(self, party: Party, cause: int = 16) -> None:
        """The talk is over and the party gone; the agent's leg falls back into its loop, and he wraps up."""
        world, desk = self._world, party.desk
        if desk is None or desk.leg is None:
            return
        now = world.now
        if desk.work:
            world.tally.talked(desk.talking, now)
        desk.talking = 0
        desk.party = party.desk = None
        desk.done = False
        report = world.report
        report(f.LegLeft(leg=party.leg, bridge=desk.bridge))
        report(f.LegLeft(leg=desk.leg, bridge=desk.bridge))
        report(f.LegEnded(leg=party.leg, cause=cause))
        report(f.AgentLegIdled(leg=desk.leg, agent_id=desk.id))
        desk.wrap = now
        world.agenda.plan(now + party.wrap_us() if desk.work else now, self._wrapped, (desk, now))

    def _wrapped(self, plan: tuple[Desk, int]) -> None:
        """He is done, unless he went home meanwhile."""
        desk, since = plan
        if desk.wrap != since:
            return
        self._world.tally.wrapped(since, self._world.now)
        desk.wrap = 0
        desk.done = True
        if desk.shown is AgentState.WRAP_UP:
            self._finish(desk)

    def _finish(self, desk: Desk) -> None:
        desk.done = False
        self._world.tell(f.WrapUpFinished(agent_id=desk.id))
