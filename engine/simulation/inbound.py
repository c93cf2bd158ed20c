"""Callers for the same agents (blend): a Poisson stream, its bursts, and their short way into the queue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.domain import facts as f
from engine.domain.commands import Release
from engine.domain.flow import AnyNode, Enqueue, Flow, HangUpNode
from engine.domain.policy import NumberPolicy, QueuePolicy
from engine.domain.values import InteractionId, LegId, QueueId
from engine.simulation.chance import Dice, Stream
from engine.simulation.desks import Party
from engine.simulation.fates import SECOND
from engine.simulation.scenario import Calls, Scenario
from engine.simulation.scenario import Inbound as Settings

if TYPE_CHECKING:
    from engine.simulation.world import World

QUEUE = QueueId("inbound")
NUMBER = "+12025550199"
PRIORITY = 10
"""Callers come before called people of the same moment: ten minutes' worth."""
NEVER_ENDS_S = 86_400.0
MINUTE = 60 * SECOND


class Caller(Party):
    """Somebody who called us."""

    __slots__ = ("_side", "arrived_at", "interaction_id", "number", "talks", "waits")

    def __init__(self, side: Inbound, leg: LegId, number: int, now: int) -> None:
        super().__init__(leg)
        self._side = side
        self.interaction_id = InteractionId(f"in-{leg}")
        self.number = number
        self.arrived_at = now
        self.waits = False
        self.talks = False

    def can_be_joined(self) -> bool:
        """See `Party`."""
        return self.waits

    def joined(self) -> bool:
        """See `Party`."""
        self._side.joined(self)
        return True

    def wrap_us(self) -> int:
        """See `Party`."""
        return self._side.wrap_us(self.number)

    def hung_up(self, cause: int) -> None:
        """See `Party`."""
        self._side.ended(self, cause)


class Inbound:
    """All callers of one day. They are patient: nobody hangs up while he waits."""

    def __init__(self, world: World, settings: Settings, calls: Calls, seed: int) -> None:
        self._world = world
        self._settings = settings
        self._seed = seed
        self._begin = 0
        self._day = 0
        self._count = 0
        self._talk, self._wrap = settings.talk_s.quantile(), calls.wrap_s.quantile()
        self._in_time_us = round(settings.service_level[1] * SECOND)
        self._per_us = settings.erlangs / (settings.talk_s.average() * SECOND)
        self._most = max((factor for _, _, factor in settings.bursts), default=1.0)
        self._most = max(self._most, 1.0)

    def define(self, scenario: Scenario) -> None:
        """Queue, number and flow."""
        tell = self._world.tell
        queue = QueuePolicy(
            id=QUEUE,
            name="Inbound",
            priority=PRIORITY,
            wrap_up_s=NEVER_ENDS_S,
            max_wait_s=NEVER_ENDS_S,
            service_level_s=self._settings.service_level[1],
            announce_position=False,
            record=False,
        )
        tell(f.QueueDefined(queue=queue))
        nodes: dict[str, AnyNode] = {
            "line": Enqueue(queue=QUEUE, on_timeout="bye", on_closed="bye"),
            "bye": HangUpNode(),
        }
        tell(f.FlowActivated(flow=Flow(name="inbound", version="1", language="en", start="line", nodes=nodes)))
        tell(f.NumberDefined(number=NumberPolicy(e164=NUMBER, flow="inbound")))

    def begin_day(self, day: int, begin: int) -> None:
        """Other callers than yesterday."""
        self._begin, self._day, self._count = begin, day, 0
        self._gaps = Dice(self._seed, day, "inbound-gap")
        self._thins = Dice(self._seed, day, "inbound-thin")
        self._talks, self._wraps = Stream(self._seed, day, "inbound-talk"), Stream(self._seed, day, "inbound-wrap")
        if self._per_us > 0:
            self._plan_next()

    def _plan_next(self) -> None:
        """The next candidate of a stream as dense as the densest burst; which of them come is decided then."""
        gap = -math.log1p(-self._gaps.roll()) / (self._per_us * self._most)
        self._world.agenda.plan(self._world.now + max(1, round(gap)), self._may_come, None)

    def _may_come(self, _: None) -> None:
        minute = (self._world.now - self._begin) / MINUTE
        factors = [factor for begin, minutes, factor in self._settings.bursts if begin <= minute < begin + minutes]
        if self._thins.roll() * self._most < max(factors, default=1.0):
            self._come()
        self._plan_next()

    def _come(self) -> None:
        world = self._world
        leg = LegId(f"caller-{self._day}-{self._count}")
        caller = Caller(self, leg, self._count, world.now)
        self._count += 1
        world.parties[leg] = caller
        world.tell(f.CallArrived(interaction_id=caller.interaction_id, leg=leg, number=NUMBER))
        world.tell(f.ControlGained(leg=leg, script="flow"))

    def released(self, caller: Caller, command: Release) -> None:
        """His dialplan goes on: to the music, where he may be joined, or to the end."""
        if command.next == "hold":
            caller.waits = True
            self._world.tell(f.LegHeld(leg=caller.leg, at=self._world.now))
        else:
            self.ended(caller, 16)

    def joined(self, caller: Caller) -> None:
        """An agent is there."""
        world = self._world
        caller.waits, caller.talks = False, True
        world.tally.joined(world.now)
        world.tally.inbound_joined += 1
        world.tally.inbound_in_time += world.now - caller.arrived_at <= self._in_time_us
        talk = round(self._talk(self._talks.at(caller.number)) * SECOND)
        world.agenda.plan(world.now + talk, self._talked_out, caller)

    def _talked_out(self, caller: Caller) -> None:
        if caller.talks:
            self.ended(caller, 16)

    def wrap_us(self, number: int) -> int:
        """How long the agent of caller `number` wraps up."""
        return round(self._wrap(self._wraps.at(number)) * SECOND)

    def ended(self, caller: Caller, cause: int) -> None:
        """His leg is gone."""
        world = self._world
        if world.parties.pop(caller.leg, None) is None:
            return
        caller.waits = caller.talks = False
        if caller.desk is not None:
            world.desks.part(caller, cause)
        else:
            world.report(f.LegEnded(leg=caller.leg, cause=cause))

    def end_day(self) -> None:
        """Who is still there is cut off."""
        for party in [each for each in self._world.parties.values() if isinstance(each, Caller)]:
            del self._world.parties[party.leg]
            party.waits = party.talks = False
            self._world.tell(f.LegEnded(leg=party.leg))
