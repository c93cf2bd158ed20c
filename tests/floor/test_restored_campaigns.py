"""Campaigns that share agents, in all modes, with everything that may happen to them: a floor that is restored at any
fact goes on exactly as the one that was not, and no attempt, agent or preview is left in a state that nothing ends.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from engine.domain import facts as f
from engine.domain.agent import AgentState
from engine.domain.attempt import AttemptState
from engine.domain.campaign import Budget, CampaignId, CampaignState, Mode, Window
from engine.domain.commands import Bridge
from engine.domain.facts import SeenLeg
from engine.domain.values import SECOND, AgentId, LegId, LegMode, QueueId
from engine.floor import Floor
from tests.floor.hall import NAILED, profile
from tests.floor.test_attack_campaigns import AUTUMN, changed
from tests.floor.test_campaigns import CAMPAIGN, Office

WINTER = CampaignId("winter")
CAMPAIGNS = (CAMPAIGN, AUTUMN, WINTER)
AGENTS = (NAILED, AgentId("201"), AgentId("202"))
SEEDS, STEPS = (40, 150) if os.environ.get("FULL") else (5, 60)


class Twins(Office):
    """Each fact goes to the floor and to a twin of it, which is thrown away and restored from a snapshot at random."""

    def __init__(self, dice: Random, **changes: Any) -> None:
        self.dice = dice
        self.twin: Floor | None = None
        super().__init__(**changes)

    def tell(self, fact: Any) -> Any:
        if self.twin is None or self.dice.random() < 0.3:
            self.twin = Floor.restore(self.floor.snapshot())
        caused = super().tell(fact)
        assert self.twin.handle(fact, self.now) == self.steps[-1], fact
        assert self.twin.deadline() == self.floor.deadline(), fact
        assert self.twin.snapshot() == self.floor.snapshot(), fact
        return caused


def opened(dice: Random) -> Twins:
    """Three campaigns and three agents, two queues; everything at work."""
    modes = dice.choices(list(Mode), k=3)
    at = Twins(
        dice,
        mode=modes[0],
        forecast=dice.choice((0, 260, 10_000)),
        seller=dice.choice(("", "s")),
        budgets=(Budget(window=Window.RUN),),
    )
    at.tell(f.AgentDefined(agent=profile("201", LegMode.NAILED_UP, sales=5)))
    at.tell(f.AgentDefined(agent=profile("202", LegMode.NAILED_UP, sales=5, care=5)))
    for agent in AGENTS:
        at.ready(agent)
    at.tell(f.CampaignDefined(campaign=changed(at.policy, id=AUTUMN, mode=modes[1])))
    at.tell(f.CampaignDefined(campaign=changed(at.policy, id=WINTER, mode=modes[2], queue_id=QueueId("care"))))
    for campaign in CAMPAIGNS:
        at.tell(f.CampaignStarted(campaign_id=campaign))
    at.settle()
    return at


def something_happens_to_a_call(at: Twins) -> None:
    attempts = sorted(at.floor.state.attempts)
    if not attempts:
        return
    attempt = at.floor.state.attempts[at.dice.choice(attempts)].id
    ended = f.LegEnded(leg=LegId(attempt), cause=at.dice.choice((17, 19, 34, 16)))
    answered = f.AttemptAnswered(attempt_id=attempt, at=at.now)
    others: tuple[f.Fact, ...] = (
        f.MessageStarted(attempt_id=attempt),
        f.MachineDetected(attempt_id=attempt, by=at.dice.choice(("amd", "201"))),
        f.DialRefused(attempt_id=attempt, rule="x", until=at.now + SECOND),
    )
    at.tell(at.dice.choice((ended, answered, answered, answered, *others)))


def asterisk_joins(at: Twins) -> None:
    legs = at.floor.state.legs
    wanted = [each for each in at.commands(Bridge)[-3:] if each.leg in legs and each.other in legs]
    if wanted:
        bridge = at.dice.choice(wanted)
        for leg in (bridge.leg, bridge.other):
            at.tell(f.LegJoined(leg=leg, bridge=f"b-{bridge.leg}"))


def a_talk_ends(at: Twins) -> None:
    joined = sorted(leg.id for leg in at.floor.state.legs.values() if leg.bridge)
    if not joined:
        return
    bridge = at.floor.state.legs[at.dice.choice(joined)].bridge
    mates = [leg for _, leg in sorted(at.floor.state.legs.items()) if leg.bridge == bridge]
    for leg in mates:
        at.tell(f.LegLeft(leg=leg.id, bridge=bridge))
    for leg in mates:
        at.tell(f.LegEnded(leg=leg.id, cause=16) if leg.agent_id is None else f.AgentLegIdled(leg=leg.id))


def an_agent_does_something(at: Twins) -> None:
    agent = at.dice.choice(AGENTS)
    wishes: tuple[f.Fact, ...] = (
        f.AgentPaused(agent_id=agent, reason="x"),
        f.AgentReadied(agent_id=agent),
        f.WrapUpFinished(agent_id=agent),
        f.PreviewAccepted(agent_id=agent),
        f.PreviewSkipped(agent_id=agent),
        f.AgentDefined(agent=profile(agent, LegMode.NAILED_UP, **{at.dice.choice(("sales", "care")): 5})),
    )
    at.tell(at.dice.choice(wishes))


def somebody_runs_the_campaigns(at: Twins) -> None:
    campaign = at.dice.choice(CAMPAIGNS)
    policy = changed(
        at.policy,
        id=campaign,
        mode=at.dice.choice(list(Mode)),
        queue_id=QueueId(at.dice.choice(("sales", "care"))),
        ratio=at.dice.choice((1.0, 3.0)),
    )
    wishes: tuple[f.Fact, ...] = (
        f.CampaignPaused(campaign_id=campaign),
        f.CampaignStarted(campaign_id=campaign),
        f.CampaignStarted(campaign_id=campaign),
        f.CampaignDefined(campaign=policy),
        f.CampaignRemoved(campaign_id=campaign),
    )
    at.tell(at.dice.choices(wishes, weights=(3, 3, 3, 3, 1))[0])


def asterisk_is_lost_and_seen(at: Twins) -> None:
    at.tell(f.AsteriskLost())
    legs = sorted(at.floor.state.legs.items())
    there = [leg for _, leg in legs if leg.agent_id is not None or at.dice.random() < 0.7]
    places = [(leg, "idle" if leg.agent_id is not None else at.dice.choice(("dialling", "answered"))) for leg in there]
    at.see(*(SeenLeg(leg=leg.id, place=place, bridge=leg.bridge) for leg, place in places))


def time_passes(at: Twins) -> None:
    at.let_pass(at.dice.choice((0.1, 0.7, 3.0, 11.0)))


EVENTS = (
    (time_passes, 4),
    (something_happens_to_a_call, 5),
    (asterisk_joins, 3),
    (a_talk_ends, 1),
    (an_agent_does_something, 3),
    (somebody_runs_the_campaigns, 1),
    (asterisk_is_lost_and_seen, 0.3),
)


def check(at: Twins) -> None:
    """What must hold after every fact."""
    state = at.floor.state
    for campaign in state.campaigns.values():
        mine = [each for each in state.attempts.values() if each.campaign_id == campaign.policy.id]
        assert campaign.up == len(mine)
        assert set(campaign.ringing) == {each.id for each in mine if each.state is AttemptState.DIALLING}
    for agent in state.agents.values():
        preview = agent.preview
        if preview is None:
            continue
        assert agent.state is AgentState.AVAILABLE
        if preview.dialled:
            assert preview.lead.attempt_id in state.attempts
        else:
            assert state.campaigns[preview.campaign_id].state is CampaignState.RUNNING


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_floor_that_is_restored_at_any_fact_goes_on_as_the_one_that_was_not(seed: int) -> None:
    dice = Random(seed)
    at = opened(dice)
    for _ in range(STEPS):
        dice.choices([event for event, _ in EVENTS], weights=[weight for _, weight in EVENTS])[0](at)
        at.settle()
        check(at)
    for campaign in CAMPAIGNS:
        at.tell(f.CampaignStopped(campaign_id=campaign))
    for attempt in list(at.floor.state.attempts):
        at.tell(f.LegEnded(leg=LegId(attempt), cause=16))
    at.let_pass(600)
    assert not [each for each in at.floor.state.attempts.values() if each.state is not AttemptState.ENDED]
