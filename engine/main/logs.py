"""Logging: JSON lines for machines, plain lines for a terminal. Never a telephone number, a name or a digit."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from engine.settings import Log

_NUMBER = re.compile(r"\+?\d{7,15}")
_SAFE_KEYS = frozenset({"timestamp", "at", "seq", "leg", "interaction_id", "pid", "size", "port", "ask", "event_at"})


def without_numbers(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask whatever looks like a telephone number, as the last guard: no caller of the log should put one there."""
    for key, value in event.items():
        if key not in _SAFE_KEYS and isinstance(value, str):
            event[key] = _NUMBER.sub(_mask, value)
    return event


def _mask(found: re.Match[str]) -> str:
    text = found.group()
    return f"{text[:3]}••••{text[-2:]}"


def configure(log: Log) -> None:
    """Set up structlog and the standard library's logging, once per process."""
    as_json = log.format == "json" or (log.format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_numbers,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer] if as_json else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, log.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for chatty in ("uvicorn", "sqlalchemy", "amqtt", "transitions", "panoramisk", "aiosqlite"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
