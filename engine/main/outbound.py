"""What campaigns need of the store: leads, INTENT, the ledger's sums, opt-outs.

Nothing is decided here. Each command is carried out by a task of its own and answered by a fact; a store that is away
answers nothing, and the floor then dials nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from engine.asterisk import cel
from engine.domain.campaign import CampaignId
from engine.domain.commands import AnyCommand, ClaimLeads, Dial, ReadBook, ReturnLeads
from engine.domain.facts import (
    AnyFact,
    AttemptFound,
    AttemptTraced,
    BookRead,
    DialFailed,
    DialRefused,
    LeadsClaimed,
    OptedOut,
)
from engine.domain.values import SECOND
from engine.errors import CallwrightError, NotFound
from engine.floor import Floor
from engine.runtime.clock import STEP_US
from engine.runtime.errands import Errands
from engine.runtime.ports import FactSink
from engine.store.budgets import Budgets
from engine.store.dnc import DoNotCallList
from engine.store.leads import Leads
from engine.store.ledger import Intent, Ledger

log = structlog.get_logger(__name__)

SETTLE_EVERY_S = 0.5
KEEP_TRYING_S = 0.5
OPT_OUTS_BACK_US = 3_600 * SECOND
"""So much further back than the last fact opt-outs are looked for: one that is kept twice is kept once."""


class OutboundDesk:
    """Carries out `ClaimLeads`, `ReturnLeads` and `ReadBook`; writes the INTENT of a `Dial`; keeps opt-outs.

    `now` is the engine's time, `machine` the machine's own clock; `told_until` says up to which instant (µs) the tables
    hold everything that happened. The desk stands between the edges and the loop as their sink: an opt-out is in the
    do-not-call list before the floor hears of it.
    """

    def __init__(
        self,
        leads: Leads,
        ledger: Ledger,
        budgets: Budgets,
        unwanted: DoNotCallList,
        channel_log: Path,
        floor: Floor,
        sink: FactSink,
        now: Callable[[], int],
        machine: Callable[[], int],
        told_until: Callable[[int], int],
    ) -> None:
        self._leads = leads
        self._ledger = ledger
        self._budgets = budgets
        self._unwanted = unwanted
        self._channel_log = channel_log
        self._floor = floor
        self._sink = sink
        self._now = now
        self._machine = machine
        self._told_until = told_until
        self.claimed: dict[CampaignId, LeadsClaimed] = {}
        """What each campaign's last claim gave: it tells people why there are no more leads."""
        self._errands = Errands()

    def put(self, fact: AnyFact) -> None:
        """Hand a fact on to the floor."""
        if isinstance(fact, OptedOut):
            self._errands.begin(self._opt_out(fact))
            return
        if isinstance(fact, AttemptTraced) and fact.opted_out_at:
            self._errands.begin(self._opt_out(OptedOut(attempt_id=fact.attempt_id, at=fact.opted_out_at)))
        self._sink.put(fact)

    def start(self, command: AnyCommand) -> bool:
        """Begin to carry out one command; False when it is none of ours. `Dial` comes by `intend`."""
        match command:
            case ClaimLeads():
                self._errands.begin(self._claim(command))
            case ReturnLeads():
                self._errands.begin(self._give_back(command))
            case ReadBook():
                self._errands.begin(self._read_book(command))
            case _:
                return False
        return True

    async def intend(self, dial: Dial) -> str | None:
        """Write the INTENT and return the number to dial; None when nothing may be dialled, and the floor was told."""
        try:
            answer = await self._ledger.intend(dial, self._now(), machine=self._other_clock())
        except CallwrightError as away:
            log.warning("no INTENT, so nothing is dialled", attempt_id=dial.attempt_id, why=away.what)
            await self._settle(dial)
            return None
        if isinstance(answer, Intent):
            return answer.number
        self._sink.put(DialRefused(attempt_id=dial.attempt_id, rule=answer.rule, until=answer.until))
        return None

    async def _settle(self, dial: Dial) -> None:
        """Nobody knows whether the INTENT was written: it is found out, and nothing is dialled either way."""
        while True:
            try:
                await self._ledger.settle(dial.attempt_id)
            except CallwrightError:
                await asyncio.sleep(SETTLE_EVERY_S)
                continue
            self._sink.put(DialFailed(attempt_id=dial.attempt_id, reason="ledger"))
            return

    async def look_up_open(self) -> None:
        """Tell the floor of every INTENT without an outcome that its journal does not know of.

        Raises:
            StoreUnavailable: the ledger cannot be read, so nothing may be dialled.
        """
        for row in await self._ledger.open_intents():
            if row.attempt_id not in self._floor.state.attempts:
                self._sink.put(
                    AttemptFound(
                        attempt_id=row.attempt_id,
                        campaign_id=row.campaign_id,
                        lead_id=row.lead_id,
                        trunk_id=row.trunk_id,
                        dialled_at=row.intent_at,
                    )
                )

    async def look_up_opt_outs(self, since: int) -> None:
        """Keep every opt-out that was pressed while nobody listened, from `since` (µs) on."""
        try:
            pressed = await asyncio.to_thread(cel.opted_out, self._channel_log, since, self._now())
        except OSError as missing:
            log.warning("opt-outs of the time away are not known", why=str(missing))
            return
        for fact in pressed:
            await self._opt_out(fact)

    async def _claim(self, command: ClaimLeads) -> None:
        try:
            claim = await self._leads.claim(
                command.campaign_id, command.count, self._now(), machine=self._other_clock()
            )
        except CallwrightError as away:
            log.warning("no leads", campaign_id=command.campaign_id, why=away.what)
            self._sink.put(LeadsClaimed(campaign_id=command.campaign_id))
            return
        fact = LeadsClaimed(
            campaign_id=command.campaign_id, leads=claim.leads, reasons=claim.reasons, next_at=claim.next_at
        )
        self.claimed[command.campaign_id] = fact
        self._sink.put(fact)

    async def _give_back(self, command: ReturnLeads) -> None:
        try:
            await self._leads.give_back(command.attempts, self._now())
        except CallwrightError as away:
            log.warning("leads could not be given back; their lease ends", why=away.what)

    async def _read_book(self, command: ReadBook) -> None:
        campaign = self._floor.state.campaigns.get(command.campaign_id)
        if campaign is None:
            return
        now = self._now()
        at = self._told_until(now)  # before the reading: what comes while it runs may be missing in it
        if not at:  # what the tables lack nobody knows: the floor's own sums grow stale, and it dials nothing
            return
        try:
            tallies = await self._budgets.tallies(campaign.policy, now)
        except CallwrightError as away:
            log.warning("the ledger cannot be read", campaign_id=command.campaign_id, why=away.what)
            return
        self._sink.put(BookRead(at=at, campaign_id=command.campaign_id, tallies=tallies))

    async def _opt_out(self, fact: OptedOut) -> None:
        """Durable before anybody hears of it; tried until it is."""
        while True:
            try:
                await self._unwanted.opt_out(fact.attempt_id, self._now())
            except NotFound:
                log.warning("an opt-out of an unknown attempt", attempt_id=fact.attempt_id)
                return
            except CallwrightError as away:
                log.error("an opt-out waits for the database", attempt_id=fact.attempt_id, why=away.what)
                await asyncio.sleep(KEEP_TRYING_S)
                continue
            self._sink.put(fact)
            return

    def _other_clock(self) -> int:
        """What the machine's clock says where that is not our time, as after a step of it; else 0."""
        machine = self._machine()
        return machine if abs(machine - self._now()) >= STEP_US else 0
