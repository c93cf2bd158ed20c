"""Preview: an agent looks at a lead first, and it is dialled for him alone.

He is kept from other calls from the moment he is shown the lead. When he says nothing, it is dialled at the end of his
time; when he skips it, pauses or leaves, it goes back. Who answers is joined to him, if he is still there.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from engine.domain.agent import AgentState
from engine.domain.campaign import CampaignState, ClaimedLead
from engine.domain.events import LeadPreviewed
from engine.domain.facts import PreviewAccepted, PreviewSkipped
from engine.domain.values import SECOND, AgentId
from engine.floor import stock
from engine.floor.crews import Crew
from engine.floor.line import may_serve
from engine.floor.state import Agent, Attempt, Campaign, Preview
from engine.floor.step import Step


def show(step: Step, campaign: Campaign, crew: Crew, count: int, last: Collection[AgentId]) -> int:
    """Show leads to free agents, the longest idle first, those of `last` after the others; returns to how many."""
    ready = [step.state.agents[each] for each in crew.since[AgentState.AVAILABLE]]
    free = [each for each in ready if each.can_take()]
    free.sort(key=lambda each: (each.profile.id in last, each.idle_since, each.profile.id))
    for shown, agent in enumerate(free[:count]):
        lead = stock.first(step, campaign)
        if lead is None:
            return shown
        campaign.stock.pop(0)
        _show(step, campaign, agent, lead)
    return min(count, len(free))


def _show(step: Step, campaign: Campaign, agent: Agent, lead: ClaimedLead) -> None:
    until = min(step.now + round(campaign.policy.preview_s * SECOND), lead.not_after)
    agent.preview = Preview(campaign_id=campaign.policy.id, lead=lead)
    step.timers.set("preview", agent.profile.id, until)
    step.publish(
        LeadPreviewed(
            at=step.now,
            agent_id=agent.profile.id,
            attempt_id=lead.attempt_id,
            campaign_id=campaign.policy.id,
            lead_id=lead.lead_id,
            until=until,
        )
    )


def accepted(step: Step, fact: PreviewAccepted) -> None:
    """Dial it now."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is not None:
        time_over(step, agent)


def skipped(step: Step, fact: PreviewSkipped) -> None:
    """The next one, please."""
    agent = step.state.agents.get(fact.agent_id)
    if agent is not None and agent.preview is not None and not agent.preview.wanted:
        close(step, agent)


def time_over(step: Step, agent: Agent) -> None:
    """He has said nothing: it is dialled."""
    preview = agent.preview
    if preview is None or preview.wanted:
        return
    step.timers.clear("preview", agent.profile.id)
    campaign = step.state.campaigns.get(preview.campaign_id)
    gone = preview.lead.not_after <= step.now or agent.state is not AgentState.AVAILABLE
    if gone or campaign is None or campaign.state is not CampaignState.RUNNING:
        close(step, agent)
        return
    agent.preview = msgspec.structs.replace(preview, wanted=True)
    campaign.pace_at = min(campaign.pace_at, step.now)


def wanted(step: Step, campaign: Campaign) -> list[Agent]:
    """The agents whose lead is to be dialled now; who left meanwhile gives his back."""
    found: list[Agent] = []
    for agent in sorted(step.state.agents.values(), key=lambda each: each.profile.id):
        preview = agent.preview
        if preview is None or preview.campaign_id != campaign.policy.id or not preview.wanted or preview.dialled:
            continue
        if agent.state is AgentState.AVAILABLE and preview.lead.not_after > step.now:
            found.append(agent)
        else:
            close(step, agent)
    return found


def keep(agent: Agent, campaign: Campaign, lead: ClaimedLead) -> None:
    """Keep a free agent for a lead that is dialled for him, and that he was not asked about."""
    agent.preview = Preview(campaign_id=campaign.policy.id, lead=lead, wanted=True, dialled=True)


def dialled(agent: Agent) -> None:
    """It is being dialled for him."""
    if agent.preview is not None:
        agent.preview = msgspec.structs.replace(agent.preview, dialled=True)


def close(step: Step, agent: Agent) -> None:
    """He looks at nothing any more; a lead that was not dialled goes back."""
    preview, agent.preview = agent.preview, None
    if preview is None:
        return
    step.timers.clear("preview", agent.profile.id)
    campaign = step.state.campaigns.get(preview.campaign_id)
    if campaign is not None:
        if not preview.dialled:
            stock.give_back(step, campaign, [preview.lead])
        elif campaign.turn == preview.lead.attempt_id:
            campaign.turn = None  # nobody is kept for that call any more: it needs a free agent like the others
        campaign.pace_at = min(campaign.pace_at, step.now)
    step.seek_caller(agent)


def recheck(step: Step, agent: Agent) -> None:
    """What he may serve has changed: a lead of a campaign that is not his any more goes back."""
    preview = agent.preview
    if preview is None or preview.dialled:
        return
    campaign = step.state.campaigns.get(preview.campaign_id)
    queue = step.state.queues.get(campaign.policy.queue_id) if campaign is not None else None
    if queue is None or not may_serve(agent.profile, queue):
        close(step, agent)


def stop(step: Step, campaign: Campaign) -> None:
    """The campaign dials no more: what nobody said yes to goes back."""
    for agent in sorted(step.state.agents.values(), key=lambda each: each.profile.id):
        preview = agent.preview
        if preview is not None and preview.campaign_id == campaign.policy.id and not preview.dialled:
            close(step, agent)


def nobody_answered(step: Step, attempt: Attempt) -> None:
    """The call came to nothing: its agent is free for the next."""
    agent = dialled_for(step, attempt)
    if agent is not None:
        close(step, agent)


def dialled_for(step: Step, attempt: Attempt) -> Agent | None:
    """The agent for whom this number was dialled, while he is kept for it."""
    agent = step.state.agents.get(attempt.agent_id) if attempt.agent_id is not None else None
    kept = agent is not None and agent.preview is not None and agent.preview.lead.attempt_id == attempt.id
    return agent if kept else None
