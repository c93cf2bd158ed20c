"""A link that breaks while an action is under way: nobody can say whether Asterisk acted, and nobody is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.agent import AgentState
from engine.domain.events import OfferFailed
from engine.domain.values import NotReadyReason
from tests.main.hall import NAILED, RUNG, Hall


@pytest.mark.parametrize(("agent", "asked"), [(RUNG, "Originate"), (NAILED, "Bridge")])
@pytest.mark.parametrize("acted", [False, True])
async def test_an_offer_whose_answer_the_link_took_with_it(
    tmp_path: Path, sounds: Path, agent: str, asked: str, acted: bool
) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(agent)
        before = len(hall.asterisk.sent(asked))
        if acted:
            hall.asterisk.faults.cut_after = asked
        else:
            hall.asterisk.faults.deaf = True
        call = await hall.call_in()
        if acted:
            await hall.until(lambda: len(hall.asterisk.sent(asked)) > before)
        else:
            await hall.until(lambda: hall.agent(agent).state is not AgentState.AVAILABLE)
            hall.asterisk.faults.deaf = False
            hall.asterisk.cut()
        await hall.talk(call)
        failed = [event.reason for _, event in hall.events if isinstance(event, OfferFailed)]
        assert set(failed) <= {NotReadyReason.ASTERISK_LOST}
        assert hall.agent(agent).state is AgentState.TALKING
