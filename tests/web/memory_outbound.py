"""Campaigns, leads and the do-not-call list in memory: the contracts of `engine.runtime.outbound`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.dialer.preflight import Finding, Forecast, Level
from engine.domain.campaign import CampaignState, Window
from engine.errors import ConfigError, Conflict, NotFound, RefusedByRule, UsageError
from engine.runtime import outbound as views
from engine.runtime.outbound import CampaignDefinition, CampaignView, ListColumns, WantedLeads
from engine.runtime.reading import changed
from engine.runtime.views import Page

AT = datetime(2026, 3, 29, 8, 30, tzinfo=UTC)
LIVE = views.CampaignLive(
    reason="risk-high",
    says="one more call would risk more than its price",
    rule="budget",
    rule_says="as many calls as the budget bears if all of them went wrong",
    figures={"answer_rate": 0.31, "risk": 0.04},
    agents=views.CrewView(staffed=10, free=1, talking=8, wrapping=1, paused=2),
    lines=views.LinesView(up=22, ringing=13, waiting=1),
    stock=20,
)
BUDGET = views.BudgetView(
    window=Window.ROLLING_30_DAYS,
    of_seller=False,
    cap=0.03,
    answers=1000,
    drops=19,
    forecast=500,
    bears=32,
    rate=0.019,
    upper95=0.02791,
)


class MemoryCampaigns:
    """Campaigns; starting one without a trunk is refused."""

    def __init__(self) -> None:
        self.kept: dict[str, CampaignDefinition] = {}
        self.states: dict[str, CampaignState] = {}
        self.asked: list[tuple[str, str, str]] = []

    def _view(self, policy: CampaignDefinition) -> CampaignView:
        return CampaignView(
            **msgspec.structs.asdict(policy),  # type: ignore[arg-type]
            state=self.states.get(policy.id, CampaignState.STOPPED),
            begun=AT,
            leads=views.LeadCounts(new=3, claimed=0, dialled=1, done=2, dnc=0),
            standings=(BUDGET,),
            live=LIVE,
        )

    def _kept(self, id_: str) -> CampaignDefinition:
        if id_ not in self.kept:
            raise NotFound(f"there is no campaign {id_}", where="campaign", mend="See `callwright campaign list`.")
        return self.kept[id_]

    async def list(self) -> list[CampaignView]:
        return [self._view(self.kept[id_]) for id_ in sorted(self.kept)]

    async def show(self, id_: str) -> CampaignView:
        return self._view(self._kept(id_))

    async def add(self, policy: CampaignDefinition) -> CampaignView:
        if policy.id in self.kept:
            raise Conflict(f"campaign {policy.id} exists already", where="campaign", mend="Take another id.")
        self.kept[policy.id] = policy
        return self._view(policy)

    async def change(self, id_: str, changes: Mapping[str, object]) -> CampaignView:
        self.kept[id_] = changed(self._kept(id_), changes)
        return await self.show(id_)

    async def remove(self, id_: str) -> None:
        self._kept(id_)
        del self.kept[id_]

    async def start(self, id_: str) -> CampaignView:
        if not self._kept(id_).trunks:
            raise RefusedByRule("no trunk is named", where=f"campaign {id_}", mend="Name one.")
        return await self._move(id_, CampaignState.RUNNING)

    async def pause(self, id_: str) -> CampaignView:
        return await self._move(id_, CampaignState.PAUSED)

    async def stop(self, id_: str) -> CampaignView:
        return await self._move(id_, CampaignState.STOPPED)

    async def _move(self, id_: str, state: CampaignState) -> CampaignView:
        self._kept(id_)
        self.states[id_] = state
        return await self.show(id_)

    async def check(self, id_: str) -> views.CampaignCheck:
        ok = bool(self._kept(id_).trunks)
        level = Level.ADVICE if ok else Level.ERROR
        return views.CampaignCheck(
            campaign_id=id_,
            ok=ok,
            findings=(Finding(level=level, code="one-trunk", what="there is one trunk only", mend="name another"),),
            forecast=Forecast(
                agents=4,
                answer_rate=0.3,
                handle_s=150.0,
                progressive=0.82,
                predictive=0.85,
                lines=6.0,
                calls_per_second=0.1,
                assumed=("answer rate",),
            ),
        )

    async def report(self, id_: str, start: str, end: str) -> views.CampaignReport:
        self._kept(id_)
        self.asked.append((id_, start, end))
        return views.CampaignReport(
            campaign_id=id_,
            start=AT,
            end=AT,
            timezone="UTC",
            attempts=100,
            open=2,
            outcomes={"connected": 28, "abandoned": 1, "hung-up-early": 1, "busy": 68, "refused": 4},
            refused={"calling-hours": 4},
            live_answers=30,
            connected=28,
            abandoned=1,
            hung_up_early=1,
            machines=0,
            abandon_rate=0.03333,
            abandon_upper95=0.14857,
            answer_to_agent_ms=views.Spread(p50=12.5, p99=88.0),
            agent_utilisation=0.81,
        )


LEAD = views.LeadView(
    id="lead_1",
    campaign_id="autumn",
    number="+44••••21",
    segment="a",
    priority=5,
    zones=("Europe/London",),
    state="new",
    attempts=1,
    last_outcome="busy",
    next=AT,
    import_id="imp_1",
)
ATTEMPT = views.AttemptView(
    id="att_1",
    trunk_id="a",
    begun=AT,
    answered=None,
    connected=None,
    ended=AT,
    outcome="busy",
    wait_ms=None,
    cause=17,
    rule="",
    agent_id=None,
)


class MemoryLeads:
    """One lead of every campaign; of files it only counts the lines."""

    def __init__(self) -> None:
        self.brought: list[tuple[str, str, str, dict[str, str], str]] = []
        self.wanted: list[WantedLeads] = []

    async def bring(
        self, campaign_id: str, file: Path, region: str, columns: ListColumns, encoding: str = ""
    ) -> views.ImportView:
        text = await asyncio.to_thread(file.read_text, encoding=encoding or "utf-8")
        if "," not in text:
            raise ConfigError("no column holds the telephone numbers", where=file.name, mend="Name one.")
        self.brought.append((campaign_id, file.name, region, columns.named(), text))
        return (await self.imports(campaign_id))[0]

    async def imports(self, campaign_id: str) -> list[views.ImportView]:
        name = self.brought[-1][1] if self.brought else "leads.csv"
        return [
            views.ImportView(
                id="imp_1",
                campaign_id=campaign_id,
                source=name,
                begun=AT,
                ended=AT,
                accepted=3,
                duplicates=1,
                rejected=2,
                reasons={"no-number": 2},
                number_column="phone",
            )
        ]

    async def list(self, wanted: WantedLeads, *, reveal: bool = False) -> Page[views.LeadView]:
        self.wanted.append(wanted)
        if wanted.state == "asleep":
            raise UsageError("there is no state 'asleep' of leads", where="state", mend="States: new.")
        return Page(items=(_shown(LEAD, reveal),), next=None if wanted.cursor else "lead_1")

    async def rejected(self, wanted: WantedLeads) -> Page[views.RejectedView]:
        row = views.RejectedView(import_id="imp_1", source="leads.csv", line=5, reason="no-number", masked="0 digits")
        return Page(items=(row,), next=None)

    async def show(self, id_: str, *, reveal: bool = False) -> views.LeadDetail:
        if id_ != LEAD.id:
            raise NotFound(f"there is no lead {id_}", where="lead")
        return views.LeadDetail(**msgspec.structs.asdict(_shown(LEAD, reveal)), history=(ATTEMPT,))  # type: ignore[arg-type]


def _shown(lead: views.LeadView, reveal: bool) -> views.LeadView:
    return msgspec.structs.replace(lead, number="+442079460021") if reveal else lead  # type: ignore[type-var]


class MemoryDoNotCall:
    """The list as a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def add(self, number: str, region: str, by: str) -> views.DoNotCallView:
        if not number.lstrip("+").isdecimal():
            raise ConfigError("this is no telephone number", where="number", mend="Write it with +.")
        self.kept[number] = by
        return await self.check(number, region)

    async def remove(self, number: str, region: str) -> views.DoNotCallView:
        if number not in self.kept:
            raise NotFound("this number is not on the list", where="do-not-call", mend="See the list.")
        del self.kept[number]
        return await self.check(number, region)

    async def check(self, number: str, region: str) -> views.DoNotCallView:
        by: Any = self.kept.get(number)
        known = by is not None
        return views.DoNotCallView(
            number=number, listed=known, source="operator" if known else "", by=by or "", added=AT if known else None
        )

    async def bring(self, file: Path, region: str, column: str) -> views.DoNotCallImport:
        numbers = (await asyncio.to_thread(file.read_text, encoding="utf-8")).split()
        self.kept.update(dict.fromkeys(numbers, file.name))
        row = views.RejectedView(import_id="", source=file.name, line=9, reason="no-number", masked="0 digits")
        return views.DoNotCallImport(
            source=file.name,
            added=len(numbers),
            known=0,
            rejected=1,
            reasons={"no-number": 1},
            rejected_rows=(row,),
        )
