"""sipp as callers and as agents' phones, run inside Asterisk's tree (3.8; the one of Debian 12 needs a terminal)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from tests.bench.site import PHONES, TRUNKS, BenchSite

SCENARIOS: Final = Path(__file__).with_name("sipp")
RATE: Final = 20
"""Calls a second, as in the project's figures."""
_PHONE_MEDIA: Final = (20_000, 21_999)
_CALLER_MEDIA: Final = 23_900


@asynccontextmanager
async def phones(site: BenchSite) -> AsyncIterator[None]:
    """Every agent's phone: answers at once and sounds while the call stands."""
    sound = site.asterisk.seen(site.folder / "sound.al")
    _place(site, "phone.xml", SOUND=sound)
    low, high = (str(port) for port in _PHONE_MEDIA)
    media = ["-min_rtp_port", low, "-max_rtp_port", high]
    async with _running(site, "phone.xml", "-i", PHONES, "-p", str(site.phones), *media):
        yield


@asynccontextmanager
async def callers(site: BenchSite, side: str, number: str, count: int, rate: int) -> AsyncIterator[asyncio.Task[int]]:
    """So many people call at `rate` a second; the task ends with sipp's exit code when the last has hung up."""
    _place(site, "caller.xml")
    people = "SEQUENTIAL\n" + "".join(f"+447400{100_000 + n};\n" for n in range(count))
    (site.folder / "people.csv").write_text(people)
    arguments = ["-s", number, "-m", str(count), "-r", str(rate), "-l", str(count), "-rtp_echo", "-aa"]
    arguments += ["-inf", site.asterisk.seen(site.folder / "people.csv"), "-mp", str(_CALLER_MEDIA)]
    host = TRUNKS[side]
    async with _running(site, "caller.xml", "-i", host, "-p", str(site.callers), *arguments) as process:
        yield asyncio.create_task(process.wait())


def _place(site: BenchSite, scenario: str, **values: str) -> None:
    text = (SCENARIOS / scenario).read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    (site.folder / scenario).write_text(text)


@asynccontextmanager
async def _running(site: BenchSite, scenario: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = site.tree.command("sipp", f"127.0.0.1:{site.sip}", "-sf", site.asterisk.seen(site.folder / scenario))
    log = (site.folder / f"{scenario}.log").open("ab")
    with log:
        process = await asyncio.create_subprocess_exec(
            *program, "-nostdin", "-skip_rlimit", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
