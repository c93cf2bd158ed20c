"""Asterisk dies in the middle of a campaign, or does not answer any more: nothing is dialled blindly, nothing twice."""

from __future__ import annotations

import time

import pytest

from engine.domain.campaign import Mode
from engine.domain.facts import AsteriskLost
from engine.lab.called import Persona, number
from tests.live.campaign_hall import campaign, open_campaign, people, twice_dialled
from tests.live.faults.conftest import Count
from tests.live.proxy import Proxy

pytestmark = pytest.mark.timeout(300)
NOTICED_S = 6.0
CLEAN_S = 5.0
DIALS_AGAIN_S = 10.0


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_asterisk_is_restarted_in_the_middle(count: Count, how: str) -> None:
    many = count(16, 100)
    numbers = people(many, ring_s=1.5, talk_s=6.0)
    numbers[2::8] = [number(Persona.NO_ANSWER, each) for each in range(2, many, 8)]
    policy = campaign(mode=Mode.POWER, ratio=3.0, ring_s=15.0)
    async with open_campaign(numbers, nailed=2, policy=policy) as hall:
        await hall.until(lambda rows: len(rows) >= 4 and any(row.outcome is None for row in rows), 40.0, "four dials")
        await hall.until_far(lambda truth: any(call.heard for call in truth.called()))
        await hall.hall.look_away()
        died = time.time()
        await (hall.site.asterisk.kill() if how == "kill" else hall.site.asterisk.stop())
        await hall.engine.until(lambda state: state.blind, NOTICED_S, "Asterisk's end is noticed")
        before = await hall.ledger()
        await hall.site.asterisk.start()
        booted = time.time()
        state = await hall.engine.until(lambda floor: not floor.blind, DIALS_AGAIN_S, "it sees")
        await hall.hall.look()
        print(f"{how}: sees {state.now / 1e6 - booted:.1f} s after FullyBooted")
        open_then = {row.id for row in before if row.outcome is None}
        rows = await hall.until(
            lambda seen: all(row.outcome for row in seen if row.id in open_then), 60.0, "what it took with it is told"
        )
        print({row.id[-4:]: f"{row.outcome} {row.ended - booted:.1f}" for row in rows if row.id in open_then})
        for call in hall.site.pstn.truth().called():  # the network's legs know nothing of the death
            if call.ended is None:
                await hall.site.pstn.hang_up(call.id)
        known = {row.id for row in await hall.ledger()}
        await hall.hall.sign_in("1001", "1002")
        ready = time.time()
        rows = await hall.until(lambda seen: any(row.id not in known for row in seen), DIALS_AGAIN_S, "dials again")
        again = min(row.intent for row in rows if row.id not in known)
        print(f"{how}: dials again {again - ready:.1f} s after the agents are back")
        rows = await hall.until_dialled_out(240.0)
        await hall.hall.until_idle()
        gap = [row for row in rows if died + 0.5 < row.intent < booted]
        assert gap == []
        assert twice_dialled(hall.site.pstn.truth()) == [], hall.show(rows)
        assert sum((await hall.leads()).values()) == many
        await hall.hall.verify()


async def test_nothing_is_dialled_while_asterisk_does_not_answer(count: Count) -> None:
    many = count(60, 200)
    numbers = people(many, ring_s=1.0, talk_s=1.0)
    proxy = Proxy()
    async with open_campaign(numbers, nailed=3, policy=campaign(mode=Mode.POWER, ratio=2.0), ami=proxy) as hall:
        await hall.until(lambda rows: len(rows) >= 6, 40.0, "it dials")
        proxy.swallow()
        hole = time.time()
        await hall.engine.until(lambda state: state.blind, 10.0, "the loss is noticed")
        lost = [record.now / 1e6 for record in hall.engine.records() if isinstance(record.fact, AsteriskLost)]
        noticed = next(at for at in lost if at > hole)
        await hall.until_far(lambda truth: all(call.ended for call in truth.called()), 40.0)
        rows = await hall.ledger()
        last = max(row.intent for row in rows)
        far = [call for call in hall.site.pstn.truth().called() if call.started > hole + 0.5]
        print(f"noticed {noticed - hole:.1f} s after, last INTENT {last - hole:.1f} s after, {len(far)} came through")
        assert noticed - hole <= NOTICED_S
        assert last - hole <= NOTICED_S
        assert far == []
        proxy.heal()
        healed = time.time()
        rows = await hall.until(lambda seen: max(row.intent for row in seen) > healed, 20.0, "dials again")
        again = min(row.intent for row in rows if row.intent > healed)
        print(f"dials again {again - healed:.1f} s after it was mended")
        await hall.until_dialled_out(240.0)
        await hall.hall.until_idle()
        assert twice_dialled(hall.site.pstn.truth()) == []
        await hall.judge()
        await hall.hall.verify()
