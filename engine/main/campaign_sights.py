"""What of a campaign is shown, and how: floor state and sums in, read models out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.dialer.clopper_pearson import clopper_pearson_upper, largest_drops
from engine.dialer.governor import RULES
from engine.dialer.pacing import REASONS
from engine.domain.agent import AgentState
from engine.domain.campaign import Budget, CampaignPolicy, CampaignState, Tally
from engine.domain.policy import AgentProfile, QueuePolicy
from engine.domain.values import LegMode
from engine.floor.line import may_serve
from engine.floor.state import Agent, Campaign, FloorState
from engine.runtime.outbound import BudgetView, CampaignLive, CrewView, LinesView

SHORTAGES: Final = {
    "no-leads": "no lead may be called just now: see calling hours, retry times and the list itself",
    "no-lines": "no line is free, or the trunks' calls per second are used up, or no trunk is trusted",
}
"""What took calls that pacing and governor wanted, in words."""
_UNPACED: Final = "nothing was decided yet"
_BLIND: Final = "Asterisk is out of sight: nothing is dialled"


def crew_of(agents: list[AgentProfile], queue: QueuePolicy | None) -> list[AgentProfile]:
    """Those who have the skills of a campaign's queue."""
    return [agent for agent in agents if queue is not None and may_serve(agent, queue)]


def nailed_up(state: FloorState, policy: CampaignPolicy) -> Iterator[Agent]:
    """The agents of the floor who serve a campaign: only who holds his phone open can be there in time."""
    queue = state.queues.get(policy.queue_id)
    for agent in state.agents.values():
        if queue is not None and agent.mode is LegMode.NAILED_UP and may_serve(agent.profile, queue):
            yield agent


def crew_view(state: FloorState, policy: CampaignPolicy) -> CrewView:
    """A campaign's agents by what they do."""
    free = talking = wrapping = paused = staffed = 0
    for agent in nailed_up(state, policy):
        staffed += agent.state not in (AgentState.OFFLINE, AgentState.NOT_READY)
        free += agent.can_take()
        talking += agent.state in (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING)
        wrapping += agent.state is AgentState.WRAP_UP
        paused += agent.state is AgentState.NOT_READY
    return CrewView(staffed=staffed, free=free, talking=talking, wrapping=wrapping, paused=paused)


def live_view(state: FloorState, campaign: Campaign) -> CampaignLive:
    """What the floor knows of a campaign."""
    return CampaignLive(
        reason=campaign.reason,
        says=_says(state, campaign),
        rule=campaign.rule,
        rule_says=RULES.get(campaign.rule) or SHORTAGES.get(campaign.rule, "") if campaign.rule else "",
        figures=dict(campaign.figures),
        agents=crew_view(state, campaign.policy),
        lines=LinesView(up=campaign.up, ringing=len(campaign.ringing), waiting=len(campaign.answered)),
        stock=len(campaign.stock),
    )


def _says(state: FloorState, campaign: Campaign) -> str:
    if campaign.state is not CampaignState.RUNNING:
        return f"it is {campaign.state}"
    if state.blind:
        return _BLIND
    return REASONS.get(campaign.reason, campaign.reason) if campaign.reason else _UNPACED


def budget_view(budget: Budget, tally: Tally) -> BudgetView:
    """How a budget stands by its sums."""
    return BudgetView(
        window=budget.window,
        of_seller=budget.of_seller,
        cap=budget.cap,
        answers=tally.answers,
        drops=tally.drops,
        forecast=tally.forecast,
        bears=largest_drops(tally.answers + 4 * tally.forecast // 5, budget.cap),
        rate=round(tally.drops / tally.answers, 5) if tally.answers else None,
        upper95=round(clopper_pearson_upper(tally.drops, tally.answers), 5),
    )
