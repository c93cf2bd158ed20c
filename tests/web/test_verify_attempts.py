"""`verify` finds every fault that is planted in calls that we dial."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from engine.dialer.modes import fresh
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import AttemptId, CampaignId, CampaignPolicy, LeadId, TrunkId
from engine.domain.facts import SeenLeg
from engine.domain.interaction import InteractionState
from engine.domain.values import InteractionId, LegId, QueueId
from engine.floor.state import Attempt, Campaign, FloorState, Interaction, Leg
from engine.main import verify, verify_attempts
from engine.main.truth import DAY_US, read_ledger
from engine.main.verify_attempts import LedgerRows
from engine.store.database import open_database
from engine.store.schema import upgrade_database
from engine.store.tables import DialAttempt, table

RINGING, WAITING, HEARING = AttemptId("att_1"), AttemptId("att_2"), AttemptId("att_3")
SPRING = CampaignId("spring")
POLICY = CampaignPolicy(id=SPRING, name="Spring", queue_id=QueueId("out"))


def attempt(attempt_id: AttemptId, state: AttemptState, outcome: Outcome | None = None) -> Attempt:
    """One of the campaign's."""
    return Attempt(
        id=attempt_id,
        campaign_id=SPRING,
        lead_id=LeadId(f"lead_{attempt_id}"),
        trunk_id=TrunkId("pstn"),
        dialled_at=1,
        state=state,
        outcome=outcome,
    )


def dialling_floor() -> FloorState:
    """One rings, one was answered and waits for an agent, one hears the message."""
    talk = Interaction(
        id=InteractionId(f"{WAITING}.1"),
        leg=LegId(WAITING),
        number="+442079460000",
        arrived_at=2,
        state=InteractionState.WAITING,
        held=True,
        campaign_id=SPRING,
        attempt_id=WAITING,
    )
    attempts = (
        attempt(RINGING, AttemptState.DIALLING),
        attempt(WAITING, AttemptState.ANSWERED),
        attempt(HEARING, AttemptState.ENDED, Outcome.ABANDONED),
    )
    return FloorState(
        campaigns={
            SPRING: Campaign(policy=POLICY, learnt=fresh(POLICY), ringing={RINGING: 1}, answered={WAITING: 2}, up=3)
        },
        attempts={each.id: each for each in attempts},
        interactions={talk.id: talk},
        legs={talk.leg: Leg(id=talk.leg, interaction_id=talk.id)},
    )


def seen(**places: str) -> tuple[SeenLeg, ...]:
    """What Asterisk has; by default what the floor believes."""
    there = {RINGING: "dialling", WAITING: "answered", HEARING: "message"} | places
    return tuple(SeenLeg(leg=LegId(leg), place=place) for leg, place in there.items() if place)


def found(state: FloorState, legs: tuple[SeenLeg, ...]) -> set[tuple[str, ...]]:
    """Code and ids of all findings about legs."""
    findings = [*verify.against_asterisk(state, legs), *verify_attempts.against_asterisk(state, legs)]
    return {(each.code, *each.ids) for each in findings}


def test_belief_and_truth_agree() -> None:
    assert found(dialling_floor(), seen()) == set()
    assert verify.calls_compared(dialling_floor(), seen()) == 3


def test_a_call_out_that_the_floor_never_dialled() -> None:
    assert found(dialling_floor(), seen(att_9="dialling")) == {("stray-channel", "att_9")}


def test_calls_out_that_ended_unheard() -> None:
    assert found(dialling_floor(), seen(att_1="", att_3="")) == {
        ("attempt-missing", RINGING),
        ("attempt-missing", HEARING),
    }
    assert found(dialling_floor(), seen(att_2="")) == {("missing-channel", f"{WAITING}.1", WAITING)}


def test_a_leg_that_is_being_traced_may_be_gone() -> None:
    state = dialling_floor()
    state.attempts[RINGING].tracing = True
    assert found(state, seen(att_1="")) == set()


def test_an_answer_that_was_not_heard() -> None:
    assert found(dialling_floor(), seen(att_1="answered")) == {("attempt-differs", RINGING)}


def test_a_message_that_was_not_heard_of() -> None:
    assert found(dialling_floor(), seen(att_2="message")) == {("place-differs", f"{WAITING}.1", WAITING)}


@pytest.mark.parametrize(
    ("attempt_id", "state", "outcome", "says"),
    [
        (RINGING, AttemptState.ANSWERED, None, "ringing"),
        (WAITING, AttemptState.CONNECTED, None, "waiting for an agent"),
        (WAITING, AttemptState.DIALLING, None, "not ringing"),
        (HEARING, AttemptState.ENDED, None, "no outcome"),
        (HEARING, AttemptState.CONNECTED, None, "nothing"),
        (HEARING, AttemptState.ANSWERED, None, "not waiting for an agent"),
    ],
)
def test_an_attempt_in_no_state(attempt_id: AttemptId, state: AttemptState, outcome: Outcome | None, says: str) -> None:
    floor = dialling_floor()
    floor.attempts[attempt_id].state, floor.attempts[attempt_id].outcome = state, outcome
    findings = verify_attempts.against_asterisk(floor, ())
    assert (attempt_id, says) in {(each.ids[0], each.truth) for each in findings if each.code == "attempt-differs"}


def test_an_attempt_of_no_campaign() -> None:
    floor = dialling_floor()
    floor.campaigns.clear()
    findings = verify_attempts.against_asterisk(floor, seen())
    assert {(each.code, each.truth) for each in findings} == {("attempt-differs", "no such campaign")}


def test_lines_that_nobody_uses() -> None:
    floor = dialling_floor()
    floor.campaigns[SPRING].up = 4
    floor.campaigns[SPRING].ringing[AttemptId("att_8")] = 1
    assert found(floor, seen()) == {("lines-differ", SPRING), ("lines-differ", SPRING, "att_8")}


# --- the ledger ------------------------------------------------------------------------------------------------------

ROWS = LedgerRows(seq=9, outcomes={RINGING: "", WAITING: "", HEARING: "abandoned"})


def against(rows: LedgerRows, ended: dict[str, tuple[int, str]] | None = None) -> set[tuple[str, ...]]:
    """Code and ids of what differs between the floor above and these rows."""
    findings = verify_attempts.against_ledger(dialling_floor(), rows, ended or {HEARING: (8, "abandoned")})
    return {(each.code, *each.ids) for each in findings}


def test_the_ledger_agrees() -> None:
    assert against(ROWS) == set()
    assert against(LedgerRows(seq=7, outcomes=ROWS.outcomes | {HEARING: ""})) == set(), "the tables are not so far"


def test_an_intent_that_nobody_dials() -> None:
    assert against(LedgerRows(seq=9, outcomes=ROWS.outcomes | {"att_7": ""})) == {("intent-open", "att_7")}


def test_a_call_without_an_intent() -> None:
    assert against(LedgerRows(seq=9, outcomes={WAITING: "", HEARING: "abandoned"})) == {("intent-missing", RINGING)}


def test_an_outcome_that_was_changed_or_lost() -> None:
    for row in ("connected", ""):
        rows = LedgerRows(seq=9, outcomes=ROWS.outcomes | {HEARING: row})
        assert against(rows) == {("outcome-differs", HEARING)}
    assert against(ROWS, {"att_6": (5, "busy")}) == {("outcome-differs", "att_6")}
    assert against(ROWS, {"att_6": (5, "not-dialled")}) == set(), "there need not be a row of what was never dialled"


def test_two_calls_to_one_number_at_once() -> None:
    assert against(LedgerRows(seq=9, outcomes=ROWS.outcomes, twice=(("att_1", "att_5"),))) == {
        ("dialled-twice", "att_1", "att_5")
    }


async def test_the_ledger_is_read(tmp_path: Path) -> None:
    """Open, asked for, and twice at once; not what came after the first had ended, or never left."""
    database = open_database(f"sqlite:///{tmp_path}/ledger.db")
    try:
        await upgrade_database(database)

        def row(
            name: str, number: str, at: int, outcome: str | None = None, ended: int | None = None
        ) -> dict[str, object]:
            fixed = {"seller": "", "trunk_id": "pstn", "campaign_id": SPRING, "cause": 0, "rule": ""}
            told = {"id": name, "lead_id": f"lead_{number}", "number": number, "intent_us": at}
            return fixed | told | {"outcome": outcome, "outcome_us": ended}

        rows = [
            row("a", "one", 10, "busy", 20),
            row("b", "one", 30),
            row("c", "two", 10, "no-answer", 40),
            row("d", "two", 39),
            row("e", "three", 10, "connected", 40),
            row("f", "three", 20, "refused", 20),
            row("g", "four", 10),
        ]
        async with database.writing() as connection:
            await connection.execute(insert(table(DialAttempt)), rows)
        ledger = await read_ledger(database, ["a", "f", "unknown"], [SPRING], 50)
        assert ledger.outcomes == {"a": "busy", "b": "", "d": "", "f": "refused", "g": ""}
        assert ledger.twice == (("c", "d"),)
        assert (await read_ledger(database, [], [SPRING], 50 + DAY_US)).twice == ()
        assert (await read_ledger(database, [], [], 50)).twice == ()
    finally:
        await database.close()
