"""Agents, queues, numbers and flows as facts change them."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from engine.domain.agent import AgentState
from engine.domain.facts import (
    AgentDefined,
    AgentRemoved,
    FlowActivated,
    NumberDefined,
    NumberRemoved,
    QueueDefined,
    QueueRemoved,
)
from engine.domain.interaction import InteractionState
from engine.domain.policy import QueuePolicy
from engine.floor import agents, previews, visits
from engine.floor.state import Agent
from engine.floor.step import Step

_IN_QUEUE = frozenset({InteractionState.WAITING, InteractionState.OFFERED})
_USES_QUEUE = _IN_QUEUE | {InteractionState.TALKING, InteractionState.WRAP_UP}


def queue_defined(step: Step, fact: QueueDefined) -> None:
    """A queue, new or changed; who waits keeps waiting under the new rules, counted from when he came."""
    step.state.queues[fact.queue.id] = fact.queue
    step.crews.forget()
    step.state.leaving = tuple(queue_id for queue_id in step.state.leaving if queue_id != fact.queue.id)
    for interaction in step.state.interactions.values():
        if interaction.queue_id == fact.queue.id and interaction.state in _IN_QUEUE:
            visits.watch(step, interaction)
    for interaction in step.line.reorder(fact.queue.id):
        step.seek_agent(interaction)


def queue_removed(step: Step, fact: QueueRemoved) -> None:
    """No one new enters; who is in it is served under the last definition, and then it is forgotten."""
    queue = step.state.queues.get(fact.queue_id)
    if queue is None or fact.queue_id in step.state.leaving:
        return
    # type checkers are shown a plain class where msgspec has a Struct (engine.domain.values)
    closed = cast("QueuePolicy", msgspec.structs.replace(cast("Any", queue), open=False))
    step.state.queues[fact.queue_id] = closed
    step.crews.forget()
    step.state.leaving = tuple(sorted((*step.state.leaving, fact.queue_id)))


def forget_unused_queues(step: Step) -> None:
    """Let go of the removed queues that nobody waits in, talks from or is wrapped up for any more."""
    used = {i.queue_id for i in step.state.interactions.values() if i.state in _USES_QUEUE}
    for queue_id in [queue_id for queue_id in step.state.leaving if queue_id not in used]:
        step.state.queues.pop(queue_id, None)
        step.crews.forget()
    step.state.leaving = tuple(queue_id for queue_id in step.state.leaving if queue_id in used)


def agent_defined(step: Step, fact: AgentDefined) -> None:
    """An agent, new or changed. Changed skills hold from the next match on, and for a lead he looks at."""
    known = step.state.agents.get(fact.agent.id)
    if known is None:
        step.state.agents[fact.agent.id] = Agent(profile=fact.agent, since=step.now, mode=fact.agent.mode)
        step.crews.forget()
        return
    known.profile = fact.agent
    step.crews.forget()
    if known.removed:
        known.removed = known.sign_out_next = False
    previews.recheck(step, known)
    step.seek_caller(known)


def agent_removed(step: Step, fact: AgentRemoved) -> None:
    """An agent leaves the company; on a call, he finishes it and its wrap-up first."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None:
        return
    if agent.interaction_id is not None:
        agent.removed = agent.sign_out_next = True
        return
    if agent.state is not AgentState.OFFLINE:
        agents.go_offline(step, agent, "removed")
    step.state.agents.pop(fact.agent_id, None)


def number_defined(step: Step, fact: NumberDefined) -> None:
    """An inbound number and its flow."""
    step.state.numbers[fact.number.e164] = fact.number


def number_removed(step: Step, fact: NumberRemoved) -> None:
    """An inbound number that leads nowhere any more."""
    step.state.numbers.pop(fact.e164, None)


def flow_activated(step: Step, fact: FlowActivated) -> None:
    """A new live version; callers under way keep the version they began with."""
    old = step.state.flows.get(fact.flow.name)
    if old is not None and old.version != fact.flow.version:
        used = {(i.flow.flow, i.flow.version) for i in step.state.interactions.values() if i.flow is not None}
        step.state.old_flows = {
            key: flow for key, flow in step.state.old_flows.items() if (flow.name, flow.version) in used
        }
        if (old.name, old.version) in used:
            step.state.old_flows[f"{old.name}@{old.version}"] = old
    step.state.flows[fact.flow.name] = fact.flow
