"""Around every request: its time is measured, and what nobody expected becomes a problem, never a trace."""

from __future__ import annotations

import time
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
        except Exception:  # any bug of ours, whatever it raises: the caller gets an answer, the log the trace
            log.exception("unexpected error", method=scope["method"], route=_route(scope))
            if status == 0:
                bug = BrokenInvariant(
                    "something unexpected happened", where=_route(scope), mend="See the engine's log."
                )
                await problem(bug)(scope, receive, watched)
        finally:
            self._metrics.answered(_method(scope), _route(scope), status, time.monotonic() - began)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _method(scope: MutableMapping[str, Any]) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's path with its placeholders: ids and numbers must not become labels or log lines."""
    return str(getattr(scope.get("route"), "path", "unknown"))
