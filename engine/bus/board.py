"""The retained state of agents and queues, folded from events. Pure.

Only the latest state is worth sending, so this is a board that is wiped and rewritten, not a queue: `take_changed`
gives each changed topic once, however often it changed, and `current` gives everything, for a broker that has
forgotten. Memory is bounded by agents + queues + interactions waiting.
"""

from __future__ import annotations

from collections.abc import Set

from engine.bus.topics import Message, envelope, iso, site_prefix, topic
from engine.domain import events
from engine.domain.agent import AgentState
from engine.domain.values import AgentId, InteractionId, QueueId, Value
from engine.errors import UsageError


class AgentBoard(Value):
    """`agent/<id>/state`: what an agent is doing, and since when (UTC microseconds)."""

    state: AgentState
    since: int
    seq: int = 0
    reason: str = ""
    mode: str = ""


class Waiting(Value):
    """One interaction in a queue. `since` is its original time (UTC microseconds); `offered`: an agent is being won."""

    queue_id: QueueId
    since: int
    offered: bool = False


class StateBoard:
    """What the retained topics of one site say.

    Feed it every event with `apply`; after a start from a snapshot, tell it first what the floor already holds with
    `seat` and `place`. Ids that cannot be part of a topic are passed over: `Announcer` has told of them.

    :raises ConfigError: the site's name cannot be part of a topic.
    """

    def __init__(self, site: str) -> None:
        site_prefix(site)
        self.site = site
        self._agents: dict[AgentId, AgentBoard] = {}
        self._waiting: dict[InteractionId, Waiting] = {}
        self._queues: dict[QueueId, tuple[int, int]] = {}  # id -> (seq, at) of the last change
        self._changed: dict[tuple[str, str], None] = {}  # (kind, id), in order of their first change

    def apply(self, event: events.AnyEvent, seq: int) -> None:
        """Fold one event. Never raises for an interaction or queue it has not heard of."""
        match event:
            case events.AgentMoved():
                self.seat(event.agent_id, event.new, event.at, seq=seq, reason=event.reason, mode=event.mode)
            case events.InteractionQueued(interaction_id=str() as interaction):
                self.place(interaction, event.queue_id, event.at, seq=seq)
            case events.InteractionOffered(interaction_id=str() as interaction):
                self._mark(interaction, offered=True, at=event.at, seq=seq)
            case events.OfferFailed(interaction_id=str() as interaction):
                self._mark(interaction, offered=False, at=event.at, seq=seq)
            case (
                events.InteractionAnswered(interaction_id=str() as interaction)
                | events.InteractionLeftQueue(interaction_id=str() as interaction)
                | events.InteractionEnded(interaction_id=str() as interaction)
            ):
                self._leave(interaction, at=event.at, seq=seq)
            case _:
                pass

    def knows_agent(self, agent: AgentId) -> bool:
        """Whether this agent's state is shown."""
        return agent in self._agents

    def keep_only(self, agents: Set[AgentId], queues: Set[QueueId]) -> None:
        """Forget every other agent and queue: no event tells that one was removed."""
        for agent in sorted(self._agents.keys() - agents):
            self.forget_agent(agent)
        for queue in sorted(self._queues.keys() - queues):
            self.forget_queue(queue)

    def seat(
        self, agent: AgentId, state: AgentState, since: int, *, seq: int = 0, reason: str = "", mode: str = ""
    ) -> None:
        """Say what an agent is doing since `since`."""
        self._agents[agent] = AgentBoard(state=state, since=since, seq=seq, reason=reason, mode=mode)
        self._changed["agent", agent] = None

    def place(
        self, interaction: InteractionId, queue: QueueId, since: int, *, seq: int = 0, offered: bool = False
    ) -> None:
        """Say that an interaction is in a queue since `since`; it leaves any other queue."""
        self._leave(interaction, at=since, seq=seq)
        self._waiting[interaction] = Waiting(queue_id=queue, since=since, offered=offered)
        self._touch(queue, since, seq)

    def open_queue(self, queue: QueueId, at: int) -> None:
        """Show a queue although nobody waits in it."""
        if queue not in self._queues:
            self._touch(queue, at, 0)

    def forget_agent(self, agent: AgentId) -> None:
        """An agent was removed: the retained topic is cleared."""
        if self._agents.pop(agent, None):
            self._changed["agent", agent] = None

    def forget_queue(self, queue: QueueId) -> None:
        """A queue was removed: the retained topic is cleared."""
        if self._queues.pop(queue, None):
            self._changed["queue", queue] = None

    def take_changed(self) -> list[Message]:
        """What changed since the last call, each topic once with its latest state."""
        changed, self._changed = self._changed, {}
        return self._messages(changed)

    def current(self) -> list[Message]:
        """Everything; nothing counts as changed afterwards."""
        known = dict.fromkeys(
            [("agent", agent) for agent in self._agents] + [("queue", queue) for queue in self._queues]
        )
        messages = self._messages(self._changed | known)
        self._changed = {}
        return messages

    def _mark(self, interaction: InteractionId, *, offered: bool, at: int, seq: int) -> None:
        if entry := self._waiting.get(interaction):
            self._waiting[interaction] = Waiting(queue_id=entry.queue_id, since=entry.since, offered=offered)
            self._touch(entry.queue_id, at, seq)

    def _leave(self, interaction: InteractionId, *, at: int, seq: int) -> None:
        if entry := self._waiting.pop(interaction, None):
            self._touch(entry.queue_id, at, seq)

    def _touch(self, queue: QueueId, at: int, seq: int) -> None:
        self._queues[queue] = (seq, at)
        self._changed["queue", queue] = None

    def _messages(self, which: dict[tuple[str, str], None]) -> list[Message]:
        queues = self._queue_payloads({QueueId(subject) for kind, subject in which if kind == "queue"})
        messages = []
        for kind, subject in which:
            try:
                where = topic(self.site, kind, subject, "state")
            except UsageError:
                continue
            payload = self._agent_payload(AgentId(subject)) if kind == "agent" else queues.get(QueueId(subject), b"")
            messages.append(Message(where, payload, retained=True))
        return messages

    def _agent_payload(self, agent: AgentId) -> bytes:
        entry = self._agents.get(agent)
        if entry is None:
            return b""
        data = {"agent_id": agent, "state": entry.state.value, "since": iso(entry.since)}
        data |= {"reason": entry.reason, "mode": entry.mode}
        return envelope(site=self.site, seq=entry.seq, at=entry.since, event="agent.state", data=data)

    def _queue_payloads(self, which: set[QueueId]) -> dict[QueueId, bytes]:
        """One pass over those who wait, however many queues changed."""
        inside: dict[QueueId, list[Waiting]] = {queue: [] for queue in which if queue in self._queues}
        for entry in self._waiting.values():
            if entry.queue_id in inside:
                inside[entry.queue_id].append(entry)
        return {queue: self._queue_payload(queue, entries) for queue, entries in inside.items()}

    def _queue_payload(self, queue: QueueId, entries: list[Waiting]) -> bytes:
        seq, at = self._queues[queue]
        offered = sum(entry.offered for entry in entries)
        oldest = iso(min(entry.since for entry in entries)) if entries else None
        data = {"queue_id": queue, "waiting": len(entries) - offered, "offered": offered, "oldest_since": oldest}
        return envelope(site=self.site, seq=seq, at=at, event="queue.state", data=data)
