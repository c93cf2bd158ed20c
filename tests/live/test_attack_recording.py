"""Recording ends where consent, or the queue's wish to record, ends."""

from __future__ import annotations

import asyncio

from tests.live.conftest import Site
from tests.live.engine_script import Session
from tests.live.sound import tone_s
from tests.live.test_dialplan import AGENT_TONE, CALLER, CALLER_TONE, DIALLED, bridge, engine, idle_agent, phase, say


async def test_a_second_talk_that_must_not_be_recorded_is_not(site: Site) -> None:
    visits = iter(("rec_1", ""))

    async def flow(session: Session) -> None:
        await session.done("hold", CW_RECORD=next(visits))

    async with engine(site, flow=flow, after=say("flow")) as scripted:
        first, second = await idle_agent(site, "1001"), await idle_agent(site, "1002")
        await site.pstn.place(CALLER, DIALLED, delay=0, talk=60)
        hold = await phase(site, "hold")
        await bridge(site, hold, first)
        folder = site.asterisk.recordings
        async with asyncio.timeout(20):
            while tone_s(folder / "rec_1-in.wav", CALLER_TONE) < 1.0:  # noqa: ASYNC110 - the recorder writes behind
                await asyncio.sleep(0.1)

        mark = len(site.ami.events)
        await site.ami.send("Hangup", Channel=first["Channel"])
        await scripted.until_asked("after")
        again = await phase(site, "hold", since=mark)
        await bridge(site, again, second)
        await site.pstn.until_truth(lambda truth: bool(truth.heard("1002")))
        before = tone_s(folder / "rec_1-out.wav", AGENT_TONE)
        await asyncio.sleep(3.0)  # a talk of three seconds, which nobody may have written down
        await site.ami.send("Hangup", Channel=hold["Channel"])
        await asyncio.sleep(1.0)  # the recorder writes behind
        assert tone_s(folder / "rec_1-out.wav", AGENT_TONE) <= before + 0.5
