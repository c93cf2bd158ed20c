"""Telephone numbers as they come from trunks, in E.164. Trust nothing: an INVITE can carry any text."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

from engine.errors import ConfigError

LONGEST = 24
REMEMBERED = 4096
"""Numbers whose reading is kept: the same few are dialled again and again, and a reading takes 0.2 ms."""
_NOT_DIALLED = re.compile(r"[^0-9+*#]")


class Numbering:
    """Reads dialled numbers and caller numbers for one region (ISO 3166, such as CN or GB)."""

    def __init__(self, region: str) -> None:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise ConfigError(
                f"no such region {region!r}", where="site.region", mend="use an ISO 3166 country code such as CN or GB"
            )
        self._region = region
        self.e164 = lru_cache(REMEMBERED)(self._e164)
        """E.164 with + where the number can be read as one, else the digits as they are; never anything else."""

    def _e164(self, dialled: str) -> str:
        text = _NOT_DIALLED.sub("", dialled[:LONGEST])
        try:
            number = phonenumbers.parse(text, self._region)
        except phonenumbers.NumberParseException:
            return text
        if not phonenumbers.is_possible_number(number):
            return text
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def caller(self, number: str) -> str:
        """A caller's number; empty where it is withheld or not a number."""
        if not number or number.startswith("<") or not any(c.isdigit() for c in number):
            return ""
        if any(c not in "+0123456789-. ()" for c in number):
            return ""
        return self.e164(number)
