"""What holds for every test: nothing of ours blocks the event loop."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster
from hypothesis import settings

settings.register_profile("ours", settings.default, deadline=None)  # time is the machine's, and its load's
settings.load_profile("ours")

_TESTS = str(Path(__file__).parent)
_ENGINE = str(Path(__file__).parents[1] / "engine")

_MAY_BLOCK = {
    # the end of a file's path, function: why it may
    ("<frozen importlib._bootstrap>", "_find_and_load"): "an import, once",
    ("logging/__init__.py", "handle"): "a log line: written at once, so that it is there after a crash",
    ("structlog/_base.py", "_proxy_to_logger"): "the same",
    ("importlib/metadata/__init__.py", "version"): "our own version, some 100 µs",
    ("zoneinfo/_common.py", "load_tzdata"): "a time zone's rules, once a zone",
    ("engine/settings.py", "_known_zone"): "settings are read before the loop begins; only tests make them within it",
    ("engine/store/calendar.py", "zone"): "a time zone's rules, once a zone",
    ("engine/store/schema.py", "_upgrade"): "once, at start: Alembic reads its scripts",
    ("engine/store/schema.py", "head"): "the same",
    ("engine/store/database.py", "_engine"): "once, at start: the database's path is made whole",
    ("engine/store/database.py", "_thread_engine"): "the same",
    ("engine/store/database.py", "reading"): "a new connection: the database's path is made whole, no disk is read",
    ("engine/store/database.py", "writing"): "the same",
    ("engine/store/clerk.py", "close"): "once, at the end: the journal's idle thread is waited for",
    ("engine/web/unix.py", "_bind"): "once, at start: the socket's file is made and its rights are set",
    ("engine/web/unix.py", "_remove"): "once, at the end",
    ("engine/agi/server.py", "_bound"): "once, at start: an address that cannot be had is refused at once",
    ("engine/asterisk/prompts.py", "spoken"): "one look at whether a file is there, some µs",
    ("engine/asterisk/prompts.py", "recorded"): "the same",
    ("engine/asterisk/prompts.py", "_fetch"): "the same, once a text",
    ("engine/asterisk/prompts.py", "_render"): "a scratch folder, once a text, beside two started programs",
    ("engine/asterisk/prompts.py", "_program"): "the look for a program, once a text",
}
_LOOP_FREE = ("engine.lab", "engine.testing", "engine.main.demo", "engine.store.backup")
"""Parts that a serving engine never runs in its loop: instances, fakes, commands, and what goes to a thread whole."""


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[BlockBuster]:
    """Fail a test in which code of the engine blocks the loop (blockbuster: files, sockets, locks, sleep).

    Tests themselves may block, also by calling a blocking function of the engine; so may libraries on their own.
    """
    guard = BlockBuster("engine", excluded_modules=_LOOP_FREE)
    for each in guard.functions.values():
        for file, function in _MAY_BLOCK:
            each.can_block_in(file, function)
        each.can_block_predicate = _or_called_by_a_test(each.can_block_predicate)
    guard.activate()
    yield guard
    guard.deactivate()


def _or_called_by_a_test(otherwise: Callable[..., bool]) -> Callable[..., bool]:
    def may_block(*arguments: Any, **named: Any) -> bool:
        return _called_by_a_test() or otherwise(*arguments, **named)

    return may_block


def _called_by_a_test() -> bool:
    """Whether the innermost coroutine of ours on the stack is a test's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
            if frame.f_code.co_filename.startswith(_TESTS):
                return True
            if frame.f_code.co_filename.startswith(_ENGINE):
                return False
    return False


REAL_TIME = frozenset({"agi", "ami", "bench", "bus", "cli", "contract", "lab", "live", "main", "runtime", "web"})
"""Folders whose tests run real programs, sockets or audio against a clock, three at a time on two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One more try for what runs in real time; the closing line counts it as "rerun". The pure core gets none."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in REAL_TIME:
            item.add_marker(pytest.mark.flaky(reruns=1))
