"""Where definitions are kept and changed: at the running engine, or in the store when none runs.

Commands about agents, queues, skills, numbers and trunks are written once against `Office`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from cli.client import Engine, ask, calling, is_served
from cli.flow_folder import usable_flows
from cli.output import Record, plain, say
from cli.shell import settings
from engine.errors import CallwrightError, Conflict, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from engine.domain.values import Value
    from engine.settings import Settings
    from engine.store.database import Database
    from engine.store.definitions import Definitions

T = TypeVar("T")


class Noun(StrEnum):
    """A kind of definition; its plural is the API's path."""

    AGENT = "agent"
    QUEUE = "queue"
    SKILL = "skill"
    NUMBER = "number"
    TRUNK = "trunk"

    @property
    def plural(self) -> str:
        """The path of its routes."""
        return f"{self.value}s"

    @property
    def key(self) -> str:
        """The field that identifies one."""
        return "e164" if self is Noun.NUMBER else "id"


LIVE_KEYS: Final = {
    Noun.AGENT: ("state", "since", "reason", "mode_now", "reachable", "interaction_id", "follows"),
    Noun.QUEUE: ("waiting", "offered", "talking", "longest_wait_s", "agents_signed_in", "agents_free"),
}
"""What only a running engine knows about a definition: null without one, so that the keys stay."""


class Office(Protocol):
    """Definitions of every kind. Errors are those of the store: NotFound, Conflict, ConfigError, StoreUnavailable."""

    async def list(self, noun: Noun) -> list[Record]:
        """All of a kind, by id."""

    async def show(self, noun: Noun, id_: str) -> Record:
        """One."""

    async def add(self, noun: Noun, policy: Value) -> Record:
        """Define a new one; as it was stored."""

    async def change(self, noun: Noun, id_: str, changes: Record) -> Record:
        """Change some fields; a list or table that is given replaces the old one whole."""

    async def remove(self, noun: Noun, id_: str) -> None:
        """Remove one."""

    async def set_secret(self, noun: Noun, id_: str, secret: str) -> None:
        """Keep an agent's PIN or a trunk's password."""


class EngineOffice:
    """Definitions at the running engine; what is live follows at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, noun: Noun) -> list[Record]:
        """All of a kind."""
        items: list[Record] = (await self._engine.get(noun.plural))["items"]
        return items

    async def show(self, noun: Noun, id_: str) -> Record:
        """One."""
        return await self._engine.get(noun.plural, id_)

    async def add(self, noun: Noun, policy: Value) -> Record:
        """Define a new one."""
        return await self._engine.post(noun.plural, body=plain(policy))

    async def change(self, noun: Noun, id_: str, changes: Record) -> Record:
        """Change some fields."""
        return await self._engine.patch(noun.plural, id_, body=changes)

    async def remove(self, noun: Noun, id_: str) -> None:
        """Remove one."""
        await self._engine.delete(noun.plural, id_)

    async def set_secret(self, noun: Noun, id_: str, secret: str) -> None:
        """Keep an agent's PIN or a trunk's password."""
        what = "pin" if noun is Noun.AGENT else "secret"
        await self._engine.put(noun.plural, id_, what, body={what: secret})


class StoreOffice:
    """Definitions in the store, for when no engine runs; the next start of the engine reads them."""

    def __init__(self, definitions: Definitions, flows: Path) -> None:
        self._definitions = definitions
        self._flows = flows

    def _shelf(self, noun: Noun) -> Any:
        return getattr(self._definitions, noun.plural)

    async def list(self, noun: Noun) -> list[Record]:
        """All of a kind."""
        return [_whole(noun, policy) for policy in await self._shelf(noun).list()]

    async def show(self, noun: Noun, id_: str) -> Record:
        """One."""
        return _whole(noun, await self._shelf(noun).show(id_))

    async def add(self, noun: Noun, policy: Value) -> Record:
        """Define a new one."""
        self._check_flow(policy)
        return _whole(noun, await self._shelf(noun).add(policy))

    async def change(self, noun: Noun, id_: str, changes: Record) -> Record:
        """Change some fields."""
        from engine.runtime.reading import changed

        shelf = self._shelf(noun)
        policy = changed(await shelf.show(id_), changes, noun.key)
        self._check_flow(policy)
        return _whole(noun, await shelf.change(policy))

    async def remove(self, noun: Noun, id_: str) -> None:
        """Remove one."""
        await self._shelf(noun).remove(id_)

    async def set_secret(self, noun: Noun, id_: str, secret: str) -> None:
        """Keep an agent's PIN or a trunk's password."""
        if noun is Noun.AGENT:
            await self._definitions.pins.set(id_, secret)
        else:
            await self._definitions.trunks.set_secret(id_, secret)

    def _check_flow(self, policy: Value) -> None:
        from engine.domain.policy import NumberPolicy
        from engine.store.checks import check_flow

        if not isinstance(policy, NumberPolicy):
            return
        try:
            flows = usable_flows(self._flows)
        except OSError as refused:
            unread = f"{self._flows} cannot be read ({refused.strerror}); see paths.flows"
            say(f"Warning: nobody knows whether there is a flow {policy.flow}: {unread}.")
        else:
            check_flow(policy, flows)


def _whole(noun: Noun, policy: Value) -> Record:
    return {**plain(policy), **dict.fromkeys(LIVE_KEYS.get(noun, ()))}


def at_office(work: Callable[[Office], Awaitable[T]], *, writing: bool) -> T:
    """Do the work at the engine if one serves, else in the store.

    Raises:
        NotFound: no engine runs, and there is no database to read.
        Conflict: an engine runs but does not serve yet, and the work would change what it has read.
    """
    known = settings()

    async def visit() -> T:
        async with _office(known, writing=writing) as office:
            return await work(office)

    return ask(visit())


@asynccontextmanager
async def _office(settings_: Settings, *, writing: bool) -> AsyncIterator[Office]:
    if is_served(settings_.paths.socket):
        async with calling(settings_.paths.socket) as engine:
            yield EngineOffice(engine)
        return
    if writing:
        refuse_beside_an_engine(settings_)
    async with definitions(settings_, writing=writing) as kept:
        yield StoreOffice(kept, settings_.paths.flows)


@asynccontextmanager
async def definitions(settings_: Settings, *, writing: bool) -> AsyncIterator[Definitions]:
    """The store's definitions, as `database` finds it."""
    from engine.store.definitions import Definitions

    async with database(settings_, writing=writing) as opened:
        yield Definitions(opened)


@asynccontextmanager
async def database(settings_: Settings, *, writing: bool) -> AsyncIterator[Database]:
    """The store's database. One that is not there is made when something is to be written.

    Raises:
        NotFound: there is no database to read.
        Conflict: its tables are of another version.
    """
    from engine.store.database import open_database
    from engine.store.schema import current, head, upgrade

    url = settings_.database_url
    file = sqlite_file(url)
    if file is not None and not file.exists():
        if not writing:
            mend = "is this the right settings file (--config)? `callwright db upgrade` makes a database"
            raise NotFound("no engine is running, and there is no database", where=str(file), mend=mend)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await upgrade(url)
        say(f"Made the database {file}.")
    elif (revision := await current(url)) != head():
        raise Conflict(
            f"its tables have revision {revision or 'none'}, this version needs {head()}",
            where=str(file or "store.url"),
            mend="run `callwright db upgrade`",
        )
    opened = open_database(url)
    try:
        yield opened
    finally:
        await opened.close()


def sqlite_file(url: str) -> Any:
    """The file behind an SQLite URL, None for another database."""
    from pathlib import Path

    from engine.store.database import parse_url

    parsed = parse_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def refuse_beside_an_engine(settings_: Settings) -> None:
    """Refuse what must not happen behind a running engine's back.

    Raises:
        Conflict: an engine holds the journal's lock.
    """
    if engine_holds_journal(settings_):
        socket = settings_.paths.socket
        served = is_served(socket)
        raise Conflict(
            "an engine is running" if served else "an engine is running but does not serve its socket",
            where=str(socket),
            mend="stop it first" if served else "wait until it has started, or stop it first",
        )


def engine_holds_journal(settings_: Settings) -> bool:
    """Whether a running engine has the journal open (`Journal.open` locks it)."""
    import fcntl
    import os

    try:
        lock = os.open(settings_.paths.journal / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as refused:
        raise CallwrightError(
            f"cannot be read: {refused.strerror}",
            where=str(settings_.paths.journal),
            mend="run this as the engine's own user",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
