"""The engine's links to Asterisk break: AMI reset, AMI silent, FastAGI reset. Calls do not notice; the engine does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from engine.domain.facts import AsteriskLost
from engine.domain.interaction import InteractionState as S
from tests.live.faults.conftest import Count
from tests.live.hall import MENU, Hall, open_hall
from tests.live.proxy import Proxy
from tests.live.sound import longest_silence_s

pytestmark = pytest.mark.timeout(240)
NOTICED_S = 6.0
Break = Callable[[Proxy], None]


def lost_at(hall: Hall) -> list[float]:
    return [record.now / 1e6 for record in hall.engine.records() if isinstance(record.fact, AsteriskLost)]


def reset(proxy: Proxy) -> None:
    proxy.shut()
    proxy.cut()


def silence(proxy: Proxy) -> None:
    proxy.swallow()


@pytest.mark.parametrize("breaks", [reset, silence])
async def test_ami_breaks_and_what_changed_meanwhile_is_right(count: Count, breaks: Break) -> None:
    talking, waiting = count(3, 10), count(3, 10)
    proxy = Proxy()
    async with open_hall(nailed=talking, ami=proxy) as hall:
        await hall.sign_in(*(f"{1001 + n}" for n in range(talking)))
        talks = await hall.call(talking, talk=300.0, listen=True)
        await hall.until_counted({S.TALKING: talking})
        waits = await hall.call(waiting, wait=300.0, talk=1.0, listen=True)
        await hall.until_counted({S.WAITING: waiting})
        since = len(lost_at(hall))

        broke = time.time()
        breaks(proxy)
        await hall.engine.until(lambda state: state.blind, 10.0, "the loss is noticed")
        noticed = lost_at(hall)[since] - broke
        await hall.site.pstn.hang_up(talks[0])
        await hall.site.pstn.hang_up(waits[0])
        new = await hall.call(1, wait=300.0, talk=1.0, listen=True)
        await hall.until_over([talks[0], waits[0]])
        await asyncio.sleep(2.0)  # the outage itself
        healed = time.time()
        if breaks is reset:
            await proxy.open()
        else:
            proxy.heal()
        state = await hall.engine.until(lambda floor: not floor.blind, 15.0, "it sees again")
        sees = state.now / 1e6 - healed
        print(f"{breaks.__name__}: noticed after {noticed:.2f} s, sees again {sees:.2f} s after it was mended")
        assert noticed <= NOTICED_S

        # the agent whose caller left serves the head of the queue
        await hall.until_over(waits + new, 60.0 + 8.0 * waiting)
        await hall.verify()
        assert hall.up(talks) == talks[1:]
        for call in talks:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(talks)
        assert max(longest_silence_s(ear) for ear in hall.ears.values()) <= 12.0
        await hall.all_is_well(talking + waiting + 1, {"answered": talking + waiting, "abandoned": 1})


async def test_fastagi_is_reset_and_callers_are_asked_again(count: Count) -> None:
    many = count(4, 20)
    proxy = Proxy()
    async with open_hall(nailed=1, agi=proxy) as hall:
        calls = await hall.call(many, MENU, wait=200.0, listen=True)
        await hall.until_counted({S.IN_FLOW: many})
        carried = proxy.carried
        reset(proxy)
        await asyncio.sleep(3.0)  # the outage itself
        await proxy.open()
        opened = time.monotonic()
        async with asyncio.timeout(20):
            while proxy.carried < carried + many:  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.1)
        print(f"everybody back in the flow {time.monotonic() - opened:.1f} s after FastAGI could be reached")
        assert sorted(hall.up(calls)) == sorted(calls)
        await hall.verify()
        for call in calls:
            await hall.site.pstn.hang_up(call)
        await hall.until_over(calls)
        assert max(longest_silence_s(ear) for ear in hall.ears.values()) <= 12.0
        await hall.all_is_well(many, {"ended-in-flow": many})
