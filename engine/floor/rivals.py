"""Campaigns whose calls may need the same agents: what one dials must not make another drop calls it was granted.

A *claim* is a call that may need one of the free agents: in flight, or answered and waiting. The worst case is counted
everywhere: every claim of the others is answered first, and takes a shared agent before one of their own.
"""

from __future__ import annotations

from engine.dialer import governor
from engine.domain.agent import AgentState
from engine.domain.campaign import CampaignState, Mode
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, AgentId
from engine.floor.called import interaction_id
from engine.floor.state import Agent, Campaign
from engine.floor.step import Step

USUAL_RING_S = 11.0
"""From dialling to an answer, where nothing better is known."""
PATIENCE = 30 * SECOND
"""So long the calls of others may leave a campaign nobody to dial for; then an agent is kept for one call of it."""
TURN = 60 * SECOND
"""So long others leave it one agent more than their calls may need, and no longer: it may have no lead, or no line."""
_AGENT_AT_HAND = frozenset({Mode.AGENTLESS, Mode.PREVIEW})
"""Their calls need no free agent: they have a message, or the one who looked at the lead."""


def others(step: Step, campaign: Campaign) -> list[Campaign]:
    """The other campaigns that have claims now."""
    if len(step.state.campaigns) == 1:
        return []
    return [each for each in _beside(step, campaign) if (each.ringing or each.answered) and claims(step, each)]


def claims(step: Step, campaign: Campaign) -> int:
    """How many free agents this campaign's calls would take if every one of them were answered."""
    if campaign.policy.mode in _AGENT_AT_HAND:  # it may have had another mode when it dialled
        calls = (step.state.attempts[each] for each in campaign.ringing)
        ringing = sum(1 for each in calls if not each.agentless and each.agent_id is None)
    else:
        ringing = in_flight(campaign)
    return ringing + waiting(step, campaign)


def in_flight(campaign: Campaign) -> int:
    """How many of its calls ring without an agent who is kept for them."""
    return len(campaign.ringing) - (campaign.turn in campaign.ringing)


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


def shared(step: Step, campaign: Campaign, rivals: list[Campaign]) -> set[AgentId]:
    """Its free agents who serve rivals too."""
    own = free(step, campaign) if rivals else set()
    return own & set().union(*(free(step, each) for each in rivals))


def left(step: Step, campaign: Campaign, wanted: int, rivals: list[Campaign]) -> int:
    """How many of `wanted` calls no rival would have to pay for with more drops than its budgets bear.

    And none that would take the last agent from a campaign whose turn it is.
    """
    if len(step.state.campaigns) == 1:
        return wanted
    own, claimed = free(step, campaign), claims(step, campaign)
    if any(_waits_longer(step, each, campaign) for each in _beside(step, campaign)):
        wanted = min(wanted, max(0, len(own) + _spare(step, campaign) - claimed - 1))
    for rival in rivals:
        his = free(step, rival)
        others = taken(step, rival, [each for each in rivals if each is not rival])
        may_lose = min(len(own & his), len(his) - others)
        secure = len(his) - others + _spare(step, rival) - claims(step, rival)
        if claimed < may_lose and secure < may_lose:  # else he loses no more by what we add, or bears it
            wanted = min(wanted, max(0, secure - claimed))
    return wanted


def starve(step: Step, campaign: Campaign) -> None:
    """Note that the calls of others leave this campaign no agent to dial for."""
    if not campaign.hungry_since or step.now - campaign.hungry_since >= PATIENCE + TURN:
        campaign.hungry_since = step.now


def next_in_turn(step: Step, campaign: Campaign, rivals: list[Campaign]) -> Agent | None:
    """The agent to be kept for one call of a campaign that has waited for `PATIENCE`; None while it is not its turn.

    One call at a time, and only if the rivals bear that he is gone.
    """
    waits = campaign.hungry_since and step.now - campaign.hungry_since >= PATIENCE
    if not waits or campaign.turn in campaign.ringing or not left(step, campaign, 1, rivals):
        return None
    agents = (step.state.agents[each] for each in free(step, campaign))
    return min(agents, key=lambda each: (each.idle_since, each.profile.id), default=None)


def answers_per_s(step: Step, campaign: Campaign) -> float:
    """Live answers per second that the same agents will get from other campaigns."""
    mine = step.crews.of(campaign.policy.id).members
    rivals = [each for each in others(step, campaign) if not mine.isdisjoint(step.crews.of(each.policy.id).members)]
    expected = (len(each.ringing) * each.figures.get("answer_rate", each.policy.answer_rate) for each in rivals)
    return sum(expected) / USUAL_RING_S


def _beside(step: Step, campaign: Campaign) -> list[Campaign]:
    return [each for _, each in sorted(step.state.campaigns.items()) if each is not campaign]


def _waits_longer(step: Step, rival: Campaign, campaign: Campaign) -> bool:
    """Whether it is a rival's turn, and not this campaign's: the one that waited longest goes first."""
    since = rival.hungry_since
    if not since or not PATIENCE <= step.now - since < PATIENCE + TURN or rival.state is not CampaignState.RUNNING:
        return False
    if campaign.hungry_since and (campaign.hungry_since, campaign.policy.id) < (since, rival.policy.id):
        return False
    mine = step.crews.of(campaign.policy.id).members
    return not mine.isdisjoint(step.crews.of(rival.policy.id).members)


def _spare(step: Step, campaign: Campaign) -> int:
    return governor.spare(budgets=campaign.policy.budgets, book=campaign.book, now=step.now)


def _waits(step: Step, attempt_id: str) -> bool:
    interaction = step.state.interactions.get(interaction_id(attempt_id))
    return interaction is not None and interaction.state is InteractionState.WAITING
