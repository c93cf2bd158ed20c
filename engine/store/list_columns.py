"""Which column of a list holds what: as told, else by the names in its header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.errors import ConfigError

FIELDS: Mapping[str, tuple[str, ...]] = {
    "number": (
        *("number", "phone", "telephone", "tel", "mobile", "msisdn", "e164", "cell", "cellphone", "phonenumber"),
        *("phone_number", "telephone_number", "mobile_number", "mobile_phone", "telefon", "telefonnummer", "rufnummer"),
        *("手机", "手机号", "手机号码", "电话", "电话号码", "联系电话", "号码"),
    ),
    "segment": ("segment", "list", "group"),
    "priority": ("priority", "prio"),
    "timezone": ("timezone", "time_zone", "tz"),
}
"""What a lead is made of, and how columns are called that hold it (in any case, spaces and - read as _)."""

LISTED_CHARS = 300
_NUMBERED = re.compile(r"_?[0-9]+$")
_DIGITS = re.compile(r"\+?[0-9 ()./-]{6,}")
_SOME_DIGITS = 6
"""From so many on, a number may stand in what was taken for a name: beside words, in a row of another separator."""


class Columns(NamedTuple):
    """Which column (its name in the header) holds what; "" where there is none."""

    number: str
    segment: str = ""
    priority: str = ""
    timezone: str = ""


def find_columns(names: Sequence[str], wanted: Mapping[str, str], *, where: str = "header") -> Columns:
    """Return which columns of a header hold what: as told, else by their names.

    Of `phone` and `phone2` it is the first; between `phone` and `mobile` nobody but the user can choose.

    :raises ConfigError: a column that was told is not there, or none could be the number's, or several could.
    """
    for field, name in wanted.items():
        if field not in FIELDS or name not in names:
            raise ConfigError(
                f"there is no column {name!r} for {field!r}",
                where=where,
                mend=f"Fields: {', '.join(FIELDS)}. Columns of this file: {listed(names)}.",
            )
    plain = {_plain(name): name for name in reversed(names)}
    found = {
        field: wanted.get(field) or next((plain[guess] for guess in guesses if guess in plain), "")
        for field, guesses in FIELDS.items()
    }
    found["number"] = wanted.get("number") or _number_column(names, where)
    return Columns(**found)


def listed(names: Iterable[str]) -> str:
    """Return columns' names as an error may show them. What may hold somebody's number is not shown."""
    shown = (
        "(a telephone number)" if sum(char.isdigit() for char in name) >= _SOME_DIGITS else repr(name) for name in names
    )
    return ", ".join(shown)[:LISTED_CHARS]


def looks_like_number(text: str) -> bool:
    """Whether a telephone number stands there."""
    return _DIGITS.fullmatch(text.strip()) is not None


def _number_column(names: Sequence[str], where: str) -> str:
    sure = [name for name in names if _plain(name) in FIELDS["number"]]
    candidates = sure or [name for name in names if _NUMBERED.sub("", _plain(name)) in FIELDS["number"]]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ConfigError(
            f"{len(candidates)} columns could hold the telephone numbers: {listed(candidates)}",
            where=where,
            mend="Name the one to call: --column COLUMN. Two of one name need different ones.",
        )
    if any(looks_like_number(name) for name in names):
        raise ConfigError(
            "no column holds the telephone numbers: the first line is a row, and no header",
            where=where,
            mend="Put a line with the columns' names above it, at least `number`.",
        )
    raise ConfigError(
        "no column holds the telephone numbers",
        where=where,
        mend=f"Name it: --column COLUMN. Columns of this file: {listed(names)}.",
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
