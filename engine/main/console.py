"""The console of a live engine: what `engine.runtime.console.Console` promises, kept over floor, store and Asterisk."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, SecretStr
from sqlalchemy import text

from engine.acd.service_level import DEFAULT_SERVICE_LEVEL, figure
from engine.bus.link import LinkState
from engine.domain.events import AnyEvent, InteractionEnded
from engine.domain.policy import QueuePolicy
from engine.errors import StoreUnavailable
from engine.main import belief, sights, timekeeping
from engine.main.engine import Engine
from engine.main.figures import LiveReports, Today, TodaysFigures, todays_tally
from engine.main.gauges import readings
from engine.main.leads import OpenVault, StoredDoNotCall, StoredLeads
from engine.main.live_campaigns import LiveCampaigns
from engine.main.live_flows import LiveFlows
from engine.main.moments import moment
from engine.main.records import LiveCalls, LiveInteractions
from engine.main.rolls import LiveAgents, LiveNumbers, LiveQueues, LiveSkills, LiveTrunks, on_disk
from engine.main.truth import Verifier
from engine.runtime.views import Configuration, Explained, FloorView, Health, LinkView, QueueLine, Reading, VerifyReport
from engine.store.vault import Vault

READ_WITHIN_S = 2.0


class LiveConsole:
    """Everything a supervisor may ask of this engine."""

    def __init__(self, engine: Engine) -> None:
        definitions = engine.definitions
        self.agents = LiveAgents(engine, definitions.agents)
        self.queues = LiveQueues(engine, definitions.queues)
        self.skills = LiveSkills(engine, definitions.skills)
        self.numbers = LiveNumbers(engine, definitions.numbers)
        self.trunks = LiveTrunks(engine, definitions.trunks)
        self.calls = LiveCalls(engine)
        self.interactions = LiveInteractions(engine)
        self.campaigns = LiveCampaigns(engine)
        self.leads = StoredLeads(engine.database, _opened(engine), engine.loop.clock.now)
        self.do_not_call = StoredDoNotCall(engine.database, _opened(engine), engine.loop.clock.now)
        self.flows = LiveFlows(engine)
        self.reports = LiveReports(engine)
        self._engine = engine
        self._today = TodaysFigures(engine)
        self._verifier = Verifier(engine)
        self._verifying = asyncio.Lock()
        self._ended: Counter[str] = Counter()
        engine.loop.observe(self._on_event)

    def _on_event(self, _seq: int, event: AnyEvent) -> None:
        if isinstance(event, InteractionEnded):
            self._ended[str(event.ending)] += 1

    async def floor(self, *, reveal: bool = False) -> FloorView:
        """The whole floor at this moment."""
        engine = self._engine
        today = await self._today.read()
        calls = await self.calls.list(reveal=reveal)
        state, now = engine.floor.state, engine.loop.clock.now()
        return FloorView(
            at=moment(now),
            site=engine.settings.site.name,
            version=version("callwright"),
            asterisk=engine.switch.telephony.version,
            epoch=state.epoch,
            blind=state.blind,
            draining=state.draining,
            backlog=engine.loop.backlog,
            queues=tuple(self._queue_line(queue, today, now) for _, queue in sorted(state.queues.items())),
            agents=tuple(sights.agent_line(agent) for _, agent in sorted(state.agents.items())),
            calls=tuple(calls),
            totals=today.totals,
            deadline=sights.deadline_view(engine.floor),
            links=self._links(),
        )

    async def explain(self, interaction_id: str) -> Explained:
        """Why each agent was chosen or refused."""
        engine = self._engine
        with suppress(StoreUnavailable):  # a full disk: what is on it can be explained all the same
            await on_disk(engine)
        found = await asyncio.to_thread(belief.explain, engine.settings.paths.journal, interaction_id)
        decisions = tuple(sights.decision_view(each.seq, each.decision) for each in found)
        return Explained(interaction_id=interaction_id, items=decisions, next=None)

    async def verify(self) -> VerifyReport:
        """Compare belief and truth. One at a time: a second asker waits for his own."""
        async with self._verifying:
            return await self._verifier.verify()

    async def config(self) -> Configuration:
        """The settings in force, without secrets."""
        shown = {name: _plain(section) for name, section in self._engine.settings}
        shown["store"]["url"] = self._engine.database.url.render_as_string(hide_password=True)
        return Configuration(settings=shown)

    async def health(self) -> Health:
        """Whether the engine can do its work."""
        engine = self._engine
        reasons = [f"{link.name}: {link.detail}" for link in self._links() if not link.up and link.name != "mqtt"]
        if engine.clerk.behind:
            reasons.append(f"store: too much waits to be written ({engine.clerk.trouble or 'catching up'})")
        if engine.floor.state.blind and engine.switch.telephony.up:
            reasons.append("ami: not compared with Asterisk yet")
        if engine.floor.state.draining:
            reasons.append("the engine is stopping")
        try:
            async with asyncio.timeout(READ_WITHIN_S), engine.database.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except TimeoutError:
            reasons.append(f"store: the database did not answer within {READ_WITHIN_S:g} s")
        except StoreUnavailable as away:
            reasons.append(f"store: {away.what}")
        except Exception as broken:  # noqa: BLE001 - whatever is wrong with the database, this question is answered
            reasons.append(f"store: {type(broken).__name__}")
        return Health(ready=not reasons, reasons=tuple(dict.fromkeys(reasons)), warnings=tuple(self._warnings()))

    def _warnings(self) -> Iterator[str]:
        """What holds nothing up, but somebody should look at."""
        if ahead := timekeeping.future(self._engine.loop.clock.ahead):
            yield f"time: {ahead}. {timekeeping.MEND}"

    def readings(self) -> Sequence[Reading]:
        """Gauges and counters."""
        return readings(self._engine, self._links(), self._ended)

    def _queue_line(self, queue: QueuePolicy, today: Today, now: int) -> QueueLine:
        crowd = sights.crowd(self._engine.floor.state, queue, now)
        return QueueLine(
            id=queue.id,
            name=queue.name,
            open=queue.open,
            service_level=figure(DEFAULT_SERVICE_LEVEL, todays_tally(today, queue)),
            service_level_s=queue.service_level_s,
            **crowd._asdict(),
        )

    def _links(self) -> tuple[LinkView, ...]:
        engine = self._engine
        telephony = engine.switch.telephony
        trouble = engine.clerk.trouble
        links = [
            LinkView(
                name="ami",
                up=telephony.up,
                state="up" if telephony.up else "down",
                detail="" if telephony.up else _ami_trouble(engine.switch.trouble),
            ),
            LinkView(name="agi", up=True, state=f"{engine.switch.agi.live} sessions", detail=""),
            LinkView(
                name="store",
                up=trouble is None,
                state="in trouble" if trouble else "writing",
                detail=str(trouble) if trouble else "",
            ),
        ]
        if engine.mqtt is not None:
            report = engine.mqtt_report
            online = report is not None and report.state in (LinkState.ONLINE, LinkState.REFUSED_ROW)
            links.append(
                LinkView(
                    name="mqtt",
                    up=online,
                    state=str(report.state) if report is not None else "connecting",
                    detail=report.reason if report is not None else "",
                )
            )
        return tuple(links)


def _opened(engine: Engine) -> OpenVault:
    """The engine's own vault: nobody else may open it while it runs."""

    async def vault() -> Vault:
        return engine.vault

    return vault


def _ami_trouble(why: str) -> str:
    mend = "" if "refused the login" not in why else "; compare asterisk.ami_secret with manager.conf"
    return f"Asterisk's manager interface cannot be used: {why}{mend}"


def _plain(value: Any) -> Any:
    """A setting as JSON has it; of a secret only whether it is set."""
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        return {name: _plain(each) for name, each in value}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
