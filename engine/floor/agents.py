"""Agents: signing in and out, ready and not ready, wrap-up, phones that come and go."""

from __future__ import annotations

from engine.domain.agent import AgentState
from engine.domain.commands import HangUp, Release, RingAgent
from engine.domain.facts import (
    AgentLegIdled,
    AgentPaused,
    AgentPhoneChanged,
    AgentReadied,
    AgentSignedIn,
    AgentSignedOut,
    WrapUpFinished,
)
from engine.domain.values import LegId, LegMode, NotReadyReason
from engine.floor import endings, previews, visits
from engine.floor.state import Agent, FloorState, Leg
from engine.floor.step import Step

_S = AgentState
NAILED_RING_S = 30.0
_ON_CALL = frozenset({_S.RESERVED, _S.RINGING, _S.TALKING})


def signed_in(step: Step, fact: AgentSignedIn) -> None:
    """An agent starts work. Refused, and the leg let go, if he is signed in (and has a leg) or another is at his phone.

    Two at one phone would both be rung on it, each for another caller.
    """
    agent = step.state.agents.get(fact.agent_id)
    why = "unknown"
    if agent is not None:
        why = "already signed in" if agent.state is not _S.OFFLINE and not _replaces_lost_leg(agent, fact) else ""
        other = at_his_phone(step.state, agent)
        why = why or (f"{other.profile.id} is signed in at that phone" if other is not None else "")
    if agent is None or why:
        step.anomaly(f"sign-in of {fact.agent_id} refused: {why}", fact.leg)
        if fact.leg is not None:
            step.do(Release(leg=fact.leg, next="hangup"))
        return
    agent.mode = fact.mode
    agent.wants_ready = fact.ready
    wrapping_up = agent.state is _S.WRAP_UP
    agent.pause_next = NotReadyReason.LOGIN if wrapping_up and not fact.ready else ""
    agent.sign_out_next = False
    visits.pardon(step, agent)
    if agent.state is _S.OFFLINE:
        step.move_agent(agent, _S.NOT_READY, NotReadyReason.LOGIN)
    elif agent.state is _S.NOT_READY:
        agent.reason = NotReadyReason.LOGIN
    if fact.leg is not None and agent.mode is LegMode.NAILED_UP:
        _adopt_leg(step, agent, fact.leg)
        step.do(Release(leg=fact.leg, next="idle"))
        return
    if fact.leg is not None:
        step.do(Release(leg=fact.leg, next="hangup"))
    if agent.mode is LegMode.NAILED_UP:
        _ring_nailed_leg(step, agent)
    elif agent.wants_ready:
        ready(step, agent)


def at_his_phone(state: FloorState, agent: Agent) -> Agent | None:
    """Who else is signed in at this agent's phone; shifts share phones one after the other."""
    for other in state.agents.values():
        if other is not agent and other.state is not _S.OFFLINE and other.profile.endpoint == agent.profile.endpoint:
            return other
    return None


def lacks_leg(agent: Agent) -> bool:
    """Whether the phone of this signed-in, nailed-up agent has hung up: he may bring a new leg."""
    nailed = agent.mode is LegMode.NAILED_UP and agent.leg is None and not agent.removed
    return nailed and agent.state in (_S.NOT_READY, _S.WRAP_UP)


def _replaces_lost_leg(agent: Agent, fact: AgentSignedIn) -> bool:
    return fact.leg is not None and fact.mode is LegMode.NAILED_UP and lacks_leg(agent)


def _adopt_leg(step: Step, agent: Agent, leg: LegId) -> None:
    agent.leg = leg
    agent.leg_idle = False
    known = step.leg(leg)
    known.agent_id = agent.profile.id


def _ring_nailed_leg(step: Step, agent: Agent) -> None:
    agent.leg_count += 1
    leg = LegId(f"{agent.profile.id}.{step.state.epoch}.{agent.leg_count}")
    step.state.legs[leg] = Leg(id=leg, agent_id=agent.profile.id, ringing=True)
    agent.leg = leg
    agent.leg_idle = False
    step.do(
        RingAgent(
            agent_id=agent.profile.id,
            leg=leg,
            endpoint=agent.profile.endpoint,
            timeout_s=NAILED_RING_S,
            nailed_up=True,
        )
    )


def leg_idled(step: Step, fact: AgentLegIdled) -> None:
    """A nailed-up leg waits in its loop."""
    agent = step.agent_of(fact.leg)
    if agent is None or agent.leg != fact.leg:
        step.anomaly("an idle leg of nobody", fact.leg)
        step.do(HangUp(leg=fact.leg))
        return
    agent.leg_idle = True
    step.leg(fact.leg).ringing = False
    if agent.state is _S.NOT_READY and agent.reason == NotReadyReason.LOGIN and agent.wants_ready:
        ready(step, agent)
    elif agent.state is _S.AVAILABLE:
        step.seek_caller(agent)


def signed_out(step: Step, fact: AgentSignedOut) -> None:
    """An agent ends work; on a call, after it."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None or agent.state is _S.OFFLINE:
        return
    if agent.state in _ON_CALL:
        agent.sign_out_next = True
        return
    go_offline(step, agent, "signed-out")


def go_offline(step: Step, agent: Agent, reason: str) -> None:
    """Off duty: any wrap-up ends, a nailed-up leg is let go."""
    _end_wrap_up(step, agent)
    agent.sign_out_next, agent.pause_next, agent.wants_ready = False, "", False
    previews.close(step, agent)
    if agent.leg is not None:
        if step.state.legs.pop(agent.leg, None) is not None:
            step.do(HangUp(leg=agent.leg))
        agent.leg = None
        agent.leg_idle = False
    step.move_agent(agent, _S.OFFLINE, reason)
    if agent.removed:
        step.state.agents.pop(agent.profile.id, None)


def readied(step: Step, fact: AgentReadied) -> None:
    """An agent asks for work."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None or agent.state is _S.OFFLINE or agent.removed:
        return
    agent.pause_next, agent.sign_out_next, agent.wants_ready = "", False, True
    visits.pardon(step, agent)
    if agent.state is _S.AVAILABLE:
        step.seek_caller(agent)
    elif agent.state in (_S.NOT_READY, _S.WRAP_UP):
        if agent.mode is LegMode.NAILED_UP and agent.leg is None:
            _end_wrap_up(step, agent)
            if agent.state is not _S.NOT_READY:
                step.move_agent(agent, _S.NOT_READY, NotReadyReason.LOGIN)
            agent.reason = NotReadyReason.LOGIN
            _ring_nailed_leg(step, agent)
        else:
            ready(step, agent)


def paused(step: Step, fact: AgentPaused) -> None:
    """An agent (or his supervisor) wants no more interactions for now."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None or agent.state is _S.OFFLINE:
        return
    agent.wants_ready = False
    if agent.state in _ON_CALL:
        agent.pause_next = fact.reason
    elif agent.state is _S.NOT_READY:
        agent.reason = fact.reason
    else:
        not_ready(step, agent, fact.reason)


def ready(step: Step, agent: Agent) -> None:
    """Available from now on, and served at once. A phone that is away must come back first."""
    if agent.mode is LegMode.ON_DEMAND and not agent.reachable:
        not_ready(step, agent, NotReadyReason.PHONE_GONE)
        return
    _end_wrap_up(step, agent)
    if agent.state is not _S.AVAILABLE:
        if agent.state not in (_S.RESERVED, _S.RINGING):
            agent.idle_since = step.now  # an offer that came to nothing does not cost him his turn
        step.move_agent(agent, _S.AVAILABLE)
    step.seek_caller(agent)


def not_ready(step: Step, agent: Agent, reason: str) -> None:
    """No more interactions until the agent says so."""
    _end_wrap_up(step, agent)
    agent.pause_next = ""
    agent.wants_ready = False
    previews.close(step, agent)
    if agent.state is _S.NOT_READY:
        agent.reason = reason
    elif agent.state is not _S.OFFLINE:
        step.move_agent(agent, _S.NOT_READY, reason)
    if agent.sign_out_next:
        go_offline(step, agent, "signed-out")


def settle(step: Step, agent: Agent) -> None:
    """A call or an offer is behind him: what the agent wished for meanwhile, else available."""
    if agent.sign_out_next:
        go_offline(step, agent, "signed-out")
    elif agent.pause_next:
        not_ready(step, agent, agent.pause_next)
    elif agent.mode is LegMode.NAILED_UP and agent.leg is None:
        not_ready(step, agent, NotReadyReason.PHONE_GONE)
    else:
        ready(step, agent)


def begin_wrap_up(step: Step, agent: Agent, duration_us: int) -> None:
    """After a talk."""
    step.move_agent(agent, _S.WRAP_UP)
    step.timers.set("wrap-up", agent.profile.id, step.now + duration_us)
    if duration_us == 0:
        settle(step, agent)


def wrap_up_over(step: Step, agent: Agent) -> None:
    """The time for wrap-up has passed."""
    if agent.state is _S.WRAP_UP:
        settle(step, agent)


def wrap_up_finished(step: Step, fact: WrapUpFinished) -> None:
    """The agent is done with his wrap-up."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is not None:
        wrap_up_over(step, agent)


def _end_wrap_up(step: Step, agent: Agent) -> None:
    """Close the interaction that this agent was wrapping up, if any."""
    if agent.state is not _S.WRAP_UP:
        return
    step.timers.clear("wrap-up", agent.profile.id)
    interaction = step.state.interactions.get(agent.interaction_id) if agent.interaction_id else None
    agent.interaction_id = None
    if agent.leg is not None and agent.leg in step.state.legs:
        step.state.legs[agent.leg].interaction_id = None
    if interaction is not None:
        endings.wrapped_up(step, interaction, max(0, step.now - agent.since))


def phone_changed(step: Step, fact: AgentPhoneChanged) -> None:
    """An agent's phone registered, or vanished."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is None or agent.reachable == fact.reachable:
        return
    agent.reachable = fact.reachable
    if not fact.reachable and agent.state is _S.AVAILABLE and agent.mode is LegMode.ON_DEMAND:
        not_ready(step, agent, NotReadyReason.PHONE_GONE)
        return
    back = agent.state is _S.NOT_READY and agent.reason == NotReadyReason.PHONE_GONE
    if fact.reachable and back and agent.mode is LegMode.ON_DEMAND:
        ready(step, agent)
    elif fact.reachable:
        step.seek_caller(agent)
