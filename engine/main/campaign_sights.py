"""What of a campaign is shown, and how: floor state and sums in, read models out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from engine.dialer.clopper_pearson import clopper_pearson_upper, largest_drops
from engine.dialer.governor import RULES
from engine.dialer.pacing import REASONS
from engine.domain.agent import AgentState
from engine.domain.campaign import Budget, CampaignPolicy, CampaignState, Tally
from engine.domain.facts import LeadsClaimed
from engine.domain.policy import AgentProfile, QueuePolicy
from engine.domain.values import LegMode
from engine.floor.line import may_serve
from engine.floor.state import Agent, Campaign, FloorState
from engine.main.moments import moment
from engine.runtime.outbound import BudgetView, CampaignLive, CrewView, LinesView
from engine.store.leads import LeadState

SHORTAGES: Final = {
    "no-leads": "no lead may be called just now: see calling hours, retry times and the list itself",
    "no-lines": "no line is free, or the trunks' calls per second are used up, or no trunk is trusted",
}
"""What took calls that pacing and governor wanted, in words."""
_LATER: Final = "later"
"""What a claim says of leads whose own time has not come."""
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


def live_view(
    state: FloorState, campaign: Campaign, claimed: LeadsClaimed | None = None, timezone: str = "UTC"
) -> CampaignLive:
    """What the floor knows of a campaign. `claimed` is what its last claim gave; instants are told in `timezone`."""
    return CampaignLive(
        reason=campaign.reason,
        says=_says(state, campaign),
        rule=campaign.rule,
        rule_says=_rule_says(campaign.rule, claimed, timezone),
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


def _rule_says(rule: str, claimed: LeadsClaimed | None, timezone: str) -> str:
    if not rule:
        return ""
    if rule == "no-leads" and claimed is not None and claimed.reasons:
        return no_leads(claimed.reasons, claimed.next_at, timezone)
    return RULES.get(rule) or SHORTAGES.get(rule, "")


def no_leads(reasons: Mapping[str, int], next_at: int, timezone: str) -> str:
    """Why no lead may be called: how many wait for what, and when (UTC µs; 0: never) the first may be called."""
    ended = {state.value for state in LeadState}
    wait = {why: count for why, count in reasons.items() if why not in ended and count}
    others = ", ".join(f"{count} {why}" for why, count in reasons.items() if why in ended and count)
    if not wait:
        return f"nobody is left to be called: {others}"
    told = ", ".join(
        f"{count} wait for their next dial" if why == _LATER else f"{count} are forbidden by {why}"
        for why, count in wait.items()
    )
    if next_at:
        told += f"; the first at {moment(next_at).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} ({timezone})"
    return f"no lead may be called just now: {told}" + (f"; {others}" if others else "")


def budget_view(budget: Budget, tally: Tally) -> BudgetView:
    """How a budget stands by its sums.

    A sliding window may count a drop whose answer it counts no longer (`engine.store.budgets`); whoever was dropped
    had answered, so there is at least one answer for each.
    """
    answers = max(tally.answers, tally.drops)
    return BudgetView(
        window=budget.window,
        of_seller=budget.of_seller,
        cap=budget.cap,
        answers=answers,
        drops=tally.drops,
        forecast=tally.forecast,
        bears=largest_drops(tally.answers + 4 * tally.forecast // 5, budget.cap),
        rate=round(tally.drops / answers, 5) if answers else None,
        upper95=round(clopper_pearson_upper(tally.drops, answers), 5),
    )
