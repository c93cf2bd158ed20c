"""From an AMI event to the command it causes; a burst of events; memory of a waiting call; the loop's lag."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from engine.ami.codec import Action, Message
from engine.ami.link import AmiProtocol
from engine.asterisk.telephony import Telephony
from engine.domain.interaction import InteractionState
from tests.agi.desk import LagMeter
from tests.agi.test_lag import connect_and_close, stopped_readers
from tests.bench import cpu
from tests.bench.engine_under_load import EngineUnderLoad
from tests.bench.figures import Figure, Report, calibrate, figure, percentile
from tests.bench.site import ROOT

LIVE_CALLS: Final = 500
AGENTS: Final = 60
RATE: Final = 20.0
STORM: Final = 5_000
"""Callers of three events each."""
REACTION_MS, DRAIN_S, WAITING_KB, LAG_MS = 10.0, 2.0, 20.0, 50.0
Say = Callable[[str], None]


class Reactions:
    """Seconds from reading the event that completed a pair to writing the Bridge that joins it.

    `took` is what a caller feels; `worked` is the loop's own CPU meanwhile, which no neighbour can make longer.
    """

    def __init__(self) -> None:
        self.took: list[float] = []
        self.worked: list[float] = []
        self._read_at = (0.0, 0.0)
        self._told: dict[str, tuple[float, float]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look over the shoulder of the link (bytes read, action written) and of the translator."""
        with (
            before(AmiProtocol, "data_received", self._read),
            before(Telephony, "_on_event", self._event),
            before(AmiProtocol, "ask", self._ask),
        ):
            yield

    def _read(self, _link: AmiProtocol, _data: bytes) -> None:
        self._read_at = (time.perf_counter(), time.thread_time())

    def _event(self, _telephony: Telephony, message: Message) -> None:
        if message.event == "UserEvent":
            self._told[message.get("Channel")] = self._read_at

    def _ask(self, _link: AmiProtocol, action: Action) -> None:
        """Just before the action is encoded and written, which takes 0.03 ms."""
        if action.name == "Bridge":
            headers = dict(action.headers)
            legs = [headers[name] for name in ("Channel1", "Channel2")]
            if all(leg in self._told for leg in legs):
                read_at, worked = max(self._told[leg] for leg in legs)
                self.took.append(time.perf_counter() - read_at)
                self.worked.append(time.thread_time() - worked)


@contextmanager
def before(owner: type, name: str, look: Callable[..., None]) -> Iterator[None]:
    """Call `look` with the arguments before each call of a method."""
    method = getattr(owner, name)

    def looked_at(*arguments: Any) -> Any:
        look(*arguments)
        return method(*arguments)

    setattr(owner, name, looked_at)
    try:
        yield
    finally:
        setattr(owner, name, method)


class Reaction(NamedTuple):
    """At 500 live calls, all in ms: event to command, the loop's own work of it, the engine's CPU for each call."""

    p50: float
    p99: float
    worked_p99: float
    cpu_each: float
    pairs: int


async def reaction(seconds: float) -> Reaction:
    """One run of so many seconds."""
    watch = Reactions()
    with watch.watching():
        async with EngineUnderLoad(AGENTS) as load:
            await load.order(f"wait {LIVE_CALLS}")
            await load.until(lambda: load.standing(InteractionState.TALKING) == AGENTS)
            await load.written()
            watch.took.clear()
            watch.worked.clear()
            before = cpu.seconds(os.getpid())
            await load.order(f"churn {RATE} {seconds}")
            spent = cpu.seconds(os.getpid()) - before
    return Reaction(
        p50=1000 * percentile(watch.took, 0.5),
        p99=1000 * percentile(watch.took, 0.99),
        worked_p99=1000 * percentile(watch.worked, 0.99),
        cpu_each=1000 * spent / max(1, len(watch.took)),
        pairs=len(watch.took),
    )


async def drained() -> tuple[float, float]:
    """Seconds until a burst of 15,000 events is handled and in the journal on disk, and until it is in the tables."""
    begun: list[float] = []
    with before(AmiProtocol, "data_received", lambda *_: begun.append(time.perf_counter())):
        async with EngineUnderLoad(2) as load:
            loop, handled = load.engine.loop, load.engine.loop.handled
            begun.clear()
            ordered = asyncio.create_task(load.order(f"storm {STORM}"))
            await load.until(lambda: loop.handled - handled >= 2 * STORM and not loop.backlog)
            await load.engine.clerk.barrier(loop.last_seq)
            durable = time.perf_counter() - begun[0]
            await load.written()
            told = time.perf_counter() - begun[0]
            await ordered
    return durable, told


async def waiting_kb() -> float:
    """KB of memory for each waiting call, in a process that has room left over from nothing else."""
    command = (sys.executable, "-m", "tests.bench.memory")
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    return float(told)


async def lag(many: int, deaf: int) -> tuple[LagMeter, LagMeter]:
    """The loop's lag under peers that connect and close, and under peers that never read."""
    return await connect_and_close(many), await stopped_readers(deaf)


async def measure(runs: int, seconds: float, say: Say) -> Report:
    """All figures of this file."""
    found: list[Figure] = []
    reactions = []
    for number in range(runs):
        reactions.append(await reaction(seconds))
        one = reactions[-1]
        say(
            f"event to command, run {number + 1}: p50 {one.p50:.2f} ms, p99 {one.p99:.2f} ms, own work p99 "
            f"{one.worked_p99:.2f} ms of {one.pairs}; {one.cpu_each:.1f} ms CPU for each call"
        )
    found.append(figure("ami.event_to_command_p99", [run.p99 for run in reactions], "ms", limit=REACTION_MS))
    found.append(figure("ami.event_to_command_p50", [run.p50 for run in reactions], "ms"))
    found.append(figure("ami.event_to_command_own_work_p99", [run.worked_p99 for run in reactions], "ms"))
    found.append(figure("ami.engine_cpu_per_call", [run.cpu_each for run in reactions], "ms"))
    bursts = [await drained() for _ in range(runs)]
    say(f"15,000 events: {', '.join(f'{durable:.2f} s ({told:.2f} s to the tables)' for durable, told in bursts)}")
    found.append(figure("ami.burst_drained", [durable for durable, _ in bursts], "s", limit=DRAIN_S))
    found.append(figure("ami.burst_in_tables", [told for _, told in bursts], "s"))
    sizes = [await waiting_kb() for _ in range(runs)]
    say(f"a waiting call: {', '.join(f'{size:.1f} KB' for size in sizes)}")
    found.append(figure("ami.memory_per_waiting_call", sizes, "KB", limit=WAITING_KB))
    lags = [await lag(10_000, 100) for _ in range(runs)]
    for kind, name in enumerate(("connect_and_close", "stopped_reader")):
        found.append(figure(f"ami.lag_{name}_p99", [1000 * run[kind].p99 for run in lags], "ms", limit=LAG_MS))
        say(f"{name}: lag p99 {', '.join(f'{1000 * run[kind].p99:.1f} ms' for run in lags)}")
    return Report(bench="ami", figures=tuple(found), calibration_ms=calibrate())
