"""The own do-not-call list: numbers that nobody here may call, whatever the campaign.

It is kept by the vault's keyed hash of the number. So it holds for every token of that number, also for one that a
later import makes, and it outlasts the erasure of the person, who would otherwise be called again. It is looked at when
numbers are imported, when leads are claimed and once more inside the INTENT's transaction; an entry takes effect with
its commit, which is synced.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from engine.domain.campaign import AttemptId
from engine.domain.values import Token, Value
from engine.errors import NotFound
from engine.store.database import Database
from engine.store.dialable import read_or_refuse
from engine.store.statements import insert_new
from engine.store.tables import DialAttempt, DoNotCall, Lead, PersonalData, table
from engine.store.vault import Vault

AT_ONCE = 500

_DNC = table(DoNotCall)
_TOKEN = table(PersonalData)
_LEAD = table(Lead)
_ATTEMPT = table(DialAttempt)


class Unwanted(Value):
    """An entry. `source`: opt-out, operator or import; `by`: attempt, person or import. `added_at` is µs."""

    number: Token
    source: str
    by: str
    added_at: int


class DoNotCallList:
    """The list. Numbers come in as people write them and are kept as tokens."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def add(self, number: str, now: int, *, by: str, region: str = "") -> bool:
        """Put a number on the list; False when it was on it. Waiting leads with it end at once.

        :raises ConfigError: it is no number.
        :raises StoreUnavailable: nothing was changed.
        """
        e164 = read_or_refuse(number, region).e164
        return await self.add_all([e164], now, source="operator", by=by) == 1

    async def add_all(self, numbers: Sequence[str], now: int, *, source: str, by: str) -> int:
        """Put numbers (E.164) on the list in one transaction, and return how many were new.

        :raises StoreUnavailable: nothing was changed.
        """
        tokens = await self._vault.tokens("number", numbers)
        entries = [(self._vault.lookup("number", number), token) for number, token in tokens.items()]
        async with self._vault.turn:

            def work(connection: Connection) -> tuple[int, Sequence[object]]:
                saved = self._vault.save(connection)
                added = sum(_add(connection, lookup, token, now, source, by) for lookup, token in entries)
                return added, saved

            added, saved = await self._database.write(work)
            await self._vault.saved(saved, durable=True)  # type: ignore[arg-type]
        return added

    async def opt_out(self, attempt_id: AttemptId, now: int) -> None:
        """Put the person on the list who was called by this attempt. Synced when it returns: tell nobody before.

        :raises NotFound: there was no such attempt.
        :raises StoreUnavailable: it is not kept; try again until it is.
        """

        def work(connection: Connection) -> None:
            if not keep_opt_out(connection, attempt_id, now):
                raise NotFound(f"there is no attempt {attempt_id}", where="do-not-call", mend="Name one that was made.")

        await self._database.write(work)

    async def remove(self, number: str, *, region: str = "") -> None:
        """Take a number off the list. Leads that ended because of it wait again.

        :raises ConfigError: it is no number.
        :raises NotFound: it is not on the list.
        :raises StoreUnavailable: nothing was changed.
        """
        lookup = self._vault.lookup("number", read_or_refuse(number, region).e164)

        def work(connection: Connection) -> int:
            gone = connection.execute(delete(_DNC).where(_DNC.c.lookup == lookup)).rowcount
            if gone:
                mine = _LEAD.c.number.in_(select(_TOKEN.c.id).where(_TOKEN.c.lookup == lookup))
                connection.execute(update(_LEAD).where(mine, _LEAD.c.state == "dnc").values(state="new"))
            return gone

        if not await self._database.write(work):
            raise NotFound(
                "this number is not on the list",
                where="do-not-call",
                mend="`callwright dnc check NUMBER` tells whether one is.",
            )

    async def check(self, number: str, *, region: str = "") -> Unwanted | None:
        """Return a number's entry, or None.

        :raises ConfigError: it is no number.
        :raises StoreUnavailable: the database is away.
        """
        lookup = self._vault.lookup("number", read_or_refuse(number, region).e164)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(_DNC).where(_DNC.c.lookup == lookup))).one_or_none()
        if row is None:
            return None
        return Unwanted(number=Token(row.number), source=row.source, by=row.by, added_at=row.added_us)

    async def size(self) -> int:
        """Return how many numbers are on the list.

        :raises StoreUnavailable: the database is away.
        """
        async with self._database.reading() as connection:
            return (await connection.execute(select(func.count()).select_from(_DNC))).scalar_one()


def unwanted(connection: Connection, numbers: Sequence[str]) -> set[str]:
    """Return those of some number tokens whose numbers are on the list."""
    found: set[str] = set()
    for start in range(0, len(numbers), AT_ONCE):
        part = numbers[start : start + AT_ONCE]
        listed = select(_TOKEN.c.id).join(_DNC, _DNC.c.lookup == _TOKEN.c.lookup).where(_TOKEN.c.id.in_(part))
        found.update(connection.execute(listed).scalars())
    return found


def keep_opt_out(connection: Connection, attempt_id: str, now: int) -> bool:
    """Put the person on the list whom an attempt called. False when there was no such attempt."""
    asked = select(_ATTEMPT.c.number, _TOKEN.c.lookup)
    joined = asked.outerjoin(_TOKEN, _TOKEN.c.id == _ATTEMPT.c.number).where(_ATTEMPT.c.id == attempt_id)
    row = connection.execute(joined).one_or_none()
    if row is not None and row.lookup is not None:  # erased meanwhile: then nobody can dial it either
        _add(connection, row.lookup, row.number, now, "opt-out", attempt_id)
    return row is not None


def _add(connection: Connection, lookup: bytes, number: str, now: int, source: str, by: str) -> int:
    entry = {"lookup": lookup, "number": number, "source": source, "by": by, "added_us": now}
    added = connection.execute(insert_new(_DNC, connection), entry).rowcount
    ended = (
        update(_LEAD)
        .where(
            _LEAD.c.number.in_(select(_TOKEN.c.id).where(_TOKEN.c.lookup == lookup)),
            _LEAD.c.state.in_(("new", "claimed")),
        )
        .values(state="dnc", attempt_id=None, lease_us=None)
    )
    connection.execute(ended)
    return added
