"""Campaigns whose calls may need the same agents: what one dials must not make another drop calls it was granted.

A *claim* is a call that may need one of the free agents: in flight, or answered and waiting. The worst case is counted
everywhere: every claim of the others is answered first, and takes a shared agent before one of their own.
"""

from __future__ import annotations

from engine.dialer import governor
from engine.domain.agent import AgentState
from engine.domain.campaign import Mode
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId
from engine.floor.called import interaction_id
from engine.floor.state import Campaign
from engine.floor.step import Step

USUAL_RING_S = 11.0
"""From dialling to an answer, where nothing better is known."""
_AGENT_AT_HAND = frozenset({Mode.AGENTLESS, Mode.PREVIEW})
"""Their calls need no free agent: they have a message, or the one who looked at the lead."""


def others(step: Step, campaign: Campaign) -> list[Campaign]:
    """The other campaigns that have claims now."""
    if len(step.state.campaigns) == 1:
        return []
    known = (each for _, each in sorted(step.state.campaigns.items()) if each is not campaign)
    return [each for each in known if each.policy.mode not in _AGENT_AT_HAND and (each.ringing or each.answered)]


def claims(step: Step, campaign: Campaign) -> int:
    """How many free agents this campaign's calls would take if every one of them were answered."""
    return len(campaign.ringing) + waiting(step, campaign)


def waiting(step: Step, campaign: Campaign) -> int:
    """How many of its live answers have nobody yet."""
    return sum(1 for each in campaign.answered if _waits(step, each)) if campaign.answered else 0


def free(step: Step, campaign: Campaign) -> set[AgentId]:
    """The agents of a campaign who could be given a call now."""
    crew = step.crews.of(campaign.policy.id)
    return {each for each in crew.since[AgentState.AVAILABLE] if step.state.agents[each].can_take()}


def taken(step: Step, campaign: Campaign, rivals: list[Campaign]) -> int:
    """How many of its free agents the claims of rivals may take, at most."""
    if not rivals:
        return 0
    own = free(step, campaign)
    return min(len(own), sum(min(len(own & free(step, each)), claims(step, each)) for each in rivals))


def left(step: Step, campaign: Campaign, wanted: int, rivals: list[Campaign]) -> int:
    """How many of `wanted` calls no rival would have to pay for with more drops than its budgets bear."""
    if not rivals:
        return wanted
    own, claimed = free(step, campaign), claims(step, campaign)
    for rival in rivals:
        his = free(step, rival)
        others = taken(step, rival, [each for each in rivals if each is not rival])
        may_lose = min(len(own & his), len(his) - others)
        secure = len(his) - others + _spare(step, rival) - claims(step, rival)
        if claimed < may_lose and secure < may_lose:  # else he loses no more by what we add, or bears it
            wanted = min(wanted, max(0, secure - claimed))
    return wanted


def answers_per_s(step: Step, campaign: Campaign) -> float:
    """Live answers per second that the same agents will get from other campaigns."""
    mine = step.crews.of(campaign.policy.id).members
    rivals = [each for each in others(step, campaign) if not mine.isdisjoint(step.crews.of(each.policy.id).members)]
    expected = (len(each.ringing) * each.figures.get("answer_rate", each.policy.answer_rate) for each in rivals)
    return sum(expected) / USUAL_RING_S


def _spare(step: Step, campaign: Campaign) -> int:
    return governor.spare(budgets=campaign.policy.budgets, book=campaign.book, now=step.now)


def _waits(step: Step, attempt_id: str) -> bool:
    interaction = step.state.interactions.get(interaction_id(attempt_id))
    return interaction is not None and interaction.state is InteractionState.WAITING
