"""Interactions of a campaign's attempts name the person, the campaign and the lead; those of callers have none."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from engine.domain.attempt import AttemptState
from engine.domain.campaign import AttemptId, CampaignId, LeadId, TrunkId
from engine.domain.values import InteractionId, LegId
from engine.floor.state import Attempt, Interaction
from engine.main.records import LiveCalls, LiveInteractions
from engine.runtime.console import Wanted
from engine.store.tables import Conversation, DialAttempt, table
from tests.web.house import House

CALLED = "+442079460123"
ATTEMPT: dict[str, Any] = {
    "id": "att_1",
    "campaign_id": "autumn",
    "seller": "Acme",
    "lead_id": "lead_1",
    "trunk_id": "a",
    "intent_us": 1,
    "cause": 0,
    "rule": "",
}


async def placed(house: House) -> None:
    """One attempt in the ledger that was answered, and an interaction of it in the fact tables."""
    token = house.engine.vault.token("number", CALLED)
    fields = {"channel": "voice", "unit": "main", "flow": "", "state": "ended", "talk_us": 0, "wrap_up_us": 0}
    async with house.engine.database.writing() as connection:
        await connection.execute(insert(table(DialAttempt)).values(ATTEMPT | {"number": token}))
        await connection.execute(
            insert(table(Conversation)).values(
                id="ix_1", number="+442079460000", arrived_us=1, campaign_id="autumn", attempt_id="att_1", **fields
            )
        )
        await connection.execute(
            insert(table(Conversation)).values(id="ix_2", number="+442079460000", arrived_us=2, **fields)
        )


async def test_an_interaction_tells_its_campaign_and_lead(house: House) -> None:
    await placed(house)
    records = LiveInteractions(house.engine)
    inbound, outbound = (await records.list(Wanted())).items
    assert (inbound.campaign_id, inbound.lead_id, inbound.attempt_id, inbound.caller) == (None, None, None, None)
    assert (outbound.campaign_id, outbound.lead_id, outbound.attempt_id) == ("autumn", "lead_1", "att_1")
    assert outbound.caller == "+44••••23"
    shown = await records.show("ix_1", reveal=True)
    assert (shown.caller, shown.lead_id) == (CALLED, "lead_1")


async def test_a_live_call_tells_its_campaign_and_lead(house: House) -> None:
    await placed(house)
    state = house.engine.floor.state
    call = Interaction(
        id=InteractionId("ix_3"),
        leg=LegId("att_1"),
        number="+442079460000",
        arrived_at=1,
        campaign_id=CampaignId("autumn"),
        attempt_id=AttemptId("att_1"),
    )
    attempt = Attempt(
        id=AttemptId("att_1"),
        campaign_id=CampaignId("autumn"),
        lead_id=LeadId("lead_1"),
        trunk_id=TrunkId("a"),
        dialled_at=1,
        state=AttemptState.ANSWERED,
    )
    state.interactions[call.id], state.attempts[attempt.id] = call, attempt
    [live] = await LiveCalls(house.engine).list()
    del state.interactions[call.id], state.attempts[attempt.id]
    assert (live.caller, live.campaign_id, live.lead_id) == ("+44••••23", "autumn", "lead_1")
    assert live.attempt_id == "att_1"
