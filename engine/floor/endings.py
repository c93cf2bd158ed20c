"""The end of an interaction: it leaves the floor, and its one place in the sums is decided."""

from __future__ import annotations

from engine.domain.commands import HangUp
from engine.domain.events import InteractionEnded
from engine.domain.interaction import InteractionState
from engine.floor.state import Interaction
from engine.floor.step import Step

_S = InteractionState


def end(step: Step, interaction: Interaction, wrap_up_us: int = 0) -> None:
    """The interaction is over and leaves the floor; its one place in the sums is decided."""
    step.move(interaction, _S.ENDED)
    for kind in ("longest-wait", "relax", "retry", "offer"):
        step.timers.clear(kind, interaction.id)
    step.state.interactions.pop(interaction.id, None)
    step.publish(
        InteractionEnded(
            **step.about(interaction),
            ending=interaction.ending,
            cause=interaction.cause,
            arrived_us=interaction.arrived_at,
            talk_us=interaction.talk_us,
            wrap_up_us=wrap_up_us,
        )
    )


def wrapped_up(step: Step, interaction: Interaction, wrap_up_us: int) -> None:
    """Wrap-up is over: the interaction ends; a caller still on the line is let go."""
    if interaction.state is not _S.WRAP_UP:
        return
    if not interaction.leg_gone:
        leg = step.state.legs.pop(interaction.leg, None)
        if leg is not None:
            step.do(HangUp(leg=interaction.leg))
    end(step, interaction, wrap_up_us)
