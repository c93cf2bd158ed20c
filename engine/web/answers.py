"""Values as JSON, errors as problem+json (RFC 9457), bodies as values."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from engine.domain.values import Value
from engine.errors import (
    AsteriskUnreachable,
    CallwrightError,
    ConfigError,
    Conflict,
    NotFound,
    RefusedByRule,
    StoreUnavailable,
    UsageError,
)
from engine.runtime.reading import read
from engine.runtime.views import Page

PLAIN = r"^[^\x00-\x1f\x7f]*$"
"""What ids and filters may hold: anything but control characters, which no database and no log wants."""
Id = Annotated[str, Path(max_length=200, pattern=PLAIN)]
LONGEST_BODY = 1_048_576
PROBLEM_TYPE = "application/problem+json"
_STATUSES: dict[type[CallwrightError], int] = {
    UsageError: 400,
    ConfigError: 422,
    NotFound: 404,
    Conflict: 409,
    RefusedByRule: 403,
    AsteriskUnreachable: 503,
    StoreUnavailable: 503,
}


class Problem(Value):
    """An error as the API tells it (RFC 9457).

    `type` is a URN ending in `error_id`, which is stable; `detail` says what, `where` names the field or object,
    `mend` what to do; `exit_code` is what the command line ends with.
    """

    type: str
    title: str
    status: int
    detail: str
    error_id: str
    where: str
    mend: str
    exit_code: int


class BodyTooLong(UsageError):
    """The body is longer than any definition or flow file may be."""

    error_id = "body-too-long"


class ValueResponse(Response):
    """A value, whole: every field is there, defaults too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode with msgspec: instants as ISO 8601 with Z."""
        return msgspec.json.encode(complete(content))


Kind = TypeVar("Kind", bound=Value)
Item = TypeVar("Item")


def complete(value: Any) -> Any:
    """Return a value as plain JSON types with every field, also those that have their default."""
    if isinstance(value, msgspec.Struct):
        return {name: complete(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: complete(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [complete(each) for each in value]
    return value


def page(items: Sequence[Item]) -> Page[Item]:
    """A list that has no further page."""
    return Page(items=tuple(items), next=None)


def status_of(error: CallwrightError) -> int:
    """The HTTP status of an error, by its nearest ancestor in the tree; 500 is ours."""
    if isinstance(error, BodyTooLong):
        return 413
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)


def problem(error: CallwrightError, status: int | None = None) -> Response:
    """The answer that tells of an error. Nothing but what the error itself says: no trace, no internals."""
    told = Problem(
        type=f"urn:callwright:error:{error.error_id}",
        title=(inspect.getdoc(type(error)) or "Error.").split(". ")[0].split("\n\n")[0].replace("\n", " ").rstrip("."),
        status=status or status_of(error),
        detail=error.what,
        error_id=error.error_id,
        where=error.where,
        mend=error.mend,
        exit_code=error.exit_code,
    )
    return ValueResponse(told, status_code=told.status, media_type=PROBLEM_TYPE)


async def body_bytes(request: Request) -> bytes:
    """The request's body.

    :raises BodyTooLong: it is longer than 1 MiB; it was not read to its end.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST_BODY:
            raise BodyTooLong(
                f"the body is longer than {LONGEST_BODY:,} bytes", where="body", mend="Send less, or split it."
            )
        parts.append(part)
    return b"".join(parts)


async def body(request: Request, kind: type[Kind]) -> Kind:
    """The request's body as a value; an empty body is an empty object.

    :raises UsageError: too long, or no JSON.
    :raises ConfigError: a field is missing, unknown or of the wrong type.
    """
    return read(await body_bytes(request) or b"{}", kind)


async def body_changes(request: Request) -> dict[str, Any]:
    """The request's body as new values of some fields.

    :raises UsageError: too long, no JSON, or no object.
    """
    text = await body_bytes(request)
    try:
        return msgspec.json.decode(text or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise UsageError(f"this is no JSON object: {wrong}", where="body", mend="Send one JSON object.") from None


def first_complaint(errors: Iterable[Any]) -> UsageError:
    """A parameter that FastAPI refused, as an error of ours."""
    found = next(iter(errors), {"loc": (), "msg": "a parameter makes no sense"})
    where = " ".join(str(part) for part in found["loc"])
    return UsageError(str(found["msg"]), where=where, mend="See /openapi.json.")
