"""The application: routes, errors, description, joined."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from engine.errors import CallwrightError, NotFound, UsageError
from engine.runtime.console import Console
from engine.runtime.outbound import Outbound
from engine.web.answers import first_complaint, problem
from engine.web.campaigns import campaigns
from engine.web.guard import Guard
from engine.web.live import live
from engine.web.openapi import describe
from engine.web.operating import Metrics, operating
from engine.web.rolls import rolls

_SAYS = """Everything a supervisor may ask of a running Callwright.

Lists are `{items, next}`. Instants are ISO 8601 in UTC with Z, durations are seconds. Errors are problem+json
(RFC 9457) with a stable `error_id`."""
_TAGS = (
    {"name": "agents", "description": "Agents: definitions, and what a supervisor may have them do."},
    {"name": "queues", "description": "Queues: definitions, and who is in them."},
    {"name": "skills", "description": "Skills that agents have and queues ask for."},
    {"name": "numbers", "description": "Inbound numbers and the flows they lead to."},
    {"name": "trunks", "description": "Lines to the public telephone network."},
    {"name": "campaigns", "description": "Campaigns: definitions, lists, pace, figures."},
    {"name": "leads", "description": "People to be called, and rows of lists that became none."},
    {"name": "do-not-call", "description": "Numbers that nobody here may call."},
    {"name": "calls", "description": "Live calls."},
    {"name": "interactions", "description": "Interactions, live and over."},
    {"name": "floor", "description": "The whole floor at one moment."},
    {"name": "flows", "description": "Flows that callers walk through."},
    {"name": "explain", "description": "Why a decision was made."},
    {"name": "verify", "description": "Belief against truth."},
    {"name": "reports", "description": "Figures; each carries the id of its formula."},
    {"name": "config", "description": "Settings in force."},
    {"name": "operating", "description": "For machines that watch over the engine."},
)


def create_app(console: Console, metrics: Metrics | None = None) -> FastAPI:
    """Build the API over a console. `metrics` may be given to share a registry with other counters."""
    metrics = metrics or Metrics(console)
    app = FastAPI(
        title="Callwright",
        version=version("callwright"),
        description=_SAYS,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.include_router(rolls(console))
    app.include_router(campaigns(console))
    app.include_router(live(console))
    app.include_router(operating(console, metrics))
    _tell_errors(app)
    app.add_middleware(Guard, metrics=metrics)
    _describe_once(app)
    return app


def create_rest_app(outbound: Outbound) -> FastAPI:
    """Build the routes about calling people alone: the same requests, answered by a store whose engine does not run."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(campaigns(outbound))
    _tell_errors(app)
    return app


def _tell_errors(app: FastAPI) -> None:
    app.add_exception_handler(CallwrightError, _told)
    app.add_exception_handler(RequestValidationError, _parameter)
    app.add_exception_handler(HTTPException, _routing)


def _describe_once(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = describe(app, _TAGS)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CallwrightError)  # noqa: S101 - registered for this type only
    return problem(error)


async def _parameter(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    return problem(first_complaint(error.errors()), 422)


async def _routing(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    if error.status_code == 404:
        return problem(NotFound("there is no such address", where="path", mend="See /openapi.json."))
    told = problem(UsageError(str(error.detail), where="method", mend="See /openapi.json."), error.status_code)
    told.headers.update(error.headers or {})
    return told
