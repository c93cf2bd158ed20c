"""The store's part: leads without end, the ledger's sums as the floor's own outcomes make them, and the forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.domain import facts as f
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, Budget, CampaignId, ClaimedLead, LeadId, Tally
from engine.domain.commands import ClaimLeads, ReadBook
from engine.domain.events import AttemptEnded
from engine.domain.values import Token
from engine.simulation.fates import SECOND
from engine.simulation.scenario import Scenario
from engine.simulation.series import area

if TYPE_CHECKING:
    from engine.simulation.world import World

LEASE_US = 600 * SECOND
FIRST_GUESS = 0.6
"""The share of their time that agents are guessed to be busy, before anything was seen."""
ENDLESS = 12_500_000
"""The forecast of a campaign whose governor is to let everything pass: so long a window bears any day's drops."""
GUESS_WEIGHS_S = 1_800.0
"""So many seconds of the whole crew weighs that guess against what was seen."""


class Book:
    """Leads and sums of all campaigns. Its answers and drops are what the ledger holds, not what only we know."""

    def __init__(self, world: World, scenario: Scenario, days: int, *, governed: bool) -> None:
        self._world = world
        self._scenario = scenario
        self._days = days
        self._governed = governed
        self._begin = self._day = 0
        self._claimed = dict.fromkeys((CampaignId(each.name) for each in scenario.campaigns), 0)
        self._answers = dict.fromkeys(self._claimed, 0)
        self._drops = dict.fromkeys(self._claimed, 0)
        self._length_us = round(scenario.hours * 3600 * SECOND)
        self._day_s = area(scenario.agents.count, 0, self._length_us)
        """Logged-in agents times seconds of a whole day."""
        handle_s = [each.calls.talk_s.average() + each.calls.wrap_s.average() for each in scenario.campaigns]
        self._guess = {
            CampaignId(each.name): FIRST_GUESS / max(1.0, seconds) / len(handle_s)
            for each, seconds in zip(scenario.campaigns, handle_s, strict=True)
        }
        """Live answers for each second of an agent."""

    def begin_day(self, day: int, begin: int) -> None:
        """The list goes on; only the schedule begins anew."""
        self._day, self._begin = day, begin

    def claim(self, command: ClaimLeads) -> None:
        """As many leads as wanted."""
        campaign_id, first = command.campaign_id, self._claimed[command.campaign_id]
        until = self._world.now + LEASE_US
        leads = tuple(
            ClaimedLead(
                attempt_id=AttemptId(f"{campaign_id}.{number}"),
                lead_id=LeadId(str(number)),
                number=Token(str(number)),
                not_after=until,
            )
            for number in range(first, first + command.count)
        )
        self._claimed[campaign_id] = first + command.count
        self._world.tell(f.LeadsClaimed(campaign_id=campaign_id, leads=leads))

    def heard(self, event: AttemptEnded) -> None:
        """An outcome is written down."""
        if event.outcome.live_answer:
            self._answers[event.campaign_id] += 1
            self._drops[event.campaign_id] += event.outcome is Outcome.ABANDONED

    def read(self, command: ReadBook) -> None:
        """The sums of the campaign's one budget."""
        self._world.tell(
            f.BookRead(
                campaign_id=command.campaign_id,
                tallies=(self._tally(command.campaign_id, self._world.budget),),
                at=self._world.now,
            )
        )

    def _tally(self, campaign_id: CampaignId, budget: Budget) -> Tally:
        return Tally(
            window=budget.window,
            of_seller=budget.of_seller,
            answers=self._answers[campaign_id],
            drops=self._drops[campaign_id],
            forecast=self.forecast(campaign_id),
        )

    def forecast(self, campaign_id: CampaignId) -> int:
        """Live answers still to be expected: the agents' hours that are left, at the rate seen until now."""
        if not self._governed:
            return ENDLESS
        offset = max(0, self._world.now - self._begin)
        left = area(self._scenario.agents.count, offset, self._length_us)
        worked = self._day_s - left + self._day * self._day_s
        left += (self._days - 1 - self._day) * self._day_s
        weight = GUESS_WEIGHS_S * self._day_s / max(1.0, self._length_us / SECOND)
        rate = (self._guess[campaign_id] * weight + self._answers[campaign_id]) / (weight + worked)
        return int(left * rate)
