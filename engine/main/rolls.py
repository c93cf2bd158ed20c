"""Definitions of a running engine: changed in the store first, told to the floor at once, acknowledged when on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from engine.domain.agent import AgentState
from engine.domain.campaign import TrunkId
from engine.domain.facts import (
    AgentDefined,
    AgentPaused,
    AgentReadied,
    AgentRemoved,
    AgentSignedIn,
    AgentSignedOut,
    AnyFact,
    NumberDefined,
    NumberRemoved,
    QueueDefined,
    QueueRemoved,
    TrunkDefined,
    TrunkRemoved,
    WrapUpFinished,
)
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.domain.values import AgentId, LegMode, QueueId, Value
from engine.errors import AsteriskUnreachable, ConfigError, Conflict, NotFound, StoreUnavailable
from engine.floor import agents
from engine.floor.state import Agent
from engine.main import sights
from engine.main.engine import Engine
from engine.runtime.reading import changed
from engine.runtime.views import AgentView, QueueView, Skill
from engine.store.checks import check_flow
from engine.store.definitions import Shelf, SkillDefinition

Shown = TypeVar("Shown")
P = TypeVar("P", bound=Value)
ON_DISK_WITHIN_S = 5.0
BY = "console"
LONGEST_REASON = 64


async def tell(engine: Engine, *facts: AnyFact) -> None:
    """Hand facts to the floor, and return when they are on disk.

    Told directly and not through the inbox: what was checked just before is still true, and the effect can be read
    at once.

    :raises StoreUnavailable: it holds, but is not on disk yet.
    """
    for fact in facts:
        engine.loop.handle(fact)
    await on_disk(engine)


async def on_disk(engine: Engine) -> None:
    """Return when every fact so far is on disk.

    :raises StoreUnavailable: the disk is slow or full; what was done holds, but a power cut would undo it.
    """
    try:
        async with asyncio.timeout(ON_DISK_WITHIN_S):
            await engine.clerk.barrier(engine.loop.last_seq)
    except TimeoutError:
        raise StoreUnavailable(
            "it is done, but the journal has not reached the disk yet",
            where="journal",
            mend="See /readyz; a power cut now would undo it.",
        ) from None


class LiveRoll(Generic[Shown, P]):
    """One kind of definition over its shelf in the store. `key` is the field that names it."""

    key = "id"

    def __init__(self, engine: Engine, shelf: Shelf[P]) -> None:
        self._engine = engine
        self._shelf = shelf
        self._turn = asyncio.Lock()
        """A change reads, merges and writes: one at a time, or one of two is lost."""

    async def list(self) -> list[Shown]:
        """All, by id."""
        return [self._shown(policy) for policy in await self._shelf.list()]

    async def show(self, id_: str) -> Shown:
        """One."""
        return self._shown(await self._shelf.show(id_))

    async def add(self, policy: P) -> Shown:
        """Define a new one."""
        async with self._turn:
            self._fits(policy)
            return await self._told(await self._shelf.add(policy))

    async def change(self, id_: str, changes: Mapping[str, Any]) -> Shown:
        """Change some fields."""
        async with self._turn:
            policy = changed(await self._shelf.show(id_), changes, self.key)
            self._fits(policy)
            return await self._told(await self._shelf.change(policy))

    async def remove(self, id_: str) -> None:
        """Remove one."""
        async with self._turn:
            self._release(id_)
            await self._shelf.remove(id_)
            facts = self._removed(id_)
            if facts:
                await tell(self._engine, *facts)

    async def _told(self, policy: P) -> Shown:
        facts = self._defined(policy)
        if facts:
            await tell(self._engine, *facts)
        return self._shown(policy)

    def _shown(self, policy: P) -> Shown:
        raise NotImplementedError

    def _fits(self, _policy: P) -> None:
        """Refuse what names something that only the floor knows."""

    def _release(self, id_: str) -> None:
        """Refuse to remove what is in use now."""

    def _defined(self, _policy: P) -> tuple[AnyFact, ...]:
        return ()

    def _removed(self, _id: str) -> tuple[AnyFact, ...]:
        return ()


class LiveAgents(LiveRoll[AgentView, AgentProfile]):
    """Agents, and what a supervisor may have them do."""

    async def set_pin(self, id_: str, pin: str) -> None:
        """Give a PIN."""
        await self._engine.definitions.pins.set(id_, pin)

    async def login(self, id_: str, *, ready: bool = True, mode: LegMode | None = None) -> AgentView:
        """Sign in."""
        agent = self._agent(id_)
        if agent.state is not AgentState.OFFLINE:
            raise Conflict(
                f"agent {id_} is signed in already",
                where=f"agent {id_}",
                mend=f"He is {agent.state}; see `agent show`.",
            )
        other = agents.at_his_phone(self._engine.floor.state, agent)
        if other is not None:
            raise Conflict(
                f"agent {other.profile.id} is signed in at this phone, {agent.profile.endpoint}",
                where=f"agent {id_}",
                mend=f"Sign him out first: `callwright agent logout {other.profile.id}`.",
            )
        if self._engine.floor.state.blind:
            raise AsteriskUnreachable(
                "Asterisk cannot be reached, so nobody's phone can ring",
                where=f"agent {id_}",
                mend="See `callwright doctor`; sign in when it is back.",
            )
        fact = AgentSignedIn(agent_id=AgentId(id_), mode=mode or agent.profile.mode, ready=ready, by=BY)
        return await self._do(fact, id_)

    async def logout(self, id_: str) -> AgentView:
        """Sign out."""
        self._signed_in(id_)
        return await self._do(AgentSignedOut(agent_id=AgentId(id_), by=BY), id_)

    async def ready(self, id_: str) -> AgentView:
        """Available from now on."""
        self._signed_in(id_)
        return await self._do(AgentReadied(agent_id=AgentId(id_), by=BY), id_)

    async def not_ready(self, id_: str, reason: str) -> AgentView:
        """No more interactions."""
        self._signed_in(id_)
        if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise ConfigError(
                "the reason is empty, too long or holds control characters",
                where="reason",
                mend=f"Give 1 to {LONGEST_REASON} characters.",
            )
        return await self._do(AgentPaused(agent_id=AgentId(id_), reason=reason.strip(), by=BY), id_)

    async def wrap_up(self, id_: str) -> AgentView:
        """End the wrap-up before its time."""
        agent = self._agent(id_)
        if agent.state is not AgentState.WRAP_UP:
            raise Conflict(
                f"agent {id_} is not in wrap-up but {agent.state}",
                where=f"agent {id_}",
                mend="There is nothing to end.",
            )
        return await self._do(WrapUpFinished(agent_id=AgentId(id_), by=BY), id_)

    async def _do(self, fact: AnyFact, id_: str) -> AgentView:
        await tell(self._engine, fact)
        return sights.agent_view(self._agent(id_))

    def _agent(self, id_: str) -> Agent:
        agent = self._engine.floor.agent(id_)
        if agent is None:
            raise NotFound(f"there is no agent {id_}", where="agent", mend="See `callwright agent list`.")
        return agent

    def _signed_in(self, id_: str) -> None:
        if self._agent(id_).state is AgentState.OFFLINE:
            raise Conflict(f"agent {id_} is not signed in", where=f"agent {id_}", mend="Sign in first: `agent login`.")

    def _shown(self, policy: AgentProfile) -> AgentView:
        return sights.agent_view(self._engine.floor.agent(policy.id) or Agent(profile=policy, mode=policy.mode))

    def _release(self, id_: str) -> None:
        agent = self._engine.floor.agent(id_)
        if agent is not None and agent.interaction_id is not None:
            raise Conflict(
                f"agent {id_} is with an interaction", where=f"agent {id_}", mend="Sign him out; remove him after it."
            )

    def _defined(self, policy: AgentProfile) -> tuple[AnyFact, ...]:
        return (AgentDefined(agent=policy),)

    def _removed(self, id_: str) -> tuple[AnyFact, ...]:
        return (AgentRemoved(agent_id=AgentId(id_)),)


class LiveQueues(LiveRoll[QueueView, QueuePolicy]):
    """Queues."""

    async def open(self, id_: str) -> QueueView:
        """Let callers in."""
        return await self.change(id_, {"open": True})

    async def close(self, id_: str) -> QueueView:
        """Let no more callers in."""
        return await self.change(id_, {"open": False})

    def _shown(self, policy: QueuePolicy) -> QueueView:
        crowd = sights.crowd(self._engine.floor.state, policy, self._engine.loop.clock.now())
        return QueueView(**msgspec.structs.asdict(policy), **crowd._asdict())  # type: ignore[arg-type]

    def _release(self, id_: str) -> None:
        inside = sum(1 for each in self._engine.floor.state.interactions.values() if each.queue_id == id_)
        if inside:
            raise Conflict(
                f"{inside} interactions still belong to queue {id_}",
                where=f"queue {id_}",
                mend="Close it first, and remove it when it is empty.",
            )

    def _defined(self, policy: QueuePolicy) -> tuple[AnyFact, ...]:
        return (QueueDefined(queue=policy),)

    def _removed(self, id_: str) -> tuple[AnyFact, ...]:
        return (QueueRemoved(queue_id=QueueId(id_)),)


class LiveNumbers(LiveRoll[NumberPolicy, NumberPolicy]):
    """Inbound numbers."""

    key = "e164"

    def _shown(self, policy: NumberPolicy) -> NumberPolicy:
        return policy

    def _fits(self, policy: NumberPolicy) -> None:
        check_flow(policy, self._engine.floor.state.flows)

    def _defined(self, policy: NumberPolicy) -> tuple[AnyFact, ...]:
        return (NumberDefined(number=policy),)

    def _removed(self, id_: str) -> tuple[AnyFact, ...]:
        return (NumberRemoved(e164=id_),)


class LiveSkills(LiveRoll[Skill, SkillDefinition]):
    """Skills; the floor knows them only by the agents and queues that name them."""

    async def add(self, policy: Skill | SkillDefinition) -> Skill:
        """Define a new one."""
        return await super().add(SkillDefinition(id=policy.id, name=policy.name))

    def _shown(self, policy: SkillDefinition) -> Skill:
        return Skill(id=policy.id, name=policy.name)


class LiveTrunks(LiveRoll[TrunkPolicy, TrunkPolicy]):
    """Trunks."""

    async def set_secret(self, id_: str, secret: str) -> None:
        """Keep the carrier's password."""
        await self._engine.definitions.trunks.set_secret(id_, secret)

    def _shown(self, policy: TrunkPolicy) -> TrunkPolicy:
        return policy

    def _defined(self, policy: TrunkPolicy) -> tuple[AnyFact, ...]:
        return (TrunkDefined(trunk=policy),)

    def _removed(self, id_: str) -> tuple[AnyFact, ...]:
        return (TrunkRemoved(trunk_id=TrunkId(id_)),)
