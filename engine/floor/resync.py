"""After the link to Asterisk was lost: compare what we believed with what Asterisk has, and mend the belief.

Asterisk is right about channels and bridges; we are right about who waits for what and since when.

A picture of all channels takes some milliseconds, and events go on meanwhile. After blindness it is the best there is.
While we see, events are newer than any picture, so a picture may then only add what we missed, never take away.
A leg whose place is "" came (or changed) while the picture was taken: its events told everything.
"""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.commands import HangUp, Redirect
from engine.domain.facts import AsteriskSeen, LegEnded, LegJoined, SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.values import InteractionId, LegId, LegMode
from engine.floor import agents, legs, offers, talking, traces
from engine.floor.state import Agent, Interaction
from engine.floor.step import Step

_S = InteractionState
NO_LONGER_THERE = 16

Picture = dict[LegId, SeenLeg]


def lost(step: Step) -> None:
    """We are blind: nothing new is decided until we see again."""
    step.state.blind = True


def seen(step: Step, fact: AsteriskSeen) -> None:
    """Every channel Asterisk holds, at one moment."""
    rebooted = fact.rebooted or ("" != step.state.boot != fact.boot != "")
    step.state.boot = fact.boot or step.state.boot
    was_blind = step.state.blind or rebooted
    step.state.blind = True  # nothing is offered before the whole picture is taken in
    there = {leg.leg: leg for leg in fact.legs}
    traces.compared(step, there, was_blind=was_blind)
    _bury_missing(step, there, rebooted=rebooted, was_blind=was_blind)
    picture = {leg: real for leg, real in there.items() if real.place}
    if was_blind:
        _mend_bridges(step, picture)
        _end_broken_talks(step, picture)
        _mend_places(step, picture)
        _renew_offers(step, picture)
    else:
        _notice_missed(step, picture)
    _hang_up_again(step)
    _hang_up_orphans(step, picture)
    step.state.blind = False
    for interaction in step.line.everybody():
        step.seek_agent(interaction)


def _bury_missing(step: Step, there: Picture, *, rebooted: bool, was_blind: bool) -> None:
    """Callers first: who was being offered when both legs went did not refuse anybody."""
    missing = [leg for leg_id, leg in step.state.legs.items() if leg_id not in there]
    for leg in sorted(missing, key=lambda leg: (leg.agent_id is not None, leg.id)):
        if leg.ringing and not was_blind:
            continue  # Asterisk was asked to ring it a moment ago
        legs.gone(step, LegEnded(leg=leg.id, cause=NO_LONGER_THERE, lost=rebooted), unseen=was_blind)


def _mend_bridges(step: Step, picture: Picture) -> None:
    for leg_id in sorted(step.state.legs):
        leg, real = step.state.legs[leg_id], picture.get(leg_id)
        if real is None:
            continue
        if real.bridge and real.bridge != leg.bridge:
            talking.joined(step, LegJoined(leg=leg_id, bridge=real.bridge))
        elif leg.bridge and not real.bridge:
            leg.bridge = ""


def _end_broken_talks(step: Step, picture: Picture) -> None:
    for interaction_id in sorted(step.state.interactions):
        interaction = step.state.interactions[interaction_id]
        if interaction.state is not _S.TALKING or interaction.agent_leg is None:
            continue
        caller, agent = picture.get(interaction.leg), picture.get(interaction.agent_leg)
        if caller is None or agent is None:
            continue  # one of them is news: the events tell
        if not caller.bridge or caller.bridge != agent.bridge:
            talking.agent_left(step, interaction)


def _mend_places(step: Step, picture: Picture) -> None:
    for leg_id in sorted(step.state.legs):
        real = picture.get(leg_id)
        if real is None:
            continue
        interaction, agent = step.interaction_of(leg_id), step.agent_of(leg_id)
        if interaction is not None and interaction.leg == leg_id:
            _mend_caller(step, interaction, real)
        elif agent is not None and agent.leg == leg_id:
            agent.leg_idle = False
            if real.place == "idle" and not real.bridge:
                _found_idle(step, agent, leg_id)


def _mend_caller(step: Step, interaction: Interaction, real: SeenLeg) -> None:
    on_hold = real.place in ("hold", "answered") and not real.bridge
    if interaction.state in (_S.WAITING, _S.OFFERED):
        interaction.held = on_hold
        interaction.held_now = interaction.held_now or step.now
    elif interaction.state in (_S.ARRIVED, _S.IN_FLOW) and on_hold and not step.state.draining:
        step.do(Redirect(leg=interaction.leg, place="flow"))


def _found_idle(step: Step, agent: Agent, leg_id: LegId) -> None:
    agent.leg_idle = True
    step.leg(leg_id).ringing = False
    if agent.state is AgentState.NOT_READY and agent.wants_ready:
        agents.ready(step, agent)


def _renew_offers(step: Step, picture: Picture) -> None:
    """Offers whose Bridge may never have been sent, or was answered unseen."""
    for interaction_id in sorted(step.state.interactions):
        interaction = step.state.interactions[interaction_id]
        if interaction.state is not _S.OFFERED or interaction.agent_leg is None or interaction.agent_id is None:
            continue
        agent, real = step.state.agents[interaction.agent_id], picture.get(interaction.agent_leg)
        if real is None or real.bridge:
            continue
        if agent.mode is LegMode.NAILED_UP and agent.leg_idle:
            offers.bridge(step, interaction)
        elif real.place == "ringed":
            step.leg(interaction.agent_leg).ringing = False
            offers.bridge(step, interaction)


def _hang_up_again(step: Step) -> None:
    """Calls that somebody ended while the wish could not be carried out."""
    for interaction_id in sorted(step.state.interactions):
        interaction = step.state.interactions[interaction_id]
        if interaction.hang_up_asked and not interaction.leg_gone:
            step.do(HangUp(leg=interaction.leg))


def _notice_missed(step: Step, picture: Picture) -> None:
    """Add to what we believe: a bridge that was made after we gave it up, a leg that came to its place."""
    for interaction_id in sorted(step.state.interactions):
        interaction = step.state.interactions[interaction_id]
        real = picture.get(interaction.leg)
        if real is None or interaction.state not in (_S.WAITING, _S.OFFERED):
            continue
        if real.bridge:
            _notice_bridge(step, real.bridge, picture)
        elif real.place == "hold" and not step.leg(interaction.leg).controlled and not interaction.held:
            interaction.held, interaction.held_now = True, step.now
    for agent_id in sorted(step.state.agents):
        agent = step.state.agents[agent_id]
        real = picture.get(agent.leg) if agent.leg is not None else None
        if real is None or agent.leg is None or agent.leg_idle or step.leg(agent.leg).bridge:
            continue
        if real.place == "idle" and not real.bridge:
            _found_idle(step, agent, agent.leg)


def _notice_bridge(step: Step, bridge: str, picture: Picture) -> None:
    """A caller whom we believe unjoined is in a bridge. It counts if an agent's leg of ours is in it too."""
    inside = [leg_id for leg_id in sorted(step.state.legs) if leg_id in picture and picture[leg_id].bridge == bridge]
    if any(step.state.legs[leg_id].agent_id is not None for leg_id in inside):
        for leg_id in inside:
            talking.joined(step, LegJoined(leg=leg_id, bridge=bridge))


def _hang_up_orphans(step: Step, picture: Picture) -> None:
    """Agent legs that belong to nobody (their offer ended while we were away) are let go. Callers never are.

    A journal may have lost its last milliseconds, and with them an offer: its leg's id must not be used again.
    """
    for leg_id, real in picture.items():
        if leg_id in step.state.legs:
            continue
        parent, _, number = leg_id.rpartition(".")
        offered = step.state.interactions.get(InteractionId(parent))
        if offered is not None and number.isdigit():
            offered.offers = max(offered.offers, int(number))
        if real.bridge:
            if real.place in ("idle", "ringed"):
                step.anomaly("an agent's leg that we do not know is in a talk", leg_id)
        elif real.place in ("idle", "ringed") or (offered is not None and real.place == "ringing"):
            step.do(HangUp(leg=leg_id))
