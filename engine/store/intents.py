"""The INTENT's transaction: whether a dial is still allowed, and the row that says so before anything is dialled."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, StatementError

from engine.dialer.law import Called, Verdict, may_dial
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId
from engine.domain.commands import Dial
from engine.domain.values import SECOND, Value
from engine.errors import NotFound
from engine.store.campaigns import Standing, standing
from engine.store.checks import rule_fault
from engine.store.database import is_damage, is_passing
from engine.store.dnc import unwanted
from engine.store.leads import RELEASED, LeadState, is_in
from engine.store.tables import DialAttempt, Lead, LeadGroup, PersonalData, table

log = structlog.get_logger(__name__)

DIALS_TOLD = 100
"""So many earlier dials of a number the law is told of, latest first, or as many as the largest cap asks for."""
UNDER_WAY = "call-under-way"
"""The rule that refuses a number which another attempt is calling or talking to now, whatever intervals allow."""
UNDER_WAY_US = 4 * 3_600 * SECOND
"""An attempt that is open for longer is no call any more: its end will never be known."""
UNDER_WAY_AGAIN_US = 60 * SECOND
ASK_AGAIN_US = 900 * SECOND
"""A lead that a rule refused without saying until when waits so long."""
ERASED = "erased"
"""The rule that refuses a lead whose number the vault was told to forget."""
WHY_CHARS = 200
UNUSABLE = "campaign-unusable"
"""The rule that refuses a dial of a campaign whose own definition cannot be used; `says` tells why."""

_RANG_NOBODY = tuple(outcome.value for outcome in (Outcome.REFUSED, Outcome.TRUNK, Outcome.NOT_DIALLED))

_ATTEMPT = table(DialAttempt)
_LEAD = table(Lead)
_GROUP = table(LeadGroup)
_TOKEN = table(PersonalData)


class Intent(Value):
    """The attempt is in the ledger: dial `number` (E.164) under its id."""

    attempt_id: AttemptId
    number: str


class Refusal(Value):
    """Nothing may be dialled. `until` (µs): not again before; 0 where unknown.

    `kept`: the ledger has a row of it. It has none when the lead was no longer ours, or the attempt was made before.
    """

    attempt_id: AttemptId
    rule: str
    until: int = 0
    says: str = ""
    kept: bool = True


class Wanted(NamedTuple):
    """A dial that waits for its INTENT until `deadline` (monotonic seconds). Times are µs; see `Ledger.intend`."""

    dial: Dial
    now: int
    machine: int
    deadline: float


def intend_all(batch: Sequence[Wanted], connection: Connection) -> list[Intent | Refusal | Exception | None]:
    """Answer each of a batch; None for one who is waiting no longer.

    If one cannot be answered, all of it is taken back, and each is tried by itself: a savepoint for each of them would
    cost a third more where nothing is wrong.
    """
    try:
        with connection.begin_nested():
            return [_answer(connection, wanted) for wanted in batch]
    except Exception as failed:
        if is_passing(failed) or is_damage(failed):  # the database's own trouble is everybody's
            raise
    return [_apart(connection, wanted) for wanted in batch]


def _apart(connection: Connection, wanted: Wanted) -> Intent | Refusal | Exception | None:
    """Answer one of a batch by itself: what is wrong with its campaign or its rows must not cost the others theirs."""
    try:
        with connection.begin_nested():
            return _answer(connection, wanted)
    except Exception as failed:  # whatever is wrong with this one, the others must be dialled
        if is_passing(failed) or is_damage(failed):
            raise
        log.exception("a dial is refused, as its campaign cannot be used", attempt_id=wanted.dial.attempt_id)
        why = str(failed).partition("\n")[0][:WHY_CHARS]
        return _unusable(connection, wanted, f"{type(failed).__name__}: {why}")


def _answer(connection: Connection, wanted: Wanted) -> Intent | Refusal | Exception | None:
    if time.monotonic() >= wanted.deadline:
        return None
    try:
        return _intend(connection, wanted.dial, wanted.now, wanted.machine)
    except NotFound as missing:  # before anything of this dial was written
        return missing


def _unusable(connection: Connection, wanted: Wanted, why: str) -> Refusal:
    """Refuse a dial that could not even be judged. If that cannot be kept either, its lead goes back with its lease."""
    verdict = Verdict(allowed=False, rule=UNUSABLE, says=why)
    try:
        with connection.begin_nested():
            return _refuse(connection, wanted.dial, "", {}, verdict, wanted.now)
    except (DBAPIError, StatementError) as failed:
        if is_passing(failed) or is_damage(failed):
            raise
        return Refusal(attempt_id=wanted.dial.attempt_id, rule=UNUSABLE, says=why, kept=False)


def _intend(connection: Connection, dial: Dial, now: int, machine: int) -> Intent | Refusal:
    campaign = standing(connection, dial.campaign_id)
    rules = campaign.terms.rules
    refuse = functools.partial(
        _refuse, connection, dial, campaign.policy.seller, {rules.do_not_call.id: LeadState.DNC, ERASED: LeadState.DONE}
    )
    taken = update(_LEAD).where(
        _LEAD.c.id == dial.lead_id, _LEAD.c.attempt_id == dial.attempt_id, is_in(LeadState.CLAIMED)
    )
    if connection.execute(taken.values(state=LeadState.DIALLED.value, lease_us=None)).rowcount == 0:
        return _not_ours(connection, dial)
    person = connection.execute(select(_TOKEN.c.value, _TOKEN.c.lookup).where(_TOKEN.c.id == dial.number)).one_or_none()
    if person is None:
        return refuse(Verdict(allowed=False, rule=ERASED, says="the person was erased"), now)
    if fault := rule_fault(rules):
        says = f"{fault.what}; set the campaign's terms anew"
        return refuse(Verdict(allowed=False, rule=fault.rule_id, says=says), now, person.lookup)
    dials = _earlier(connection, person.lookup, campaign, now)
    called = _called(connection, dial, campaign, dials)
    verdict = may_dial(called, rules, now)
    if verdict.allowed and machine:
        verdict = may_dial(Called(zones=called.zones), rules, machine)
    if verdict.allowed and any(row.outcome is None and row.intent_us > now - UNDER_WAY_US for row in dials):
        says = "a call to this number is under way"
        verdict = Verdict(allowed=False, rule=UNDER_WAY, until=now + UNDER_WAY_AGAIN_US, says=says)
    if not verdict.allowed:
        return refuse(verdict, now, person.lookup)
    connection.execute(insert(_ATTEMPT).values(_row(dial, campaign.policy.seller, now, person.lookup)))
    return Intent(attempt_id=dial.attempt_id, number=person.value)


def _called(connection: Connection, dial: Dial, campaign: Standing, dials: Sequence[Any]) -> Called:
    """Return what the law must know of the person: where he may be, what he asked for, when he was dialled."""
    zones = select(_GROUP.c.zones).join(_LEAD, _LEAD.c.group_id == _GROUP.c.id).where(_LEAD.c.id == dial.lead_id)
    return Called(
        zones=campaign.terms.zones(connection.execute(zones).scalar_one()),
        do_not_call=bool(unwanted(connection, [dial.number])),
        attempts=tuple(row.intent_us for row in dials),
        abandoned_at=next((row.answered_us for row in dials if row.outcome == Outcome.ABANDONED.value), 0),
    )


def _earlier(connection: Connection, lookup: bytes, campaign: Standing, now: int) -> Sequence[Any]:
    """Return a number's dials in any campaign, latest first and as far back as this one's rules look.

    Without those that rang nobody.

    By the number's hash, not its token: a person who was erased has no more calls to come than before.
    """
    rules = campaign.terms.rules
    since = now - max(rules.look_back_us(), UNDER_WAY_US)
    rang = or_(_ATTEMPT.c.outcome.is_(None), _ATTEMPT.c.outcome.not_in(_RANG_NOBODY))
    dials = (
        select(_ATTEMPT.c.intent_us, _ATTEMPT.c.answered_us, _ATTEMPT.c.outcome)
        .where(_ATTEMPT.c.lookup == lookup, _ATTEMPT.c.intent_us > since, rang)
        .order_by(_ATTEMPT.c.intent_us.desc())
        .limit(max([DIALS_TOLD, *(cap.limit for cap in rules.caps)]))
    )
    return connection.execute(dials).all()


def _not_ours(connection: Connection, dial: Dial) -> Refusal:
    """Refuse an attempt that was made before, or whose lead is not its own (any more): lease over, do-not-call."""
    made = select(_ATTEMPT.c.id).where(_ATTEMPT.c.id == dial.attempt_id)
    if connection.execute(made).one_or_none() is not None:
        return Refusal(attempt_id=dial.attempt_id, rule="dialled-already", kept=False)
    state = connection.execute(select(_LEAD.c.state).where(_LEAD.c.id == dial.lead_id)).scalar_one_or_none()
    rule = "do-not-call" if state == LeadState.DNC.value else "lead-not-claimed"
    return Refusal(attempt_id=dial.attempt_id, rule=rule, kept=False)


def _refuse(
    connection: Connection,
    dial: Dial,
    seller: str,
    ends: Mapping[str, LeadState],
    verdict: Verdict,
    now: int,
    lookup: bytes | None = None,
) -> Refusal:
    """Keep a refusal, and let the lead go as far as its rule wants. `ends`: rules after which it is over."""
    columns = {"outcome": Outcome.REFUSED.value, "outcome_us": now, "rule": verdict.rule}
    connection.execute(insert(_ATTEMPT).values(_row(dial, seller, now, lookup) | columns))
    if verdict.rule in ends:
        lead: dict[str, Any] = RELEASED | {"state": ends[verdict.rule].value}
    else:
        lead = RELEASED | {"next_us": max(verdict.until, now + 1) if verdict.until else now + ASK_AGAIN_US}
    mine = update(_LEAD).where(_LEAD.c.id == dial.lead_id, _LEAD.c.attempt_id == dial.attempt_id)
    connection.execute(mine.values(**lead))
    return Refusal(attempt_id=dial.attempt_id, rule=verdict.rule, until=verdict.until, says=verdict.says)


def settle(connection: Connection, attempt_id: str) -> Intent | None:
    """Return the open INTENT of an attempt; where there is none, make sure that there will be none either."""
    # The lead first: its row lock waits for an INTENT that is about to commit, and whoever comes later finds it gone.
    mine = update(_LEAD).where(_LEAD.c.attempt_id == attempt_id, is_in(LeadState.CLAIMED))
    connection.execute(mine.values(**RELEASED))
    found = (
        select(_TOKEN.c.value)
        .join(_ATTEMPT, _ATTEMPT.c.number == _TOKEN.c.id)
        .where(_ATTEMPT.c.id == attempt_id, _ATTEMPT.c.outcome.is_(None))
    )
    number = connection.execute(found).scalar_one_or_none()
    return None if number is None else Intent(attempt_id=AttemptId(attempt_id), number=number)


def _row(dial: Dial, seller: str, now: int, lookup: bytes | None) -> dict[str, Any]:
    return {
        "id": dial.attempt_id,
        "campaign_id": dial.campaign_id,
        "seller": seller,
        "lead_id": dial.lead_id,
        "number": dial.number,
        "trunk_id": dial.trunk_id,
        "intent_us": now,
        "cause": 0,
        "rule": "",
        "lookup": lookup,
    }
