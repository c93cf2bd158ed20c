"""Made-up lives of interactions, as the events that the floor publishes."""

from __future__ import annotations

from typing import Any

from engine.domain.agent import AgentState
from engine.domain.events import (
    AgentMoved,
    AnyEvent,
    InteractionAnswered,
    InteractionArrived,
    InteractionEnded,
    InteractionLeftQueue,
    InteractionMoved,
    InteractionOffered,
    InteractionQueued,
    OfferFailed,
)
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import SECOND, AgentId, InteractionId, LegId, QueueId, Token

T0 = 1_763_800_000_000_000
S = InteractionState
QUEUE, AGENT, OTHER = QueueId("sales"), AgentId("1001"), AgentId("1002")


class Story:
    """Tells one interaction's events; `after` seconds pass before each."""

    def __init__(self, name: str, start: int = T0) -> None:
        self.id = InteractionId(name)
        self.now = start
        self.state = S.ARRIVED
        self.events: list[AnyEvent] = []

    def about(self, after: float) -> dict[str, Any]:
        self.now += round(after * SECOND)
        return {"at": self.now, "interaction_id": self.id}

    def arrive(self) -> Story:
        self.events.append(
            InteractionArrived(
                **self.about(0),
                number="+33123456789",
                flow="main",
                caller=Token("num_1"),
                leg=LegId(f"leg.{self.id}"),
            )
        )
        return self.move(S.IN_FLOW, 0)

    def move(self, new: InteractionState, after: float, agent: AgentId | None = None, reason: str = "") -> Story:
        self.events.append(
            InteractionMoved(
                **self.about(after), old=self.state, new=new, queue_id=QUEUE, agent_id=agent, node="menu", reason=reason
            )
        )
        self.state = new
        return self

    def queue(self, after: float = 2) -> Story:
        self.move(S.WAITING, after)
        self.events.append(InteractionQueued(**self.about(0), queue_id=QUEUE))
        self.entered = self.now
        return self

    def offer(self, after: float = 3, agent: AgentId = AGENT) -> Story:
        self.move(S.OFFERED, after, agent)
        self.agent = agent
        self.events.append(
            InteractionOffered(
                **self.about(0), queue_id=QUEUE, agent_id=agent, considered=2, waited_us=self.now - self.entered
            )
        )
        return self

    def refuse(self, after: float = 15) -> Story:
        self.events.append(
            OfferFailed(**self.about(after), queue_id=QUEUE, agent_id=self.agent, reason="ring-no-answer")
        )
        return self.move(S.WAITING, 0)

    def answer(self, after: float = 4) -> Story:
        self.move(S.TALKING, after, self.agent)
        self.talk_from = self.now
        self.events.append(
            InteractionAnswered(
                **self.about(0),
                queue_id=QUEUE,
                agent_id=self.agent,
                waited_us=self.now - self.entered,
                agent_leg=LegId(f"agent.{self.id}"),
                recording=f"rec-{self.id}",
            )
        )
        return self

    def leave(self, how: Ending, after: float = 1) -> Story:
        self.events.append(
            InteractionLeftQueue(**self.about(after), queue_id=QUEUE, how=how, waited_us=self.now - self.entered)
        )
        return self

    def wrap_up(self, after: float = 60) -> Story:
        return self.move(S.WRAP_UP, after, self.agent)

    def end(self, ending: Ending, after: float = 10, talk_s: int = 0, wrap_up_s: int = 0) -> Story:
        self.move(S.ENDED, after)
        self.events.append(
            InteractionEnded(
                **self.about(0), ending=ending, talk_us=talk_s * SECOND, wrap_up_us=wrap_up_s * SECOND, cause=16
            )
        )
        return self


def answered(name: str, start: int = T0) -> Story:
    """2 s in the flow, 3 s waiting, 15 s of vain ringing, 1 s, 4 s until another answers, 60 s talk, 10 s wrap-up."""
    story = Story(name, start).arrive().queue().offer().refuse().offer(1, OTHER).answer()
    return story.wrap_up().end(Ending.ANSWERED, talk_s=60, wrap_up_s=10)


def abandoned(name: str, start: int = T0) -> Story:
    """Hangs up 1 s into being offered."""
    return Story(name, start).arrive().queue().offer().leave(Ending.ABANDONED).end(Ending.ABANDONED, 0)


def left_in_flow(name: str, start: int = T0) -> Story:
    """Never enters a queue."""
    return Story(name, start).arrive().end(Ending.IN_FLOW, 5)


def overflowed(name: str, start: int = T0) -> Story:
    """Waits too long, hears something else, and queues again until he gives up."""
    story = Story(name, start).arrive().queue().leave(Ending.OVERFLOWED, 300).move(S.IN_FLOW, 0, reason="longest-wait")
    return story.queue(4).leave(Ending.ABANDONED, 7).end(Ending.ABANDONED, 0)


def shift(agent: AgentId = AGENT, start: int = T0) -> list[AnyEvent]:
    """An hour of an agent: 10 minutes not ready, 50 available, then offline."""
    steps = [(0, AgentState.NOT_READY), (600, AgentState.AVAILABLE), (3600, AgentState.OFFLINE)]
    old, events = AgentState.OFFLINE, []
    for after, new in steps:
        events.append(AgentMoved(at=start + after * SECOND, agent_id=agent, old=old, new=new, reason="login"))
        old = new
    return list(events)
