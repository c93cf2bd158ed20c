"""One step of the floor: the state, the moment, and the commands that this fact causes.

A step is the single mutation: it is begun for one fact and drained whole before the next fact is looked at.
The arrows of the state tables are checked here and nowhere else.

Who becomes free or matchable is only noted here (`seek_caller`, `seek_agent`). The floor brings the noted together when
the fact has been taken in, in `engine.floor.routing`; so whoever notes somebody needs to know nothing of matching.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from engine.acd.matching import Decision
from engine.domain import agent as agent_table
from engine.domain import interaction as interaction_table
from engine.domain.agent import AgentState
from engine.domain.commands import AnyCommand, Publish
from engine.domain.events import AgentMoved, Anomaly, AnyEvent, InteractionMoved
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId, InteractionId, LegId
from engine.errors import BrokenInvariant
from engine.floor.crews import Crews
from engine.floor.line import Line
from engine.floor.state import Agent, FloorState, Interaction, Leg, Timer

Tracer = Callable[[Decision], None]


class Timers:
    """The floor's deadlines: a dictionary by key (part of the state) and a heap over it (rebuilt at will)."""

    def __init__(self, timers: dict[str, Timer]) -> None:
        self._timers = timers
        self._heap = [(timer.at, key) for key, timer in timers.items()]
        heapq.heapify(self._heap)

    def set(self, kind: str, subject: str, at: int) -> None:
        """Set or move the timer of this kind and subject."""
        key = f"{kind}:{subject}"
        self._timers[key] = Timer(at=at, kind=kind, subject=subject)
        heapq.heappush(self._heap, (at, key))

    def clear(self, kind: str, subject: str) -> None:
        """Forget a timer; none is fine."""
        self._timers.pop(f"{kind}:{subject}", None)

    def first(self) -> Timer | None:
        """The earliest timer, or None."""
        while self._heap:
            at, key = self._heap[0]
            timer = self._timers.get(key)
            if timer is not None and timer.at == at:
                return timer
            heapq.heappop(self._heap)
        return None

    def take_due(self, now: int) -> Timer | None:
        """Remove and return the earliest timer that is due at `now`."""
        timer = self.first()
        if timer is None or timer.at > now:
            return None
        self.clear(timer.kind, timer.subject)
        return timer


class Step:
    """What one fact does to the floor."""

    __slots__ = ("_free", "_waiting", "commands", "crews", "line", "now", "state", "timers", "tracer")

    def __init__(
        self, state: FloorState, timers: Timers, line: Line, crews: Crews, now: int, tracer: Tracer | None = None
    ) -> None:
        self.state = state
        self.timers = timers
        self.line = line
        self.crews = crews
        self.now = now
        self.tracer = tracer
        self.commands: list[AnyCommand] = []
        self._free: dict[AgentId, None] = {}
        self._waiting: dict[InteractionId, None] = {}

    def do(self, command: AnyCommand) -> None:
        """Wish for an effect."""
        self.commands.append(command)

    def publish(self, event: AnyEvent) -> None:
        """Make an event known."""
        self.commands.append(Publish(event=event))

    def seek_caller(self, agent: Agent) -> None:
        """Note that somebody may now be found for this agent, if he can take anybody when the fact is taken in."""
        self._free[agent.profile.id] = None

    def seek_agent(self, interaction: Interaction) -> None:
        """Note that an agent may now be found for this interaction, if it still waits when the fact is taken in."""
        self._waiting[interaction.id] = None

    def take_seekers(self) -> tuple[list[Agent], list[Interaction]]:
        """Who was noted since this was last asked, each once and in the order of the notes, as far as still here."""
        if not self._free and not self._waiting:
            return [], []
        agents = [self.state.agents[each] for each in self._free if each in self.state.agents]
        waiting = [self.state.interactions[each] for each in self._waiting if each in self.state.interactions]
        self._free.clear()
        self._waiting.clear()
        return agents, waiting

    def about(self, interaction: Interaction) -> dict[str, Any]:
        """The fields that every event about an interaction carries."""
        return {
            "at": self.now,
            "interaction_id": interaction.id,
            "channel": interaction.channel,
            "customer_id": interaction.customer_id,
            "case_id": interaction.case_id,
        }

    def anomaly(self, what: str, leg: LegId | None = None) -> None:
        """Note that a fact contradicts our belief."""
        self.publish(Anomaly(at=self.now, what=what, leg=leg))

    def move(self, interaction: Interaction, new: InteractionState, reason: str = "") -> None:
        """Change an interaction's state along an arrow of its table."""
        old = interaction.state
        if new not in interaction_table.TRANSITIONS[old]:
            raise BrokenInvariant(f"interaction {interaction.id} cannot go from {old} to {new}")
        interaction.state = new
        if new is InteractionState.WAITING:
            self.line.enter(interaction)
        elif old is InteractionState.WAITING:
            self.line.leave(interaction)
        self.publish(
            InteractionMoved(
                **self.about(interaction),
                old=old,
                new=new,
                queue_id=interaction.queue_id,
                agent_id=interaction.agent_id,
                node=interaction.flow.node if interaction.flow else "",
                reason=reason,
            )
        )

    def move_agent(self, agent: Agent, new: AgentState, reason: str = "") -> None:
        """Change an agent's state along an arrow of its table."""
        old = agent.state
        if new not in agent_table.TRANSITIONS[old]:
            raise BrokenInvariant(f"agent {agent.profile.id} cannot go from {old} to {new}")
        agent.state = new
        self.crews.moved(agent, old, self.now)
        agent.since = self.now
        self.crews.seat(agent)
        agent.reason = reason
        self.publish(
            AgentMoved(
                at=self.now,
                interaction_id=agent.interaction_id,
                agent_id=agent.profile.id,
                old=old,
                new=new,
                reason=reason,
                mode=str(agent.mode),
            )
        )

    def interaction_of(self, leg_id: LegId) -> Interaction | None:
        """The interaction a leg belongs to, as caller's or agent's leg."""
        leg = self.state.legs.get(leg_id)
        if leg is None or leg.interaction_id is None:
            return None
        return self.state.interactions.get(leg.interaction_id)

    def agent_of(self, leg_id: LegId) -> Agent | None:
        """The agent whose leg this is."""
        leg = self.state.legs.get(leg_id)
        if leg is None or leg.agent_id is None:
            return None
        return self.state.agents.get(leg.agent_id)

    def leg(self, leg_id: LegId) -> Leg:
        """The leg, made known if it was not."""
        return self.state.legs.setdefault(leg_id, Leg(id=leg_id))
