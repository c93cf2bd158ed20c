"""A small floor that matches the way the real one does, against the naive oracle after every single thing that happens.

The floor here only asks the question that fits what happened: who for this caller, whom for this agent, who now that
steps came into force. The oracle looks at every pair each time. They must agree, and nothing matchable may be left.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.acd.matching import (
    Candidate,
    Waiting,
    choose_agent,
    choose_waiting,
    match_all,
    next_step_at,
)
from engine.domain.policy import QueuePolicy
from engine.domain.values import SECOND, AgentId, QueueId
from tests.acd import oracle
from tests.acd.factories import SKILLS, START, caller, idle, queues

LEVELS = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 10), max_size=2)
AGENTS = tuple(f"a{i}" for i in range(4))


def refused_by(waiting: Waiting, agents: tuple[AgentId, ...]) -> Waiting:
    return Waiting(
        interaction_id=waiting.interaction_id,
        queue_id=waiting.queue_id,
        entered_at=waiting.entered_at,
        priority=waiting.priority,
        needs=waiting.needs,
        refused_agents=agents,
    )


class SmallFloor(RuleBasedStateMachine):
    """Four agents, two queues with relaxing steps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.count = 0
        self.queues: dict[QueueId, QueuePolicy] = {}
        self.agents: dict[str, Candidate] = {}
        self.free: dict[str, Candidate] = {}
        self.line: dict[str, Waiting] = {}
        self.offers: dict[str, tuple[Waiting, str]] = {}
        self.ended: set[str] = set()

    @initialize(first=queues("q"), second=queues("r"), skills=st.lists(LEVELS, min_size=4, max_size=4))
    def open_the_floor(self, first: QueuePolicy, second: QueuePolicy, skills: list[dict[str, int]]) -> None:
        self.queues = {first.id: first, second.id: second}
        self.agents = {name: idle(name, **levels) for name, levels in zip(AGENTS, skills, strict=True)}

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(queue_id=st.sampled_from("qr"), priority=st.integers(0, 2), levels=st.just({}) | LEVELS)
    def a_caller_arrives(self, queue_id: str, priority: int, levels: dict[str, int]) -> None:
        self.count += 1
        at_s = (self.now - START) / SECOND
        waiting = caller(f"c{self.count}", at_s, queue_id=queue_id, priority=priority, refused=(), **levels)
        self.enters(waiting)

    @rule(name=st.sampled_from(AGENTS))
    def an_agent_becomes_available(self, name: str) -> None:
        """Signs in, or comes back from a pause; those in a call do so by ending it."""
        if name in self.free or any(name == agent for _, agent in self.offers.values()):
            return
        for waiting in list(self.line.values()):
            self.line[waiting.interaction_id] = self.forgiving(waiting, name)
        self.becomes_free(name)

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def an_agent_does_not_answer(self, data: st.DataObject) -> None:
        """He is not ready any more; the caller is back with his old time and asks for somebody else."""
        waiting, name = self.offers.pop(data.draw(st.sampled_from(sorted(self.offers))))
        self.enters(refused_by(waiting, (*waiting.refused_agents, AgentId(name))))

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def a_call_ends(self, data: st.DataObject) -> None:
        waiting, name = self.offers.pop(data.draw(st.sampled_from(sorted(self.offers))))
        self.ended.add(waiting.interaction_id)
        self.becomes_free(name)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def a_caller_gives_up(self, data: st.DataObject) -> None:
        self.ended.add(self.line.pop(data.draw(st.sampled_from(sorted(self.line)))).interaction_id)

    @rule(seconds=st.integers(1, 90))
    def time_passes(self, seconds: int) -> None:
        """From one routing deadline to the next, as `Floor.deadline` does; the oracle tries every step."""
        until = self.now + seconds * SECOND
        moments = sorted(self.every_step_of_everybody(until))
        while (deadline := self.deadline()) is not None and deadline <= until:
            for moment in moments:
                if self.now < moment < deadline:
                    assert oracle.all_pairs([*self.line.values()], self.queues, [*self.free.values()], moment) == []
            self.now = deadline
            expected = self.expected()
            choices = match_all(self.line.values(), self.queues, self.free.values(), self.now)
            for choice in choices:
                self.offer(choice.interaction_id, choice.agent_id)
            assert [(str(choice.interaction_id), str(choice.agent_id)) for choice in choices] == expected
        self.now = until

    # --- the floor ----------------------------------------------------------------------------------------------------

    def forgiving(self, waiting: Waiting, name: str) -> Waiting:
        return refused_by(waiting, tuple(agent for agent in waiting.refused_agents if agent != name))

    def enters(self, waiting: Waiting) -> None:
        assert waiting.interaction_id not in self.line
        self.line[waiting.interaction_id] = waiting
        expected = self.expected()
        choice = choose_agent(waiting, self.queues[waiting.queue_id], self.free.values(), self.now)
        assert expected == ([(waiting.interaction_id, choice.agent_id)] if choice else [])
        if choice:
            self.offer(choice.interaction_id, choice.agent_id)

    def becomes_free(self, name: str) -> None:
        candidate = Candidate(agent=self.agents[name].agent, idle_since=self.now)
        self.free[name] = candidate
        expected = self.expected()
        waiting = choose_waiting(candidate, self.line.values(), self.queues, self.now)
        assert expected == ([(waiting.interaction_id, name)] if waiting else [])
        if waiting:
            self.offer(waiting.interaction_id, name)

    def offer(self, interaction_id: str, name: str) -> None:
        """Fails by KeyError if either of them was won by somebody else already."""
        waiting = self.line.pop(interaction_id)
        del self.free[name]
        assert interaction_id not in self.offers
        assert interaction_id not in self.ended
        self.offers[interaction_id] = (waiting, name)

    def deadline(self) -> int | None:
        steps = (next_step_at(self.queues[w.queue_id], w.entered_at, self.now) for w in self.line.values())
        return min((at for at in steps if at is not None), default=None)

    def every_step_of_everybody(self, until: int) -> set[int]:
        return {
            at
            for waiting in self.line.values()
            for step in self.queues[waiting.queue_id].steps
            if self.now < (at := waiting.entered_at + round(step.after_s * SECOND)) <= until
        }

    def expected(self) -> list[oracle.Pair]:
        return oracle.all_pairs([*self.line.values()], self.queues, [*self.free.values()], self.now)

    # --- what must always hold ----------------------------------------------------------------------------------------

    @invariant()
    def nobody_waits_while_a_fitting_agent_is_idle(self) -> None:
        assert self.expected() == []

    @invariant()
    def no_agent_is_won_twice(self) -> None:
        won = [name for _, name in self.offers.values()]
        assert len(won) == len(set(won))
        assert not set(won) & set(self.free)

    @invariant()
    def everybody_is_in_exactly_one_place(self) -> None:
        assert len(self.line) + len(self.offers) + len(self.ended) == self.count
        assert not set(self.line) & set(self.offers)


TestSmallFloor = SmallFloor.TestCase
TestSmallFloor.settings = settings(max_examples=120, stateful_step_count=30)
