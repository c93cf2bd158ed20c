"""SIGTERM under load: what is being said is said, everybody stays on the line, the successor takes over."""

from __future__ import annotations

import time

import pytest

from engine.domain.interaction import InteractionState as S
from tests.live.faults.conftest import Count
from tests.live.hall import MENU, open_hall
from tests.live.sound import longest_silence_s

pytestmark = pytest.mark.timeout(300)
DRAIN_S = 30.0


async def test_sigterm_drops_nobody_and_the_successor_takes_over(count: Count) -> None:
    many = count(3, 20)
    async with open_hall(nailed=many) as hall:
        await hall.sign_in(*(f"{1001 + n}" for n in range(many)), within_s=60.0 + 3.0 * many)
        talks = await hall.call(many, talk=300.0, wait=60.0, listen=True)
        await hall.until_counted({S.TALKING: many})
        waits = await hall.call(many, talk=1.0, wait=300.0, listen=True)
        flows = await hall.call(many, MENU, wait=300.0, listen=True)
        state = await hall.until_counted({S.WAITING: many, S.IN_FLOW: many, S.TALKING: many})
        entered = {i.id: i.entered_at for i in state.interactions.values() if i.state is S.WAITING}

        took = await hall.engine.stop()
        assert took <= DRAIN_S
        gone = time.monotonic()
        assert sorted(hall.up(talks + waits + flows)) == sorted(talks + waits + flows)
        await hall.engine.start()
        sees = time.monotonic() - gone
        state = await hall.until_counted({S.WAITING: many, S.IN_FLOW: many, S.TALKING: many}, 15.0)
        taken = time.monotonic() - gone
        print(f"drained in {took:.1f} s; the successor sees {sees:.1f} s later, all taken over {taken:.1f} s later")
        assert {i.id: i.entered_at for i in state.interactions.values() if i.state is S.WAITING} == entered
        await hall.verify()
        for call in talks + flows:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(talks + flows + waits, 60.0 + 8.0 * many)
        assert max(longest_silence_s(ear) for ear in hall.ears.values()) <= 12.0
        await hall.all_is_well(3 * many, {"answered": 2 * many, "ended-in-flow": many})
