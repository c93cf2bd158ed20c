"""The demo's judge of a campaign: ledger and far side agree attempt by attempt, or it says where they do not."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from engine.domain.attempt import Outcome
from engine.lab.called import Persona, number, persona_of
from engine.lab.truth import Call, Truth
from engine.main.demo import company, leads
from engine.main.demo.outbound_sums import Dialled, disagreements, inconsistencies, talked
from engine.runtime.outbound import CampaignReport, Spread
from engine.store.dialable import Undialable, read_number

ADA, BOB = number(Persona.PERSON, 1), number(Persona.PERSON, 2)
EARLY, MACHINE, BUSY = number(Persona.EARLY, 3), number(Persona.MACHINE, 4), number(Persona.BUSY, 5)


def call(dialled: str, *notes: str) -> Call:
    """One dial as the far side saw it."""
    return Call(
        id=f"leg-{dialled}",
        channel="PJSIP/from-site-1",
        number="",
        desk="",
        started=1.0,
        answered=2.0,
        heard=(),
        ended=3.0,
        cause=16,
        dialled=dialled,
        notes=tuple((note, 2.5) for note in notes),
    )


TRUTH = Truth(calls=(call(ADA, "TALKED"), call(BOB, "MESSAGE"), call(EARLY), call(MACHINE), call(BUSY)))
LEDGER = [
    Dialled(ADA, "connected", "2001"),
    Dialled(BOB, "abandoned", None),
    Dialled(EARLY, "connected", "2002"),
    Dialled(MACHINE, "machine", None),
    Dialled(BUSY, "busy", None),
]


def test_they_agree() -> None:
    assert disagreements(LEDGER, TRUTH) == []
    assert talked(TRUTH) == 1


def test_a_number_that_was_dialled_twice_or_unknown_to_the_ledger() -> None:
    twice = Truth(calls=(*TRUTH.calls, call(BUSY)))
    assert disagreements(LEDGER, twice) == [
        f"{BUSY} was dialled 2 times by the far side's records, 1 times by our ledger"
    ]
    stranger = Truth(calls=(*TRUTH.calls, call(number(Persona.NO_ANSWER, 9))))
    assert "1 times by the far side's records, 0 times by our ledger" in disagreements(LEDGER, stranger)[0]


def test_a_dial_that_never_arrived() -> None:
    assert "0 times by the far side's records" in disagreements(LEDGER, Truth(calls=TRUTH.calls[:-1]))[0]
    failed = [*LEDGER[:-1], Dialled(BUSY, "trunk", None)]
    assert disagreements(failed, Truth(calls=TRUTH.calls[:-1])) == [], "a dead trunk need not have told the network"


@pytest.mark.parametrize(
    ("place", "row", "says"),
    [
        (0, Dialled(ADA, "hung-up-early", None), "was connected to an agent 0 times"),
        (0, Dialled(ADA, "abandoned", None), "was abandoned 1 times"),
        (1, Dialled(BOB, "connected", "2001"), "heard an agent 0 times"),
        (1, Dialled(BOB, "machine", None), "was abandoned 0 times"),
        (3, Dialled(MACHINE, "connected", "2001"), "is a machine and was counted as a person"),
    ],
)
def test_an_outcome_that_the_far_side_knows_better(place: int, row: Dialled, says: str) -> None:
    rows = [*LEDGER]
    rows[place] = row
    assert any(says in found for found in disagreements(rows, TRUTH))


def test_a_person_who_was_joined_too_late_talked_and_is_abandoned() -> None:
    late = [Dialled(ADA, "abandoned", "2001"), *LEDGER[1:]]
    assert disagreements(late, TRUTH) == []


def test_a_person_in_silence() -> None:
    silent = Truth(calls=(*TRUTH.calls[:-1], call(BUSY, "SILENCE")))
    assert disagreements(LEDGER, silent) == [f"{BUSY} was picked up and heard nothing"]


def report(attempts: int, **outcomes: int) -> CampaignReport:
    """Sums of a ledger."""
    named = {outcome.value: 0 for outcome in Outcome} | {name.replace("_", "-"): n for name, n in outcomes.items()}
    now = datetime.now(UTC)
    return CampaignReport(
        campaign_id="outreach",
        start=now,
        end=now,
        timezone="UTC",
        attempts=attempts,
        open=0,
        outcomes=named,
        refused={},
        live_answers=named["connected"] + named["abandoned"] + named["hung-up-early"],
        connected=named["connected"],
        abandoned=named["abandoned"],
        hung_up_early=named["hung-up-early"],
        machines=named["machine"],
        abandon_rate=None,
        abandon_upper95=1.0,
        answer_to_agent_ms=Spread(p50=None, p99=None),
        agent_utilisation=None,
    )


def test_the_ledgers_own_sums() -> None:
    assert inconsistencies(report(5, connected=2, abandoned=1, machine=1, busy=1), LEDGER) == []
    assert inconsistencies(report(5, connected=2, abandoned=1, machine=1), LEDGER) == [
        "5 numbers were dialled, 5 are attempts, 4 have an outcome"
    ]


# --- the list --------------------------------------------------------------------------------------------------------


def test_a_list_has_each_person_once_and_everything_that_can_answer() -> None:
    people = list(islice(leads.people(1), 2_000))
    assert len(set(people)) == len(people)
    assert people == list(islice(leads.people(1), 2_000)) != list(islice(leads.people(2), 2_000))
    kinds = Counter(persona_of(each) for each in people)
    assert set(kinds) == set(leads.MIX)
    persons = sum(count for kind, count in kinds.items() if kind is not None and kind.is_person)
    assert persons / len(people) == pytest.approx(company.ANSWER_RATE, abs=0.05)
    for each in people[:100]:
        assert read_number(each).zones == ("Asia/Shanghai",)


def test_a_list_is_dirty(tmp_path: Path) -> None:
    leads.write(tmp_path / "leads.csv", 20, seed=1)
    with (tmp_path / "leads.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [row["Phone"] for row in rows]
    assert len(rows) == 20 + len(leads.DIRT) + 1
    assert numbers.count(numbers[0]) == 2
    with pytest.raises(Undialable):
        read_number("call me in the morning")


def test_the_forecast_is_one_working_day_of_these_agents() -> None:
    handled = company.WORKING_DAY_S / (company.TALK_S + company.WRAP_UP_S)
    for agents in (3, 6, 12):
        assert 0.4 * agents * handled < company.answers_of_a_working_day(agents) < agents * handled
        assert company.campaign(agents).forecast_answers == company.answers_of_a_working_day(agents)
        assert len({agent.id for agent in (*company.AGENTS, *company.outbound_agents(agents))}) == 5 + agents
