"""Who serves a campaign, by what each is doing, and the pacing rule that decides for him.

Derived from the state and kept beside it, like the line of callers: no part of a snapshot, made anew on restore.
Only agents with a nailed-up leg serve a campaign: nobody can be rung within the two seconds that the law gives.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.dialer import modes
from engine.dialer.modes import Learnt
from engine.dialer.pacing import Lesson, Pacing
from engine.domain.agent import AgentState
from engine.domain.campaign import CampaignId, CampaignPolicy
from engine.domain.values import SECOND, AgentId, LegMode, QueueId
from engine.floor.line import may_serve
from engine.floor.state import Agent, Campaign, FloorState

_S = AgentState
_LESSONS = {_S.TALKING: Lesson.TALKED, _S.WRAP_UP: Lesson.WRAPPED}
HANDLE_MEMORY = 50.0
"""Calls over which their mean time fades."""
MakePacing = Callable[[CampaignPolicy, Learnt], Pacing]


class Crew:
    """One campaign's agents and its pacing rule. Each is in the dictionary of his present state, with its beginning."""

    __slots__ = ("campaign", "members", "other_queues", "pacing", "policy", "since")

    def __init__(
        self, campaign: Campaign, members: frozenset[AgentId], other_queues: frozenset[QueueId], pacing: Pacing
    ) -> None:
        self.campaign = campaign
        self.policy = campaign.policy
        self.members = members
        self.other_queues = other_queues
        self.pacing = pacing
        self.since: dict[AgentState, dict[AgentId, int]] = {state: {} for state in AgentState}

    def seat(self, agent: Agent) -> None:
        """Put him where he belongs now."""
        if agent.mode is LegMode.NAILED_UP and agent.profile.id in self.members:
            self.since[agent.state][agent.profile.id] = agent.since

    def leave(self, agent: Agent, state: AgentState) -> bool:
        """Take him out of a state he was in; False when he was not in it as a member of this crew."""
        return self.since[state].pop(agent.profile.id, None) is not None

    def learn(self, lesson: Lesson, now: int, age_us: int) -> None:
        """One of them ended a talk or its wrap-up."""
        self.pacing.learn(lesson, now, age_us)
        if lesson is Lesson.TALKED:
            mean, wrap_up_s = self.campaign.handle_s, self.campaign.policy.wrap_up_s or 0.0
            seconds = age_us / SECOND + wrap_up_s
            self.campaign.handle_s = mean + (seconds - mean) / HANDLE_MEMORY if mean else seconds

    @property
    def talking(self) -> list[int]:
        """Since when each is talking, or being joined, the longest first."""
        since = self.since
        return sorted((*since[_S.TALKING].values(), *since[_S.RESERVED].values(), *since[_S.RINGING].values()))

    @property
    def staffed(self) -> int:
        """How many are at work."""
        since = self.since
        at_work = (_S.AVAILABLE, _S.RESERVED, _S.RINGING, _S.TALKING, _S.WRAP_UP)
        return sum(len(since[state]) for state in at_work)


class Crews:
    """The crews of all campaigns of one state."""

    def __init__(self, state: FloorState, make_pacing: MakePacing = modes.make_pacing) -> None:
        self._state = state
        self._make_pacing = make_pacing
        self._crews: dict[CampaignId, Crew] = {}
        self._stale = True
        self._available = {each.profile.id: each for each in state.agents.values() if each.state is _S.AVAILABLE}

    def available(self) -> list[Agent]:
        """Everybody who is available, whether or not he can take a call just now, in no order."""
        return list(self._available.values())

    def fresh(self, policy: CampaignPolicy) -> Learnt:
        """What is believed before anything was seen."""
        return modes.fresh(policy)

    def of(self, campaign_id: CampaignId) -> Crew:
        """The crew of a campaign that the state has."""
        self.refresh()
        return self._crews[campaign_id]

    def all(self) -> list[Crew]:
        """Every campaign's crew."""
        self.refresh()
        return list(self._crews.values())

    def forget(self) -> None:
        """Definitions changed: who serves what is found anew when it is next asked."""
        self._stale = True

    def moved(self, agent: Agent, old: AgentState, now: int) -> None:
        """An agent went from `old` to where he is now. `now - agent.since` is how long he had been there."""
        if agent.state is _S.AVAILABLE:
            self._available[agent.profile.id] = agent
        else:
            self._available.pop(agent.profile.id, None)
        if not self._state.campaigns:
            return
        for crew in self.all():
            crew.campaign.pace_at = min(crew.campaign.pace_at, now)
            if crew.leave(agent, old) and old in _LESSONS:
                crew.learn(_LESSONS[old], now, now - agent.since)

    def arrived(self, queue_id: QueueId, now: int) -> None:
        """A caller entered a queue: some campaigns' agents may have to serve it."""
        if self._state.campaigns:
            for crew in self.all():
                if queue_id in crew.other_queues:
                    crew.campaign.inbound.arrived(now)
                    crew.campaign.pace_at = min(crew.campaign.pace_at, now)

    def seat(self, agent: Agent) -> None:
        """After `moved`, when his state has its new beginning."""
        if self._state.campaigns:
            for crew in self.all():
                crew.seat(agent)

    def refresh(self) -> None:
        """Find anew who serves what, if that was forgotten. Before a step changes anybody, or his move is not seen."""
        if not self._stale:
            return
        self._stale = False
        old, self._crews = self._crews, {}
        for campaign_id, campaign in self._state.campaigns.items():
            known = old.get(campaign_id)
            same = known is not None and known.campaign is campaign and known.policy is campaign.policy
            pacing = known.pacing if known and same else self._make_pacing(campaign.policy, campaign.learnt)
            members = self._members(campaign)
            crew = Crew(campaign, members, self._other_queues(campaign, members), pacing)
            for agent in self._state.agents.values():
                crew.seat(agent)
            self._crews[campaign_id] = crew

    def _other_queues(self, campaign: Campaign, members: frozenset[AgentId]) -> frozenset[QueueId]:
        """The queues without a campaign that these agents serve too."""
        own = {each.policy.queue_id for each in self._state.campaigns.values()}
        profiles = [self._state.agents[each].profile for each in members]
        others = [queue for queue in self._state.queues.values() if queue.id not in own]
        return frozenset(queue.id for queue in others if any(may_serve(each, queue) for each in profiles))

    def _members(self, campaign: Campaign) -> frozenset[AgentId]:
        queue = self._state.queues.get(campaign.policy.queue_id)
        if queue is None:
            return frozenset()
        return frozenset(each.profile.id for each in self._state.agents.values() if may_serve(each.profile, queue))
