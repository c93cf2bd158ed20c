"""Definitions as people write them in JSON, read strictly: what is wrong, in which field, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from engine.domain.values import Value
from engine.errors import ConfigError, UsageError

Read = TypeVar("Read", bound=Value)

_WHERE = re.compile(r" - at `(?P<path>[^`]+)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]+)`")


def read(text: bytes, kind: type[Read]) -> Read:
    """Return the JSON `text` as a value of `kind`.

    :raises UsageError: it is no JSON.
    :raises ConfigError: a field is missing, unknown or of the wrong type; `where` names it.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as wrong:
        raise _refusal(wrong, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        raise UsageError(f"this is no JSON: {broken}", where="body", mend="Send one JSON object.") from None


def changed(old: Read, changes: Mapping[str, Any], key: str = "id") -> Read:
    """Return `old` with some fields replaced; a list or table that is given replaces the old one whole.

    :raises ConfigError: a field is unknown or of the wrong type, or the key itself would change.
    """
    kind = type(old)
    if key in changes and changes[key] != getattr(old, key):
        raise ConfigError(f"the {key} cannot change", where=key, mend="Add a new one, and remove this one.")
    try:
        return msgspec.convert({**msgspec.to_builtins(old), **changes}, kind)
    except msgspec.ValidationError as wrong:
        raise _refusal(wrong, kind) from None


def _refusal(wrong: msgspec.ValidationError, kind: type[Value]) -> ConfigError:
    said = str(wrong)
    at = _WHERE.search(said)
    what = said[: at.start()] if at else said
    where = at["path"].removeprefix("$").lstrip(".") if at else ""
    unknown = _UNKNOWN.search(said)
    mend = "See the API's description of this object."
    if unknown is not None:
        fields = [field.name for field in msgspec.structs.fields(kind)]  # type: ignore[arg-type]
        near = difflib.get_close_matches(unknown["field"], fields, n=1)
        mend = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(fields)}."
    return ConfigError(what[:1].lower() + what[1:], where=where or "body", mend=mend)
