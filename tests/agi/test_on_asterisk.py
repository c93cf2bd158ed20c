"""The session against a real Asterisk: what `session.py`, `call.py` and `codec.py` claim about res_agi.c is so.

A Local channel joins the script (`agi-test`) to a far end that presses keys. No SIP, no network but loopback.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.agi.ask import Asked, Collect, Reason
from engine.agi.call import AgiSession
from engine.agi.server import AgiServer
from engine.agi.session import AgiHangup
from engine.asterisk.prompts import PromptLibrary
from engine.errors import AgiRefused, AgiSoundMissing
from engine.lab.instance import Instance
from engine.lab.tree import provision
from tests.agi.desk import PATIENCE, SECRET, open_door

pytestmark = [pytest.mark.live]

MODULES = (
    "pbx_config res_clioriginate res_agi res_speech res_timing_timerfd res_musiconhold app_senddtmf"
    " app_playback func_channel format_wav format_pcm format_gsm format_sln codec_gsm codec_ulaw codec_alaw"
)
SOUND = "demo-congrats"
"""A long sound of the English core set."""

EVIL = [
    '"; System(rm)',
    "\\",
    'a\\"b\\\\',
    "${EXTEN}",
    "a,b()[]{}|&=;",
    "张伟 Zoë",
    " two  blanks ",
    "x" * 900,
    "",
    "(a) b)",
]

ROOT = Path(__file__).parents[2]

Outcome = list[object]
Flow = Callable[[AgiSession, Outcome], Awaitable[None]]


def dialplan(port: int) -> str:
    return f"""
[agi-test]
exten => s,1,Answer()
 same => n,AGI(agi://127.0.0.1:{port}/flow,{SECRET},arg one,two)
 same => n,Hangup()

[far]
exten => silent,1,Answer()
 same => n,Wait(60)
exten => types,1,Answer()
 same => n,Wait(1)
 same => n,SendDTMF(12#,250,100)
 same => n,Wait(60)
"""


class Site:
    """One Asterisk and the door it calls; `play` runs one flow as one call."""

    def __init__(self, asterisk: Instance, server: AgiServer) -> None:
        self.asterisk = asterisk
        self.server = server
        self.flow: Flow | None = None
        self.outcome: Outcome = []
        self.ended = asyncio.Event()

    async def play(self, flow: Flow, far: str = "silent") -> Outcome:
        """Place a call whose far end is `far`; what the flow put down, once it ended."""
        self.flow, self.outcome = flow, []
        self.ended.clear()
        async with asyncio.timeout(PATIENCE):
            await self.asterisk.cli(f"channel originate Local/s@agi-test/n extension {far}@far")
            await self.ended.wait()
        await self.asterisk.cli("channel request hangup all")
        return self.outcome


@asynccontextmanager
async def on_asterisk() -> AsyncIterator[Site]:
    tree = await asyncio.to_thread(provision, ROOT / ".asterisk")
    site: list[Site] = []

    async def serve(session: AgiSession) -> None:
        here = site[0]
        assert here.flow is not None
        try:
            await here.flow(session, here.outcome)
        except Exception as error:
            here.outcome.append(error)
            raise
        finally:
            here.ended.set()

    async with open_door(serve) as server:
        files = {
            "extensions.conf": dialplan(server.port),
            "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in MODULES.split()),
            "logger.conf": "[logfiles]\nmessages => notice,warning,error\n",
        }
        asterisk = Instance(tree, f"agi{os.getpid()}", files)
        await asterisk.start()
        try:
            site.append(Site(asterisk, server))
            yield site[0]
        finally:
            await asterisk.stop()
            asterisk.remove()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with on_asterisk() as running:
        yield running


async def values(session: AgiSession, seen: Outcome) -> None:
    seen.append(session.request)
    for value in EVIL:
        await session.set_variable("EVIL", value)
        seen.append(await session.get_variable("EVIL"))
    await session.set_variable("CHANNEL(language)", "en")
    seen.append(await session.get_variable("NEVER_SET"))


async def failures(session: AgiSession, seen: Outcome) -> None:
    for attempt in (
        session.stream_file("no-such-sound"),
        session.exec("UserEvent", "Phase"),  # allowed, but its module is not loaded here
        session.exec("Wait", "0.1"),
    ):
        try:
            seen.append(await attempt)
        except AgiRefused as refused:
            seen.append(refused)
    seen.append(await session.stream_file("beep"))


async def asking(session: AgiSession, seen: Outcome) -> None:
    seen.append(await session.ask([SOUND], "0123456789#*", Collect(max_digits=4)))


async def cancelling(session: AgiSession, seen: Outcome) -> None:
    for cancelled in (session.stream_file(SOUND), session.wait_for_digit(30)):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await cancelled
        await session.set_variable("STEP", str(len(seen)))
        seen.append(await session.get_variable("STEP"))


async def hanging_up(session: AgiSession, seen: Outcome) -> None:
    await session.hangup()
    await session.wait_gone()
    seen.append(session.why_gone)
    await session.answer()


async def test_the_session_holds_on_a_real_asterisk(site: Site) -> None:
    # One Asterisk for all: starting it takes longer than everything it is asked.
    request, *stored, unset = await site.play(values)
    assert getattr(request, "args", None) == ("arg one", "two")
    assert getattr(request, "context", None) == "agi-test"
    assert stored == EVIL
    assert unset is None

    missing, unknown, waited, beep = await site.play(failures)
    assert isinstance(missing, AgiSoundMissing)
    assert isinstance(unknown, AgiRefused)
    assert "no such application" in unknown.what
    assert (waited, beep) == ("0", "")

    (answer,) = await site.play(asking, far="types")
    assert isinstance(answer, Asked)
    assert (answer.digits, answer.reason) == ("12", Reason.TERMINATOR)

    assert await site.play(cancelling) == ["0", "1"]

    why, error = await site.play(hanging_up)
    assert why == "hangup"
    assert isinstance(error, AgiHangup)
    assert site.server.live == 0


async def test_a_spoken_prompt_is_played_to_its_end(site: Site, tmp_path: Path) -> None:
    # Asterisk reads the instance's own sounds; the link shows where a production set-up writes.
    library = PromptLibrary(site.asterisk.sounds.parent, tmp_path)

    async def speaking(session: AgiSession, seen: Outcome) -> None:
        started = asyncio.get_running_loop().time()
        await session.stream_file(await library.spoken("One, two, three.", "en"))
        seen.append(asyncio.get_running_loop().time() - started)

    (seconds,) = await site.play(speaking)
    assert isinstance(seconds, float)
    assert 1.0 < seconds < 5.0
