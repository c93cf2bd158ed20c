"""Campaigns over the store alone; `engine.main.live_campaigns` adds what a running engine knows and does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from engine.dialer import preflight
from engine.dialer.clopper_pearson import clopper_pearson_upper
from engine.dialer.preflight import Level, Means
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignPolicy, CampaignState
from engine.domain.values import LegMode
from engine.errors import Conflict, RefusedByRule, UsageError
from engine.main import campaign_check, campaign_sights
from engine.main.moments import moment
from engine.runtime.outbound import (
    BudgetView,
    CampaignCheck,
    CampaignDefinition,
    CampaignLive,
    CampaignReport,
    CampaignView,
    LeadCounts,
    Spread,
)
from engine.runtime.reading import changed
from engine.store import checks
from engine.store.budgets import Budgets
from engine.store.calendar import Interval, instant, zone
from engine.store.campaign_figures import CampaignFigures
from engine.store.campaigns import CampaignTerms, Standing
from engine.store.database import Database
from engine.store.definitions import Definitions
from engine.store.lead_lists import LeadLists
from engine.store.reports import Reports

_POLICY = tuple(field.name for field in msgspec.structs.fields(CampaignPolicy))  # type: ignore[arg-type]
_TERMS = tuple(field.name for field in msgspec.structs.fields(CampaignTerms))  # type: ignore[arg-type]
_BUSY = (AgentState.TALKING, AgentState.WRAP_UP)
_IDLE = (AgentState.AVAILABLE, AgentState.RESERVED, AgentState.RINGING)


def policy_of(definition: CampaignDefinition) -> CampaignPolicy:
    """The part that the floor is given."""
    return CampaignPolicy(**{name: getattr(definition, name) for name in _POLICY})


def terms_of(definition: CampaignDefinition) -> CampaignTerms:
    """The part that only store and law look at."""
    return CampaignTerms(**{name: getattr(definition, name) for name in _TERMS})


def definition_of(standing: Standing) -> CampaignDefinition:
    """Both parts as people define them."""
    return CampaignDefinition(**msgspec.structs.asdict(standing.policy), **msgspec.structs.asdict(standing.terms))  # type: ignore[arg-type]


class StoredCampaigns:
    """Campaigns of a store without an engine. `now` gives UTC µs, `timezone` is the site's."""

    def __init__(self, database: Database, now: Callable[[], int], timezone: str) -> None:
        self._definitions = Definitions(database)
        self._shelf = self._definitions.campaigns
        self._budgets = Budgets(database)
        self._figures = CampaignFigures(database)
        self._lists = LeadLists(database)
        self._reports = Reports(database)
        self._now = now
        self._timezone = timezone
        self._turn = asyncio.Lock()
        """A change reads, merges and writes: one at a time, or one of two is lost."""

    async def list(self) -> list[CampaignView]:
        """All, by id."""
        standings = await self._shelf.standings()
        counts = await self._lists.counts([each.policy.id for each in standings])
        return [await self._view(each, counts[each.policy.id]) for each in standings]

    async def show(self, id_: str) -> CampaignView:
        """One."""
        standing = await self._shelf.standing(id_)
        return await self._view(standing, (await self._lists.counts([id_]))[id_])

    async def add(self, policy: CampaignDefinition) -> CampaignView:
        """Define a new one."""
        async with self._turn:
            terms = terms_of(policy)
            await asyncio.to_thread(checks.check_terms, policy.id, terms)  # before the campaign is there, not after
            stored = await self._shelf.add(policy_of(policy))
            await self._shelf.set_terms(stored.id, terms)
            await self._defined(stored)
        return await self.show(stored.id)

    async def change(self, id_: str, changes: Mapping[str, Any]) -> CampaignView:
        """Change some fields."""
        async with self._turn:
            old = definition_of(await self._shelf.standing(id_))
            new = changed(old, changes)
            await asyncio.to_thread(checks.check_terms, id_, terms_of(new))
            stored = await self._shelf.change(policy_of(new))
            if terms_of(new) != terms_of(old):
                await self._shelf.set_terms(id_, terms_of(new))
            await self._defined(stored)
        return await self.show(id_)

    async def remove(self, id_: str) -> None:
        """Remove one."""
        async with self._turn:
            self._release(id_)
            await self._shelf.remove(id_)
            await self._removed(id_)

    async def start(self, id_: str) -> CampaignView:
        """Dial from now on."""
        found = [each for each in (await self.check(id_)).findings if each.level is Level.ERROR]
        if found:
            raise RefusedByRule(
                "; ".join(each.what for each in found),
                where=f"campaign {id_}",
                mend="; ".join(each.mend for each in found) + f"; then see `callwright campaign check {id_}`",
            )
        await self._move(id_, CampaignState.RUNNING)
        return await self.show(id_)

    async def pause(self, id_: str) -> CampaignView:
        """Dial no more for now."""
        if self._state(await self._shelf.standing(id_)) is CampaignState.STOPPED:
            raise Conflict(f"campaign {id_} is stopped", where=f"campaign {id_}", mend="Only one that runs is paused.")
        await self._move(id_, CampaignState.PAUSED)
        return await self.show(id_)

    async def stop(self, id_: str) -> CampaignView:
        """Dial no more."""
        await self._shelf.show(id_)
        await self._move(id_, CampaignState.STOPPED)
        return await self.show(id_)

    async def check(self, id_: str) -> CampaignCheck:
        """What forbids it, what will hurt, and what may be hoped for."""
        standing = await self._shelf.standing(id_)
        now = self._now()
        so_far = await self._figures.attempts(id_, 0, now + 1)
        seen = campaign_check.Seen(
            so_far.dialled - so_far.open, so_far.live_answers, await self._budgets.tallies(standing.policy, now)
        )
        means = campaign_check.with_facts(await self._means(standing), seen)
        findings = campaign_check.look(standing.policy, standing.terms, means, seen, now)
        return CampaignCheck(
            campaign_id=id_,
            ok=all(each.level is not Level.ERROR for each in findings),
            findings=findings,
            forecast=preflight.forecast(standing.policy, means),
        )

    async def report(self, id_: str, start: str, end: str) -> CampaignReport:
        """What its attempts came to."""
        standing = await self._shelf.standing(id_)
        from_us, to_us = self._interval(start, end, standing.begun_us)
        seen = await self._figures.attempts(id_, from_us, to_us)
        p50, p99 = await self._figures.waits(id_, from_us, to_us, (0.5, 0.99))
        dropped = seen.outcomes[Outcome.ABANDONED]
        return CampaignReport(
            campaign_id=id_,
            start=moment(from_us),
            end=moment(to_us),
            timezone=self._timezone,
            attempts=seen.dialled,
            open=seen.open,
            outcomes=seen.outcomes,
            refused=seen.refused,
            live_answers=seen.live_answers,
            connected=seen.outcomes[Outcome.CONNECTED],
            abandoned=dropped,
            hung_up_early=seen.outcomes[Outcome.HUNG_UP_EARLY],
            machines=seen.outcomes[Outcome.MACHINE],
            abandon_rate=round(dropped / seen.live_answers, 5) if seen.live_answers else None,
            abandon_upper95=round(clopper_pearson_upper(dropped, seen.live_answers), 5),
            answer_to_agent_ms=Spread(p50=p50, p99=p99),
            agent_utilisation=await self._utilisation(id_, from_us, to_us),
        )

    # --- what a running engine adds ----------------------------------------------------------------------------------

    async def _defined(self, policy: CampaignPolicy) -> None:
        """Tell whoever should know."""

    async def _removed(self, id_: str) -> None:
        """Tell whoever should know."""

    def _release(self, id_: str) -> None:
        """Refuse to remove what is in use now."""

    async def _move(self, id_: str, wanted: CampaignState) -> None:
        await self._shelf.want(id_, wanted)

    def _state(self, standing: Standing) -> CampaignState:
        return standing.state

    def _live(self, _id: str) -> CampaignLive | None:
        return None

    def _blind(self) -> bool | None:
        return None

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _view(self, standing: Standing, counts: dict[str, int]) -> CampaignView:
        tallies = await self._budgets.tallies(standing.policy, self._now())
        budgets: tuple[BudgetView, ...] = tuple(
            campaign_sights.budget_view(budget, tally)
            for budget, tally in zip(standing.policy.budgets, tallies, strict=True)
        )
        return CampaignView(
            **msgspec.structs.asdict(definition_of(standing)),  # type: ignore[arg-type]
            state=self._state(standing),
            begun=moment(standing.begun_us),
            leads=LeadCounts(**counts),
            standings=budgets,
            live=self._live(standing.policy.id),
        )

    async def _means(self, standing: Standing) -> Means:
        policy = standing.policy
        queue = next((each for each in await self._definitions.queues.list() if each.id == policy.queue_id), None)
        crew = campaign_sights.crew_of(await self._definitions.agents.list(), queue)
        counts = (await self._lists.counts([policy.id]))[policy.id]
        live = self._live(policy.id)
        return Means(
            queue_known=queue is not None,
            trunks={each.id: each for each in await self._definitions.trunks.list() if each.id in policy.trunks},
            agents=len(crew),
            nailed_up=sum(1 for agent in crew if agent.mode is LegMode.NAILED_UP),
            signed_in=None if live is None else live.agents.staffed + live.agents.paused,
            waiting=counts["new"] + counts["claimed"],
            answer_rate=await self._figures.answer_rate(policy.id, self._now()),
            handle_s=await self._figures.handle_s(policy.id),
            callable_back=any(each.e164 == policy.caller_id for each in await self._definitions.numbers.list()),
            hours=standing.terms.rules.hours,
            blind=self._blind(),
        )

    def _interval(self, start: str, end: str, begun_us: int | None) -> tuple[int, int]:
        tz = zone(self._timezone)
        now = self._now()
        from_us = instant(start, tz) if start else begun_us or now
        to_us = instant(end, tz, end=True) if end else max(now + 1, from_us + 1)
        if to_us <= from_us:
            raise UsageError("the end is not after the beginning", where="from, to", mend="Swap them.")
        return from_us, to_us

    async def _utilisation(self, id_: str, from_us: int, to_us: int) -> float | None:
        """Busy time over ready time of those who took its calls, from its first attempt of the interval to its last."""
        agents, first, last = await self._figures.worked(id_, from_us, to_us)
        if not agents or last <= first:
            return None
        work = Interval(start="", from_us=first, to_us=last)
        times = [each.times for each in await self._reports.agents([work], self._now()) if each.agent_id in agents]
        busy, idle = (sum(each.in_states(*states) for each in times) for states in (_BUSY, _IDLE))
        return round(busy / (busy + idle), 4) if busy + idle else None
