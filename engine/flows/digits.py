"""Shapes of typed digits: `8 digits`, `16-19 digits`, or a small regular expression.

The expression runs on what a caller types, so it must not be able to run for long: no group is repeated, and what it
leaves open is bounded. A part of varying length can end at 64 places (6 bits), a `?` or a `|` goes two ways (1 bit);
18 bits in all keep a match of 64 keys below some 300,000 steps.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_DIGITS: Final = 64

_COUNT = re.compile(r"([0-9]{1,2})(?:\s*-\s*([0-9]{1,2}))?\s+digits?")
_TOKEN = re.compile(
    r"(?P<key>\\d|\\\*|[0-9#.]|\[\^?[0-9*#-]+\])|(?P<open>\(\?:|\()|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<optional>\?)|(?P<vary>[*+]|\{[0-9]{1,2},(?:[0-9]{1,2})?\})|(?P<fixed>\{[0-9]{1,2}\})"
)
_MAX_LENGTH = 100
_MAX_BITS = 18
_BITS = {"vary": 6, "optional": 1, "bar": 1}


class Shape(NamedTuple):
    """A regular expression, and the fewest and most digits it takes where that is known (0 where not)."""

    regex: str
    fewest: int
    most: int


def parse_shape(text: str) -> Shape:
    """Read the shape of digits.

    Raises:
        ValueError: with a sentence saying what is wrong.
    """
    found = _COUNT.fullmatch(text.strip())
    if not found:
        _refuse_costly(text)
        return Shape(text, 0, 0)
    fewest, most = int(found[1]), int(found[2] or found[1])
    if not 1 <= fewest <= most <= MAX_DIGITS:
        raise ValueError(f"the count must rise and lie between 1 and {MAX_DIGITS}")
    return Shape(f"[0-9]{{{fewest}}}" if fewest == most else f"[0-9]{{{fewest},{most}}}", fewest, most)


def _refuse_costly(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"the expression is longer than {_MAX_LENGTH} characters")
    position, before, bits = 0, "", 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if not token:
            raise ValueError(f"`{text[position]}` at place {position + 1} is none of the signs an expression may hold")
        kind = token.lastgroup or ""
        if before == "close" and kind in ("vary", "fixed"):
            raise ValueError("it repeats a group")
        bits += _BITS.get(kind, 0)
        position, before = token.end(), kind
    if bits > _MAX_BITS:
        raise ValueError("it leaves too much open: at most three of * + {m,n}, fewer with each ? and |")
    try:
        compiled = re.compile(text)
    except (re.error, OverflowError) as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    if compiled.fullmatch(""):
        raise ValueError("it also fits no digits at all")
