"""A child for the watch: beats as the engine does, and behaves as its first argument says.

    beats          beats until SIGTERM, then ends with 0
    deaf           beats, and does not hear SIGTERM
    freezes        beats for a moment, then never again (its loop hangs)
    floods         writes far more beats than the pipe holds
    ends CODE      beats, then ends with this code
    never          never beats
    closes         closes the pipe and goes on living

Each start appends its pid and the moment to the file of the last argument; what it notices is appended too.
"""

import faulthandler
import os
import signal
import sys
import time
from pathlib import Path

from engine.runtime.watch import FD, Heart


def main() -> int:
    how, note = sys.argv[1], Path(sys.argv[-1])
    faulthandler.enable()
    stopping = False

    def say(text: str) -> None:
        with note.open("a") as out:
            out.write(f"{text}\n")

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = how != "deaf"
        say("SIGTERM")

    def orphaned() -> None:
        say("orphaned")
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    heart = Heart(orphaned)
    say(f"start {os.getpid()}")
    began = time.monotonic()
    while not stopping:
        if how == "closes" and time.monotonic() - began > 0.1:
            os.close(int(os.environ[FD]))
            how = "never"
        if how != "never" and not (how == "freezes" and time.monotonic() - began > 0.1):
            for _ in range(100_000 if how == "floods" else 1):
                heart.beat()
        if how == "ends" and time.monotonic() - began > 0.1:
            return int(sys.argv[2])
        time.sleep(0.02)
    say("end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
