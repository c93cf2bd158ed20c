"""What commands about campaigns ask of the store: each query, on every database that may hold it.

The engine is built whole; of all its tasks only the clerk runs, who writes down what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from engine.dialer.preflight import Level
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, CampaignId, CampaignState, LeadId, TrunkId
from engine.domain.commands import Dial
from engine.domain.events import AgentMoved, AnyEvent, AttemptEnded, CampaignMoved
from engine.domain.facts import AnyFact, CampaignDefined, CampaignRemoved, CampaignStarted, TrunkDefined
from engine.domain.policy import AgentProfile, QueuePolicy, TrunkPolicy
from engine.domain.values import SECOND, AgentId, LegMode, QueueId
from engine.errors import ConfigError, Conflict, NotFound, RefusedByRule, UsageError
from engine.main.at_rest import AtRest
from engine.main.campaigns import definition_of, policy_of, terms_of
from engine.main.console import LiveConsole
from engine.main.definitions import refresh
from engine.main.engine import Engine
from engine.runtime.clock import Clock
from engine.runtime.outbound import CampaignDefinition, LeadView, ListColumns, WantedLeads
from engine.settings import Asterisk, Paths, Settings, Site, Store
from engine.store.campaigns import CampaignTerms, Standing
from engine.store.leads import Leads
from engine.store.ledger import Intent, Ledger

AUTUMN = CampaignDefinition(
    id=CampaignId("autumn"),
    name="Autumn",
    queue_id=QueueId("sales"),
    seller="Acme",
    caller_id="+442079460000",
    trunks=(TrunkId("a"),),
    region="GB",
)
ANN = AgentProfile(id=AgentId("1001"), name="Ann", endpoint="agent-1001", mode=LegMode.NAILED_UP)
LIST = "phone,who,list\n+442079460121,Ann,a\n020 7946 0122,Bob,b\n+442079460121,Ann,a\nnone,Eve,b\n+33123456789,Zoe,c\n"
NOON = 1_763_812_800 * SECOND
"""2025-11-22T12:00:00Z: within calling hours in London and Paris."""


class Day:
    """What the engine's clock says: noon, until it is moved on."""

    elapsed_us = 0


@pytest.fixture
def day() -> Day:
    """The day begins at noon."""
    return Day()


@pytest.fixture
async def engine(url: str, tmp_path: Path, day: Day) -> AsyncIterator[Engine]:
    """An engine over this database, without Asterisk."""
    settings = Settings(
        site=Site(timezone="Europe/London"),
        paths=Paths(data=tmp_path / "data", flows=tmp_path / "flows"),
        asterisk=Asterisk(
            agi_secret=SecretStr("lab-secret-of-one-run"),
            sounds=tmp_path / "sounds",
            recordings=tmp_path / "recordings",
            rescue_spool=tmp_path / "rescue",
            cel=tmp_path / "cel.jsonl",
        ),
        store=Store(url=url),
    )
    async with Engine(settings) as built:
        built.loop.clock = Clock(wall=lambda: NOON, monotonic=lambda: day.elapsed_us)
        clerk = asyncio.create_task(built.clerk.run())
        try:
            yield built
        finally:
            await built._close_clerk()
            await clerk


@pytest.fixture
async def console(engine: Engine) -> LiveConsole:
    """Its console, with what a campaign needs."""
    made = LiveConsole(engine)
    await made.queues.add(QueuePolicy(id=QueueId("sales"), name="Sales"))
    await made.trunks.add(TrunkPolicy(id="a", host="sip.example.com"))
    await made.agents.add(ANN)
    return made


@pytest.fixture
async def bring(console: LiveConsole, tmp_path: Path) -> str:
    """The campaign and its list; the import's id."""
    await console.campaigns.add(AUTUMN)
    file = tmp_path / "leads.csv"
    await asyncio.to_thread(file.write_text, LIST, encoding="utf-8")
    done = await console.leads.bring("autumn", file, "", ListColumns(number="phone", segment="list"))
    assert (done.accepted, done.duplicates, done.rejected, done.reasons) == (3, 1, 1, {"no-number": 1})
    assert done.ended is not None
    return done.id


class Calls:
    """Attempts that were really claimed and intended, and then came to something."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def dial(self, outcome: Outcome, at: int, wait_us: int = 0, agent_id: str = "") -> None:
        """Claim a lead, write its INTENT and tell how it ended."""
        [lead] = (await Leads(self._engine.database).claim(CampaignId("autumn"), 1, at)).leads
        dial = Dial(
            attempt_id=lead.attempt_id,
            campaign_id=CampaignId("autumn"),
            lead_id=lead.lead_id,
            number=lead.number,
            trunk_id=TrunkId("a"),
            caller_id="+442079460000",
            ring_s=25.0,
        )
        assert isinstance(await Ledger(self._engine.database).intend(dial, at), Intent)
        live = outcome.live_answer
        await self.tell(
            AttemptEnded(
                at=at + 20 * SECOND,
                attempt_id=AttemptId(lead.attempt_id),
                campaign_id=CampaignId("autumn"),
                lead_id=LeadId(lead.lead_id),
                trunk_id=TrunkId("a"),
                outcome=outcome,
                dialled_at=at,
                answered_at=at + 10 * SECOND if live else 0,
                connected_at=at + 10 * SECOND + wait_us if agent_id else 0,
                wait_us=wait_us,
                agent_id=AgentId(agent_id) if agent_id else None,
                cause=16 if live else 17,
            )
        )

    async def tell(self, *events: AnyEvent) -> None:
        """Apply events to the tables, one a fact."""
        last = await self._engine.projector.last_seq()
        await self._engine.projector.apply_all(
            [(last + n, [event]) for n, event in enumerate(events, start=1)], self._engine.vault
        )


@pytest.fixture
def calls(engine: Engine, day: Day, bring: str) -> Calls:
    """Nobody was called yet, and an hour has passed since the import."""
    day.elapsed_us = 3_600 * SECOND
    return Calls(engine)


# --- definitions -----------------------------------------------------------------------------------------------------


def test_a_definition_is_policy_and_terms() -> None:
    standing = Standing(policy_of(AUTUMN), terms_of(AUTUMN), CampaignState.STOPPED, None)
    assert definition_of(standing) == AUTUMN
    assert terms_of(CampaignDefinition(id=CampaignId("x"), name="x", queue_id=QueueId("q"))) == CampaignTerms()


async def test_a_campaign_lives_in_store_and_floor(engine: Engine, console: LiveConsole) -> None:
    made = await console.campaigns.add(AUTUMN)
    assert (made.region, made.state, made.leads.new) == ("GB", CampaignState.STOPPED, 0)
    assert engine.floor.state.campaigns[AUTUMN.id].policy == policy_of(AUTUMN)
    changed = await console.campaigns.change("autumn", {"ring_s": 30.0, "max_attempts": 2})
    assert (changed.ring_s, changed.max_attempts) == (30.0, 2)
    assert engine.floor.state.campaigns[AUTUMN.id].policy.ring_s == 30.0
    assert [each.id for each in await console.campaigns.list()] == ["autumn"]
    with pytest.raises(ConfigError, match="time zone"):
        await console.campaigns.add(msgspec.structs.replace(AUTUMN, id=CampaignId("b"), timezone="Mars/Base"))  # type: ignore[type-var]
    with pytest.raises(NotFound):
        await console.campaigns.show("b")
    await console.campaigns.remove("autumn")
    assert not engine.floor.state.campaigns
    with pytest.raises(NotFound):
        await console.campaigns.show("autumn")


async def test_what_is_asked_takes_effect_at_once(engine: Engine, console: LiveConsole) -> None:
    await console.campaigns.add(AUTUMN)
    with pytest.raises(Conflict, match="stopped"):
        await console.campaigns.pause("autumn")
    started = await console.campaigns.start("autumn")
    assert started.state is CampaignState.RUNNING
    assert started.live is not None
    assert started.live.agents.staffed == 0
    assert engine.floor.state.campaigns[AUTUMN.id].state is CampaignState.RUNNING
    with pytest.raises(Conflict):
        await console.campaigns.remove("autumn")
    assert (await console.campaigns.pause("autumn")).state is CampaignState.PAUSED
    assert (await console.campaigns.stop("autumn")).state is CampaignState.STOPPED
    with pytest.raises(NotFound):
        await console.campaigns.stop("winter")


async def test_a_start_is_refused_while_there_are_errors(console: LiveConsole) -> None:
    await console.campaigns.add(msgspec.structs.replace(AUTUMN, trunks=(), caller_id=""))  # type: ignore[type-var]
    check = await console.campaigns.check("autumn")
    assert [each.code for each in check.findings if each.level is Level.ERROR] == ["no-trunk", "no-caller-id"]
    with pytest.raises(RefusedByRule, match="no trunk is named"):
        await console.campaigns.start("autumn")
    assert (await console.campaigns.show("autumn")).state is CampaignState.STOPPED


async def test_trunks_reach_the_floor(engine: Engine, console: LiveConsole) -> None:
    await console.trunks.change("a", {"lines": 30})
    assert engine.floor.state.trunks[TrunkId("a")].lines == 30
    await console.campaigns.add(AUTUMN)
    with pytest.raises(Conflict, match="campaign autumn"):
        await console.trunks.remove("a")
    await console.campaigns.remove("autumn")
    await console.trunks.remove("a")
    assert not engine.floor.state.trunks


class Heard:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []

    def put(self, fact: AnyFact) -> None:
        self.facts.append(fact)


async def test_what_was_asked_without_an_engine_is_told_at_its_start(engine: Engine, tmp_path: Path) -> None:
    await engine.definitions.queues.add(QueuePolicy(id=QueueId("sales"), name="Sales"))
    await engine.definitions.trunks.add(TrunkPolicy(id="a", host="sip.example.com"))
    rest = AtRest(engine.database, tmp_path / "data", "Europe/London")
    await rest.campaigns.add(AUTUMN)
    started = await rest.campaigns.start("autumn")
    assert (started.state, started.live) == (CampaignState.RUNNING, None)
    heard = Heard()
    await refresh(engine.definitions, tmp_path / "flows", engine.floor, heard)
    assert [type(fact) for fact in heard.facts[-3:]] == [TrunkDefined, CampaignDefined, CampaignStarted]
    for fact in heard.facts:
        engine.loop.handle(fact)
    again = Heard()
    await refresh(engine.definitions, tmp_path / "flows", engine.floor, again)
    assert not again.facts
    await rest.campaigns.stop("autumn")
    await rest.campaigns.remove("autumn")
    await refresh(engine.definitions, tmp_path / "flows", engine.floor, again)
    assert [type(fact) for fact in again.facts] == [CampaignRemoved]


# --- lists -----------------------------------------------------------------------------------------------------------


async def test_leads_come_masked_and_in_pages(console: LiveConsole, bring: str) -> None:
    found: list[LeadView] = []
    cursor = ""
    while True:
        page = await console.leads.list(WantedLeads(campaign="autumn", cursor=cursor, limit=2))
        found += page.items
        if page.next is None:
            break
        cursor = page.next
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert {(each.number, each.segment, each.zones) for each in found} == {
        ("+44••••21", "a", ("Europe/London",)),
        ("+44••••22", "b", ("Europe/London",)),
        ("+33••••89", "c", ("Europe/Paris",)),
    }
    assert {each.import_id for each in found} == {bring}
    revealed = await console.leads.list(WantedLeads(state="new", limit=1), reveal=True)
    assert revealed.items[0].number in ("+442079460121", "+442079460122", "+33123456789")
    for wanted, error in ((WantedLeads(state="asleep"), UsageError), (WantedLeads(campaign="winter"), NotFound)):
        with pytest.raises(error):
            await console.leads.list(wanted)


async def test_rejected_rows_come_in_order(console: LiveConsole, bring: str, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    await asyncio.to_thread(file.write_text, "phone\nx\ny\n", encoding="utf-8")
    await console.leads.bring("autumn", file, "", ListColumns())
    found: list[tuple[str, int]] = []
    cursor = ""
    while True:
        page = await console.leads.rejected(WantedLeads(cursor=cursor, limit=1))
        found += [(row.source, row.line) for row in page.items]
        if page.next is None:
            break
        cursor = page.next
    assert found == [("leads.csv", 5), ("more.csv", 2), ("more.csv", 3)]
    assert [each.source for each in await console.leads.imports("autumn")] == ["more.csv", "leads.csv"]
    with pytest.raises(UsageError):
        await console.leads.rejected(WantedLeads(cursor="x"))


async def test_who_is_not_to_be_called_is_not(console: LiveConsole, bring: str, tmp_path: Path) -> None:
    listed = await console.do_not_call.add("020 7946 0121", "GB", "Ann")
    assert (listed.listed, listed.source, listed.by) == (True, "operator", "Ann")
    file = tmp_path / "stop.txt"
    await asyncio.to_thread(file.write_text, "+442079460121\n+33123456789\nnobody\n", encoding="utf-8")
    done = await console.do_not_call.bring(file, "", "")
    assert (done.added, done.known, done.rejected, done.rejected_rows[0].line) == (1, 1, 1, 3)
    view = await console.campaigns.show("autumn")
    assert (view.leads.new, view.leads.dnc) == (1, 2)
    await console.do_not_call.remove("+442079460121", "")
    assert not (await console.do_not_call.check("+442079460121", "")).listed


# --- figures ---------------------------------------------------------------------------------------------------------


async def test_a_report_counts_every_outcome(console: LiveConsole, calls: Calls) -> None:
    await calls.tell(
        CampaignMoved(
            at=NOON - SECOND, campaign_id=AUTUMN.id, old=CampaignState.STOPPED, new=CampaignState.RUNNING, by="x"
        ),
        AgentMoved(at=NOON - SECOND, agent_id=ANN.id, old=AgentState.OFFLINE, new=AgentState.AVAILABLE),
        AgentMoved(at=NOON + 30 * SECOND, agent_id=ANN.id, old=AgentState.AVAILABLE, new=AgentState.TALKING),
        AgentMoved(at=NOON + 90 * SECOND, agent_id=ANN.id, old=AgentState.TALKING, new=AgentState.NOT_READY),
    )
    await calls.dial(Outcome.CONNECTED, NOON, wait_us=12_500, agent_id="1001")
    await calls.dial(Outcome.ABANDONED, NOON + 40 * SECOND)
    await calls.dial(Outcome.BUSY, NOON + 120 * SECOND)
    report = await console.campaigns.report("autumn", "", "")
    assert (report.attempts, report.open, report.live_answers) == (3, 0, 2)
    assert (report.connected, report.abandoned, report.hung_up_early, report.machines) == (1, 1, 0, 0)
    assert (report.abandon_rate, report.outcomes["busy"], set(report.outcomes)) == (0.5, 1, {*Outcome})
    assert (report.answer_to_agent_ms.p50, report.answer_to_agent_ms.p99) == (12.5, 12.5)
    assert report.agent_utilisation == round(60 / 90, 4)  # ready for 90 s between the first attempt and the last
    assert report.start.isoformat() == "2025-11-22T11:59:59+00:00"
    none = await console.campaigns.report("autumn", "2025-11-23", "2025-11-23")
    assert (none.attempts, none.abandon_rate, none.agent_utilisation) == (0, None, None)
    with pytest.raises(UsageError):
        await console.campaigns.report("autumn", "2025-11-23", "2025-11-22")
    view = await console.campaigns.show("autumn")
    assert (view.leads.dialled, view.begun) == (0, report.start)


async def test_a_lead_tells_its_attempts(console: LiveConsole, calls: Calls) -> None:
    await calls.dial(Outcome.BUSY, NOON)
    page = await console.leads.list(WantedLeads(campaign="autumn"))
    [tried] = [each for each in page.items if each.attempts]
    shown = await console.leads.show(tried.id)
    assert (shown.last_outcome, [each.outcome for each in shown.history], shown.history[0].cause) == (
        "busy",
        ["busy"],
        17,
    )
    with pytest.raises(NotFound):
        await console.leads.show("lead_0")


async def test_budgets_stand_by_the_ledger(console: LiveConsole, calls: Calls) -> None:
    await console.campaigns.change("autumn", {"forecast_answers": 2000})
    await calls.dial(Outcome.ABANDONED, NOON + 60 * SECOND)
    [budget] = (await console.campaigns.show("autumn")).standings
    assert (budget.answers, budget.drops, budget.rate, budget.upper95) == (1, 1, 1.0, 1.0)
    assert budget.forecast + budget.answers == 2000
    assert budget.bears > 30
