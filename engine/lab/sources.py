"""Where this machine gets its Debian packages from: read from its own apt sources, so that no address is built in.

Formats: deb822 stanzas (`*.sources`) and one-line entries (`*.list`), sources.list(5).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

APT: Final = Path("/etc/apt")


class Archive(msgspec.Struct, frozen=True):
    """One base address that carries a suite of the distribution itself."""

    uri: str
    suites: tuple[str, ...]
    keyring: str = ""
    """Path of the keyring named by Signed-By; empty if none."""


def read(folder: Path = APT) -> tuple[Archive, ...]:
    """All archives under `folder`, in file order; unreadable lines are passed over as apt-get itself will name them."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    found: list[Archive] = []
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if file.suffix == ".sources":
            found.extend(_deb822(text))
        elif file.suffix == ".list":
            found.extend(_one_line(text))
    return tuple(found)


def base(archives: Iterable[Archive], codename: str) -> Archive | None:
    """The archive of the distribution's own release (`codename`), not a vendor's extra or security updates."""
    return next((archive for archive in archives if codename in archive.suites), None)


def _deb822(text: str) -> Iterable[Archive]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            yield Archive(uri, tuple(fields.get("suites", "").split()), signed if signed.startswith("/") else "")


def _one_line(text: str) -> Iterable[Archive]:
    for line in text.splitlines():
        words = line.split("#", 1)[0].replace("[", " [ ").replace("]", " ] ").split()
        if words[:1] != ["deb"]:
            continue
        options: list[str] = []
        if words[1:2] == ["["] and "]" in words:
            end = words.index("]")
            options, words = words[2:end], ["deb", *words[end + 1 :]]
        if len(words) >= 3:
            keyring = next((option[10:] for option in options if option.startswith("signed-by=")), "")
            yield Archive(words[1], (words[2],), keyring)
