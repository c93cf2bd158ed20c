"""Agents' PINs: stored as argon2 hashes, checked in a thread, locked after too many failures.

A PIN has few digits, so the lock-out is what protects it: 5 failures close it for a minute, for the right PIN too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import cache

from pwdlib import PasswordHash
from sqlalchemy import select, update

from engine.domain.values import SECOND
from engine.errors import NotFound, RefusedByRule
from engine.store.checks import check_pin
from engine.store.database import Database
from engine.store.tables import Agent, table

FAILURES_ALLOWED = 5
LOCKED_US = 60 * SECOND
CHECKS_AT_ONCE = 2
"""Each check takes 64 MiB and a core for about 50 ms: telephony must not feel a morning's sign-ins."""

_AGENTS = table(Agent)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("0000")


class Pins:
    """Sets and checks PINs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def set(self, agent_id: str, pin: str) -> None:
        """Give an agent a PIN of 4 to 8 digits; ends a lock-out.

        :raises ConfigError: it is no PIN.
        :raises NotFound: there is no such agent.
        """
        check_pin(pin)
        async with self._free:
            hashed = await asyncio.to_thread(_hasher().hash, pin)
        async with self._database.writing() as connection:
            columns = {"pin_hash": hashed, "pin_failures": 0, "pin_locked_until_us": 0}
            done = await connection.execute(update(_AGENTS).where(_AGENTS.c.id == agent_id).values(columns))
            if done.rowcount == 0:
                raise NotFound(f"there is no agent {agent_id}", where="agent", mend="See `callwright agent list`.")

    async def check(self, agent_id: str, pin: str, now: int) -> bool:
        """Tell whether this is the agent's PIN. `now` is UTC µs. An unknown agent takes as long and has no PIN.

        :raises RefusedByRule: too many failures; the text says how long it stays closed.
        :raises StoreUnavailable: the database is away.
        """
        async with self._database.reading() as connection:
            known = await connection.execute(select(_AGENTS.c.id).where(_AGENTS.c.id == agent_id))
            exists = known.one_or_none() is not None
        if not exists:
            await self._verify(pin, _nobodys_hash)
            return False
        # One at a time per agent, so that guesses made at once are counted before the next is heard.
        async with self._turns[agent_id]:
            return await self._check(agent_id, pin, now)

    async def _check(self, agent_id: str, pin: str, now: int) -> bool:
        wanted = select(_AGENTS.c.pin_hash, _AGENTS.c.pin_failures, _AGENTS.c.pin_locked_until_us)
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted.where(_AGENTS.c.id == agent_id))).one_or_none()
        if row is None:
            return False
        if row.pin_locked_until_us > now:
            left_s = -(-(row.pin_locked_until_us - now) // SECOND)
            raise RefusedByRule(
                f"too many wrong PINs; closed for another {left_s} s",
                where=f"agent {agent_id}",
                mend="Wait, or set a new PIN.",
            )
        stored = row.pin_hash
        right = await self._verify(pin, lambda: stored or _nobodys_hash()) and stored is not None
        if right and not row.pin_failures:
            return True
        failures = 0 if right else row.pin_failures + 1
        locked = failures >= FAILURES_ALLOWED
        columns = {"pin_failures": 0 if locked else failures, "pin_locked_until_us": now + LOCKED_US if locked else 0}
        async with self._database.writing() as connection:
            await connection.execute(update(_AGENTS).where(_AGENTS.c.id == agent_id).values(columns))
        return right

    async def _verify(self, pin: str, stored: Callable[[], str]) -> bool:
        def verify() -> bool:
            return _hasher().verify(pin, stored())

        async with self._free:
            return await asyncio.to_thread(verify)
