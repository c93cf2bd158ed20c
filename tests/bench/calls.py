"""The same sipp load on one Asterisk, by a plain dialplan with app_queue and by our flow with our ACD.

CPU is counted from just before the first call to just after the last: Asterisk's process, and the engine's whole
process tree (watch, engine with journal, SQLite and embedded MQTT broker).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.domain.values import LegMode
from tests.bench import cel, cpu
from tests.bench.figures import Figure, Report, calibrate, figure, percentile
from tests.bench.sipp import RATE, callers, phones
from tests.bench.site import NUMBERS, BenchSite
from tests.bench.talk import Talks
from tests.live.engine_process import EngineProcess

ALL_RATIO: Final = 1.5
"""Asterisk and engine together, against Asterisk on the plain side."""
ENGINE_RATIO: Final = 0.5
DELAY_MS: Final = 50.0
PATIENCE_S: Final = 600.0
PAIRS: Final = {"rung": LegMode.ON_DEMAND, "nailed": LegMode.NAILED_UP}
Say = Callable[[str], None]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of both sides."""

    name: str
    agents: int
    talk_s: float
    rate: int = RATE
    calls: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One side of one run. CPU in seconds for all calls."""

    asterisk: float
    engine: float
    seconds: float
    talked: int
    waited_p50: float
    delay_p50: float
    delay_p99: float


def loads(*, full: bool) -> list[Load]:
    """The project's load, in which callers outnumber agents and wait; and one in which somebody is always free."""
    crowded = Load(name="crowded", agents=40, talk_s=5.0, calls=1000 if full else 160)
    return [crowded, Load(name="free", agents=130, talk_s=5.0, calls=300)]


async def one(site: BenchSite, load: Load, pair: str, side: str) -> Measured:
    """Play the load once."""
    mode = PAIRS[pair]
    log = site.asterisk.cel
    async with phones(site), _engine(site, mode) if side == "ours" else nullcontext() as engine:
        await (_sign_in(site, engine, mode) if engine else _log_in(site, mode))
        before = _cpu(site, engine)
        begun = time.monotonic()
        async with (
            Talks(log, site.wire, load.talk_s) as talks,
            callers(site, side, NUMBERS[mode], load.calls, load.rate) as ending,
            asyncio.timeout(PATIENCE_S),
        ):
            while talks.ended < load.calls and not ending.done():
                await talks.pause(0.1)
            await ending
        after = _cpu(site, engine)
        took = time.monotonic() - begun
    await site.clear()
    (site.home / f"{load.name}-{pair}-{side}.jsonl").write_bytes(talks.text)
    answers = cel.answers(cel.rows(talks.text))
    delays = [answer.delay for answer in answers]
    return Measured(
        asterisk=after[0] - before[0],
        engine=after[1] - before[1],
        seconds=took,
        talked=len(answers),
        waited_p50=percentile([answer.waited for answer in answers], 0.5),
        delay_p50=percentile(delays, 0.5),
        delay_p99=percentile(delays, 0.99),
    )


def _cpu(site: BenchSite, engine: EngineProcess | None) -> tuple[float, float]:
    return cpu.seconds(site.asterisk.pid), cpu.tree_seconds(engine.watch_pid) if engine else 0.0


@asynccontextmanager
async def _engine(site: BenchSite, mode: LegMode) -> AsyncIterator[EngineProcess]:
    with tempfile.TemporaryDirectory(prefix="callwright-bench-") as folder:
        site.home, before = Path(folder), site.home
        try:
            await site.define(mode)
            engine = EngineProcess(site.settings, site.home)
            await engine.start()
            try:
                yield engine
            finally:
                await engine.stop()
        finally:
            site.home = before


async def _sign_in(site: BenchSite, engine: EngineProcess, mode: LegMode) -> None:
    """By command; nailed-up phones are rung once and then stand."""
    for code in site.codes:
        await engine.ask("POST", f"/v1/agents/{code}/login", {"ready": True, "mode": mode.value})
    await engine.until(lambda state: all(agent.can_take() for agent in state.agents.values()), 60.0, "agents ready")


async def _log_in(site: BenchSite, mode: LegMode) -> None:
    """The plain side's pool: phones rung once, into AgentLogin()."""
    if mode is LegMode.ON_DEMAND:
        return
    for code in site.codes:
        await site.wire.send(
            "Originate", Channel=f"PJSIP/agent-{code}", Context="bench-login", Exten=code, Priority="1", Async="true"
        )
    async with asyncio.timeout(60):
        while (await site.asterisk.cli("core show channels concise")).count("!AgentLogin!") < len(site.codes):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


def _ratio(ours: Measured, plain: Measured) -> float:
    return ((ours.asterisk + ours.engine) / ours.talked) / (plain.asterisk / plain.talked)


def figures(load: Load, pair: str, runs: list[tuple[Measured, Measured]]) -> list[Figure]:
    """What one pair of one load says; `runs` are (ours, plain)."""
    name = f"calls.{load.name}.{pair}"
    ms = [(ours.delay_p99 * 1000, plain.delay_p99 * 1000) for ours, plain in runs]
    allowed = max(DELAY_MS, sorted(plain for _, plain in ms)[len(ms) // 2])
    return [
        figure(f"{name}.cpu", [_ratio(*run) for run in runs], "x plain", limit=ALL_RATIO),
        figure(f"{name}.engine", [ours.engine / ours.asterisk for ours, _ in runs], "x Asterisk", limit=ENGINE_RATIO),
        figure(f"{name}.delay_p99", [ours for ours, _ in ms], "ms", limit=allowed, peer=[plain for _, plain in ms]),
        figure(f"{name}.talked", [ours.talked for ours, _ in runs], "calls", peer=[p.talked for _, p in runs]),
    ]


async def measure(loads: list[Load], pairs: list[str], runs: int, say: Say) -> Report:
    """All loads on all pairs, the sides in turn."""
    found: list[Figure] = []
    details: dict[str, Any] = {}
    for load in loads:
        for pair in pairs:
            played: list[tuple[Measured, Measured]] = []
            with tempfile.TemporaryDirectory(prefix="callwright-bench-") as folder:
                async with BenchSite(f"bench{os.getpid()}", load.agents, Path(folder), say) as site:
                    for number in range(runs):
                        say(f"{load.name}, {pair}, run {number + 1} of {runs}: {load.calls} calls on each side ...")
                        plain = await one(site, load, pair, "plain")
                        say(f"  plain: {_line(plain)}")
                        ours = await one(site, load, pair, "ours")
                        say(f"  ours:  {_line(ours)}")
                        played.append((ours, plain))
            found += figures(load, pair, played)
            details[f"{load.name}.{pair}"] = {
                "load": msgspec.to_builtins(load),
                "ours": [msgspec.to_builtins(ours) for ours, _ in played],
                "plain": [msgspec.to_builtins(plain) for _, plain in played],
            }
    return Report(bench="calls", figures=tuple(found), calibration_ms=calibrate(), details=details)


def _line(side: Measured) -> str:
    each = 1000 / max(1, side.talked)
    return (
        f"{side.talked} talked in {side.seconds:.0f} s; CPU per call: Asterisk {side.asterisk * each:.1f} ms, "
        f"engine {side.engine * each:.1f} ms; "
        f"delay p50 {side.delay_p50 * 1000:.0f} ms p99 {side.delay_p99 * 1000:.0f} ms"
    )
