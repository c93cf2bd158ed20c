"""Around every request: its time is measured, and what nobody expected becomes a problem, never a trace."""

from __future__ import annotations

import time
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import BrokenInvariant
from engine.web.answers import problem
from engine.web.operating import Metrics

log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.monotonic()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - any bug of ours: the caller gets an answer, the log the trace
            log.error("unexpected error", route=_route(scope), kind=type(error).__name__, trace=_trace(error))
            if status == 0:
                bug = BrokenInvariant(
                    "something unexpected happened", where=_route(scope), mend="See the engine's log."
                )
                await problem(bug)(scope, receive, watched)
        finally:
            self._metrics.answered(_method(scope), _route(scope), status, time.monotonic() - began)


def _trace(error: Exception) -> list[str]:
    """Where it happened, innermost last. Neither the error's text nor any value: they may hold a caller's number."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _method(scope: MutableMapping[str, Any]) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's path with its placeholders: ids and numbers must not become labels or log lines."""
    return str(getattr(scope.get("route"), "path", "unknown"))
