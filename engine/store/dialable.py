"""What people write for a telephone number, read as one that can be dialled: E.164 and its time zones."""

from __future__ import annotations

import re
from typing import NamedTuple

import phonenumbers
from phonenumbers import timezone as zones_of_numbers

from engine.errors import ConfigError
from engine.store.regions import known_region

LONGEST = 64
"""Longer texts are no numbers; reading them would only cost time."""
_QUANTITY = re.compile(r"\+?[0-9]+([.,][0-9]+)?[eE][+]?[0-9]+|\+?[0-9]{5,}[.,]0")
"""What spreadsheets make of a number that they take for a quantity: 4.4207946E+11, or 442079460123.0."""
_BETWEEN = re.compile(r"[/;,&|]|\b(?:or|and)\b|或|、")
"""What people write between two numbers of one person."""
_LEAST_DIGITS = 6
_UNKNOWN_ZONE = "Etc/Unknown"
_MEND = "Write it with + and the country code, e.g. +33 1 23 45 67 89, or name the country of numbers without one."


class Dialable(NamedTuple):
    """A number in E.164 and the IANA time zones that people with such a number live in, in alphabetical order."""

    e164: str
    zones: tuple[str, ...]


class Undialable(ValueError):
    """No number that could be dialled. `reason` is a stable id.

    no-number, several-numbers (in one cell), no-country, impossible, unassigned; letters (a vanity number's, or words
    beside it); spreadsheet (Excel's 4.4E+11, of which digits are lost); control (a NUL or the like: a damaged file).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_number(text: str, region: str = "", *, assigned_only: bool = True) -> Dialable:
    """Read a number as a person or a spreadsheet wrote it.

    `region` (ISO 3166) is the country of numbers without country code. `assigned_only` refuses numbers in ranges that
    libphonenumber does not know to be given out: dialling them only burns lines.

    :raises Undialable: it cannot be dialled.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise Undialable("no-number")
    if not text.isprintable():
        raise Undialable("control")
    if _QUANTITY.fullmatch(text):
        raise Undialable("spreadsheet")
    try:
        parsed = phonenumbers.parse(text, region.upper() or None)
    except phonenumbers.NumberParseException as wrong:
        no_country = wrong.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        raise Undialable(
            "several-numbers" if _are_several(text) else "no-country" if no_country else "no-number"
        ) from None
    if not parsed.extension and any(char.isalpha() for char in text.removeprefix("tel:")):
        # libphonenumber presses the keys of a vanity number's letters, and of any word that stands there by mistake.
        raise Undialable("letters")
    if parsed.extension or not phonenumbers.is_possible_number(parsed):
        raise Undialable("several-numbers" if _are_several(text) else "impossible")
    if assigned_only and not phonenumbers.is_valid_number(parsed):
        raise Undialable("unassigned")
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    found = zones_of_numbers.time_zones_for_number(parsed)
    return Dialable(e164, tuple(sorted(zone for zone in found if zone != _UNKNOWN_ZONE)))


def _are_several(text: str) -> bool:
    """Whether what is no number looks like more than one."""
    digits = [sum(char.isdigit() for char in part) for part in _BETWEEN.split(text)]
    return len([count for count in digits if count >= _LEAST_DIGITS]) > 1


def read_or_refuse(text: str, region: str = "", *, where: str = "number") -> Dialable:
    """Read a number that a person typed for a command; ranges are not checked.

    :raises ConfigError: it cannot be dialled, or there is no such country.
    """
    region = known_region(region, "region")
    try:
        return read_number(text, region, assigned_only=False)
    except Undialable as wrong:
        raise ConfigError(f"this is no telephone number ({wrong.reason})", where=where, mend=_MEND) from wrong
