"""After the link to Asterisk was lost: compare what we believed with what Asterisk has, and mend the belief.

Asterisk is right about channels and bridges; we are right about who waits for what and since when.
"""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.commands import HangUp
from engine.domain.facts import AsteriskSeen, LegEnded, LegJoined, SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.values import LegId, LegMode
from engine.floor import agents, callers, routing, talking
from engine.floor.step import Step

_S = InteractionState
NO_LONGER_THERE = 16


def lost(step: Step) -> None:
    """We are blind: nothing new is decided until we see again."""
    step.state.blind = True


def seen(step: Step, fact: AsteriskSeen) -> None:
    """Every channel Asterisk holds, at one moment."""
    truth = {leg.leg: leg for leg in fact.legs}
    _bury_missing(step, truth, rebooted=fact.rebooted)
    _mend_bridges(step, truth)
    _mend_places(step, truth)
    _hang_up_orphans(step, truth)
    step.state.blind = False
    routing.serve_all(step)


def _bury_missing(step: Step, truth: dict[LegId, SeenLeg], *, rebooted: bool) -> None:
    for leg_id in [leg_id for leg_id in step.state.legs if leg_id not in truth]:
        leg_ended(step, LegEnded(leg=leg_id, cause=NO_LONGER_THERE, lost=rebooted))


def leg_ended(step: Step, fact: LegEnded) -> None:
    """A leg is gone, whoever's it was."""
    interaction = step.interaction_of(fact.leg)
    if interaction is not None and interaction.leg == fact.leg:
        callers.leg_ended(step, interaction, fact)
        return
    agent = step.agent_of(fact.leg)
    if agent is not None:
        agents.leg_gone(step, agent, fact.leg)
    else:
        step.state.legs.pop(fact.leg, None)


def _mend_bridges(step: Step, truth: dict[LegId, SeenLeg]) -> None:
    for leg_id, leg in list(step.state.legs.items()):
        real = truth[leg_id].bridge
        if real and real != leg.bridge:
            talking.joined(step, LegJoined(leg=leg_id, bridge=real))
        elif leg.bridge and not real:
            leg.bridge = ""
    for interaction in list(step.state.interactions.values()):
        if interaction.state is not _S.TALKING or interaction.agent_leg is None:
            continue
        caller, agent = truth.get(interaction.leg), truth.get(interaction.agent_leg)
        if caller is None or agent is None or not caller.bridge or caller.bridge != agent.bridge:
            talking.agent_left(step, interaction)


def _mend_places(step: Step, truth: dict[LegId, SeenLeg]) -> None:
    for leg_id, leg in list(step.state.legs.items()):
        real = truth.get(leg_id)
        if real is None:
            continue
        interaction = step.interaction_of(leg_id)
        if interaction is not None and interaction.leg == leg_id:
            interaction.held = real.place == "hold" and not real.bridge
            if interaction.held and not interaction.held_now:
                interaction.held_now = step.now
        agent = step.agent_of(leg_id)
        if agent is not None and agent.leg == leg_id:
            agent.leg_idle = real.place == "idle" and not real.bridge
            if agent.leg_idle and agent.state is AgentState.NOT_READY and agent.wants_ready:
                agents.ready(step, agent)
        if real.place == "ringed" and agent is not None and agent.mode is LegMode.ON_DEMAND and not leg.bridge:
            routing.agent_answered(step, leg_id)


def _hang_up_orphans(step: Step, truth: dict[LegId, SeenLeg]) -> None:
    """Agent legs that belong to nobody (their offer ended while we were away) are let go. Callers never are."""
    for leg_id, real in truth.items():
        if leg_id not in step.state.legs and real.place in ("idle", "ringed"):
            step.do(HangUp(leg=leg_id))
