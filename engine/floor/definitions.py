"""Agents, queues, numbers and flows as facts change them."""

from __future__ import annotations

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
from engine.floor import agents, routing
from engine.floor.state import Agent
from engine.floor.step import Step


def queue_defined(step: Step, fact: QueueDefined) -> None:
    """A queue, new or changed; who waits keeps waiting under the new rules."""
    step.state.queues[fact.queue.id] = fact.queue
    routing.serve_all(step)


def queue_removed(step: Step, fact: QueueRemoved) -> None:
    """No one new enters; who waits there waits until served under the last definition, so it only closes."""
    queue = step.state.queues.get(fact.queue_id)
    if queue is None:
        return
    if any(i.queue_id == fact.queue_id for i in step.state.interactions.values()):
        step.anomaly(f"queue {fact.queue_id} is removed while callers wait in it; it stays until they are served")
        return
    del step.state.queues[fact.queue_id]


def agent_defined(step: Step, fact: AgentDefined) -> None:
    """An agent, new or changed. Changed skills hold from the next match on."""
    known = step.state.agents.get(fact.agent.id)
    if known is None:
        step.state.agents[fact.agent.id] = Agent(profile=fact.agent, since=step.now, mode=fact.agent.mode)
        return
    known.profile = fact.agent
    routing.serve(step, known)


def agent_removed(step: Step, fact: AgentRemoved) -> None:
    """An agent leaves the company; on a call, he finishes it first."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None:
        return
    if agent.interaction_id is not None:
        step.anomaly(f"agent {fact.agent_id} is removed while on a call; he is signed out after it")
        agent.sign_out_next = True
        return
    if agent.state is not AgentState.OFFLINE:
        agents.go_offline(step, agent, "removed")
    del step.state.agents[fact.agent_id]


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
