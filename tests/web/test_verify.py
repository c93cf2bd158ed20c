"""`verify` finds every fault that is planted, and nothing in a house that is in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from engine.domain.agent import AgentState
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile
from engine.domain.values import AgentId, InteractionId, LegId, LegMode
from engine.errors import AsteriskUnreachable
from engine.floor.state import Agent, FloorState, Interaction, Leg
from engine.main import verify
from engine.main.verify import Ended, Finding, Tables, Told
from engine.runtime.views import VerifyReport
from engine.store.lines import segment_paths
from engine.store.tables import AgentSpan, Conversation, Projection, Segment, table
from tests.web.house import House

# --- a whole engine --------------------------------------------------------------------------------------------------


async def ended_call(house: House) -> str:
    """A caller who gave up."""
    leg, interaction = await house.call()
    house.asterisk.hangup(leg.uniqueid)
    await house.gone(interaction)
    await house.written()
    return interaction


async def codes(house: House) -> set[tuple[str, ...]]:
    """What `verify` finds: (code, ids…)."""
    return {(each.code, *each.ids) for each in (await found(house)).violations}


async def found(house: House) -> VerifyReport:
    """What `verify` reports."""
    report = await house.verifier.verify()
    assert report.ok is not bool(report.violations)
    return report


async def test_a_busy_house_is_in_order(house: House) -> None:
    await ended_call(house)
    await house.talk()
    await house.call()
    report = await found(house)
    assert report.violations == ()
    assert report.live_calls_compared == 2


async def test_a_channel_that_the_floor_never_heard_of(house: House) -> None:
    house.asterisk.faults.drop = {"*"}
    leg = house.asterisk.call_in("+442079460000", "+447700900999")
    report = await found(house)
    assert [(each.code, each.ids) for each in report.violations] == [("stray-channel", (leg.uniqueid,))]
    assert report.live_calls_compared == 1


async def test_since_is_when_it_was_seen_first(house: House) -> None:
    house.asterisk.faults.drop = {"*"}
    house.asterisk.call_in("+442079460000", "+447700900999")
    first, second = await found(house), await found(house)
    assert first.violations == second.violations


async def test_a_phone_at_the_feature_codes_is_no_stray(house: House) -> None:
    house.asterisk.faults.drop = {"*"}
    house.asterisk.call_in("*45", "1001", context="callwright-phone")
    assert (await found(house)).ok


async def test_legs_that_died_unheard(house: House) -> None:
    leg, interaction = await house.talk()
    agent_leg = house.engine.floor.state.interactions[InteractionId(interaction)].agent_leg
    assert agent_leg is not None
    house.asterisk.faults.drop = {"*"}
    house.asterisk.hangup(agent_leg)
    house.asterisk.hangup(leg.uniqueid)
    assert await codes(house) == {
        ("missing-channel", interaction, leg.uniqueid),
        ("missing-channel", interaction, agent_leg),
    }


async def test_an_agents_leg_that_died_unheard(house: House) -> None:
    house.asterisk.on_ring = lambda rung: house.asterisk.answer(rung.uniqueid)
    await house.console.agents.login("1001", mode=LegMode.NAILED_UP)
    await house.until(lambda: house.agent("1001") is AgentState.AVAILABLE)
    assert (await found(house)).ok
    leg = house.engine.floor.state.agents[AgentId("1001")].leg
    assert leg is not None
    house.asterisk.faults.drop = {"*"}
    house.asterisk.hangup(leg)
    assert await codes(house) == {("agent-leg-missing", "1001", leg)}


async def test_a_talk_that_ended_unheard(house: House) -> None:
    leg, interaction = await house.talk()
    bridge = house.asterisk.model.legs[leg.uniqueid].bridge
    agent_leg = house.engine.floor.state.interactions[InteractionId(interaction)].agent_leg
    assert agent_leg is not None
    house.asterisk.faults.drop = {"*"}
    for each in house.asterisk.model.legs.values():
        each.bridge = ""
    assert await codes(house) == {
        ("bridge-differs", leg.uniqueid),
        ("bridge-differs", agent_leg),
        ("bridge-differs", interaction, leg.uniqueid, agent_leg),
    }
    [first, *_] = (await found(house)).violations
    assert (first.belief, first.truth) == (bridge, "no bridge")


async def test_a_caller_who_left_the_hold_unheard(house: House) -> None:
    leg, interaction = await house.call()
    await house.until(lambda: house.engine.floor.state.interactions[InteractionId(interaction)].held)
    leg.exten = "flow"
    assert await codes(house) == {("place-differs", interaction, leg.uniqueid)}


async def test_rows_that_were_deleted(house: House) -> None:
    over = await ended_call(house)
    _, live = await house.call()
    await house.written()
    async with house.engine.database.writing() as connection:
        await connection.execute(delete(table(Conversation)))
    assert await codes(house) == {("conversation-missing", over), ("conversation-missing", live)}


async def test_rows_that_were_changed(house: House) -> None:
    over = await ended_call(house)
    _, live = await house.call()
    await house.written()
    rows = table(Conversation)
    async with house.engine.database.writing() as connection:
        await connection.execute(update(rows).where(rows.c.id == over).values(talk_us=1))
        await connection.execute(update(rows).where(rows.c.id == live).values(state="talking"))
    assert await codes(house) == {("conversation-differs", over), ("conversation-differs", live)}


async def test_a_row_that_lives_on_in_the_tables_only(house: House) -> None:
    async with house.engine.database.writing() as connection:
        await connection.execute(
            table(Conversation)
            .insert()
            .values(id="ix_ghost", channel="voice", unit="main", number="", flow="", state="waiting", arrived_us=1)
        )
    assert await codes(house) == {("conversation-stray", "ix_ghost")}


async def test_an_end_that_contradicts_its_phases(house: House) -> None:
    over = await ended_call(house)
    rows = table(Segment)
    async with house.engine.database.writing() as connection:
        await connection.execute(delete(rows).where(rows.c.conversation_id == over, rows.c.phase == "queue"))
    [violation] = (await found(house)).violations
    assert (violation.code, violation.ids) == ("sums-differ", (over,))
    assert violation.truth == "ended abandoned"


async def test_an_agents_row_that_was_changed(house: House) -> None:
    await house.console.agents.login("1001")
    await house.written()
    async with house.engine.database.writing() as connection:
        await connection.execute(update(table(AgentSpan)).values(state="talking"))
    assert await codes(house) == {("agent-row-differs", "1001")}


async def test_facts_that_the_database_refused(house: House) -> None:
    async with house.engine.database.writing() as connection:
        await connection.execute(update(table(Projection)).values(skipped=2))
    assert await codes(house) == {("facts-skipped",)}


def cut_a_line(folder: Path) -> None:
    """Remove one line of the journal's first segment."""
    path = segment_paths(folder)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))


async def test_a_journal_that_lost_a_line(house: House) -> None:
    await ended_call(house)
    cut_a_line(house.engine.settings.paths.journal)
    violations = (await found(house)).violations
    assert {each.code for each in violations} >= {"journal-gap", "journal-chain"}
    assert violations[0].ids[0].startswith("journal-000000000001.jsonl:")


async def test_without_asterisk_there_is_no_verdict(house: House) -> None:
    await house.asterisk.stop()
    await house.until(lambda: house.engine.floor.state.blind)
    with pytest.raises(AsteriskUnreachable):
        await house.verifier.verify()


async def test_the_whole_way_over_the_console(house: House) -> None:
    async with house.engine.database.reading() as connection:
        await connection.execute(text("SELECT 1"))
    assert (await house.console.verify()).ok


# --- the comparison alone --------------------------------------------------------------------------------------------

ANN = AgentProfile(id=AgentId("1001"), name="Ann", endpoint="a")
CALLER, DESK = LegId("1.1"), LegId("1001.1")


def talking_floor() -> FloorState:
    """Ann, nailed up, talks to one caller."""
    call = Interaction(
        id=InteractionId("ix"),
        leg=CALLER,
        number="+442079460000",
        arrived_at=1,
        state=InteractionState.TALKING,
        agent_id=ANN.id,
        agent_leg=DESK,
    )
    agent = Agent(profile=ANN, state=AgentState.TALKING, mode=LegMode.NAILED_UP, leg=DESK, interaction_id=call.id)
    return FloorState(
        agents={ANN.id: agent},
        interactions={call.id: call},
        legs={
            CALLER: Leg(id=CALLER, interaction_id=call.id, bridge="b"),
            DESK: Leg(id=DESK, agent_id=ANN.id, interaction_id=call.id, bridge="b"),
        },
    )


REAL = (SeenLeg(leg=CALLER, place="hold", bridge="b"), SeenLeg(leg=DESK, place="idle", bridge="b"))


def test_belief_and_truth_agree() -> None:
    assert verify.against_asterisk(talking_floor(), REAL) == []
    assert verify.calls_compared(talking_floor(), REAL) == 1


def test_an_agent_who_talks_to_nobody() -> None:
    state = talking_floor()
    state.interactions.clear()
    assert [each.code for each in verify.against_asterisk(state, REAL)] == ["agent-differs"]


def test_an_agent_whose_interaction_is_anothers() -> None:
    state = talking_floor()
    state.interactions[InteractionId("ix")].agent_id = AgentId("1002")
    [finding] = verify.against_asterisk(state, REAL)
    assert (finding.code, finding.truth) == ("agent-differs", "ix talking with 1002")


def test_an_idle_leg_that_is_bridged() -> None:
    state = talking_floor()
    agent = state.agents[ANN.id]
    agent.state, agent.leg_idle, agent.interaction_id = AgentState.AVAILABLE, True, None
    [finding] = verify.against_asterisk(state, REAL)
    assert (finding.code, finding.ids) == ("agent-differs", ("1001", DESK))


def test_phones() -> None:
    state = talking_floor()
    assert verify.against_phones(state, {ANN.id: True, AgentId("9999"): False}) == []
    [finding] = verify.against_phones(state, {ANN.id: False})
    assert (finding.code, finding.belief, finding.truth) == ("phone-differs", "reachable", "not reachable")


def test_what_ended_later_than_the_tables_know_is_not_missing() -> None:
    over = Ended(ending="abandoned", cause=16, talk_us=0, wrap_up_us=0, ended_us=9)
    tables = Tables(seq=5, skipped=0, conversations={}, agents={}, contradictory={})
    assert verify.against_tables(FloorState(), tables, {"ix": (6, over)}) == []
    [finding] = verify.against_tables(FloorState(), tables, {"ix": (5, over)})
    assert finding.code == "conversation-missing"


def test_a_row_still_open_although_the_journal_ended_it() -> None:
    over = Ended(ending="abandoned", cause=16, talk_us=0, wrap_up_us=0, ended_us=9)
    tables = Tables(
        seq=9, skipped=0, conversations={"ix": Told(state="waiting", ended=None)}, agents={}, contradictory={}
    )
    [finding] = verify.against_tables(FloorState(), tables, {"ix": (6, over)})
    assert (finding.code, finding.truth) == ("conversation-differs", "waiting")


def test_only_what_is_found_twice_word_for_word_counts() -> None:
    one = Finding(code="bridge-differs", ids=("1",), belief="no bridge", truth="b")
    moved = Finding(code="bridge-differs", ids=("1",), belief="no bridge", truth="c")
    assert verify.still_true([one], [moved]) == []
    assert verify.still_true([one, one, moved], [one]) == [one]
