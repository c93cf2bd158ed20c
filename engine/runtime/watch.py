"""The watch outside the loop: a frozen engine is worse than a dead one, so it is killed and started again.

Why: the kernel still accepts FastAGI connections for a frozen engine, and `AGI()` waits for ever (res_agi.c), with a
caller behind it. The watch is a parent process that does nothing but read a pipe: the engine writes one byte every half
second from inside its event loop; after `SILENCE_S` without one it is ended. SIGABRT comes first: if the process still
runs, faulthandler writes where every thread hangs; then SIGKILL, which also ends a stopped process. Ended within 9 s
and back within 2 s keeps every caller's silence below 12 s.

When the watch itself was stopped (SIGSTOP, a paused machine) it gives the engine its time anew instead of judging by
its own sleep. When the watch is killed the engine notices by the broken pipe and drains.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.runtime.notify import VARIABLE, Notifier

FD = "CALLWRIGHT_HEARTBEAT_FD"
HOPELESS = frozenset({0, 2, 4})
"""Exit codes that a new start would not mend: done, unusable settings, another engine runs."""


class Patience(msgspec.Struct, frozen=True):
    """Seconds. `start` is longer than `silence`: modules are read and the journal is opened before the first beat."""

    silence: float = 8.0
    start: float = 60.0
    stop: float = 35.0
    farewell: float = 0.5
    """From SIGABRT to SIGKILL."""
    tick: float = 1.0
    steady: float = 30.0
    """A life of this length makes the pauses between starts short again."""
    pauses: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Heart:
    """The engine's end of the pipe. Without a watch it beats for the service manager instead."""

    def __init__(self, on_orphaned: Callable[[], None]) -> None:
        self._fd = int(os.environ.get(FD, "-1"))
        self._on_orphaned = on_orphaned
        self._notifier = Notifier()
        if self._fd >= 0:
            os.set_inheritable(self._fd, False)  # a program that the engine starts must not keep the pipe open

    def beat(self) -> None:
        """Say that the loop lives. When the watch itself is gone, say so once."""
        if self._fd < 0:
            self._notifier.alive()
            return
        try:
            os.write(self._fd, b".")
        except BrokenPipeError:
            os.close(self._fd)
            self._fd = -1
            self._on_orphaned()
        except BlockingIOError:
            pass  # nobody reads, but the pipe is open: the watch is frozen, which is not our death


class Watch:
    """Runs a command, again and again, until it ends for a good reason or a signal asks to stop.

    A signal to the watch is handed on each time: the second one makes the engine hurry. The engine runs in a process
    group of its own, so that Ctrl-C in a terminal reaches it once and not twice.
    """

    def __init__(
        self, command: Sequence[str], pid_file: Path, say: Callable[[str], None], patience: Patience | None = None
    ) -> None:
        self._command = list(command)
        self._pid_file = pid_file
        self._say = say
        self._patience = patience or Patience()
        self._notifier = Notifier()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Return the command's last exit code; 1 when it had to be killed."""
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, self._stop)
        short_lives = 0
        while True:
            began = time.monotonic()
            code = self._once()
            if self._asked_to_stop() or code in HOPELESS:
                return code if code >= 0 else int(code != -signal.SIGTERM)  # it may die of SIGTERM before it can drain
            short_lives = 0 if time.monotonic() - began > self._patience.steady else short_lives + 1
            pause = self._patience.pauses[min(short_lives, len(self._patience.pauses) - 1)]
            self._say(f"the engine ended with {code}; starting it again in {pause:g} s")
            if self._rest(pause):
                return 0

    def _rest(self, seconds: float) -> bool:
        """Wait between two lives; True when a signal asked to stop."""
        ends = time.monotonic() + seconds
        while not self._asked_to_stop() and (left := ends - time.monotonic()) > 0:
            self._notifier.watching()
            time.sleep(min(left, 0.1))
        return self._asked_to_stop()

    def _asked_to_stop(self) -> bool:
        return self._stopping  # set by a signal: a type checker cannot see it change

    def _stop(self, number: int, _frame: object) -> None:
        self._stopping = True
        self._notifier.stopping()
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _once(self) -> int:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
        environment[FD] = str(writing)
        try:
            child = subprocess.Popen(self._command, pass_fds=(writing,), env=environment, process_group=0)
        finally:
            os.close(writing)
        self._child = child
        if self._asked_to_stop():
            child.send_signal(signal.SIGTERM)  # the signal came while there was no child to hand it to
        try:
            self._listen(reading, child)
        finally:
            os.close(reading)
            if child.poll() is None:
                self._await_end(child)
            self._forget(child)
        return child.wait()

    def _note(self, child: subprocess.Popen[bytes]) -> None:
        """Write its pid down. Not before it beats: one that finds another engine at work must not take its place."""
        self._pid_file.write_text(f"{child.pid}\n")

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            if self._pid_file.read_text().strip() == str(child.pid):
                self._pid_file.unlink()

    def _listen(self, reading: int, child: subprocess.Popen[bytes]) -> None:
        """Read beats until the pipe closes, or until the child must be killed."""
        patience, heard, asked_at, lives = self._patience.start, time.monotonic(), 0.0, False
        while True:
            before = time.monotonic()
            ready, _, _ = select.select([reading], [], [], self._patience.tick)
            now = time.monotonic()
            if ready:
                if not os.read(reading, 4096):
                    return  # every writer is gone: the engine has ended
                if not lives:
                    self._note(child)
                patience, heard, lives = self._patience.silence, now, True
                self._notifier.alive()
            else:
                self._notifier.watching()
                if now - before > 2 * self._patience.tick:
                    heard = now  # it was we who slept
            asked_at = asked_at or (now if self._asked_to_stop() else 0.0)
            if now - heard < patience and not (asked_at and now - asked_at >= self._patience.stop):
                continue
            self._say("the engine does not answer; killing it")
            self._kill(child)
            return

    def _await_end(self, child: subprocess.Popen[bytes]) -> None:
        """It closed the pipe, so it is ending; it is not waited for without limit."""
        try:
            child.wait(self._patience.silence)
        except subprocess.TimeoutExpired:
            self._say("the engine does not end; killing it")
            self._kill(child)

    def _kill(self, child: subprocess.Popen[bytes]) -> None:
        child.send_signal(signal.SIGABRT)
        try:
            child.wait(self._patience.farewell)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main(argv: Sequence[str]) -> int:
    """`python -m engine.runtime.watch PIDFILE COMMAND...`"""
    return Watch(argv[1:], Path(argv[0]), lambda text: print(text, file=sys.stderr)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
