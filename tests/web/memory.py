"""A console in memory: it keeps the contract of `engine.runtime.console.Console` over plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from engine.acd.service_level import DEFAULT_SERVICE_LEVEL, Tally, figure
from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, SkillNeed, Strategy, TrunkPolicy
from engine.domain.values import AgentId, Channel, LegMode, QueueId, Value
from engine.errors import ConfigError, Conflict, NotFound, UsageError
from engine.runtime import views
from engine.runtime.console import Wanted
from engine.runtime.reading import changed
from engine.runtime.views import AgentView, QueueView, Skill
from tests.web.memory_outbound import MemoryCampaigns, MemoryDoNotCall, MemoryLeads

AT = datetime(2026, 3, 29, 8, 30, 0, 250_000, tzinfo=UTC)
Shown = TypeVar("Shown")
P = TypeVar("P", bound=Value)
FIGURE = figure(DEFAULT_SERVICE_LEVEL, Tally(answered=10, answered_in_time=8))


class MemoryRoll(Generic[Shown, P]):
    """Definitions of one kind."""

    def __init__(self, kind: str, shown: Callable[[P], Shown], key: str = "id") -> None:
        self.kept: dict[str, P] = {}
        self.key = key
        self._kind = kind
        self._shown = shown

    async def list(self) -> list[Shown]:
        return [self._shown(self.kept[id_]) for id_ in sorted(self.kept)]

    async def show(self, id_: str) -> Shown:
        return self._shown(self._kept(id_))

    async def add(self, policy: P) -> Shown:
        id_ = str(getattr(policy, self.key))
        if id_ in self.kept:
            raise Conflict(f"there is a {self._kind} {id_} already", where=self._kind, mend="Take another id.")
        self.kept[id_] = policy
        return self._shown(policy)

    async def change(self, id_: str, changes: Mapping[str, Any]) -> Shown:
        self.kept[id_] = changed(self._kept(id_), changes, self.key)
        return self._shown(self.kept[id_])

    async def remove(self, id_: str) -> None:
        self._kept(id_)
        del self.kept[id_]

    def _kept(self, id_: str) -> P:
        if id_ not in self.kept:
            raise NotFound(f"there is no {self._kind} {id_}", where=self._kind, mend=f"See `{self._kind} list`.")
        return self.kept[id_]


class MemoryAgents(MemoryRoll[AgentView, AgentProfile]):
    """Agents and their states."""

    def __init__(self) -> None:
        super().__init__("agent", self._view)
        self.states: dict[str, AgentState] = {}
        self.pins: dict[str, str] = {}
        self.reason = ""

    def _view(self, profile: AgentProfile) -> AgentView:
        return AgentView(
            **msgspec.structs.asdict(profile),  # type: ignore[arg-type]
            state=self.states.get(profile.id, AgentState.OFFLINE),
            since=AT if profile.id in self.states else None,
            reason=self.reason,
            mode_now=profile.mode,
            reachable=True,
            interaction_id=None,
            follows="",
        )

    async def set_pin(self, id_: str, pin: str) -> None:
        self._kept(id_)
        if not (pin.isdigit() and 4 <= len(pin) <= 8):
            raise ConfigError("a PIN is 4 to 8 digits", where="agent.pin", mend="Choose 4 to 8 digits.")
        self.pins[id_] = pin

    async def login(self, id_: str, *, ready: bool = True, mode: LegMode | None = None) -> AgentView:
        self._kept(id_)
        if id_ in self.states:
            raise Conflict(f"agent {id_} is signed in already", where=f"agent {id_}")
        return await self._move(id_, AgentState.AVAILABLE if ready else AgentState.NOT_READY)

    async def logout(self, id_: str) -> AgentView:
        self._signed_in(id_)
        del self.states[id_]
        return await self.show(id_)

    async def ready(self, id_: str) -> AgentView:
        self._signed_in(id_)
        return await self._move(id_, AgentState.AVAILABLE)

    async def not_ready(self, id_: str, reason: str) -> AgentView:
        self._signed_in(id_)
        return await self._move(id_, AgentState.NOT_READY, reason)

    async def wrap_up(self, id_: str) -> AgentView:
        if self.states.get(id_) is not AgentState.WRAP_UP:
            raise Conflict(f"agent {id_} is not in wrap-up", where=f"agent {id_}")
        return await self._move(id_, AgentState.AVAILABLE)

    async def _move(self, id_: str, state: AgentState, reason: str = "") -> AgentView:
        self.states[id_], self.reason = state, reason
        return await self.show(id_)

    def _signed_in(self, id_: str) -> None:
        self._kept(id_)
        if id_ not in self.states:
            raise Conflict(f"agent {id_} is not signed in", where=f"agent {id_}")


class MemoryQueues(MemoryRoll[QueueView, QueuePolicy]):
    """Queues with nobody in them."""

    def __init__(self) -> None:
        super().__init__("queue", self._view)

    @staticmethod
    def _view(policy: QueuePolicy) -> QueueView:
        return QueueView(
            **msgspec.structs.asdict(policy),  # type: ignore[arg-type]
            waiting=0,
            offered=0,
            talking=0,
            longest_wait_s=0.0,
            agents_signed_in=0,
            agents_free=0,
        )

    async def open(self, id_: str) -> QueueView:
        return await self.change(id_, {"open": True})

    async def close(self, id_: str) -> QueueView:
        return await self.change(id_, {"open": False})


class MemoryTrunks(MemoryRoll[TrunkPolicy, TrunkPolicy]):
    """Trunks and their secrets."""

    def __init__(self) -> None:
        super().__init__("trunk", lambda policy: policy)
        self.secrets: dict[str, str] = {}

    async def set_secret(self, id_: str, secret: str) -> None:
        self._kept(id_)
        self.secrets[id_] = secret


CALL = views.CallView(
    id="ix_1",
    channel=Channel.VOICE,
    state=InteractionState.TALKING,
    number="+442079460000",
    caller="+44••••21",
    caller_name="••••",
    arrived=AT,
    flow="main-en",
    node="sales",
    queue_id="sales",
    agent_id="1001",
    held=False,
    waited_s=3.5,
    talk_s=12.25,
    campaign_id=None,
    lead_id=None,
    attempt_id=None,
    legs=(views.LegView(leg="1.1", role="caller", bridge="b1", controlled=False),),
)
INTERACTION = views.InteractionDetail(
    id="ix_1",
    channel="voice",
    unit="main",
    customer_id=None,
    case_id=None,
    number="+442079460000",
    flow="main-en",
    caller="+44••••21",
    caller_name=None,
    state="ended",
    arrived=AT,
    ended=AT,
    ending="answered",
    cause=16,
    talk_s=60.0,
    wrap_up_s=10.0,
    campaign_id="autumn",
    lead_id="lead_1",
    attempt_id="att_1",
    segments=(
        views.SegmentView(
            phase="queue",
            who="sales",
            queue_id="sales",
            agent_id="1001",
            start=AT,
            end=AT,
            how="answered",
            waited_s=3.5,
            agent_was_free=True,
        ),
    ),
    sessions=(views.SessionView(purpose="agent", who="1001", leg="1.2", start=AT, end=None, recording="rec_1"),),
)


class MemoryCalls:
    """One call, whose caller is shown when asked for."""

    def __init__(self) -> None:
        self.hung_up: list[str] = []

    async def list(self, *, reveal: bool = False) -> Sequence[views.CallView]:
        return [await self.show("ix_1", reveal=reveal)]

    async def show(self, id_: str, *, reveal: bool = False) -> views.CallView:
        if id_ != "ix_1":
            raise NotFound(f"there is no live call {id_}", where="call")
        return msgspec.structs.replace(CALL, caller="+442079460021") if reveal else CALL  # type: ignore[type-var]

    async def hang_up(self, id_: str) -> views.CallView:
        self.hung_up.append(id_)
        return await self.show(id_)


class MemoryInteractions:
    """One interaction; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Wanted, bool]] = []

    async def list(self, wanted: Wanted, *, reveal: bool = False) -> views.Page[views.InteractionView]:
        self.asked.append((wanted, reveal))
        if wanted.start == "yesterday":
            raise UsageError("'yesterday' is no date or time", where="--from", mend="Use 2026-03-29.")
        fields = views.InteractionView.__struct_fields__  # type: ignore[attr-defined]
        short = views.InteractionView(**{name: getattr(INTERACTION, name) for name in fields})
        return views.Page(items=(short,), next="1.ix_1")

    async def show(self, id_: str, *, reveal: bool = False) -> views.InteractionDetail:
        if id_ != "ix_1":
            raise NotFound(f"there is no interaction {id_}", where="interaction")
        return INTERACTION


class MemoryFlows:
    """Flows by their text."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def list(self) -> Sequence[views.FlowView]:
        return [views.FlowView(name=name, version="v1", language="en", nodes=1, interactions=0) for name in self.texts]

    async def activate(self, name: str, text: str) -> views.FlowActivation:
        if not text:
            raise ConfigError("the file is empty", where=f"{name}.yaml:1:1", mend="start with `flow: NAME`")
        replaced = "v0" if name in self.texts else None
        self.texts[name] = text
        return views.FlowActivation(name=name, version="v1", replaced=replaced, warnings=("line 3: odd",))


class MemoryReports:
    """Empty days."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def service_level(self, start: str, end: str, queue: str, formula: str) -> views.ServiceLevelReport:
        self.asked.append((start, end, queue, formula))
        used = figure(formula or DEFAULT_SERVICE_LEVEL, Tally())
        row = views.ServiceLevelRow(
            queue_id="sales",
            name="Sales",
            service_level=used,
            abandonment=FIGURE,
            speed_of_answer=FIGURE,
            offered=0,
            answered=0,
            answered_in_time=0,
            abandoned=0,
            abandoned_short=0,
            overflowed=0,
            callback=0,
            lost=0,
            waiting=0,
            service_level_s=20.0,
            short_abandon_s=None,
        )
        return views.ServiceLevelReport(
            start=AT, end=AT, timezone="UTC", formula=used.formula, items=(row,), total=row, next=None
        )

    async def agents(self, start: str, end: str) -> views.AgentsReport:
        self.asked.append((start, end))
        row = views.AgentRow(
            agent_id="1001",
            name="Ann",
            signed_in_s=10.0,
            seconds={"available": 10.0},
            offers=1,
            offers_missed=0,
            handled=1,
            talk_s=5.0,
            wrap_up_s=1.0,
            handle_time=FIGURE,
            occupancy=FIGURE,
        )
        return views.AgentsReport(start=AT, end=AT, timezone="UTC", items=(row,), next=None)


class MemoryConsole:
    """The whole console. `fault` is raised by `verify`; `reasons` make it unready."""

    def __init__(self) -> None:
        self.agents = MemoryAgents()
        self.queues = MemoryQueues()
        self.skills: MemoryRoll[Skill, Skill] = MemoryRoll("skill", lambda skill: skill)
        self.numbers: MemoryRoll[NumberPolicy, NumberPolicy] = MemoryRoll("number", lambda number: number, "e164")
        self.trunks = MemoryTrunks()
        self.calls = MemoryCalls()
        self.interactions = MemoryInteractions()
        self.campaigns = MemoryCampaigns()
        self.leads = MemoryLeads()
        self.do_not_call = MemoryDoNotCall()
        self.flows = MemoryFlows()
        self.reports = MemoryReports()
        self.fault: Exception | None = None
        self.reasons: tuple[str, ...] = ()

    async def floor(self, *, reveal: bool = False) -> views.FloorView:
        call = await self.calls.show("ix_1", reveal=reveal)
        return views.FloorView(
            at=AT,
            site="main",
            version="0.1.0",
            asterisk="22.10.1",
            epoch=1,
            blind=False,
            draining=False,
            backlog=0,
            queues=(
                views.QueueLine(
                    id="sales",
                    name="Sales",
                    open=True,
                    waiting=1,
                    offered=0,
                    talking=1,
                    longest_wait_s=4.0,
                    agents_signed_in=2,
                    agents_free=0,
                    service_level=FIGURE,
                    service_level_s=20.0,
                ),
            ),
            agents=(
                views.AgentLine(
                    id="1001", name="Ann", state=AgentState.TALKING, since=AT, reason="", interaction_id="ix_1"
                ),
            ),
            calls=(call,),
            totals=views.Totals(
                arrived=3,
                in_progress=2,
                ended_in_flow=1,
                offered=2,
                answered=0,
                abandoned=0,
                overflowed=0,
                callback=0,
                lost=0,
                asa_s=None,
            ),
            deadline=views.DeadlineView(at=AT, why="wrap-up", subject="1001"),
            links=(views.LinkView(name="ami", up=True, state="up", detail=""),),
        )

    async def explain(self, interaction_id: str) -> views.Explained:
        decision = views.DecisionView(
            seq=7,
            at=AT,
            queue_id=QueueId("sales"),
            strategy=Strategy.LONGEST_IDLE,
            winner=AgentId("1001"),
            waited_s=1.0,
            priority=0,
            queue_priority=0,
            step=0,
            needs=(SkillNeed(skill="english"),),
            fitting=(views.FittingView(agent_id="1001", place=1, idle_s=3.0, skill_points=5, levels={"english": 5}),),
            refused=(views.RefusedView(agent_id="1002", state=AgentState.OFFLINE, reasons=("signed out",)),),
        )
        return views.Explained(interaction_id=interaction_id, items=(decision,), next=None)

    async def verify(self) -> views.VerifyReport:
        if self.fault is not None:
            raise self.fault
        stray = views.Violation(code="stray-channel", ids=("1.9",), belief="no such leg", truth="a channel", since=AT)
        return views.VerifyReport(ok=False, live_calls_compared=1, violations=(stray,))

    async def config(self) -> views.Configuration:
        return views.Configuration(settings={"asterisk": {"ami_secret": "(set)", "ami_port": 5038}})

    async def health(self) -> views.Health:
        return views.Health(ready=not self.reasons, reasons=self.reasons, warnings=())

    def readings(self) -> Sequence[views.Reading]:
        return [
            views.Reading(name="callwright_agents", help="Agents", value=2, labels={"state": "talking"}, counter=False),
            views.Reading(name="callwright_agents", help="Agents", value=1, labels={"state": "offline"}, counter=False),
            views.Reading(name="callwright_facts_handled", help="Facts", value=41, labels={}, counter=True),
        ]
