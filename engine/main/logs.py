"""Logging: JSON lines for machines, plain lines for a terminal. Never a telephone number, a name or a digit."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from engine.settings import Log

_NUMBER = re.compile(
    r"""
      (?P<safe> \b[a-z]{1,8}_[0-9A-HJKMNP-TV-Z]{26}(?:[._]\w+)*    # our ids: <kind>_<ULID>, with children
              | \b[0-9]{10}\.[0-9]{1,6}\b                          # Asterisk's: <seconds since 1970>.<count>
              | \b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z? )          # instants
    | \+?[0-9]{7,}
    """,
    re.VERBOSE,
)
_SAFE_KEYS = frozenset(
    {"timestamp", "at", "seq", "leg", "interaction_id", "uniqueid", "pid", "size", "port", "ask", "event_at", "free_mb"}
    | {"journal_seq", "facts", "channels"}
)
_CHATTY = ("uvicorn", "sqlalchemy", "amqtt", "transitions", "panoramisk", "aiosqlite", "alembic")


def without_numbers(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask whatever looks like a telephone number, as the last guard: no caller of the log should put one there.

    Comes after everything that adds text, tracebacks included. What is no plain value becomes its masked text.
    """
    for key, value in event.items():
        if key not in _SAFE_KEYS:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return _NUMBER.sub(_mask, value)
    if isinstance(value, int):
        return value if abs(value) < 10**6 else _NUMBER.sub(_mask, str(value))
    if isinstance(value, Mapping):
        return {_masked(str(key)): _masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each) for each in value]
    return _NUMBER.sub(_mask, value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _mask(found: re.Match[str]) -> str:
    if found["safe"]:
        return found["safe"]
    text = found.group()
    return f"{text[:3]}••••{text[-2:]}"


def configure(log: Log, out: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, once per process. `out` is standard error by default."""
    out = out or sys.stderr
    as_json = log.format == "json" or (log.format == "auto" and not out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        without_numbers,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=out.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, log.level.upper())),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
