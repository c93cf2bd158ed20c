"""The watch outside the loop: a frozen engine is worse than a dead one, so it is killed and started again.

Why: the kernel still accepts FastAGI connections for a frozen engine, and `AGI()` waits for ever (res_agi.c), with a
caller behind it. The watch is a parent process that does nothing but read a pipe: the engine writes one byte every half
second from inside its event loop; after `SILENCE_S` without one it is killed with SIGKILL, which also ends a stopped
process. Killed after 8 s and back within 2 s keeps every caller's silence below 12 s.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SILENCE_S = 8.0
START_S = 60.0
"""The first beat may take longer: a large journal is replayed."""
STOP_S = 35.0
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0
FD = "CALLWRIGHT_HEARTBEAT_FD"
HOPELESS = frozenset({0, 2, 4})
"""Exit codes that a new start would not mend: done, unusable settings, another engine runs."""


class Heart:
    """The engine's end of the pipe."""

    def __init__(self, on_orphaned: Callable[[], None]) -> None:
        self._fd = int(os.environ.get(FD, "-1"))
        self._on_orphaned = on_orphaned

    def beat(self) -> None:
        """Say that the loop lives. When the watch itself is gone, say so once."""
        if self._fd < 0:
            return
        try:
            os.write(self._fd, b".")
        except BrokenPipeError:
            self._fd = -1
            self._on_orphaned()
        except BlockingIOError:
            pass  # nobody reads, but the pipe is open: the watch is frozen, which is not our death


class Watch:
    """Runs a command, again and again, until it ends for a good reason or a signal asks to stop."""

    def __init__(
        self, command: Sequence[str], pid_file: Path, say: Callable[[str], None], silence_s: float = SILENCE_S
    ) -> None:
        self._command = list(command)
        self._pid_file = pid_file
        self._say = say
        self._silence_s = silence_s
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Return the command's last exit code."""
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, self._stop)
        short_lives = 0
        while True:
            began = time.monotonic()
            code = self._once()
            if self._asked_to_stop() or code in HOPELESS:
                return max(code, 0)
            short_lives = 0 if time.monotonic() - began > STEADY_S else short_lives + 1
            pause = PAUSES_S[min(short_lives, len(PAUSES_S) - 1)]
            self._say(f"the engine ended with {code}; starting it again in {pause:g} s")
            time.sleep(pause)
            if self._asked_to_stop():
                return 0

    def _asked_to_stop(self) -> bool:
        return self._stopping  # set by a signal: a type checker cannot see it change

    def _stop(self, number: int, _frame: object) -> None:
        self._stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _once(self) -> int:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        environment = {**os.environ, FD: str(writing)}
        self._child = subprocess.Popen(self._command, pass_fds=(writing,), env=environment)
        os.close(writing)
        self._pid_file.write_text(f"{self._child.pid}\n")
        try:
            self._listen(reading, self._child)
        finally:
            os.close(reading)
        return self._child.wait()

    def _listen(self, reading: int, child: subprocess.Popen[bytes]) -> None:
        patience, asked_at = START_S, 0.0
        while True:
            ready, _, _ = select.select([reading], [], [], min(patience, 1.0) if self._stopping else patience)
            if ready:
                if not os.read(reading, 4096):
                    return  # every writer is gone: the engine has ended
                patience = self._silence_s
            if self._stopping:
                asked_at = asked_at or time.monotonic()
                if time.monotonic() - asked_at < STOP_S:
                    continue
            elif ready:
                continue
            self._say("the engine does not answer; killing it")
            child.kill()
            return


def main(argv: Sequence[str]) -> int:
    """`python -m engine.runtime.watch PIDFILE COMMAND...`"""
    return Watch(argv[1:], Path(argv[0]), lambda text: print(text, file=sys.stderr)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
