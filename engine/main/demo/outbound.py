"""The demo's campaign: its list is imported, it is started and stopped, and its agents notice machines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from engine.domain.events import AnyEvent, AttemptBegun, InteractionAnswered
from engine.domain.facts import MachineDetected
from engine.domain.interaction import InteractionState
from engine.domain.values import InteractionId
from engine.errors import StoreUnavailable
from engine.lab.called import persona_of
from engine.lab.pstn import TRUNK_HOST
from engine.lab.truth import Truth
from engine.main.console import LiveConsole
from engine.main.demo import company, leads, outbound_sums
from engine.main.demo.outbound_sums import Outbound
from engine.main.demo.site import DemoSite
from engine.main.engine import Engine
from engine.runtime.outbound import CampaignReport, ImportView, ListColumns
from engine.store.campaign_figures import NEVER_LEFT
from engine.store.lead_lists import LeadLists

NOTICED_AFTER_S = 1.5
"""So long an agent listens to a machine before he knows it."""
LEADS_PER_AGENT_S = 0.5
"""More than any pace can dial."""
REPORT_EVERY_S = 2.0
_REPORTED = (
    "attempts",
    "live_answers",
    "connected",
    "abandoned",
    "hung_up_early",
    "abandon_rate",
    "machines",
    "answer_to_agent_ms",
    "agent_utilisation",
    "outcomes",
    "refused",
)
Say = Callable[[str], None]


class Outreach:
    """One campaign from its list to its end. Everything goes the way of the commands `callwright campaign ...`."""

    def __init__(self, engine: Engine, console: LiveConsole, agents: int, say: Say) -> None:
        self._engine = engine
        self._campaigns = console.campaigns
        self._leads = console.leads
        self._agents = agents
        self._say = say
        self._lists = LeadLists(engine.database)
        self._ears: set[asyncio.Task[None]] = set()
        self.forecast = company.answers_of_a_working_day(agents)
        self.begun = 0
        """Attempts that the floor began."""
        self.imported: ImportView | None = None
        self.report: CampaignReport | None = None
        """The ledger's sums, at most some seconds old."""

    async def prepare(self, site: DemoSite, seconds: float, seed: int) -> None:
        """Define the campaign and import its list.

        Raises:
            CallwrightError: the campaign or its list was refused.
        """
        policy = company.campaign(self._agents)
        await self._campaigns.add(policy)
        file = site.data / "leads.csv"
        await asyncio.to_thread(leads.write, file, round(60 + seconds * self._agents * LEADS_PER_AGENT_S), seed)
        self.imported = await self._leads.bring(policy.id, file, "", ListColumns())
        self._say(_imported(self.imported))
        cap = policy.budgets[0].cap
        self._say(
            f"The demo forecasts one working day of these {self._agents} agents, {self.forecast:,} live answers, and "
            f"budgets by it: at most {cap:.0%} of them abandoned, proven at 95 %."
        )
        self._engine.loop.observe(self._on_event)

    async def start(self) -> None:
        """Dial from now on."""
        await self._campaigns.start(company.OUTREACH)

    async def stop(self) -> None:
        """Dial no more; what rings goes on."""
        await self._campaigns.stop(company.OUTREACH)

    async def keep_report(self) -> None:
        """Read the ledger's sums again and again, for the screen."""
        while True:
            with contextlib.suppress(StoreUnavailable):  # the screen keeps the last ones
                self.report = await self.read_report()
            await asyncio.sleep(REPORT_EVERY_S)

    async def read_report(self) -> CampaignReport:
        """The ledger's sums of the whole campaign."""
        return await self._campaigns.report(company.OUTREACH, "", "")

    async def sum_up(self, truth: Truth) -> tuple[Outbound, list[str]]:
        """The campaign's sums, and everything in them that is wrong, in words."""
        report = await self.read_report()
        rows = await outbound_sums.ledger(self._engine.database, company.OUTREACH)
        everybody = await outbound_sums.ledger(self._engine.database)  # whoever watches may add campaigns
        wrong = [*outbound_sums.inconsistencies(report, rows), *outbound_sums.disagreements(everybody, truth)]
        if self.begun != report.attempts + sum(report.outcomes[name] for name in NEVER_LEFT):
            wrong.append(f"{self.begun} attempts were begun, the ledger has {report.attempts} and {report.refused}")
        imported = self.imported
        sums = Outbound(
            **{name: getattr(report, name) for name in _REPORTED},
            forecast_answers=self.forecast,
            leads=imported.accepted if imported else 0,
            reasons=imported.reasons if imported else {},
            far_side_dialled=len(truth.called()),
            far_side_talked=outbound_sums.talked(truth),
        )
        return sums, wrong

    # --- what an agent hears -----------------------------------------------------------------------------------------

    def _on_event(self, _seq: int, event: AnyEvent) -> None:
        """Attempts are counted; an agent who was joined to somebody listens."""
        if isinstance(event, AttemptBegun) and event.campaign_id == company.OUTREACH:
            self.begun += 1
        if isinstance(event, InteractionAnswered) and event.queue_id == company.CALLERS_QUEUE.id:
            task = asyncio.get_running_loop().create_task(self._listen(event.interaction_id))
            self._ears.add(task)
            task.add_done_callback(self._ears.discard)

    async def _listen(self, interaction_id: InteractionId | None) -> None:
        """Play the agent who presses "machine" after a moment.

        Detection by sound is none of this demo's: what an agent's ear tells him is read off the number, which says what
        answers there (`engine.lab.called`). From the key on all is real: the fact, the hang-up, the outcome.
        """
        await asyncio.sleep(NOTICED_AFTER_S)
        talk = self._engine.floor.interaction(interaction_id) if interaction_id is not None else None
        if talk is None or talk.attempt_id is None or talk.state is not InteractionState.TALKING:
            return
        attempt = self._engine.floor.state.attempts.get(talk.attempt_id)
        if attempt is None:
            return
        lead, _attempts = await self._lists.lead(attempt.lead_id)
        persona = persona_of(lead.number or "")
        if persona is not None and not persona.is_person:
            self._engine.loop.put(MachineDetected(attempt_id=attempt.id, by="agent"))


def _imported(done: ImportView) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(done.reasons.items()))
    return (
        f"Imported {done.source}: {done.accepted} leads, {done.duplicates} duplicate, {done.rejected} rejected"
        f" ({reasons})."
    )


async def define(engine: Engine, site: DemoSite) -> None:
    """The trunk and the queue of the campaign, before the engine starts."""
    await engine.definitions.trunks.add(company.trunk(TRUNK_HOST, site.pstn.trunk_port))
    await engine.definitions.queues.add(company.CALLERS_QUEUE)
