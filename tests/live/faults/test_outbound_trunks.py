"""A trunk that refuses, forbids, swallows calls or says busy: whose failure it is, and who carries on."""

from __future__ import annotations

import pytest

from engine.dialer.trunks import FAILURES_TO_OPEN, Breaker
from engine.domain.attempt import Outcome
from engine.domain.campaign import Mode, TrunkId
from engine.domain.events import TrunkMoved
from tests.live.campaign_hall import CampaignHall, campaign, open_campaign, people
from tests.live.faults.conftest import Count
from tests.live.sip_carrier import CARRIER_HOST, SipCarrier, Steps

pytestmark = pytest.mark.timeout(300)
FAIL_OVER_S = 2.0
CARRIER = TrunkId("carrier")
BOTH = campaign(mode=Mode.POWER, ratio=3.0, trunks=(CARRIER, TrunkId("pstn")))
DEAD: dict[str, Steps] = {
    "503": (503,),
    "403": (403,),
    "408": (100, 0.3, 408),
    "black hole": (),
}


def moved(hall: CampaignHall) -> list[tuple[float, str]]:
    """When the first trunk's breaker changed, and to what."""
    return [
        (event.at / 1e6, event.state)
        for event in hall.engine.events()
        if isinstance(event, TrunkMoved) and event.trunk_id == CARRIER
    ]


@pytest.mark.parametrize("answers", DEAD.values(), ids=DEAD.keys())
async def test_a_dead_trunk_is_left_for_the_next_and_burns_no_lead(count: Count, answers: Steps) -> None:
    many = count(24, 100)  # more than are dialled before the breaker opens
    numbers = people(many, ring_s=1.0, talk_s=1.0)
    async with SipCarrier() as carrier:
        carrier.otherwise = answers
        carriers = {CARRIER: (CARRIER_HOST, carrier.port)}
        async with open_campaign(numbers, nailed=2, policy=BOTH, carriers=carriers) as hall:
            rows = await hall.until_dialled_out(120.0 + many)
            await hall.hall.until_idle()
            await hall.judge()
            broken = [row for row in rows if row.trunk == CARRIER]
            assert {row.outcome for row in broken} == {Outcome.TRUNK}, hall.show(rows)
            assert len(carrier.calls) == len(broken) >= FAILURES_TO_OPEN
            opened, state = moved(hall)[0]
            assert state == Breaker.OPEN.value
            over = min(row.intent for row in rows if row.trunk == "pstn")
            print(
                f"{answers}: {len(broken)} failures, then the next trunk {over - opened:.2f} s after the breaker opened"
            )
            assert over - opened <= FAIL_OVER_S
            # nobody's turn is used up: each was called over the other trunk, once
            served = [row.number for row in rows if row.trunk == "pstn"]
            assert sorted(served) == sorted(numbers)
            assert not {Outcome.NO_ANSWER, Outcome.BUSY, Outcome.REJECTED} & {row.outcome for row in rows}
            await hall.hall.verify()


async def test_busy_people_are_no_failure_of_the_trunk(count: Count) -> None:
    many = count(12, 100)
    numbers = people(many)
    async with SipCarrier() as carrier:
        carrier.otherwise = (100, 180, 0.2, 486)
        carriers = {CARRIER: (CARRIER_HOST, carrier.port)}
        async with open_campaign(numbers, nailed=2, policy=BOTH, carriers=carriers) as hall:
            rows = await hall.until_dialled_out(60.0 + many)
            assert {(row.trunk, row.outcome) for row in rows} == {(CARRIER, Outcome.BUSY)}
            assert moved(hall) == []
            assert len(rows) == len(carrier.calls) == many
            assert hall.site.pstn.truth().called() == ()
            await hall.hall.verify()
