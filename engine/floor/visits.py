"""One visit to a queue: in, the rules while waiting, out."""

from __future__ import annotations

from engine.acd import matching
from engine.domain.campaign import CampaignPolicy
from engine.domain.events import InteractionLeftQueue, InteractionQueued
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import PRIORITY_LIMIT, QueuePolicy
from engine.domain.values import SECOND
from engine.floor.dialplan import release_to_hold
from engine.floor.state import Agent, Interaction
from engine.floor.step import Step
from engine.flows.interpreter import WantQueue

_S = InteractionState
SHORTEST_WAIT_S = 1.0
"""No longest wait is shorter, or a flow that returns to its queue would go round for ever within one step."""


def enter(step: Step, interaction: Interaction, want: WantQueue) -> bool:
    """Into the queue that the flow names; False when it is closed, and nothing was changed."""
    queue = step.state.queues.get(want.node.queue)
    if queue is None or not queue.open:
        return False
    interaction.pending = None
    interaction.queue_id = queue.id
    interaction.entered_at = step.now
    interaction.visits += 1
    interaction.priority = want.priority
    interaction.needs = want.needs
    interaction.refused = ()
    interaction.held = False
    interaction.announced_at = step.now
    refused = interaction.flow is not None and interaction.flow.recording_refused
    interaction.recording = "" if refused else recording(interaction.id, interaction.visits, queue)
    step.move(interaction, _S.WAITING)
    step.publish(InteractionQueued(**step.about(interaction), queue_id=queue.id, priority=interaction.priority))
    watch(step, interaction)
    release_to_hold(step, interaction)
    step.crews.arrived(queue.id, step.now)
    return True


def enter_answered(step: Step, interaction: Interaction, campaign: CampaignPolicy) -> None:
    """A person whom we called goes to the head of the campaign's queue; the law says how long he may wait there."""
    interaction.queue_id = campaign.queue_id
    interaction.entered_at = step.now
    interaction.visits += 1
    interaction.priority = PRIORITY_LIMIT
    queue = step.state.queues.get(campaign.queue_id)
    interaction.recording = recording(interaction.id, interaction.visits, queue)
    step.move(interaction, _S.WAITING)
    step.publish(
        InteractionQueued(**step.about(interaction), queue_id=campaign.queue_id, priority=interaction.priority)
    )


def recording(interaction_id: str, visit: int, queue: QueuePolicy | None) -> str:
    """The name of the recording of one visit; empty where the queue wants none."""
    return f"{interaction_id}_{visit}" if queue is not None and queue.record else ""


def leave(step: Step, interaction: Interaction, how: Ending) -> None:
    """Out of the queue without an agent. Who has talked to an agent before stays answered."""
    if interaction.ending is not Ending.ANSWERED:
        interaction.ending = how
    interaction.held = False
    for kind in ("longest-wait", "relax", "retry"):
        step.timers.clear(kind, interaction.id)
    if interaction.queue_id is not None:
        step.publish(
            InteractionLeftQueue(
                **step.about(interaction),
                queue_id=interaction.queue_id,
                how=how,
                waited_us=max(0, step.now - interaction.entered_at),
            )
        )


def watch(step: Step, interaction: Interaction) -> None:
    """Set the timers of a queue visit by its queue's present rules: the longest wait and the next routing step."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if queue is None:
        return
    over = interaction.entered_at + _longest_wait_us(queue)
    step.timers.set("longest-wait", interaction.id, max(step.now, over))
    step.timers.clear("relax", interaction.id)
    _watch_relaxation(step, interaction)


def waited_out(step: Step, interaction: Interaction) -> bool:
    """Whether the queue's longest wait has passed for him."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    return queue is not None and step.now - interaction.entered_at >= _longest_wait_us(queue)


def _longest_wait_us(queue: QueuePolicy) -> int:
    return round(max(queue.max_wait_s, SHORTEST_WAIT_S) * SECOND)


def _watch_relaxation(step: Step, interaction: Interaction) -> None:
    """Set the timer of the next routing step, if there is one."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if queue is None:
        return
    at = matching.next_step_at(queue, interaction.entered_at, step.now)
    if at is not None:
        step.timers.set("relax", interaction.id, at)


def relaxed(step: Step, interaction: Interaction) -> None:
    """A later routing step holds from now on."""
    _watch_relaxation(step, interaction)
    step.seek_agent(interaction)


def retried(step: Step, interaction: Interaction) -> None:
    """Enough time has passed to try an agent again who could not be joined."""
    interaction.refused = ()
    step.seek_agent(interaction)


def pardon(step: Step, agent: Agent) -> None:
    """Who says himself that he is ready may be offered again whom he did not answer."""
    for interaction in step.state.interactions.values():
        if agent.profile.id in interaction.refused:
            interaction.refused = tuple(other for other in interaction.refused if other != agent.profile.id)
