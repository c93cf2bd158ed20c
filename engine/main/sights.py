"""What of the floor is shown, and how: floor state in, read models out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from engine.acd.matching import Decision
from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, QueuePolicy
from engine.floor import Floor
from engine.floor.state import Agent, FloorState, Interaction
from engine.main.moments import moment, seconds
from engine.runtime.views import (
    AgentLine,
    AgentView,
    CallView,
    DeadlineView,
    DecisionView,
    FittingView,
    FlowView,
    LegView,
    RefusedView,
)
from engine.store.vault import HIDDEN, mask

_S = InteractionState


class Crowd(NamedTuple):
    """Who is in a queue, and who serves it by its last (most relaxed) routing step."""

    waiting: int
    offered: int
    talking: int
    longest_wait_s: float
    agents_signed_in: int
    agents_free: int


def crowd(state: FloorState, queue: QueuePolicy, now: int) -> Crowd:
    """Count a queue's interactions and agents."""
    inside = [each for each in state.interactions.values() if each.queue_id == queue.id]
    waiting = [each for each in inside if each.state is _S.WAITING]
    oldest = min((each.entered_at for each in inside if each.state in (_S.WAITING, _S.OFFERED)), default=now)
    serving = [agent for agent in state.agents.values() if _serves(agent.profile, queue)]
    return Crowd(
        waiting=len(waiting),
        offered=sum(1 for each in inside if each.state is _S.OFFERED),
        talking=sum(1 for each in inside if each.state is _S.TALKING),
        longest_wait_s=seconds(max(0, now - oldest)),
        agents_signed_in=sum(1 for agent in serving if agent.state is not AgentState.OFFLINE),
        agents_free=sum(1 for agent in serving if agent.can_take()),
    )


def _serves(agent: AgentProfile, queue: QueuePolicy) -> bool:
    needs = queue.steps[-1].needs if queue.steps else ()
    return all(agent.skills.get(need.skill, 0) >= need.level for need in needs)


def agent_view(agent: Agent) -> AgentView:
    """An agent as defined and as he is."""
    follows = "sign-out" if agent.sign_out_next else "not-ready" if agent.pause_next else ""
    return AgentView(
        **msgspec.structs.asdict(agent.profile),  # type: ignore[arg-type]
        state=agent.state,
        since=moment(agent.since or None),
        reason=agent.reason,
        mode_now=agent.mode,
        reachable=agent.reachable,
        interaction_id=agent.interaction_id,
        follows=follows,
    )


def agent_line(agent: Agent) -> AgentLine:
    """An agent on the floor's screen."""
    return AgentLine(
        id=agent.profile.id,
        name=agent.profile.name,
        state=agent.state,
        since=moment(agent.since or None),
        reason=agent.reason,
        interaction_id=agent.interaction_id,
    )


def shown_number(token: str | None, known: Mapping[str, str], *, reveal: bool) -> str | None:
    """A caller's number as it may be shown; None when withheld or erased."""
    value = known.get(token) if token else None
    if value is None:
        return None
    return value if reveal else mask(value)


def shown_name(token: str | None, known: Mapping[str, str], *, reveal: bool) -> str | None:
    """A caller's name as it may be shown; None when there is none or it was erased."""
    value = known.get(token) if token else None
    if value is None:
        return None
    return value if reveal else HIDDEN


def call_view(
    state: FloorState, call: Interaction, called: str | None, known: Mapping[str, str], now: int, *, reveal: bool
) -> CallView:
    """A live call. `called` is the token of the number where we called; `known` resolves it and the caller's tokens."""
    talking = call.state is _S.TALKING and call.talk_since
    waiting = call.state in (_S.WAITING, _S.OFFERED)
    attempt = state.attempts.get(call.attempt_id) if call.attempt_id is not None else None
    return CallView(
        id=call.id,
        channel=call.channel,
        state=call.state,
        number=call.number,
        caller=shown_number(call.caller or called, known, reveal=reveal),
        caller_name=shown_name(call.caller_name, known, reveal=reveal),
        arrived=moment(call.arrived_at),
        flow=call.flow_name,
        node=call.flow.node if call.flow else "",
        queue_id=call.queue_id,
        agent_id=call.agent_id,
        held=call.held,
        waited_s=seconds(_waited_us(call, now) if waiting or talking else 0),
        talk_s=seconds(call.talk_us + (max(0, now - call.talk_since) if talking else 0)),
        campaign_id=call.campaign_id,
        lead_id=attempt.lead_id if attempt is not None else None,
        attempt_id=call.attempt_id,
        legs=tuple(_legs(state, call)),
    )


def _waited_us(call: Interaction, now: int) -> int:
    until = call.talk_since if call.state is _S.TALKING else now
    return max(0, until - call.entered_at) if call.entered_at else 0


def _legs(state: FloorState, call: Interaction) -> list[LegView]:
    found = []
    for role, leg_id in (("caller", call.leg), ("agent", call.agent_leg)):
        leg = state.legs.get(leg_id) if leg_id is not None else None
        if leg is not None:
            found.append(LegView(leg=leg.id, role=role, bridge=leg.bridge, controlled=leg.controlled))
    return found


def flow_views(state: FloorState) -> list[FlowView]:
    """Every live flow, by name."""
    return [
        FlowView(
            name=flow.name,
            version=flow.version,
            language=flow.language,
            nodes=len(flow.nodes),
            interactions=sum(1 for each in state.interactions.values() if each.flow and each.flow.flow == name),
        )
        for name, flow in sorted(state.flows.items())
    ]


def deadline_view(floor: Floor) -> DeadlineView | None:
    """When the floor acts next by itself."""
    deadline = floor.deadline()
    if deadline is None:
        return None
    return DeadlineView(at=moment(deadline.at), why=deadline.why, subject=deadline.subject)


def decision_view(seq: int, decision: Decision) -> DecisionView:
    """A decision in people's units."""
    return DecisionView(
        seq=seq,
        at=moment(decision.at),
        queue_id=decision.queue_id,
        strategy=decision.strategy,
        winner=decision.winner,
        waited_s=seconds(decision.waited_us),
        priority=decision.priority,
        queue_priority=decision.queue_priority,
        step=decision.step,
        needs=decision.needs,
        fitting=tuple(
            FittingView(
                agent_id=each.agent_id,
                place=each.place,
                idle_s=seconds(each.idle_us),
                skill_points=each.skill_points,
                levels=each.levels,
            )
            for each in decision.fitting
        ),
        refused=tuple(
            RefusedView(agent_id=each.agent_id, state=each.state, reasons=each.reasons) for each in decision.refused
        ),
    )
