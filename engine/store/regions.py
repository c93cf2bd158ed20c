"""Countries as people name them: `gb`, `UK`, `China`, read as ISO 3166 codes, or refused with the one meant."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files

import phonenumbers

from engine.errors import ConfigError

SHOWN = 40
_MEANT = {
    "UK": "GB",
    "EL": "GR",
    "ENGLAND": "GB",
    "GREAT BRITAIN": "GB",
    "UNITED KINGDOM": "GB",
    "USA": "US",
    "AMERICA": "US",
    "PRC": "CN",
    "CHN": "CN",
    "中国": "CN",
    "DEUTSCHLAND": "DE",
    "HOLLAND": "NL",
}
"""What the tables of ISO 3166 do not say, and people do."""


def known_region(text: str, where: str) -> str:
    """Return the ISO 3166 code of a country that has telephone numbers; "" stays "". Lower case is accepted.

    :raises ConfigError: it is none; the mend names the one that was meant, if that can be told.
    """
    code = text.strip().upper()
    if not code or code in phonenumbers.SUPPORTED_REGIONS:
        return code
    meant = _meant(code)
    raise ConfigError(
        f"there is no country {text[:SHOWN]!r}",
        where=where,
        mend=f"Did you mean {meant} ({_NAMES[meant]})?" if meant else "Use its ISO 3166 code, e.g. GB, CN or US.",
    )


def _meant(text: str) -> str:
    codes = {name.upper(): code for code, name in _NAMES.items()} | _MEANT
    near = get_close_matches(text[:SHOWN], codes, n=1, cutoff=0.75)
    return codes[near[0]] if near else ""


def _read_names() -> dict[str, str]:
    """English names by code: `iso3166.tab` of the time zone database, of countries that have numbers."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {code: name for code, name in rows if code in phonenumbers.SUPPORTED_REGIONS}


_NAMES = _read_names()
