"""The real engine, which kills itself (SIGKILL) at a point that a test names. No part of the engine knows of it.

`python -m tests.live.crash_points --config FILE` is the engine behind its watch; the child runs with `--unwatched`. The
parts where it may die are wrapped here, from outside. Which one, and at which passage, stands in `<config>.crash`; the
file is taken away before the engine dies, so the next one lives until the test names another point.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.ami.codec import Action, Message
from engine.ami.link import AmiProtocol
from engine.asterisk.channels import DIAL
from engine.asterisk.dialling import Dialling
from engine.asterisk.telephony import Telephony
from engine.domain.commands import Bridge
from engine.domain.facts import AnyFact, AttemptAnswered
from engine.main import serve
from engine.main.outbound import OutboundDesk
from engine.runtime.clock import Clock
from engine.runtime.watch import Patience, Watch
from engine.settings import load
from engine.store import intents
from tests.live.engine_process import EngineProcess

POINTS = {
    "before-intent": "the floor wants to dial, nothing is written",
    "inside-intent": "in the INTENT's transaction, before its commit",
    "after-intent": "the INTENT is committed, its caller is not told",
    "before-originate": "all is ready to be sent to Asterisk",
    "originate-written": "the Originate is written to the socket, its answer is not read",
    "originate-answered": "Asterisk took it",
    "ringing": "its telephone rings",
    "answered": "it is answered, the floor is not told",
    "before-bridge": "it is answered and has an agent, the Bridge is not sent",
    "bridged": "the Bridge is done, the floor is not told",
}
SHORT_PAUSES = Patience(pauses=(0.1,))
"""The watch waits longer and longer before it starts an engine that dies again and again; here that is the test."""


class CrashingEngine(EngineProcess):
    """An engine that can be told where to die."""

    module = "tests.live.crash_points"

    @property
    def _order(self) -> Path:
        return self._config.with_suffix(".crash")

    def arm(self, point: str, passage: int = 1) -> None:
        """Die at this point, when it is passed for the so-manieth time from now on in one life."""
        assert point in POINTS
        draft = self._order.with_suffix(".draft")
        draft.write_text(f"{point} {passage}")
        draft.replace(self._order)

    @property
    def armed(self) -> bool:
        """Whether it has still to die."""
        return self._order.exists()

    def shift_clock(self, seconds: float) -> None:
        """Let it see the machine's clock so much later than it is, from now on."""
        draft = self._config.with_suffix(".draft")
        draft.write_text(str(seconds))
        draft.replace(self._config.with_suffix(".shift"))

    def disarm(self) -> None:
        """Let it live."""
        self._order.unlink(missing_ok=True)


class Executioner:
    """In the engine's process: counts passages, and kills."""

    def __init__(self, order: Path) -> None:
        self._order = order
        self._seen = ("", 0)

    def at(self, point: str) -> None:
        """This point is passed."""
        try:
            wanted, passage = self._order.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        if wanted != point:
            return
        self._seen = (point, self._seen[1] + 1 if self._seen[0] == point else 1)
        if self._seen[1] >= int(passage):
            self._order.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.write(2, f"[crash point {point}: {POINTS[point]}]\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def wrap(at: Callable[[str], None]) -> None:
    """Put a call of `at` at each of the points."""
    _wrap_store(at)
    _wrap_dialling(at)
    _wrap_talk(at)


def _wrap_store(at: Callable[[str], None]) -> None:
    intend_desk, intend_one = OutboundDesk.intend, intents._intend

    async def intend(self: OutboundDesk, dial: Any) -> str | None:
        at("before-intent")
        number = await intend_desk(self, dial)
        if number is not None:
            at("after-intent")
        return number

    def within(*given: Any) -> Any:
        answer = intend_one(*given)
        at("inside-intent")
        return answer

    OutboundDesk.intend = intend  # type: ignore[method-assign]
    intents._intend = within  # type: ignore[assignment]


def _wrap_dialling(at: Callable[[str], None]) -> None:
    originate, ask, on_event = Dialling._originate, AmiProtocol.ask, Telephony._on_event

    async def _originate(self: Dialling, attempt_id: Any, action: Action) -> bool:
        at("before-originate")
        told = await originate(self, attempt_id, action)
        at("originate-answered")
        return told

    def asked(self: AmiProtocol, action: Action) -> tuple[str, asyncio.Future[Any]]:
        waits = ask(self, action)
        if action.name == "Originate" and ("Context", DIAL) in action.headers:
            at("originate-written")
        return waits

    def heard(self: Telephony, message: Message) -> None:
        rings = message.event == "Newstate" and message.get("ChannelStateDesc") == "Ringing"
        if rings and message.get("Uniqueid").startswith("att_"):
            at("ringing")
        on_event(self, message)

    Dialling._originate = _originate  # type: ignore[method-assign]
    AmiProtocol.ask = asked  # type: ignore[method-assign]
    Telephony._on_event = heard  # type: ignore[method-assign]


def _wrap_talk(at: Callable[[str], None]) -> None:
    put, bridge = OutboundDesk.put, Telephony._bridge

    def told(self: OutboundDesk, fact: AnyFact) -> None:
        if isinstance(fact, AttemptAnswered):
            at("answered")
        put(self, fact)

    async def _bridge(self: Telephony, command: Bridge) -> None:
        at("before-bridge")
        await bridge(self, command)
        at("bridged")

    OutboundDesk.put = told  # type: ignore[method-assign]
    Telephony._bridge = _bridge  # type: ignore[method-assign]


def shift(by: Path) -> None:
    """Move the machine's clock, as far as the engine's own looks at it, by what stands in a file."""

    def wall() -> int:
        try:
            seconds = float(by.read_text())
        except (FileNotFoundError, ValueError):
            seconds = 0.0
        return time.time_ns() // 1_000 + round(seconds * 1_000_000)

    assert Clock.__init__.__kwdefaults__ is not None
    Clock.__init__.__kwdefaults__["wall"] = wall


def main(arguments: list[str]) -> int:
    """Be the watch, or with `--unwatched` the engine."""
    config = Path(arguments[arguments.index("--config") + 1])
    settings = load(config)
    if "--unwatched" not in arguments:
        command = [sys.executable, "-m", "tests.live.crash_points", "--unwatched", "--config", str(config)]
        return Watch(command, settings.paths.data / "engine.pid", print, SHORT_PAUSES).run()
    shift(config.with_suffix(".shift"))
    wrap(Executioner(config.with_suffix(".crash")).at)
    return serve.run_bare(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
