"""Ends each talk after its time, in the same way on both sides: read from Asterisk's event log, hung up by AMI.

Neither sipp nor a dialplan can know when a caller who waited was joined, and the agents of a pool cannot hang up.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

from engine.lab.wire import Wire
from tests.bench import cel

LOOK_S = 0.05


class Talks:
    """`async with`: callers are hung up `talk_s` after each time they are joined. `text`: what the log said so far."""

    def __init__(self, log: Path, wire: Wire, talk_s: float) -> None:
        self._log, self._wire, self._talk_s = log, wire, talk_s
        self._hangups: set[asyncio.Task[object]] = set()
        self.text = b""
        self.ended = 0

    async def __aenter__(self) -> Self:
        self._from = self._log.stat().st_size if self._log.exists() else 0
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching  # raises what ended it
        await asyncio.gather(*self._hangups, return_exceptions=True)
        self._read()

    async def pause(self, seconds: float) -> None:
        """Sleep; raises at once what ended the watching, for then nobody would ever be hung up."""
        done, _ = await asyncio.wait({self._watching}, timeout=seconds)
        for broken in done:
            broken.result()

    async def _watch(self) -> None:
        while True:
            self._read()
            await asyncio.sleep(LOOK_S)

    def _read(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._from)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._from += len(whole)
        self.text += whole
        for row in cel.rows(whole):
            if row.event == "BRIDGE_ENTER" and cel.CALLER.match(row.channel):
                asyncio.get_running_loop().call_later(self._talk_s, self._hang_up, row.channel)
            elif row.event == "CHAN_END" and cel.CALLER.match(row.channel):
                self.ended += 1

    def _hang_up(self, channel: str) -> None:
        task: asyncio.Task[object] = asyncio.create_task(self._wire.send("Hangup", Channel=channel, Cause="16"))
        self._hangups.add(task)
        task.add_done_callback(self._hangups.discard)
