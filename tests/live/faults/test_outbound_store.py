"""The database is locked or gone: dialling stops within a second, calls go on, and dialling begins again by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from engine.domain.campaign import Mode
from tests.live.campaign_hall import NEVER_REACHED, CampaignHall, campaign, open_campaign, people, twice_dialled
from tests.live.faults.conftest import Count
from tests.live.faults.test_store_away import locked
from tests.servers import PostgresServer, postgres_server

__all__ = ["postgres_server"]
pytestmark = pytest.mark.timeout(300)
STOPPED_S = 1.0
AGAIN_S = 5.0
TALK_S = 4.0
POLICY = campaign(mode=Mode.POWER, ratio=2.0)


async def until_busy(hall: CampaignHall) -> None:
    """Several were called, somebody talks."""
    await hall.until_far(lambda truth: sum(bool(call.heard) for call in truth.called()) >= 4, 60.0)
    await hall.until_far(lambda truth: any(call.heard and not call.ended for call in truth.called()))


def dials(hall: CampaignHall, since: float, until: float) -> list[float]:
    """When telephones began to ring in this time, seconds after its beginning."""
    return [call.started - since for call in hall.site.pstn.truth().called() if since < call.started < until]


async def judge_outage(hall: CampaignHall, began: float, ended: float) -> None:
    """What every outage must look like."""
    await hall.until_far(lambda truth: any(call.started > ended for call in truth.called()), 30.0)
    again = dials(hall, ended, ended + 60.0)[0]
    during = dials(hall, began, ended)
    last = max(during, default=0.0)
    print(f"{ended - began:.1f} s away: last dial {last:.2f} s after its begin, again {again:.1f} s after its end")
    assert last <= STOPPED_S
    assert again <= AGAIN_S
    rows = await hall.until_dialled_out(180.0)
    await hall.hall.until_idle()
    await hall.judge()
    truth = hall.site.pstn.truth()
    assert twice_dialled(truth) == []
    for call in truth.called():
        if call.heard and call.ended:
            assert call.ended - call.heard[0] == pytest.approx(TALK_S, abs=1.5), call
    assert len(hall.engine.starts) == 1
    print(
        f"{len(rows)} attempts, of which not dialled: {hall.show(row for row in rows if row.outcome in NEVER_REACHED)}"
    )
    await hall.hall.verify()


async def test_sqlite_is_locked_by_a_long_writer(count: Count) -> None:
    async with open_campaign(people(count(30, 150), ring_s=1.0, talk_s=TALK_S), nailed=3, policy=POLICY) as hall:
        await until_busy(hall)
        with locked(hall.engine.settings.paths.data / "callwright.db"):
            began = time.time()
            await asyncio.sleep(8.0)  # the fault itself lasts this long
            ended = time.time()
        await judge_outage(hall, began, ended)


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """It runs again afterwards, whatever the test did."""
    yield postgres_server
    if postgres_server.process is None or postgres_server.process.poll() is not None:
        postgres_server.start()


async def test_postgresql_is_stopped_and_comes_back(count: Count, postgres: PostgresServer) -> None:
    numbers = people(count(30, 150), ring_s=1.0, talk_s=TALK_S)
    url = postgres.new_database()
    async with open_campaign(numbers, nailed=3, policy=POLICY, store_url=url) as hall:
        await until_busy(hall)
        began = time.time()
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(8.0)  # the fault itself lasts this long
        await asyncio.to_thread(postgres.start)
        await judge_outage(hall, began, time.time())
