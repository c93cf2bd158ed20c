"""Giving a caller's leg back to its dialplan. It is in our hands while a FastAGI session of ours is open on it."""

from __future__ import annotations

from engine.domain.commands import Release
from engine.floor.state import Interaction
from engine.floor.step import Step

SUCCESSOR_POLL_S = 5


def in_hand(step: Step, interaction: Interaction) -> bool:
    """Whether we may ask this caller something now."""
    leg = step.state.legs.get(interaction.leg)
    return leg is not None and leg.controlled


def release(step: Step, interaction: Interaction, place: str) -> None:
    """Give the leg back to its dialplan."""
    if in_hand(step, interaction):
        step.leg(interaction.leg).controlled = False
        step.do(Release(leg=interaction.leg, next=place))


def hold_for_successor(step: Step, interaction: Interaction) -> None:
    """The engine is stopping: music until the next one asks what he wants."""
    if in_hand(step, interaction):
        step.leg(interaction.leg).controlled = False
        step.do(Release(leg=interaction.leg, next="hold", poll_s=SUCCESSOR_POLL_S))


def release_to_hold(step: Step, interaction: Interaction) -> None:
    """Give the leg back to its dialplan to wait."""
    queue = step.state.queues.get(interaction.queue_id) if interaction.queue_id else None
    if not in_hand(step, interaction):
        return
    step.leg(interaction.leg).controlled = False
    step.do(
        Release(
            leg=interaction.leg,
            next="hold",
            music=queue.music if queue else "default",
            poll_s=max(5, round(queue.announce_every_s)) if queue else 20,
            record=interaction.recording,
            language=queue.language if queue else "en",
        )
    )
