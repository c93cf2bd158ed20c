"""What supervisors define: units, skills, agents, queues, numbers, trunks, campaigns. Values in, values out.

Each kind is one `Shelf` with the same five verbs. A change is the whole new value; nothing is stored that does not fit
(`engine.store.checks`), so the core may trust what it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.domain.campaign import CampaignPolicy, CampaignState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.domain.values import Value
from engine.errors import ConfigError, Conflict, NotFound
from engine.store import checks
from engine.store.campaigns import CampaignTerms, Standing, read_standing, standing
from engine.store.database import Database
from engine.store.pins import Pins
from engine.store.tables import (
    Agent,
    Campaign,
    DialAttempt,
    Lead,
    LeadGroup,
    Number,
    Queue,
    Row,
    Skill,
    Trunk,
    Unit,
    table,
)

MAIN_UNIT = "main"


class SkillDefinition(Value):
    """A skill; queues ask for it and agents have it at a level 1 to 10."""

    id: str
    name: str


class UnitDefinition(Value):
    """A client, department or branch below `parent`."""

    id: str
    name: str
    parent: str | None = None


P = TypeVar("P")
Check = Callable[[AsyncConnection, P], Awaitable[P]]


class Shelf(Generic[P]):
    """One kind of definition. `kind` is its word in messages."""

    def __init__(self, database: Database, kind: str, row: type[Row], policy: type[P], check: Check[P]) -> None:
        self._database = database
        self._kind = kind
        self._table = table(row)
        self._type = policy
        self._check = check
        self._as_json = "policy" in self._table.columns

    async def add(self, policy: P) -> P:
        """Store a new definition and return it as it was stored.

        :raises Conflict: its id is taken.
        :raises ConfigError: it cannot be used; the text names the field.
        """
        async with self._database.writing() as connection:
            checked = await self._check(connection, policy)
            id_ = self._id(checked)
            if await self._row(connection, id_) is not None:
                raise Conflict(
                    f"{self._kind} {id_} exists already", where=self._kind, mend="Change it, or take another id."
                )
            await connection.execute(insert(self._table).values(self._columns(checked)))
            return checked

    async def change(self, policy: P) -> P:
        """Put a new value in place of the one with the same id, and return it as it was stored.

        :raises NotFound: there is none.
        :raises ConfigError: it cannot be used; the old one stays.
        """
        async with self._database.writing() as connection:
            checked = await self._check(connection, policy)
            found = self._table.c.id == self._id(checked)
            done = await connection.execute(update(self._table).where(found).values(self._columns(checked)))
            if done.rowcount == 0:
                raise self._missing(self._id(checked))
            return checked

    async def show(self, id_: str) -> P:
        """Return one definition.

        :raises NotFound: there is none.
        """
        async with self._database.reading() as connection:
            row = await self._row(connection, id_)
        if row is None:
            raise self._missing(id_)
        return self._value(row)

    async def list(self) -> list[P]:
        """Return all, by id."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(self._table).order_by(self._table.c.id))
            return [self._value(row) for row in rows.mappings()]

    async def remove(self, id_: str) -> None:
        """Remove one. What happened with it stays in the fact tables.

        :raises NotFound: there is none.
        :raises Conflict: something else needs it.
        """
        async with self._database.writing() as connection:
            if await self._row(connection, id_) is None:
                raise self._missing(id_)
            await self._release(connection, id_)
            try:
                await connection.execute(delete(self._table).where(self._table.c.id == id_))
            except IntegrityError as used:
                raise self._in_use(id_, "other definitions") from used

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        """Refuse the removal where the database itself cannot know that something needs it."""

    def _in_use(self, id_: str, by: str) -> Conflict:
        return Conflict(f"{self._kind} {id_} is used by {by}", where=self._kind, mend="Change those first.")

    def _missing(self, id_: str) -> NotFound:
        return NotFound(
            f"there is no {self._kind} {id_}", where=self._kind, mend=f"See `callwright {self._kind} list`."
        )

    async def _row(self, connection: AsyncConnection, id_: str) -> RowMapping | None:
        rows = await connection.execute(select(self._table).where(self._table.c.id == id_))
        return rows.mappings().one_or_none()

    def _id(self, policy: P) -> str:
        return str(getattr(policy, "e164", None) or getattr(policy, "id", ""))

    def _columns(self, policy: P) -> dict[str, Any]:
        if self._as_json:
            unit = getattr(policy, "unit", MAIN_UNIT)
            return {"id": self._id(policy), "unit": unit, "policy": msgspec.json.encode(policy).decode()}
        return {column.name: getattr(policy, column.name) for column in self._table.columns}

    def _value(self, row: RowMapping) -> P:
        if self._as_json:
            return msgspec.json.decode(row["policy"], type=self._type)
        return msgspec.convert(dict(row), self._type)


class SkillShelf(Shelf[SkillDefinition]):
    """Skills: not removed while an agent or a queue names them."""

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        for row in await connection.execute(select(table(Agent).c.id, table(Agent).c.policy)):
            if id_ in msgspec.json.decode(row.policy, type=AgentProfile).skills:
                raise self._in_use(id_, f"agent {row.id}")
        for row in await connection.execute(select(table(Queue).c.id, table(Queue).c.policy)):
            steps = msgspec.json.decode(row.policy, type=QueuePolicy).steps
            if any(need.skill == id_ for step in steps for need in step.needs):
                raise self._in_use(id_, f"queue {row.id}")


class UnitShelf(Shelf[UnitDefinition]):
    """Units: the main one stays, and none is removed while something belongs to it."""

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        if id_ == MAIN_UNIT:
            raise self._in_use(id_, "everything that names no unit")


class QueueShelf(Shelf[QueuePolicy]):
    """Queues: not removed while a campaign's answers come to them."""

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        for campaign in await _campaigns(connection):
            if campaign.queue_id == id_:
                raise self._in_use(id_, f"campaign {campaign.id}")


class TrunkShelf(Shelf[TrunkPolicy]):
    """Trunks, and apart from them their passwords; not removed while a campaign dials over them."""

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        for campaign in await _campaigns(connection):
            if id_ in campaign.trunks:
                raise self._in_use(id_, f"campaign {campaign.id}")

    async def set_secret(self, id_: str, secret: str) -> None:
        """Keep the password that the carrier asks for.

        :raises NotFound: there is no such trunk.
        :raises ConfigError: it could not stand in a line of Asterisk's configuration.
        """
        checks.check_trunk_secret(id_, secret)
        async with self._database.writing() as connection:
            done = await connection.execute(update(self._table).where(self._table.c.id == id_).values(secret=secret))
            if done.rowcount == 0:
                raise self._missing(id_)

    async def secret(self, id_: str) -> str:
        """Return the password, "" if none was set.

        :raises NotFound: there is no such trunk.
        """
        async with self._database.reading() as connection:
            row = await self._row(connection, id_)
        if row is None:
            raise self._missing(id_)
        return str(row["secret"])


class CampaignShelf(Shelf[CampaignPolicy]):
    """Campaigns, their terms, and what was last asked of them. Removing one removes its leads; its attempts stay."""

    async def terms(self, id_: str) -> CampaignTerms:
        """Return a campaign's terms.

        :raises NotFound: there is no such campaign.
        """
        return (await self.standing(id_)).terms

    async def set_terms(self, id_: str, terms: CampaignTerms) -> None:
        """Put new terms in place of the old ones. They hold from the next claim and the next INTENT on.

        :raises NotFound: there is no such campaign.
        :raises ConfigError: they cannot be used; the old ones stay.
        """
        await asyncio.to_thread(checks.check_terms, id_, terms)  # time zones are files
        await self._set(id_, terms=msgspec.json.encode(terms).decode())

    async def want(self, id_: str, state: CampaignState) -> None:
        """Keep what is asked of a campaign, for an engine that is not running. A running one tells it by its events.

        :raises NotFound: there is no such campaign.
        """
        await self._set(id_, state=state.value)

    async def standing(self, id_: str) -> Standing:
        """Return a campaign with its terms and how it stands.

        :raises NotFound: there is no such campaign.
        """
        async with self._database.reading() as connection:
            return await connection.run_sync(standing, id_)

    async def standings(self) -> list[Standing]:
        """Return all campaigns with their terms and how they stand, by id."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(self._table).order_by(self._table.c.id))
            return [read_standing(row) for row in rows]

    async def _set(self, id_: str, **columns: str) -> None:
        async with self._database.writing() as connection:
            done = await connection.execute(update(self._table).where(self._table.c.id == id_).values(**columns))
            if done.rowcount == 0:
                raise self._missing(id_)

    async def _release(self, connection: AsyncConnection, id_: str) -> None:
        row = await self._row(connection, id_)
        if row is not None and row["state"] != CampaignState.STOPPED.value:
            raise Conflict(f"campaign {id_} is {row['state']}", where=self._kind, mend="Stop it first.")
        attempts = table(DialAttempt)
        open_ones = select(attempts.c.id).where(attempts.c.outcome.is_(None), attempts.c.campaign_id == id_).limit(1)
        if (await connection.execute(open_ones)).first() is not None:
            mend = "A running engine finds out what became of them within a minute; then remove it."
            raise Conflict(f"calls of campaign {id_} have no outcome yet", where=self._kind, mend=mend)
        for leads in (Lead, LeadGroup):
            await connection.execute(delete(table(leads)).where(table(leads).c.campaign_id == id_))


class Definitions:
    """Everything that is defined, kind by kind; `pins` are the agents' PINs."""

    def __init__(self, database: Database) -> None:
        self.units = UnitShelf(database, "unit", Unit, UnitDefinition, _checked_unit)
        self.skills = SkillShelf(database, "skill", Skill, SkillDefinition, _checked_skill)
        self.agents = Shelf(database, "agent", Agent, AgentProfile, _checked_agent)
        self.queues = QueueShelf(database, "queue", Queue, QueuePolicy, _checked_queue)
        self.numbers = Shelf(database, "number", Number, NumberPolicy, _checked_number)
        self.trunks = TrunkShelf(database, "trunk", Trunk, TrunkPolicy, _checked_trunk)
        self.campaigns = CampaignShelf(database, "campaign", Campaign, CampaignPolicy, _checked_campaign)
        self.pins = Pins(database)


async def _checked_unit(connection: AsyncConnection, unit: UnitDefinition) -> UnitDefinition:
    checks.check_id("unit", unit.id)
    checks.check_name("unit", unit.id, unit.name)
    units = table(Unit).c
    parents = {row.id: row.parent for row in await connection.execute(select(units.id, units.parent))}
    above = unit.parent
    while above is not None:
        if above == unit.id:
            raise ConfigError(
                "a unit cannot lie below itself", where=f"unit {unit.id}.parent", mend="Use another parent."
            )
        checks.check_known("unit", above, parents, f"unit {unit.id}.parent")
        above = parents[above]
    return unit


async def _checked_skill(_connection: AsyncConnection, skill: SkillDefinition) -> SkillDefinition:
    checks.check_id("skill", skill.id)
    checks.check_name("skill", skill.id, skill.name)
    return skill


async def _checked_agent(connection: AsyncConnection, agent: AgentProfile) -> AgentProfile:
    checks.check_agent(agent, await _ids(connection, Skill))
    await _check_unit(connection, agent.unit, f"agent {agent.id}")
    return agent


async def _checked_queue(connection: AsyncConnection, queue: QueuePolicy) -> QueuePolicy:
    checks.check_queue(queue, await _ids(connection, Skill))
    await _check_unit(connection, queue.unit, f"queue {queue.id}")
    return queue


async def _checked_number(connection: AsyncConnection, number: NumberPolicy) -> NumberPolicy:
    normal = msgspec.structs.replace(number, e164=checks.e164(number.e164))  # type: ignore[type-var]
    checks.check_number(normal)
    await _check_unit(connection, normal.unit, f"number {normal.e164}")
    return normal


async def _checked_trunk(connection: AsyncConnection, trunk: TrunkPolicy) -> TrunkPolicy:
    checks.check_trunk(trunk)
    await _check_unit(connection, trunk.unit, f"trunk {trunk.id}")
    return trunk


async def _checked_campaign(connection: AsyncConnection, campaign: CampaignPolicy) -> CampaignPolicy:
    where = f"campaign {campaign.id}"
    checks.check_campaign(campaign)
    checks.check_known("queue", campaign.queue_id, await _ids(connection, Queue), f"{where}.queue_id")
    trunks = await _ids(connection, Trunk)
    for trunk in campaign.trunks:
        checks.check_known("trunk", trunk, trunks, f"{where}.trunks")
    await _check_unit(connection, campaign.unit, where)
    return campaign


async def _campaigns(connection: AsyncConnection) -> list[CampaignPolicy]:
    rows = await connection.execute(select(table(Campaign).c.policy))
    return [msgspec.json.decode(policy, type=CampaignPolicy) for policy in rows.scalars()]


async def _ids(connection: AsyncConnection, row: type[Row]) -> set[str]:
    return set((await connection.execute(select(table(row).c.id))).scalars())


async def _check_unit(connection: AsyncConnection, unit: str, where: str) -> None:
    checks.check_known("unit", unit, await _ids(connection, Unit), f"{where}.unit")
