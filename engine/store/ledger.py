"""The ledger: what was going to be dialled, written before it is, and what became of it.

    Dial ─▶ intend ─▶ Intent   durable: may be dialled, under this attempt id and never another
                   ─▶ Refusal  a rule forbids it; kept with its rule, the lead waits until it may be called again
                   ─▶ StoreUnavailable: nobody knows. `settle` finds out, and makes sure that it stays so

INTENT and the lead's move from claimed to dialled are one transaction: a lead is in the hands of one attempt only, and
an attempt id is used once. Outcomes come later, from the event `AttemptEnded` (`engine.store.outcomes`).
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, StatementError

from engine.dialer.law import Called, Verdict, may_dial
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, CampaignId, LeadId, TrunkId
from engine.domain.commands import Dial
from engine.domain.values import SECOND, Token, Value
from engine.errors import NotFound, StoreUnavailable
from engine.store.campaigns import Standing, standing
from engine.store.checks import rule_fault
from engine.store.database import Database, is_damage, is_passing
from engine.store.dnc import unwanted
from engine.store.leads import RELEASED, LeadState, is_in
from engine.store.tables import DialAttempt, Lead, LeadGroup, PersonalData, table

T = TypeVar("T")
log = structlog.get_logger(__name__)

INTEND_WITHIN_S = 0.9
"""Longer than this nobody waits for the ledger: dialling stops within a second of the database."""
AT_ONCE = 100
"""So many INTENTs share one transaction."""
DIALS_TOLD = 100
"""So many earlier dials of a number the law is told of, latest first."""
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


class OpenIntent(Value):
    """An attempt that has no outcome yet. `intent_at` is µs."""

    attempt_id: AttemptId
    campaign_id: CampaignId
    lead_id: LeadId
    number: Token
    trunk_id: TrunkId
    intent_at: int


class Ledger:
    """Writes INTENT, and reads what is open. `now` is the engine's, UTC µs."""

    def __init__(self, database: Database, *, within_s: float = INTEND_WITHIN_S) -> None:
        self._database = database
        self._within_s = within_s
        self._waiting: list[_Wanted] = []
        self._writer: asyncio.Task[None] | None = None

    async def intend(self, dial: Dial, now: int, *, machine: int = 0) -> Intent | Refusal:
        """Write the INTENT of an attempt, if everything still allows it: lead, do-not-call list, hours, caps.

        `machine`: what the machine's clock says where that is another time than `now` (µs). Nobody knows which of the
        two is right, so hours must be open at both.

        Synced when it returns, at the latest after a second. After StoreUnavailable the INTENT may be there or not:
        dial nothing, and call `settle` until it answers.

        :raises NotFound: no such campaign.
        :raises StoreUnavailable: it cannot be told whether the INTENT was written.
        """
        answer: asyncio.Future[Intent | Refusal] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Wanted(dial, now, machine, time.monotonic() + self._within_s, answer))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="ledger")
        try:
            async with asyncio.timeout(self._within_s):
                return await answer
        except TimeoutError as late:
            raise self._late() from late

    async def settle(self, attempt_id: AttemptId) -> Intent | None:
        """Find out what became of an `intend` that failed, so that nothing changes it later.

        An Intent: it was written and is open; it may be dialled if this process has not tried to. None: it was not, and
        will not be, for its lead is no longer claimed by this attempt.

        :raises StoreUnavailable: still unknown; call again.
        """
        return await self._soon(lambda connection: _settle(connection, attempt_id))

    async def open_intents(self, before: int | None = None) -> tuple[OpenIntent, ...]:
        """Return the attempts without outcome, oldest first; of these, those written before an instant (µs).

        :raises StoreUnavailable: the database is away.
        """
        wanted = select(_ATTEMPT).where(_ATTEMPT.c.outcome.is_(None)).order_by(_ATTEMPT.c.intent_us, _ATTEMPT.c.id)
        if before is not None:
            wanted = wanted.where(_ATTEMPT.c.intent_us < before)
        async with self._database.reading() as connection:
            return tuple(_open(row) for row in await connection.execute(wanted))

    async def _write(self) -> None:
        """Write what waits: INTENTs that come while others are being synced share the next transaction."""
        while self._waiting:
            batch = [wanted for wanted in self._waiting[:AT_ONCE] if not wanted.answer.done()]
            del self._waiting[:AT_ONCE]
            try:
                answers = await self._soon(functools.partial(_intend_all, batch))
            except Exception as failed:  # noqa: BLE001 - each who waits is told, and raises it
                answers = [failed] * len(batch)
            for wanted, answer in zip(batch, answers, strict=True):
                if wanted.answer.done():  # he waits no longer, and will `settle`
                    continue
                if isinstance(answer, Exception):
                    wanted.answer.set_exception(answer)
                elif answer is not None:
                    wanted.answer.set_result(answer)

    async def _soon(self, work: Callable[[Connection], T]) -> T:
        """Run one synced transaction within the ledger's own, short time."""
        deadline = time.monotonic() + self._within_s

        def in_time(connection: Connection) -> T:
            # A thread that waited for the lock cannot be called back: it must not write once nobody waits for it.
            if time.monotonic() >= deadline:
                raise self._late()
            return work(connection)

        try:
            async with asyncio.timeout(self._within_s):
                return await self._database.write(in_time)
        except TimeoutError as late:
            raise self._late() from late

    def _late(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"the ledger did not answer within {self._within_s:g} s",
            where="ledger",
            mend="Nothing is dialled until it does.",
        )


class _Wanted(NamedTuple):
    """A dial that waits for its INTENT until `deadline` (monotonic seconds)."""

    dial: Dial
    now: int
    machine: int
    deadline: float
    answer: asyncio.Future[Intent | Refusal]


def _intend_all(batch: Sequence[_Wanted], connection: Connection) -> list[Intent | Refusal | Exception | None]:
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


def _apart(connection: Connection, wanted: _Wanted) -> Intent | Refusal | Exception | None:
    """Answer one of a batch by itself: what is wrong with its campaign or its rows must not cost the others theirs."""
    try:
        with connection.begin_nested():
            return _answer(connection, wanted)
    except Exception as failed:
        if is_passing(failed) or is_damage(failed):
            raise
        log.exception("a dial is refused, as its campaign cannot be used", attempt_id=wanted.dial.attempt_id)
        why = str(failed).partition("\n")[0][:WHY_CHARS]
        return _unusable(connection, wanted, f"{type(failed).__name__}: {why}")


def _answer(connection: Connection, wanted: _Wanted) -> Intent | Refusal | Exception | None:
    if time.monotonic() >= wanted.deadline:
        return None
    try:
        return _intend(connection, wanted.dial, wanted.now, wanted.machine)
    except NotFound as missing:  # before anything of this dial was written
        return missing


def _unusable(connection: Connection, wanted: _Wanted, why: str) -> Refusal:
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
    called = _called(connection, dial, campaign, person.lookup, now)
    verdict = may_dial(called, rules, now)
    if verdict.allowed and machine:
        verdict = may_dial(Called(zones=called.zones), rules, machine)
    if not verdict.allowed:
        return refuse(verdict, now, person.lookup)
    connection.execute(insert(_ATTEMPT).values(_row(dial, campaign.policy.seller, now, person.lookup)))
    return Intent(attempt_id=dial.attempt_id, number=person.value)


def _called(connection: Connection, dial: Dial, campaign: Standing, lookup: bytes, now: int) -> Called:
    """Return what the law must know of the person: where he may be, what he asked for, when he was dialled."""
    zones = select(_GROUP.c.zones).join(_LEAD, _LEAD.c.group_id == _GROUP.c.id).where(_LEAD.c.id == dial.lead_id)
    dials = _earlier(connection, lookup, now - campaign.terms.rules.look_back_us())
    return Called(
        zones=campaign.terms.zones(connection.execute(zones).scalar_one()),
        do_not_call=bool(unwanted(connection, [dial.number])),
        attempts=tuple(row.intent_us for row in dials),
        abandoned_at=next((row.answered_us for row in dials if row.outcome == Outcome.ABANDONED.value), 0),
    )


def _earlier(connection: Connection, lookup: bytes, since: int) -> Sequence[Any]:
    """Return a number's dials since an instant in any campaign, latest first, without those that rang nobody.

    By the number's hash, not its token: a person who was erased has no more calls to come than before.
    """
    rang = or_(_ATTEMPT.c.outcome.is_(None), _ATTEMPT.c.outcome.not_in(_RANG_NOBODY))
    dials = (
        select(_ATTEMPT.c.intent_us, _ATTEMPT.c.answered_us, _ATTEMPT.c.outcome)
        .where(_ATTEMPT.c.lookup == lookup, _ATTEMPT.c.intent_us > since, rang)
        .order_by(_ATTEMPT.c.intent_us.desc())
        .limit(DIALS_TOLD)
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


def _settle(connection: Connection, attempt_id: str) -> Intent | None:
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


def _open(row: Any) -> OpenIntent:
    return OpenIntent(
        attempt_id=AttemptId(row.id),
        campaign_id=CampaignId(row.campaign_id),
        lead_id=LeadId(row.lead_id),
        number=Token(row.number),
        trunk_id=TrunkId(row.trunk_id),
        intent_at=row.intent_us,
    )
