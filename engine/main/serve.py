"""`callwright serve`: the engine behind its watch, or bare with `--unwatched`."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from engine.errors import CallwrightError, ConfigError
from engine.main import logs
from engine.runtime.watch import Heart, Watch
from engine.settings import Settings, load, refuse_unfit

if TYPE_CHECKING:
    from engine.main.engine import Engine

log = structlog.get_logger(__name__)

HURRY_S = 3.0
"""After a second signal: how long the journal may take before the engine just ends."""
ENDED_BY_FORCE = 1
FILES = 65_536


def main(config: Path | None, *, watched: bool = True) -> int:
    """Serve until a signal. The exit code of the design, section 7.

    Raises:
        CallwrightError: the settings cannot be used.
    """
    settings = load(config)
    refuse_unfit(settings)  # before anything is made on disk
    if not watched:
        return run_bare(settings)
    data = settings.paths.data
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as refused:
        raise ConfigError(
            f"the data folder cannot be made: {refused.strerror}", where=str(data), mend="Check paths.data and rights."
        ) from None
    command = [sys.executable, "-m", "engine.main.serve", "--unwatched"]
    if config is not None:
        command += ["--config", str(config)]
    return Watch(command, data / "engine.pid", _say).run()


def run_bare(settings: Settings) -> int:
    """One engine in this process, until SIGTERM or SIGINT."""
    logs.configure(settings.log)
    faulthandler.enable()  # the watch sends SIGABRT to a hung engine: the log then holds where it hangs
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # no numbers in dumps
    _raise_file_limit()
    try:
        asyncio.run(serve(settings))
    except CallwrightError as wrong:
        return _report(wrong)
    except asyncio.CancelledError:
        return ENDED_BY_FORCE
    except BaseExceptionGroup as group:
        wrongs, rest = group.split(CallwrightError)
        if rest is not None or wrongs is None:
            raise
        return _report(_leaves(wrongs)[0])
    return 0


def _raise_file_limit() -> None:
    """A thousand callers in our hands are a thousand sockets; a shell's 1,024 files would end journal and database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leaves(group: BaseExceptionGroup[CallwrightError]) -> list[CallwrightError]:
    found: list[CallwrightError] = []
    for each in group.exceptions:
        found.extend(_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])
    return found


def _report(wrong: CallwrightError) -> int:
    log.error("the engine cannot run", error_id=wrong.error_id, why=str(wrong))
    return wrong.exit_code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve(settings: Settings) -> None:
    """Run one engine with its HTTP API until a signal asks to stop; a second signal makes it hurry."""
    from engine.main.companions import companions  # not above: the watch would carry the whole engine in its memory
    from engine.main.engine import Engine

    engine = Engine(settings)
    engine.heartbeat = Heart(engine.stop).beat
    async with engine:
        on_signal = _stopper(engine)
        for wanted in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(wanted, on_signal)
        log.info("serving", pid=os.getpid(), journal_seq=engine.journal.last_seq)
        await engine.run(extra=companions(engine))
        log.info("stopped", journal_seq=engine.journal.last_seq)


def _stopper(engine: Engine) -> Callable[[], None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - we run in one
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            log.info("stopping: callers hear out what is being said; once more ends at once")
            engine.stop()
        elif signals == 2:
            log.warning("stopping at once")
            engine.hurry()
            loop.call_later(HURRY_S, task.cancel)

    return on_signal


def _from_command_line() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", type=Path)
    arguments.add_argument("--unwatched", action="store_true")
    given = arguments.parse_args()
    try:
        return main(given.config, watched=not given.unwatched)
    except CallwrightError as wrong:
        _say(f"callwright: {wrong}")
        return wrong.exit_code


if __name__ == "__main__":
    sys.exit(_from_command_line())
