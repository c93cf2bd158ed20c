"""Belief against truth, compared purely: the floor's state on one side, Asterisk, fact tables and journal on the other.

Codes, each a way in which the engine could deceive itself:

    stray-channel        Asterisk has a channel of ours that the floor does not know
    missing-channel      the floor has a caller's or rung leg that Asterisk does not have
    agent-leg-missing    the same of an agent's nailed-up leg
    place-differs        a caller whom the floor takes to be on hold is elsewhere
    bridge-differs       a leg is in another bridge than believed, or a talk's two legs are in two
    agent-differs        an agent is reserved, ringing or talking without such an interaction, or idle while bridged
    phone-differs        an agent's phone is reachable where the floor thinks not, or the reverse
    conversation-missing the fact tables lack an interaction
    conversation-stray   the fact tables hold as live what the floor does not have
    conversation-differs the fact tables tell another state or end of an interaction
    sums-differ          an ended interaction's place in the sums contradicts its own phases
    agent-row-differs    the fact tables tell another state of an agent
    facts-skipped        the database refused facts for good
    journal-…            see `engine.store.lines.Violation`

Those of calls that we dial are in `engine.main.verify_attempts`.

A finding counts only if it is found again, word for word, on a second reading: what is under way settles by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.domain.agent import AgentState
from engine.domain.campaign import AttemptId
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId, LegId, LegMode, Value
from engine.floor.state import Agent, FloorState

_S = InteractionState
_A = AgentState
PHONE_PLACES = frozenset({"callwright-phones", "callwright-phone"})
"""An agent's phone that dials a feature code: no interaction, no leg of the floor."""
AGENT_PLACES = frozenset({"idle", "ringed", "ringing", "callwright-agents"})
HOLD_PLACES = frozenset({"hold", "answered"})
"""Where somebody waits for an agent: a caller, or a person whom we called."""
_WITH_SOMEBODY = {_A.RESERVED: _S.OFFERED, _A.RINGING: _S.OFFERED, _A.TALKING: _S.TALKING}
NOTHING = "nothing"


class Finding(Value):
    """One contradiction: what the engine believes, and what is true instead."""

    code: str
    ids: tuple[str, ...]
    belief: str
    truth: str


class Ended(Value):
    """How an interaction ended: as the journal tells it, or as its row does."""

    ending: str
    cause: int
    talk_us: int
    wrap_up_us: int
    ended_us: int


class Told(Value):
    """One row of the fact table of interactions; `ended` None while it lives."""

    state: str
    ended: Ended | None


class Tables(Value):
    """What the fact tables hold at one moment, up to the journal's fact `seq`.

    `conversations`: all that live and those asked for; `agents`: state by agent, absent when offline; `contradictory`:
    ended interactions whose phases do not fit their ending, with both in words.
    """

    seq: int
    skipped: int
    conversations: dict[str, Told]
    agents: dict[str, str]
    contradictory: dict[str, tuple[str, str]]


def calls_compared(state: FloorState, legs: Iterable[SeenLeg]) -> int:
    """How many legs of callers and called people either side knows of."""
    believed = {call.leg for call in state.interactions.values() if not call.leg_gone}
    believed |= {LegId(attempt_id) for attempt_id in state.attempts}
    real = {seen.leg for seen in legs if seen.place not in PHONE_PLACES | AGENT_PLACES}
    return len(believed | real)


def against_asterisk(state: FloorState, legs: Iterable[SeenLeg]) -> list[Finding]:
    """Compare legs, bridges and agents' legs with what Asterisk holds."""
    truth = {seen.leg: seen for seen in legs}
    return [
        *_channels(state, truth),
        *_bridges(state, truth),
        *_places(state, truth),
        *(finding for agent in state.agents.values() for finding in _agent(state, agent, truth)),
    ]


def _channels(state: FloorState, truth: Mapping[LegId, SeenLeg]) -> Iterable[Finding]:
    for leg, seen in truth.items():
        if leg not in state.legs and AttemptId(leg) not in state.attempts and seen.place not in PHONE_PLACES:
            yield Finding(code="stray-channel", ids=(leg,), belief="no such leg", truth=f"a channel in {seen.place}")
    for leg, known in state.legs.items():
        if leg in truth:
            continue
        agent = state.agents.get(known.agent_id) if known.agent_id is not None else None
        if agent is not None and agent.leg == leg:
            yield Finding(
                code="agent-leg-missing",
                ids=(agent.profile.id, leg),
                belief=f"{agent.state} on this leg",
                truth="no such channel",
            )
        else:
            whose = known.interaction_id or known.agent_id or "nobody"
            yield Finding(code="missing-channel", ids=(whose, leg), belief=f"a leg of {whose}", truth="no such channel")


def _bridges(state: FloorState, truth: Mapping[LegId, SeenLeg]) -> Iterable[Finding]:
    for leg, known in state.legs.items():
        seen = truth.get(leg)
        if seen is not None and seen.bridge != known.bridge:
            yield Finding(
                code="bridge-differs", ids=(leg,), belief=known.bridge or "no bridge", truth=seen.bridge or "no bridge"
            )
    for call in state.interactions.values():
        if call.state is not _S.TALKING or call.agent_leg is None:
            continue
        caller, agent = truth.get(call.leg), truth.get(call.agent_leg)
        if caller is not None and agent is not None and not (caller.bridge and caller.bridge == agent.bridge):
            yield Finding(
                code="bridge-differs",
                ids=(call.id, call.leg, call.agent_leg),
                belief="both talk in one bridge",
                truth=f"{caller.bridge or 'no bridge'} and {agent.bridge or 'no bridge'}",
            )


def _places(state: FloorState, truth: Mapping[LegId, SeenLeg]) -> Iterable[Finding]:
    for call in state.interactions.values():
        seen = truth.get(call.leg)
        if call.held and seen is not None and seen.place not in HOLD_PLACES:
            yield Finding(code="place-differs", ids=(call.id, call.leg), belief="on hold", truth=f"in {seen.place}")


def _agent(state: FloorState, agent: Agent, truth: Mapping[LegId, SeenLeg]) -> Iterable[Finding]:
    wanted = _WITH_SOMEBODY.get(agent.state)
    call = state.interactions.get(agent.interaction_id) if agent.interaction_id is not None else None
    if wanted is not None and (call is None or call.state is not wanted or call.agent_id != agent.profile.id):
        there = NOTHING if call is None else f"{call.id} {call.state} with {call.agent_id or 'nobody'}"
        yield Finding(code="agent-differs", ids=(agent.profile.id,), belief=str(agent.state), truth=there)
    seen = truth.get(agent.leg) if agent.leg is not None else None
    if (
        agent.mode is LegMode.NAILED_UP
        and agent.leg_idle
        and seen is not None
        and (seen.bridge or seen.place != "idle")
    ):
        where = f"bridged in {seen.bridge}" if seen.bridge else f"in {seen.place}"
        yield Finding(code="agent-differs", ids=(agent.profile.id, seen.leg), belief="his leg is idle", truth=where)


def against_phones(state: FloorState, reachable: Mapping[AgentId, bool]) -> list[Finding]:
    """Compare what is believed of agents' phones with their device states."""
    words = {True: "reachable", False: "not reachable"}
    return [
        Finding(
            code="phone-differs",
            ids=(agent_id,),
            belief=words[state.agents[agent_id].reachable],
            truth=words[real],
        )
        for agent_id, real in reachable.items()
        if agent_id in state.agents and state.agents[agent_id].reachable is not real
    ]


def against_tables(state: FloorState, tables: Tables, ended: Mapping[str, tuple[int, Ended]]) -> list[Finding]:
    """Compare live interactions and agents with their rows, and what ended lately with what the journal says.

    `ended`: by interaction, the journal's fact that ended it, and how.
    """
    return [
        *_live_rows(state, tables, ended),
        *_ended_rows(tables, ended),
        *_agent_rows(state, tables),
        *(
            Finding(code="sums-differ", ids=(id_,), belief=phases, truth=ending)
            for id_, (ending, phases) in tables.contradictory.items()
        ),
        *(
            [Finding(code="facts-skipped", ids=(), belief="every fact is in the tables", truth=f"{tables.skipped} not")]
            if tables.skipped
            else []
        ),
    ]


def _live_rows(state: FloorState, tables: Tables, ended: Mapping[str, tuple[int, Ended]]) -> Iterable[Finding]:
    for id_, call in state.interactions.items():
        told = tables.conversations.get(id_)
        if told is None:
            yield Finding(code="conversation-missing", ids=(id_,), belief=str(call.state), truth="no row")
        elif told.state != call.state or told.ended is not None:
            yield Finding(code="conversation-differs", ids=(id_,), belief=str(call.state), truth=told.state)
    for row_id, row in tables.conversations.items():
        if row.ended is None and row_id not in state.interactions and row_id not in ended:
            yield Finding(code="conversation-stray", ids=(row_id,), belief="not on the floor", truth=row.state)


def _ended_rows(tables: Tables, ended: Mapping[str, tuple[int, Ended]]) -> Iterable[Finding]:
    for id_, (seq, journal) in ended.items():
        if seq > tables.seq:
            continue
        row = tables.conversations.get(id_)
        if row is None:
            yield Finding(code="conversation-missing", ids=(id_,), belief=f"ended {journal.ending}", truth="no row")
        elif row.ended != journal:
            truth = _said(row.ended) if row.ended is not None else row.state
            yield Finding(code="conversation-differs", ids=(id_,), belief=_said(journal), truth=truth)


def _said(ended: Ended) -> str:
    return (
        f"ended {ended.ending} at {ended.ended_us}, cause {ended.cause}, "
        f"talk {ended.talk_us} µs, wrap-up {ended.wrap_up_us} µs"
    )


def _agent_rows(state: FloorState, tables: Tables) -> Iterable[Finding]:
    for agent_id in sorted(state.agents.keys() | tables.agents.keys()):
        agent = state.agents.get(AgentId(agent_id))
        belief = str(agent.state if agent is not None else _A.OFFLINE)
        truth = tables.agents.get(agent_id, str(_A.OFFLINE))
        if belief != truth:
            yield Finding(code="agent-row-differs", ids=(agent_id,), belief=belief, truth=truth)


def still_true(first: Iterable[Finding], second: Iterable[Finding]) -> list[Finding]:
    """The findings of the first reading that the second one repeats word for word."""
    again = set(second)
    return [finding for finding in dict.fromkeys(first) if finding in again]
