"""What the floor's events add up to, as a report would count them, and what must always hold of a floor."""

from __future__ import annotations

from collections import Counter

from engine.acd.fit import Candidate, fits
from engine.acd.matching import choose_waiting, in_order
from engine.domain.agent import AgentState
from engine.domain.attempt import AttemptState
from engine.domain.events import (
    AgentMoved,
    AnyEvent,
    InteractionAnswered,
    InteractionArrived,
    InteractionEnded,
    InteractionLeftQueue,
    InteractionMoved,
    InteractionQueued,
)
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import InteractionId, LegMode
from engine.floor import Floor, FloorState
from engine.floor.line import Line, waiting_of

ON_CALL = {AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING}
WITH_AGENT = {InteractionState.OFFERED, InteractionState.TALKING}
IN_FLIGHT = {AttemptState.DIALLING, AttemptState.ANSWERED, AttemptState.ENDED}
IN_QUEUE = {InteractionState.WAITING, InteractionState.OFFERED}


class Ledger:
    """Counts interactions and queue visits from events alone."""

    def __init__(self) -> None:
        self.arrived: set[InteractionId] = set()
        self.ended: dict[InteractionId, Ending] = {}
        self.visits: Counter[InteractionId] = Counter()
        self.answers: Counter[InteractionId] = Counter()
        self.left: Counter[InteractionId] = Counter()
        self.states: dict[InteractionId, InteractionState] = {}
        self.agents: dict[str, AgentState] = {}

    def note(self, event: AnyEvent) -> None:
        """Add one event, and check that it continues what was told before."""
        match event:
            case InteractionArrived():
                assert event.interaction_id not in self.arrived, "arrived twice"
                self.arrived.add(_id(event.interaction_id))
                self.states[_id(event.interaction_id)] = InteractionState.ARRIVED
            case InteractionMoved():
                assert self.states[_id(event.interaction_id)] is event.old
                self.states[_id(event.interaction_id)] = event.new
            case InteractionQueued():
                self.visits[_id(event.interaction_id)] += 1
            case InteractionAnswered():
                self.answers[_id(event.interaction_id)] += 1
            case InteractionLeftQueue():
                self.left[_id(event.interaction_id)] += 1
            case InteractionEnded():
                assert event.interaction_id not in self.ended, "ended twice"
                self.ended[_id(event.interaction_id)] = event.ending
            case AgentMoved():
                assert self.agents.get(event.agent_id, AgentState.OFFLINE) is event.old
                self.agents[event.agent_id] = event.new
            case _:
                pass

    def sums(self) -> dict[str, int]:
        """The one line of a report."""
        of = Counter(str(ending) for ending in self.ended.values())
        return {
            "arrived": len(self.arrived),
            "offered": len(self.visits),
            "in_progress": len(self.visits.keys() - self.ended.keys()),
            **{str(ending): of[str(ending)] for ending in Ending},
        }

    def check(self, state: FloorState) -> None:
        """Every interaction has one place in the sums, every queue visit one outcome."""
        assert self.arrived - self.ended.keys() == state.interactions.keys()
        for interaction_id, ending in self.ended.items():
            if ending is Ending.IN_FLOW:
                assert not self.visits[interaction_id]
            elif ending is not Ending.LOST:
                assert self.visits[interaction_id], f"{ending} without a queue"
            assert (ending is Ending.ANSWERED) == bool(self.answers[interaction_id])
        for interaction_id, visits in self.visits.items():
            live = state.interactions.get(interaction_id)
            inside = live is not None and live.state in IN_QUEUE
            assert visits == self.answers[interaction_id] + self.left[interaction_id] + inside
        sums = self.sums()
        lost_waiting = sum(1 for i, e in self.ended.items() if e is Ending.LOST and self.visits[i])
        after_queue = sums["answered"] + sums["abandoned"] + sums["overflowed"] + sums["callback"] + lost_waiting
        assert sums["offered"] == after_queue + sums["in_progress"]


def _id(interaction_id: InteractionId | None) -> InteractionId:
    assert interaction_id is not None
    return interaction_id


def check(floor: Floor, now: int) -> None:
    """What must hold of every floor between two facts."""
    state = floor.state
    _check_pairs(state)
    _check_timers(state)
    _check_legs(state)
    _check_no_missed_match(state, now)
    _check_line(floor, now)
    deadline = floor.deadline()
    assert deadline is None or deadline.at >= now, "a deadline in the past"
    snapshot = floor.snapshot()
    assert Floor.restore(snapshot).snapshot() == snapshot


def _check_pairs(state: FloorState) -> None:
    """Each offered or talking interaction has exactly one agent, and the other way round."""
    for interaction in state.interactions.values():
        if interaction.state in WITH_AGENT:
            assert interaction.agent_id is not None
            agent = state.agents[interaction.agent_id]
            assert agent.interaction_id == interaction.id
            assert agent.state in ON_CALL
            assert (agent.state is AgentState.TALKING) == (interaction.state is InteractionState.TALKING)
        else:
            assert not interaction.talk_since, "a talk clock runs outside a talk"
    for agent in state.agents.values():
        if agent.state in ON_CALL:
            assert agent.interaction_id is not None
            interaction = state.interactions[agent.interaction_id]
            assert interaction.agent_id == agent.profile.id
            assert interaction.state in WITH_AGENT
        elif agent.state is AgentState.WRAP_UP and agent.interaction_id is not None:
            assert state.interactions[agent.interaction_id].state is InteractionState.WRAP_UP
        else:
            assert agent.interaction_id is None


def _check_timers(state: FloorState) -> None:
    """No timer for what is over, and none missing for what could otherwise last for ever."""
    for timer in state.timers.values():
        if timer.kind == "wrap-up":
            assert state.agents[timer.subject].state is AgentState.WRAP_UP  # type: ignore[index]
        elif timer.kind == "overdue":
            assert state.attempts[timer.subject].state in IN_FLIGHT  # type: ignore[index]
        elif timer.kind == "preview":
            assert state.agents[timer.subject].preview is not None  # type: ignore[index]
        elif timer.kind == "trace":
            assert state.attempts[timer.subject].tracing  # type: ignore[index]
        elif timer.kind == "offer":
            assert state.interactions[timer.subject].state is InteractionState.OFFERED  # type: ignore[index]
        else:
            assert state.interactions[timer.subject].state in IN_QUEUE, timer  # type: ignore[index]
    _check_timers_there(state)


def _check_timers_there(state: FloorState) -> None:
    for interaction in state.interactions.values():
        if interaction.state is InteractionState.OFFERED:
            assert f"offer:{interaction.id}" in state.timers
        if interaction.state is InteractionState.WAITING and interaction.attempt_id is not None:
            assert f"overdue:{interaction.attempt_id}" in state.timers
        elif interaction.state is InteractionState.WAITING:
            assert f"longest-wait:{interaction.id}" in state.timers
        if interaction.state is InteractionState.WRAP_UP:
            assert f"wrap-up:{interaction.agent_id}" in state.timers
    for agent in state.agents.values():
        if agent.state is AgentState.WRAP_UP:
            assert f"wrap-up:{agent.profile.id}" in state.timers


def _check_legs(state: FloorState) -> None:
    """Every leg belongs to a live interaction or to an agent, who know it."""
    for leg_id, leg in state.legs.items():
        assert leg.id == leg_id
        owner = state.interactions.get(leg.interaction_id) if leg.interaction_id else None
        agent = state.agents.get(leg.agent_id) if leg.agent_id else None
        by_interaction = owner is not None and leg_id in (owner.leg, owner.agent_leg)
        by_agent = agent is not None and agent.leg == leg_id
        assert by_interaction or by_agent, f"leg {leg_id} of nobody"
        assert leg.interaction_id is None or by_interaction, f"leg {leg_id} points to an interaction that forgot it"
    for interaction in state.interactions.values():
        assert interaction.leg_gone or interaction.leg in state.legs
        if interaction.state in WITH_AGENT:
            assert interaction.agent_leg in state.legs
    for agent in state.agents.values():
        assert agent.leg is None or agent.leg in state.legs
        assert not agent.leg_idle or agent.leg is not None


def _check_no_missed_match(state: FloorState, now: int) -> None:
    """No caller on hold waits while an agent who fits is free."""
    if state.blind or state.draining:
        return
    free = [agent for agent in state.agents.values() if agent.can_take()]
    for interaction in state.interactions.values():
        if interaction.state is not InteractionState.WAITING or not interaction.held or interaction.queue_id is None:
            continue
        queue = state.queues[interaction.queue_id]
        for agent in free:
            if interaction.attempt_id is not None and agent.mode is not LegMode.NAILED_UP:
                continue
            if f"relax:{interaction.id}" in state.timers and state.timers[f"relax:{interaction.id}"].at <= now:
                continue  # the step is due, and TimePassed is what the floor asks for
            assert not fits(waiting_of(interaction), queue, agent.profile, now), (
                f"{agent.profile.id} is free and fits {interaction.id}"
            )


def _check_line(floor: Floor, now: int) -> None:
    """The kept line is what could be made anew from the state, and answers as the matcher would that looks at all."""
    state = floor.state
    waiting = [i for i in state.interactions.values() if i.state is InteractionState.WAITING]
    line = [each.interaction_id for each in in_order(map(waiting_of, waiting), state.queues)]
    assert [each.id for each in floor.line.everybody()] == line == [each.id for each in Line(state).everybody()]
    for interaction in waiting:
        before = [each for each in line if state.interactions[each].queue_id == interaction.queue_id]
        assert floor.line.place(interaction) == before.index(interaction.id) + 1
    on_hold = [waiting_of(each) for each in waiting if each.held]
    for agent in state.agents.values():
        first = floor.line.first_for(agent.profile, now, nailed_up=True)
        chosen = choose_waiting(Candidate(agent=agent.profile, idle_since=0), on_hold, state.queues, now)
        assert (first and first.id) == (chosen and chosen.interaction_id)
