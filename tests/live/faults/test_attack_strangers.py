"""Strangers: who sends SIP from no trunk's address, and callers whose number holds a whole AMI event."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest

from engine.domain.interaction import InteractionState as S
from tests.live.hall import open_hall
from tests.live.sip_caller import SipCaller

pytestmark = pytest.mark.timeout(120)
DIALLED = b"+442079460001"
WHOLE = b"%0d%0a%0d%0aEvent:%20{event}%0d%0aUniqueid:%20{victim}%0d%0aCause:%2016%0d%0a%0d%0a"
NOT_TAKEN = (0, 401, 403, 404, 484)


class Stranger(SipCaller):
    """Calls from an address that belongs to no trunk."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.77", 0))
        return self


async def test_a_stranger_is_no_trunk_and_no_agent_whatever_name_he_gives() -> None:
    async with open_hall(nailed=1) as hall:
        async with Stranger(hall.site.plan.sip_port) as stranger:
            answers = {}
            for user in (b"trunk-pstn", b"agent-1001", b"+447400000001", b"anonymous"):
                for dialled in (DIALLED, b"*45"):
                    answers[user, dialled] = await stranger.call(dialled, user)
        assert {each: status for each, status in answers.items() if status not in NOT_TAKEN} == {}
        await hall.engine.until(lambda floor: not floor.interactions, 10.0, "nobody got in")
        assert sum(hall.endings().values()) == 0


async def test_a_whole_event_in_a_callers_number_is_not_believed() -> None:
    async with open_hall(nailed=1) as hall:
        victims = await hall.call(1, wait=60.0, talk=1.0)
        state = await hall.until_counted({S.WAITING: 1})
        victim = next(iter(state.interactions.values()))
        async with SipCaller(hall.site.plan.sip_port) as caller:
            for event in (b"Hangup", b"BridgeEnter"):
                user = b"1" + WHOLE.replace(b"{event}", event).replace(b"{victim}", victim.leg.encode())
                status = await caller.call(DIALLED, user)
                print(event, status)
                if status == 200:
                    await caller.hang_up()
        state = await hall.engine.until(lambda floor: len(floor.interactions) <= 1, 20.0, "only the victim is left")
        assert list(state.interactions) == [victim.id]
        assert state.legs[victim.leg].bridge == ""
        assert hall.up(victims) == victims
        await hall.verify()
