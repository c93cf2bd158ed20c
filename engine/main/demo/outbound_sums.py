"""The campaign's sums from the ledger, and whether the far side's own records agree with it, attempt by attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select

from engine.domain.attempt import Outcome
from engine.domain.values import Value
from engine.lab.called import Persona, persona_of
from engine.lab.truth import Call, Truth
from engine.runtime.outbound import CampaignReport, Spread
from engine.store.campaign_figures import NEVER_LEFT
from engine.store.database import Database
from engine.store.tables import DialAttempt, PersonalData, table

_ATTEMPT = table(DialAttempt)
_TOKEN = table(PersonalData)
UNSURE = (Outcome.TRUNK.value, Outcome.CANCELLED.value, Outcome.LOST.value)
"""Outcomes of attempts that the far side may have seen or not."""


class Outbound(Value):
    """The campaign by the ledger's table. `attempts` left for the network and each has one of `outcomes`.

    `far_side_dialled`: calls that the network saw arrive; `far_side_talked`: people in it who heard an agent.
    `forecast_answers`: of one working day, which the abandonment budget rests on. `leads` were imported; `reasons`
    counts by reason the rows of the list that were rejected.
    """

    attempts: int
    live_answers: int
    connected: int
    abandoned: int
    hung_up_early: int
    abandon_rate: float | None
    machines: int
    answer_to_agent_ms: Spread
    agent_utilisation: float | None
    outcomes: dict[str, int]
    refused: dict[str, int]
    forecast_answers: int
    leads: int
    reasons: dict[str, int]
    far_side_dialled: int
    far_side_talked: int


class Dialled(NamedTuple):
    """One row of the ledger: the number in E.164, its outcome, and who was joined."""

    number: str
    outcome: str
    agent_id: str | None


async def ledger(database: Database, campaign_id: str = "") -> list[Dialled]:
    """Every attempt (of one campaign) that left for the network; an outcome that is missing is ""."""
    wanted = (
        select(_TOKEN.c.value, _ATTEMPT.c.outcome, _ATTEMPT.c.agent_id)
        .join(_TOKEN, _TOKEN.c.id == _ATTEMPT.c.number)
        .order_by(_ATTEMPT.c.intent_us)
    )
    if campaign_id:
        wanted = wanted.where(_ATTEMPT.c.campaign_id == campaign_id)
    async with database.reading() as connection:
        rows = [Dialled(number, outcome or "", agent) for number, outcome, agent in await connection.execute(wanted)]
    return [row for row in rows if row.outcome not in NEVER_LEFT]


def inconsistencies(report: CampaignReport, rows: Sequence[Dialled]) -> list[str]:
    """Sums of the ledger that do not fit together, in words."""
    found = []
    ended = sum(count for name, count in report.outcomes.items() if name not in NEVER_LEFT)
    if report.attempts != ended or report.attempts != len(rows):
        found.append(f"{len(rows)} numbers were dialled, {report.attempts} are attempts, {ended} have an outcome")
    parts = report.connected + report.abandoned + report.hung_up_early
    if report.live_answers != parts:
        found.append(f"{report.live_answers} people answered, {parts} are accounted for")
    return found


def disagreements(rows: Sequence[Dialled], truth: Truth) -> list[str]:
    """Where our ledger and the far side's records tell different things of the same attempt, in words.

    Every number was dialled as often as we say; who talked was connected and who was connected talked; who was
    abandoned heard the message; what is no person was never joined to the end as one.
    """
    calls = truth.called()
    return [
        *_dialled(rows, calls),
        *_compare(
            "heard an agent",
            _noted(calls, "TALKED"),
            "connected to an agent",
            [row for row in rows if _joined(row) and _listens(row.number)],
        ),
        *_compare(
            "heard the message",
            _noted(calls, "MESSAGE"),
            "abandoned",
            [row for row in rows if row.outcome == Outcome.ABANDONED and not row.agent_id and _listens(row.number)],
        ),
        *(f"{call.dialled} was picked up and heard nothing" for call in calls if _has(call, "SILENCE")),
        *(
            f"{row.number} is a {_kind(row.number)} and was counted as a person: {row.outcome}"
            for row in rows
            if row.outcome in (Outcome.CONNECTED, Outcome.HUNG_UP_EARLY) and not _is_person(row.number)
        ),
    ]


def talked(truth: Truth) -> int:
    """How many of those whom we called heard an agent."""
    return sum(_noted(truth.called(), "TALKED").values())


def _dialled(rows: Sequence[Dialled], calls: Iterable[Call]) -> list[str]:
    ours = Counter(row.number for row in rows)
    unsure = Counter(row.number for row in rows if row.outcome in UNSURE)
    theirs = Counter(call.dialled for call in calls)
    return [
        f"{number} was dialled {theirs[number]} times by the far side's records, {ours[number]} times by our ledger"
        for number in sorted(ours.keys() | theirs.keys())
        if not ours[number] - unsure[number] <= theirs[number] <= ours[number]
    ]


def _compare(theirs: str, noted: Counter[str], mine: str, rows: Iterable[Dialled]) -> list[str]:
    ours = Counter(row.number for row in rows)
    return [
        f"{number} {theirs} {noted[number]} times by the far side's records, was {mine} {ours[number]} times"
        for number in sorted(ours.keys() | noted.keys())
        if noted[number] != ours[number]
    ]


def _noted(calls: Iterable[Call], word: str) -> Counter[str]:
    return Counter(call.dialled for call in calls if _has(call, word))


def _has(call: Call, word: str) -> bool:
    return any(noted == word for noted, _at in call.notes)


def _joined(row: Dialled) -> bool:
    """A person who was joined too late talked too, and is abandoned all the same."""
    return row.outcome == Outcome.CONNECTED or (row.outcome == Outcome.ABANDONED and bool(row.agent_id))


def _is_person(number: str) -> bool:
    persona = persona_of(number)
    return persona is not None and persona.is_person


def _listens(number: str) -> bool:
    """Whether a person there stays long enough to note what he hears."""
    return persona_of(number) in (Persona.PERSON, Persona.OPTS_OUT)


def _kind(number: str) -> str:
    persona = persona_of(number)
    return persona.name.lower().replace("_", " ") if persona is not None else "stranger"
