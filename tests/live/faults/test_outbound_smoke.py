"""A campaign on real Asterisk without any fault: every attempt in the ledger is what the far side saw of it."""

from __future__ import annotations

import pytest

from engine.domain.attempt import Outcome
from engine.lab.called import Persona, number
from tests.live.campaign_hall import MESSAGE_S, campaign, open_campaign, people
from tests.live.faults.conftest import Count

pytestmark = pytest.mark.timeout(240)


async def test_people_are_dialled_talk_and_end_and_the_ledger_is_what_the_far_side_saw(count: Count) -> None:
    many = count(6, 40)
    numbers = people(many)
    numbers += [
        number(Persona.BUSY, 1),
        number(Persona.UNALLOCATED, 2),
        number(Persona.EARLY, 3),
        number(Persona.NO_ANSWER, 4),
    ]
    async with open_campaign(numbers, nailed=2, policy=campaign(ring_s=15.0)) as hall:
        rows = await hall.until_dialled_out(90.0 + 5.0 * many)
        await hall.hall.until_idle()
        how = await hall.judge()
        assert how["busy"] == how["unallocated"] == how["no-answer"] == 1, how
        assert how["connected"] + how["hung-up-early"] == many + 1, how
        truth = {call.dialled: call for call in hall.site.pstn.truth().called()}
        for row in rows:
            if row.outcome is Outcome.CONNECTED:
                far = truth[row.number]
                assert far.answered is not None
                assert row.answered == pytest.approx(far.answered, abs=0.5)
                assert row.connected - row.answered <= MESSAGE_S
        assert len(hall.engine.starts) == 1
        await hall.hall.verify()
