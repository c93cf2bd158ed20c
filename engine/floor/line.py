"""Everybody who waits, queue by queue, first to be served first.

Derived from the state and kept beside it, like the heap of the timers: no part of a snapshot, made anew on restore.
The order never changes while people wait (`matching.rank`), so it is kept and not sorted for every question. Whether
somebody is on hold, and whom he is not to be offered, is read from the interaction itself when it is asked.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import merge
from operator import itemgetter

from engine.acd import matching
from engine.acd.matching import Rank, Waiting
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, QueuePolicy
from engine.domain.values import InteractionId, QueueId
from engine.floor.state import FloorState, Interaction

_Entry = tuple[Rank, Interaction]
"""Ranks end in the interaction's id, so no two are equal and interactions are never compared."""
_RANK = itemgetter(0)


def waiting_of(interaction: Interaction) -> Waiting:
    """What the matcher needs to know of a waiting interaction."""
    if interaction.queue_id is None:
        raise ValueError(interaction.id)
    return Waiting(
        interaction_id=interaction.id,
        queue_id=interaction.queue_id,
        entered_at=interaction.entered_at,
        priority=interaction.priority,
        needs=interaction.needs,
        refused_agents=interaction.refused,
    )


class Line:
    """The callers of one state who are `WAITING`, on hold yet or not."""

    def __init__(self, state: FloorState) -> None:
        self._state = state
        self._queues: dict[QueueId, list[_Entry]] = {}
        self._ranks: dict[InteractionId, tuple[QueueId, Rank]] = {}
        self._waiting: dict[InteractionId, Waiting] = {}
        for interaction in state.interactions.values():
            if interaction.state is InteractionState.WAITING:
                self.enter(interaction)

    def enter(self, interaction: Interaction) -> None:
        """He waits from now on, in his queue and with his priority. Without a queue he is served by nobody."""
        queue = self._state.queues.get(interaction.queue_id) if interaction.queue_id else None
        if queue is None:
            return
        rank = matching.rank(waiting_of(interaction), queue)
        insort(self._queues.setdefault(queue.id, []), (rank, interaction), key=_RANK)
        self._ranks[interaction.id] = (queue.id, rank)

    def leave(self, interaction: Interaction) -> None:
        """He waits no more."""
        self._waiting.pop(interaction.id, None)
        queue_id, rank = self._ranks.pop(interaction.id, (None, None))
        if queue_id is None or rank is None:
            return
        entries = self._queues[queue_id]
        del entries[bisect_left(entries, rank, key=_RANK)]
        if not entries:
            del self._queues[queue_id]

    def reorder(self, queue_id: QueueId) -> tuple[Interaction, ...]:
        """The queue's priority may have changed. Returns who waits in it."""
        inside = [
            interaction
            for interaction in self._state.interactions.values()
            if interaction.queue_id == queue_id and interaction.state is InteractionState.WAITING
        ]
        for interaction in inside:
            self.leave(interaction)
            self.enter(interaction)
        return tuple(inside)

    def place(self, interaction: Interaction) -> int:
        """1 for the next to be served of this interaction's queue."""
        queue_id, rank = self._ranks.get(interaction.id, (None, None))
        return 1 if queue_id is None or rank is None else bisect_left(self._queues[queue_id], rank, key=_RANK) + 1

    def length(self, queue_id: QueueId) -> int:
        """How many wait in this queue."""
        return len(self._queues.get(queue_id, ()))

    def everybody(self) -> tuple[Interaction, ...]:
        """All of all queues, first to be served first."""
        return tuple(interaction for _, interaction in merge(*self._queues.values()))

    def first_for(self, agent: AgentProfile, now: int, *, nailed_up: bool = False) -> Interaction | None:
        """The first on hold whom this agent fits now: the answer of `matching.choose_waiting`, without asking all.

        Whom we called goes only to a nailed-up leg: nobody can be rung in two seconds.
        """
        best: _Entry | None = None
        for queue_id in self._queues:
            queue = self._state.queues[queue_id]
            if may_serve(agent, queue):
                best = self._first_in(queue, agent, now, best, nailed_up=nailed_up)
        return None if best is None else best[1]

    def _first_in(
        self, queue: QueuePolicy, agent: AgentProfile, now: int, best: _Entry | None, *, nailed_up: bool
    ) -> _Entry | None:
        """The queue's first whom the agent fits, if he comes before `best`; else `best`."""
        for entry in self._queues[queue.id]:
            if best is not None and best[0] < entry[0]:
                return best
            if entry[1].attempt_id is not None and not nailed_up:
                continue
            if entry[1].held and matching.fits(self._known(entry[1]), queue, agent, now):
                return entry
        return best

    def _known(self, interaction: Interaction) -> Waiting:
        """What the matcher needs, made once; only who was refused can change while somebody waits."""
        known = self._waiting.get(interaction.id)
        if known is None or known.refused_agents is not interaction.refused:
            known = self._waiting[interaction.id] = waiting_of(interaction)
        return known


def may_serve(agent: AgentProfile, queue: QueuePolicy) -> bool:
    """Whether he satisfies any routing step of this queue, or could never serve anybody in it."""
    skills = agent.skills
    for step in queue.steps:
        for need in step.needs:
            if skills.get(need.skill, 0) < need.level:
                break
        else:
            return True
    return not queue.steps
