"""`callwright serve`: the engine behind its watch, or bare with `--unwatched`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import structlog

from engine.errors import CallwrightError
from engine.main import logs
from engine.main.engine import Engine
from engine.runtime.watch import Heart, Watch
from engine.settings import Settings, load

log = structlog.get_logger(__name__)


def main(config: Path | None, *, watched: bool = True) -> int:
    """Serve until a signal. The exit code of the design, section 7.

    Raises:
        CallwrightError: the settings cannot be used.
    """
    settings = load(config)
    if not watched:
        return run_bare(settings)
    settings.paths.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "engine.main.serve", "--unwatched"]
    if config is not None:
        command += ["--config", str(config)]
    watch = Watch(command, settings.paths.data / "engine.pid", lambda text: print(text, file=sys.stderr))
    return watch.run()


def run_bare(settings: Settings) -> int:
    """One engine in this process, until SIGTERM or SIGINT."""
    logs.configure(settings.log)
    try:
        asyncio.run(serve(settings))
    except CallwrightError as wrong:
        return _report(wrong)
    except BaseExceptionGroup as group:
        wrongs, rest = group.split(CallwrightError)
        if rest is not None or wrongs is None:
            raise
        return _report(_leaves(wrongs)[0])
    return 0


def _leaves(group: BaseExceptionGroup[CallwrightError]) -> list[CallwrightError]:
    found: list[CallwrightError] = []
    for each in group.exceptions:
        found.extend(_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])
    return found


def _report(wrong: CallwrightError) -> int:
    log.error("the engine cannot run", error_id=wrong.error_id, why=str(wrong))
    return wrong.exit_code


async def serve(settings: Settings) -> None:
    """Run one engine with its HTTP API until a signal asks to stop."""
    from engine.main.companions import companions

    async with Engine(settings) as engine:
        loop = asyncio.get_running_loop()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wanted, engine.stop)
        log.info("serving", pid=os.getpid(), journal_seq=engine.journal.last_seq)
        await engine.run(extra=companions(engine), heartbeat=Heart(engine.stop).beat)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", type=Path)
    arguments.add_argument("--unwatched", action="store_true")
    given = arguments.parse_args()
    sys.exit(main(given.config, watched=not given.unwatched))
