"""What the store tells of a recorded campaign: every dial in order with its fate, and who was at work for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import insert, update

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignId, CampaignPolicy, TrunkId
from engine.domain.events import AttemptEnded
from engine.domain.policy import QueuePolicy, TrunkPolicy
from engine.domain.recorded import RecordedCampaign
from engine.domain.values import SECOND, QueueId
from engine.errors import NotFound
from engine.simulation.record import Record
from engine.simulation.replay import replay
from engine.simulation.result import result
from engine.simulation.world import FIRST_DAY
from engine.store.database import Database
from engine.store.definitions import Definitions
from engine.store.recorded import Recorded
from engine.store.tables import AgentSpan, CampaignSpan, Conversation, DialAttempt, Segment, table
from tests.contract.recorded_day import keep
from tests.simulation.studio import Played, play, scenario

SMALL = CampaignId("small")
EVER = 1 << 62
MINUTE = 60 * SECOND


@pytest.fixture(scope="module")
def played() -> Played:
    """Half an hour of five agents, of whom two go home after twenty minutes."""
    whole = scenario(hours=0.5, warmup=0, count="[[0, 5], [20, 3]]")
    return play(whole, "issabel-overcommit")


@pytest.fixture
async def kept(database: Database, played: Played) -> Recorded:
    definitions = Definitions(database)
    await definitions.queues.add(QueuePolicy(id=QueueId("outbound"), name="Outbound"))
    await definitions.trunks.add(TrunkPolicy(id="carrier", host="127.0.0.1", lines=90))
    await definitions.campaigns.add(
        CampaignPolicy(id=SMALL, name="Small", queue_id=QueueId("outbound"), trunks=(TrunkId("carrier"),))
    )
    await keep(database, played)
    return Recorded(database)


async def whole(kept: Recorded) -> RecordedCampaign:
    return await kept.campaign(SMALL, 0, EVER)


async def test_every_dial_is_told_in_order_with_its_fate(kept: Recorded, played: Played) -> None:
    told = await whole(kept)
    ends = {each.attempt_id: each for each in played.heard(AttemptEnded)}
    assert len(told.dials) == len(ends)
    assert all(one.dialled_at <= other.dialled_at for one, other in pairwise(told.dials))
    fates = sorted((each.dialled_at, str(each.outcome), each.answered_at, each.connected_at) for each in told.dials)
    assert fates == sorted((e.dialled_at, str(e.outcome), e.answered_at, e.connected_at) for e in ends.values())
    talked = [each for each in told.dials if each.talk_us is not None]
    assert {each.outcome for each in talked} == {Outcome.CONNECTED}
    assert all(each.ended_at - each.connected_at == each.talk_us for each in talked)
    assert [each.lines for each in told.trunks] == [90]
    assert told.running


async def test_it_is_played_again(kept: Recorded, played: Played) -> None:
    once = result(played.world.tally, scenario="", pacing="", seed=1, wall_s=0)
    again = replay(Record(await whole(kept)), "issabel-overcommit")
    assert again.recorded is not None
    assert (again.recorded.attempts, again.recorded.abandoned) == (once.attempts, once.abandoned)
    assert again.recorded.agent_utilisation == pytest.approx(once.agent_utilisation, abs=0.02)
    assert again.attempts == pytest.approx(once.attempts, rel=0.1)
    assert again.live_answers == pytest.approx(once.live_answers, rel=0.1)
    assert again.agent_utilisation == pytest.approx(once.agent_utilisation, abs=0.05)


async def test_a_part_of_the_time_is_told_alone(kept: Recorded) -> None:
    middle = await kept.campaign(SMALL, FIRST_DAY + 5 * MINUTE, FIRST_DAY + 10 * MINUTE)
    assert 0 < len(middle.dials) < len((await whole(kept)).dials)
    assert all(FIRST_DAY + 5 * MINUTE <= each.dialled_at < FIRST_DAY + 10 * MINUTE for each in middle.dials)
    first, last = middle.dials[0].dialled_at, max(each.ended_at for each in middle.dials)
    assert all(first <= each.begin <= each.end <= last for each in (*middle.at_work, *middle.running))
    assert (await kept.campaign(SMALL, 0, FIRST_DAY)).dials == ()


async def test_what_never_left_is_left_out_and_what_is_open_is_told(kept: Recorded, database: Database) -> None:
    dials = (await whole(kept)).dials
    attempts = table(DialAttempt)
    async with database.writing() as connection:
        for n, outcome in enumerate(("refused", "not-dialled", None)):
            changed = update(attempts).where(attempts.c.id == f"{SMALL}.{n}")
            await connection.execute(changed.values(outcome=outcome, outcome_us=None))
    told = (await whole(kept)).dials
    assert len(told) == len(dials) - 2
    assert [each.outcome for each in told].count(None) == 1


async def test_who_is_not_ready_or_with_others_is_not_at_work(kept: Recorded, database: Database) -> None:
    before = await whole(kept)
    begin = before.dials[0].dialled_at
    agent = "agent-001"
    spans = table(AgentSpan)
    async with database.writing() as connection:
        await connection.execute(update(spans).where(spans.c.agent_id == "agent-002").values(state="not-ready"))
        await connection.execute(
            insert(table(CampaignSpan)),
            {
                "campaign_id": "other",
                "start_us": begin,
                "position": 1,
                "state": "running",
                "reason": "",
                "end_us": None,
            },
        )
        for conversation_id, campaign_id in (("in-1", None), ("out-1", "other"), ("own-1", str(SMALL))):
            await connection.execute(insert(table(Conversation)), conversation(conversation_id, campaign_id, begin))
            await connection.execute(insert(table(Segment)), talk(conversation_id, agent, begin + MINUTE))
        await connection.execute(insert(table(Segment)), talk("in-1", "stranger", begin + MINUTE, position=2))
    after = await whole(kept)
    assert "agent-002" in {each.agent_id for each in before.at_work}
    assert "agent-002" not in {each.agent_id for each in after.at_work}
    assert [(each.agent_id, each.begin, each.end) for each in after.elsewhere] == [
        (agent, begin + MINUTE, begin + 2 * MINUTE)
    ] * 2
    assert after.running == before.running


async def test_there_must_be_such_a_campaign(kept: Recorded) -> None:
    with pytest.raises(NotFound):
        await kept.campaign("nobody", 0, EVER)


def conversation(id_: str, campaign_id: str | None, at: int) -> dict[str, object]:
    return {
        "id": id_,
        "channel": "voice",
        "unit": "main",
        "number": "+12025550100",
        "flow": "",
        "state": "ended",
        "arrived_us": at,
        "talk_us": 0,
        "wrap_up_us": 0,
        "campaign_id": campaign_id,
    }


def talk(conversation_id: str, agent_id: str, at: int, position: int = 1) -> dict[str, object]:
    return {
        "conversation_id": conversation_id,
        "position": position,
        "phase": "talk",
        "who": agent_id,
        "agent_id": agent_id,
        "start_us": at,
        "end_us": at + MINUTE,
        "how": "",
        "agent_was_free": False,
    }
