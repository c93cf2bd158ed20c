"""The vault: the only place that knows what a token stands for.

Numbers, names and typed digits enter the engine through `token` and travel on as opaque texts. The same value gets the
same token, so a returning caller is recognised without being known; it is found by HMAC-SHA256 under a key that lies
beside the journal (`vault.key`, 0600). Tokens themselves are random: once a row is erased, neither the key nor the
journal can bring the person back.

A new token must be durable before the first journal line that mentions it, even while the database is away. So it goes
to a small private file (`vault.pending`) in the same flush as, and before, those lines; the database takes it over
soon after, and the file is emptied.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
import phonenumbers
from sqlalchemy import Connection, delete, select
from ulid import ULID

from engine.domain.values import Token, Value
from engine.errors import ConfigError, JournalBroken, JournalUnwritable, NotFound
from engine.store.database import Database
from engine.store.files import PRIVATE, Tail, write_whole
from engine.store.statements import insert_new
from engine.store.tables import PersonalData, table

Kind = Literal["number", "name", "digits"]
KINDS: tuple[str, ...] = ("number", "name", "digits")
REMEMBERED = 500_000
"""So many values are known without asking the database (about 250 bytes each). An older one gets a second token."""
RESOLVED_AT_ONCE = 500
HIDDEN = "••••"

_TOKENS = table(PersonalData)


class Sealed(Value):
    """One value behind its token, as the pending file holds it."""

    id: Token
    kind: str
    value: str
    lookup: bytes
    created_us: int


_SEALED = msgspec.json.Decoder(Sealed)


def mask(number: str) -> str:
    """Return a number as screens and logs may show it: country and last two digits, `+86••••34`."""
    if len(number) < 4:
        return HIDDEN
    with suppress(phonenumbers.NumberParseException):
        return f"+{phonenumbers.parse(number).country_code}{HIDDEN}{number[-2:]}"
    return HIDDEN + number[-2:]


class Vault:
    """Tokens for values. `token` and `flush` need no database; `save` moves what is new into it."""

    def __init__(self, database: Database, directory: Path, key: bytes, remembered: int = REMEMBERED) -> None:
        self._database = database
        self._key = key
        self._remembered = remembered
        self._file = directory / "vault.pending"
        self._known: dict[bytes, Token] = {}
        self._unwritten: list[Sealed] = []
        """Not in the pending file yet."""
        self._unsaved: dict[Token, Sealed] = {}
        """Not in the database yet."""
        self._tail: Tail | None = None
        self.pending_bytes = 0
        """Size of the pending file, as far as this process wrote it."""
        self._guard = threading.Lock()
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, database: Database, directory: Path, *, remembered: int = REMEMBERED) -> Vault:
        """Open the vault, taking over what a killed engine left in the pending file.

        :raises ConfigError: the key file can be read by others.
        :raises StoreUnavailable: the database is away; without it a known caller would get a new token.
        """
        key = await asyncio.to_thread(_key, directory)
        vault = cls(database, directory, key, remembered)
        async with database.reading() as connection:
            latest = select(_TOKENS.c.lookup, _TOKENS.c.id).order_by(_TOKENS.c.created_us.desc()).limit(remembered)
            rows = (await connection.execute(latest)).all()
            vault._known = {lookup: Token(token) for lookup, token in reversed(rows)}
        for sealed in await asyncio.to_thread(_read_pending, vault._file):
            vault._unsaved[sealed.id] = sealed
            vault._known[sealed.lookup] = sealed.id
        return vault

    def token(self, kind: str, value: str) -> Token:
        """Return the token of a value of a kind: number, name or digits. Does not block.

        A new one is durable after the next `flush`.
        """
        value = _storable(value)
        lookup = self._lookup(kind, value)
        known = self._known.get(lookup)
        if known is not None:
            return known
        token = Token(f"{kind[:3]}_{ULID()}")
        sealed = Sealed(id=token, kind=kind, value=value, lookup=lookup, created_us=time.time_ns() // 1000)
        self._known[lookup] = token
        if len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]  # the oldest; callers without end must not fill the memory
        self._unsaved[token] = sealed
        self._unwritten.append(sealed)
        return token

    def lookup(self, kind: str, value: str) -> bytes:
        """Return the keyed hash by which a value is found: the same for every token of it, and for ever."""
        return self._lookup(kind, _storable(value))

    async def tokens(self, kind: str, values: Iterable[str]) -> dict[str, Token]:
        """Return the token of each value, the same one each time: for lists that must not hold a number twice.

        Unlike `token` this asks the database, so it also knows values that memory has forgotten; of several tokens it
        takes the oldest. New ones are in the database after the next `save`.

        :raises StoreUnavailable: the database is away.
        """
        wanted = {self.lookup(kind, value): value for value in values}
        lookups = list(wanted)
        found: dict[str, Token] = {}
        for start in range(0, len(lookups), RESOLVED_AT_ONCE):
            part = _TOKENS.c.lookup.in_(lookups[start : start + RESOLVED_AT_ONCE])
            latest_first = (_TOKENS.c.created_us.desc(), _TOKENS.c.id.desc())
            async with self._database.reading() as connection:
                rows = await connection.execute(
                    select(_TOKENS.c.lookup, _TOKENS.c.id).where(part).order_by(*latest_first)
                )
                found |= {wanted[row.lookup]: Token(row.id) for row in rows}
        return {value: found.get(value) or self.token(kind, value) for value in wanted.values()}

    async def resolve(self, tokens: Iterable[str]) -> dict[str, str]:
        """Return what tokens stand for. Erased and unknown ones are absent.

        :raises StoreUnavailable: the database is away.
        """
        wanted = dict.fromkeys(tokens)
        found = {token: self._unsaved[Token(token)].value for token in wanted if token in self._unsaved}
        asked = [token for token in wanted if token not in found]
        for start in range(0, len(asked), RESOLVED_AT_ONCE):
            part = asked[start : start + RESOLVED_AT_ONCE]
            async with self._database.reading() as connection:
                rows = await connection.execute(select(_TOKENS.c.id, _TOKENS.c.value).where(_TOKENS.c.id.in_(part)))
                found |= {row.id: row.value for row in rows}
        return found

    async def erase(self, token: str) -> None:
        """Forget what a token stands for, and every other token of the same value, for ever.

        :raises NotFound: no such token, or erased already.
        :raises StoreUnavailable: the database is away; nothing was erased.
        """
        async with self._turn:
            async with self._database.writing() as connection:
                pending = self._unsaved.get(Token(token))
                row = await connection.execute(select(_TOKENS.c.lookup).where(_TOKENS.c.id == token))
                lookup = pending.lookup if pending else row.scalar_one_or_none()
                if lookup is None:
                    raise NotFound(f"no token {token}", where="vault", mend="It may have been erased before.")
                await connection.execute(delete(_TOKENS).where(_TOKENS.c.lookup == lookup))
            self._known.pop(lookup, None)
            await asyncio.to_thread(self._strike, lookup)

    def flush(self) -> None:
        """Write new tokens to the pending file and sync. Call it from a thread, before the journal's flush.

        :raises JournalUnwritable: nothing was written, nothing is lost; call again when the disk is well.
        """
        with self._guard:
            batch = self._unwritten[:]
            if not batch:
                return
            try:
                if self._tail is None:
                    self._tail = Tail(self._file)
                self._tail.put(b"".join(msgspec.json.encode(sealed) + b"\n" for sealed in batch))
            except OSError as refused:
                raise _unwritable(self._file, refused) from refused
            del self._unwritten[: len(batch)]
            self.pending_bytes = self._tail.size

    def save(self, connection: Connection) -> Sequence[Sealed]:
        """Put what is new into the database, inside the caller's transaction. Hand the result to `saved` after commit.

        The caller holds `turn` around both, so that an erasure cannot fall between. May run in a thread.
        """
        batch = list(self._unsaved.values())
        if batch:
            connection.execute(insert_new(_TOKENS, connection), [_row(sealed) for sealed in batch])
        return batch

    async def saved(self, batch: Sequence[Sealed], *, durable: bool) -> None:
        """Note that a `save` was committed. After a durable commit the pending file has done its work."""
        for sealed in batch:
            self._unsaved.pop(sealed.id, None)
        if durable:
            await asyncio.to_thread(self._empty, {sealed.id for sealed in batch})

    @property
    def turn(self) -> asyncio.Lock:
        """Held by whoever moves rows between memory, file and database."""
        return self._turn

    @property
    def unsaved(self) -> int:
        """How many tokens the database does not have yet."""
        return len(self._unsaved)

    def _lookup(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{value}".encode(), "sha256")

    def _empty(self, saved: set[Token]) -> None:
        """Empty the pending file, unless it got rows that the database does not have. `saved` need not go there."""
        with self._guard:
            # From the front only: `token` may append at any moment. An import of a million numbers stays small so.
            done = next((i for i, sealed in enumerate(self._unwritten) if sealed.id not in saved), len(self._unwritten))
            del self._unwritten[:done]
            if self._tail is None:
                if not self._file.exists():
                    return
                self._tail = Tail(self._file)
            unwritten = {sealed.id for sealed in self._unwritten}
            if self._tail.size and all(token in unwritten for token in tuple(self._unsaved)):
                self._tail.cut(0)
                self.pending_bytes = 0

    def _strike(self, lookup: bytes) -> None:
        """Remove a value from memory and from the pending file."""
        with self._guard:
            # In place and on copies: `token` may add to both at any moment.
            for sealed in [each for each in self._unwritten[:] if each.lookup == lookup]:
                self._unwritten.remove(sealed)
            for sealed in [each for each in list(self._unsaved.values()) if each.lookup == lookup]:
                del self._unsaved[sealed.id]
            if not self._file.exists():
                return
            kept = [sealed for sealed in _read_pending(self._file) if sealed.lookup != lookup]
            if self._tail is not None:
                self._tail.close()
                self._tail = None
            write_whole(self._file, b"".join(msgspec.json.encode(sealed) + b"\n" for sealed in kept))


def _storable(value: str) -> str:
    """Return a value without what no database takes: NUL and broken code points. Callers' names may hold anything."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _row(sealed: Sealed) -> dict[str, object]:
    return {
        "id": sealed.id,
        "kind": sealed.kind,
        "value": sealed.value,
        "lookup": sealed.lookup,
        "created_us": sealed.created_us,
    }


def _read_pending(path: Path) -> list[Sealed]:
    """Return the rows of a pending file. A torn last line was never acknowledged: it is cut off.

    :raises JournalBroken: a line cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_whole(path, whole)
    rows = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            rows.append(_SEALED.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as broken:
            raise JournalBroken(
                f"a token's row cannot be read: {broken}", where=f"{path.name}:{number}", mend="Restore the file."
            ) from broken
    return rows


def _key(directory: Path) -> bytes:
    """Return the vault's key, made on first use."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "vault.key"
    if not path.exists():
        write_whole(path, secrets.token_bytes(hashlib.sha256().digest_size))
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            "others may read the vault's key",
            where=str(path),
            mend=f"chmod {PRIVATE:o} {path.name}, owned by the engine.",
        )
    return path.read_bytes()


def _unwritable(path: Path, refused: OSError) -> JournalUnwritable:
    return JournalUnwritable(
        f"new tokens cannot be written: {refused.strerror or os.strerror(refused.errno or 0)}",
        where=str(path),
        mend="Free space on this disk; the engine tries again by itself.",
    )
