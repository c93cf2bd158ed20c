"""Why a campaign has no leads, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.dialer.modes import fresh
from engine.domain.campaign import CampaignId, CampaignPolicy, CampaignState
from engine.domain.facts import LeadsClaimed
from engine.domain.values import QueueId
from engine.floor.state import Campaign, FloorState
from engine.main import campaign_sights

NINE = int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()) * 1_000_000


def test_leads_that_wait_are_counted_by_what_they_wait_for() -> None:
    reasons = {"calling-hours": 120, "later": 30, "done": 400, "dialled": 0}
    assert campaign_sights.no_leads(reasons, NINE, "Asia/Shanghai") == (
        "no lead may be called just now: 120 are forbidden by calling-hours, 30 wait for their next dial; the first at"
        " 2026-11-23 17:00 (Asia/Shanghai); 400 done"
    )
    assert campaign_sights.no_leads({"time-zone-unknown": 2}, 0, "UTC") == (
        "no lead may be called just now: 2 are forbidden by time-zone-unknown"
    )


def test_a_list_that_is_used_up() -> None:
    assert campaign_sights.no_leads({"done": 400, "dnc": 2}, 0, "UTC") == "nobody is left to be called: 400 done, 2 dnc"


def test_the_rule_is_told_with_its_counts() -> None:
    policy = CampaignPolicy(id=CampaignId("spring"), name="Spring", queue_id=QueueId("sales"))
    campaign = Campaign(policy=policy, learnt=fresh(policy), state=CampaignState.RUNNING, rule="no-leads")
    claimed = LeadsClaimed(campaign_id=policy.id, reasons={"done": 3})
    state = FloorState()
    assert campaign_sights.live_view(state, campaign, claimed).rule_says == "nobody is left to be called: 3 done"
    assert campaign_sights.live_view(state, campaign).rule_says == campaign_sights.SHORTAGES["no-leads"]
    campaign.rule = "budget"
    assert campaign_sights.live_view(state, campaign, claimed).rule_says.startswith("as many calls as the budget bears")
