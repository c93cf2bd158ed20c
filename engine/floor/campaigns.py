"""Campaigns and trunks as facts change them: defined, started, paused and stopped; their leads and their ledger's sums.

When a campaign dials is decided in `pace`, and what is heard of its calls is taken in by `called`.
"""

from __future__ import annotations

from engine.dialer.trunks import TrunkState
from engine.domain import facts
from engine.domain.campaign import CampaignState, TrunkId
from engine.domain.commands import ReturnLeads
from engine.domain.events import CampaignMoved
from engine.floor import attempts, previews, stock
from engine.floor.state import Campaign
from engine.floor.step import Step


def defined(step: Step, fact: facts.CampaignDefined) -> None:
    """A campaign, new or changed."""
    known = step.state.campaigns.get(fact.campaign.id)
    if known is None:
        step.state.campaigns[fact.campaign.id] = Campaign(policy=fact.campaign, learnt=step.crews.fresh(fact.campaign))
    else:
        if (known.policy.mode, known.policy.queue_id) != (fact.campaign.mode, fact.campaign.queue_id):
            previews.stop(step, known)
        if known.policy.mode is not fact.campaign.mode:
            known.learnt = step.crews.fresh(fact.campaign)
        known.policy, known.removed = fact.campaign, False
        known.pace_at = min(known.pace_at, step.now)
    step.crews.forget()


def removed(step: Step, fact: facts.CampaignRemoved) -> None:
    """Gone from the company; one that runs is stopped first, and while calls are up it is kept."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is None:
        return
    _move(step, campaign, CampaignState.STOPPED, "", "removed")
    campaign.removed = True
    if not campaign.up:
        step.state.campaigns.pop(fact.campaign_id)
        step.crews.forget()


def started(step: Step, fact: facts.CampaignStarted) -> None:
    """Dial from now on."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None and not campaign.removed:
        campaign.pace_at = step.now
        _move(step, campaign, CampaignState.RUNNING, fact.by)


def paused(step: Step, fact: facts.CampaignPaused) -> None:
    """Dial no more for now; what rings goes on."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None and campaign.state is CampaignState.RUNNING:
        _move(step, campaign, CampaignState.PAUSED, fact.by)


def stopped(step: Step, fact: facts.CampaignStopped) -> None:
    """Dial no more; leads go back."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None:
        _move(step, campaign, CampaignState.STOPPED, fact.by)


def _move(step: Step, campaign: Campaign, new: CampaignState, by: str, reason: str = "") -> None:
    old, campaign.state = campaign.state, new
    if new is not CampaignState.RUNNING:
        previews.stop(step, campaign)
        stock.clear(step, campaign)
        campaign.reason = campaign.rule = ""
        campaign.hungry_since = 0
    if old is not new:
        step.publish(CampaignMoved(at=step.now, campaign_id=campaign.policy.id, old=old, new=new, by=by, reason=reason))


def trunk_defined(step: Step, fact: facts.TrunkDefined) -> None:
    """A trunk, new or changed."""
    trunk_id = TrunkId(fact.trunk.id)
    step.state.trunks[trunk_id] = fact.trunk
    step.state.trunk_states.setdefault(trunk_id, TrunkState())


def trunk_removed(step: Step, fact: facts.TrunkRemoved) -> None:
    """A trunk that carries nothing new."""
    step.state.trunks.pop(fact.trunk_id, None)
    state = step.state.trunk_states.get(fact.trunk_id)
    if state is not None and not state.in_use:  # else it must not forget its lines, should it come back
        step.state.trunk_states.pop(fact.trunk_id)


def leads_claimed(step: Step, fact: facts.LeadsClaimed) -> None:
    """Leads for the next seconds."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is None or campaign.state is not CampaignState.RUNNING:
        step.do(ReturnLeads(campaign_id=fact.campaign_id, attempts=tuple(lead.attempt_id for lead in fact.leads)))
        return
    stock.take_in(step, campaign, fact)
    campaign.pace_at = min(campaign.pace_at, step.now)


def book_read(step: Step, fact: facts.BookRead) -> None:
    """The ledger's sums, as of now."""
    campaign = step.state.campaigns.get(fact.campaign_id)
    if campaign is not None:
        if campaign.book.stale(step.now):
            campaign.pace_at = min(campaign.pace_at, step.now)
        campaign.book.read(fact.tallies, fact.at or step.now)


def engine_started(step: Step) -> None:
    """What was claimed before may have been dialled unseen: it goes back, and the ledger knows which.

    Whoever was looking up what became of attempts is gone too: the next comparison asks again.
    """
    for attempt in step.state.attempts.values():
        if attempt.tracing:
            attempts.watch(step, attempt)
    for _, campaign in sorted(step.state.campaigns.items()):
        stock.clear(step, campaign)
        campaign.book_asked_at = 0
        campaign.book.read_at = 0


def drain(step: Step) -> None:
    """The engine stops: nothing is dialled any more, and what was claimed goes back."""
    for _, campaign in sorted(step.state.campaigns.items()):
        stock.clear(step, campaign)
