"""The ledger: what was going to be dialled, written before it is, and what became of it.

    Dial ─▶ intend ─▶ Intent   durable: may be dialled, under this attempt id and never another
                   ─▶ Refusal  a rule forbids it; kept with its rule, the lead waits until it may be called again
                   ─▶ StoreUnavailable: nobody knows. `settle` finds out, and makes sure that it stays so

INTENT and the lead's move from claimed to dialled are one transaction: a lead is in the hands of one attempt only, and
an attempt id is used once (`engine.store.intents`). Outcomes come later, from the event `AttemptEnded`
(`engine.store.outcomes`).
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, select

from engine.domain.campaign import AttemptId, CampaignId, LeadId, TrunkId
from engine.domain.commands import Dial
from engine.domain.values import Token, Value
from engine.errors import StoreUnavailable
from engine.store.database import Database
from engine.store.intents import ERASED, UNUSABLE, Intent, Refusal, Wanted, intend_all, settle
from engine.store.tables import DialAttempt, table

__all__ = ["ERASED", "UNUSABLE", "Intent", "Ledger", "OpenIntent", "Refusal"]

T = TypeVar("T")

INTEND_WITHIN_S = 0.9
"""Longer than this nobody waits for the ledger: dialling stops within a second of the database."""
AT_ONCE = 100
"""So many INTENTs share one transaction."""

_ATTEMPT = table(DialAttempt)


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
        self._waiting: list[_Waiting] = []
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
        self._waiting.append(_Waiting(Wanted(dial, now, machine, time.monotonic() + self._within_s), answer))
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
        return await self._soon(lambda connection: settle(connection, attempt_id))

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
            batch = [waiting for waiting in self._waiting[:AT_ONCE] if not waiting.answer.done()]
            del self._waiting[:AT_ONCE]
            try:
                answers = await self._soon(functools.partial(intend_all, [waiting.wanted for waiting in batch]))
            except Exception as failed:  # noqa: BLE001 - each who waits is told, and raises it
                answers = [failed] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if waiting.answer.done():  # he waits no longer, and will `settle`
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                elif answer is not None:
                    waiting.answer.set_result(answer)

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


class _Waiting(NamedTuple):
    wanted: Wanted
    answer: asyncio.Future[Intent | Refusal]


def _open(row: Any) -> OpenIntent:
    return OpenIntent(
        attempt_id=AttemptId(row.id),
        campaign_id=CampaignId(row.campaign_id),
        lead_id=LeadId(row.lead_id),
        number=Token(row.number),
        trunk_id=TrunkId(row.trunk_id),
        intent_at=row.intent_us,
    )
