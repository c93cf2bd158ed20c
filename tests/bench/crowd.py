"""`python -m tests.bench.crowd`: an Asterisk in memory with its callers, in a process of its own.

Driven by lines on its input, it answers each with one line of JSON:

    agi PORT SECRET      where the engine answers FastAGI; the first line
    wait N               N people call, hear the flow, press 1 and are on hold
    churn RATE SECONDS   for so long, a caller's talk ends RATE times a second and another person calls at once
    storm N              N times Newchannel, Newstate and Hangup in one piece
    empty                everybody hangs up

Agents' phones answer at once and stand in the idle loop.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Final

from engine.testing.agi_peer import AgiPeer
from engine.testing.ami_model import AsteriskModel, Headers
from engine.testing.ami_peer import AmiPeer, frame

NUMBER: Final = "+442079460001"
AT_ONCE: Final = 20
"""Callers who are in the flow at the same time."""


class Crowd:
    """The people, their calls, and the Asterisk that holds them."""

    def __init__(self, agents: int) -> None:
        self.asterisk = AmiPeer()
        for agent in range(agents):
            self.asterisk.model.devices[f"PJSIP/agent-{1001 + agent}"] = "NOT_INUSE"
        self.asterisk.on_ring = lambda leg: self.asterisk.answer(leg.uniqueid)
        self._agi = (0, "")
        self._serial = itertools.count(7_400_000_000)
        self._calls: set[asyncio.Task[None]] = set()

    async def obey(self, line: str) -> dict[str, object]:
        """Carry out one order."""
        words = line.split()
        begun = time.perf_counter()
        match words:
            case ["agi", port, secret]:
                self._agi = (int(port), secret)
            case ["wait", many]:
                await self._wait(int(many))
            case ["churn", rate, seconds]:
                await self._churn(float(rate), float(seconds))
            case ["storm", many]:
                self.asterisk.emit(storm(int(many), next(self._serial)))
            case ["empty"]:
                await self._empty()
        return {"done": line.strip(), "seconds": time.perf_counter() - begun}

    async def _wait(self, many: int) -> None:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with turn:
                await self._call()

        async with asyncio.TaskGroup() as group:
            for _ in range(many):
                group.create_task(one())

    async def _call(self) -> None:
        number = f"+44{next(self._serial)}"
        leg = self.asterisk.call_in(NUMBER, number)
        peer = AgiPeer(leg.uniqueid, self._agi[1], channel=leg.name, context="callwright-call", keys="1", barge_in=True)
        leg.context, leg.exten = "callwright-call", "flow"
        await peer.call("127.0.0.1", self._agi[0])
        if leg.uniqueid in self.asterisk.model.legs:
            self.asterisk.answer(leg.uniqueid)
            leg.exten = "hold"
            self.asterisk.user_event(leg.uniqueid, "hold")

    async def _churn(self, rate: float, seconds: float) -> None:
        """The oldest talk ends, the agent is back in his idle loop, the next caller can be joined."""
        clock = asyncio.get_running_loop().time
        due, ends = clock(), clock() + seconds
        while due < ends:
            due += 1 / rate
            await asyncio.sleep(due - clock())
            bridge = next(iter(self.asterisk.model.bridges.values()), None)
            if bridge is None:
                continue
            caller = next(leg for leg in bridge.legs if self.asterisk.model.legs[leg].exten != "idle")
            self.asterisk.hangup(caller)
            task = asyncio.create_task(self._call())
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        await asyncio.gather(*self._calls)

    async def _empty(self) -> None:
        for leg in [leg.uniqueid for leg in self.asterisk.model.legs.values() if leg.exten != "idle"]:
            self.asterisk.hangup(leg)
            await asyncio.sleep(0)


def storm(many: int, serial: int) -> bytes:
    """The events of `many` callers who hang up before anybody answers; three each."""
    told: list[bytes] = []

    def tell(headers: Headers) -> None:
        told.append(frame(headers))

    model = AsteriskModel(tell, time.time)
    model.started += serial  # ids that were never there
    for n in range(many):
        leg = model.call_in(NUMBER, f"+44{7_500_000_000 + n}", "", "callwright-inbound")
        model.answer(leg.uniqueid)
        model.hangup(leg.uniqueid)
    return b"".join(told)


async def main(agents: int) -> None:
    """Serve until the input ends. The first line said is the port and the secret of the manager."""
    crowd = Crowd(agents)
    async with crowd.asterisk as asterisk:
        print(json.dumps({"port": asterisk.port, "secret": asterisk.secret}), flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            print(json.dumps(await crowd.obey(line.decode())), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
