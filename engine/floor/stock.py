"""Leads that a campaign has claimed for its next few seconds: asked for early, because a claim takes milliseconds."""

from __future__ import annotations

from engine.domain.campaign import ClaimedLead
from engine.domain.commands import ClaimLeads, ReturnLeads
from engine.domain.facts import LeadsClaimed
from engine.domain.values import SECOND
from engine.floor.state import Campaign
from engine.floor.step import Step

CLAIM_PAUSE = 5 * SECOND
"""Before a list that had nothing to give is asked again, and before an answer is given up."""
LONGEST_PAUSE = 60 * SECOND


def refill(step: Step, campaign: Campaign, staffed: int) -> None:
    """Keep leads for the next few seconds: two for each agent, and at least ten."""
    wanted = max(10, 2 * staffed)
    if len(campaign.stock) > wanted // 2 or step.now < campaign.claim_at:
        return  # an answer that never came is given up by then
    campaign.claiming = wanted
    campaign.claim_at = step.now + CLAIM_PAUSE
    step.do(ClaimLeads(campaign_id=campaign.policy.id, count=wanted))


def take_in(step: Step, campaign: Campaign, fact: LeadsClaimed) -> None:
    """Claimed leads have come, perhaps fewer than were asked for."""
    if len(fact.leads) < campaign.claiming:
        campaign.claim_at = max(step.now + CLAIM_PAUSE, min(fact.next_at, step.now + LONGEST_PAUSE))
    else:
        campaign.claim_at = 0
    campaign.claiming = 0
    campaign.stock.extend(fact.leads)


def first(step: Step, campaign: Campaign) -> ClaimedLead | None:
    """The next lead that may still be dialled; those whose time is over go back."""
    stale = 0
    for lead in campaign.stock:
        if lead.not_after > step.now:
            break
        stale += 1
    if stale:
        give_back(step, campaign, campaign.stock[:stale])
        del campaign.stock[:stale]
    return campaign.stock[0] if campaign.stock else None


def give_back(step: Step, campaign: Campaign, leads: list[ClaimedLead]) -> None:
    """Let others have them."""
    if leads:
        step.do(ReturnLeads(campaign_id=campaign.policy.id, attempts=tuple(lead.attempt_id for lead in leads)))


def clear(step: Step, campaign: Campaign) -> None:
    """Give all back, and forget what was asked for."""
    give_back(step, campaign, campaign.stock)
    campaign.stock, campaign.claiming, campaign.claim_at = [], 0, 0
