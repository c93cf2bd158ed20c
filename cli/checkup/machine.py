"""The machine: Python, installed parts, tools, clock."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from cli.checkup.finding import Finding, Findings, fail, judged, ok, warn

OLDEST_PYTHON: Final = (3, 11)
ROOT: Final = Path(__file__).resolve().parents[2]
_REQUIREMENT: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def machine() -> Findings:
    """Everything that needs no settings."""
    yield judged("python", _python)
    yield judged("packages", _packages)
    yield judged("lock", _lock)
    yield tool("espeak-ng", "texts of flows cannot be spoken, only recordings be played")
    yield tool("sox", "spoken texts cannot be brought into telephone quality")
    yield judged("clock", _clock)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    evidence = f"{version} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return fail("python", evidence, "install Python 3.11 or newer and run `make setup`")
    return ok("python", evidence)


def _packages() -> Finding:
    wanted = [line for line in metadata.requires("callwright") or [] if "extra ==" not in line]
    names = [found["name"] for line in wanted if (found := _REQUIREMENT.match(line))]
    missing = [name for name in names if _installed(name) is None]
    if missing:
        return fail("packages", f"missing: {', '.join(missing)}", "run `make setup`")
    return ok("packages", f"all {len(names)} are installed in {sys.prefix}")


def _lock() -> Finding:
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        return ok("lock", "installed as a package: its versions are the installer's business")
    pins = pinned(lock.read_text(encoding="utf-8"))
    other = differing(pins)
    if other:
        return warn(
            "lock", f"{len(other)} packages differ from {lock.name}: {', '.join(other[:5])}", "run `make setup`"
        )
    return ok("lock", f"{len(pins)} packages as in {lock.name}")


def pinned(lock: str) -> dict[str, set[str]]:
    """The versions a lock file allows for each package: more than one where they hang on the Python version."""
    pins: dict[str, set[str]] = {}
    for found in _PIN.finditer(lock):
        pins.setdefault(found["name"], set()).add(found["version"])
    return pins


def differing(pins: Mapping[str, Collection[str]]) -> list[str]:
    """Packages installed in a version that is not pinned. One that is absent may be another platform's."""
    found = {name: _installed(name) for name in pins}
    return [f"{name} {has}" for name, has in found.items() if has is not None and has not in pins[name]]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def tool(name: str, without: str) -> Finding:
    """Whether a program is installed, and what cannot be done without it."""
    path = shutil.which(name)
    if path is None:
        return warn(name, f"not installed: {without}", f"apt-get install {name}")
    return ok(name, path)


def _clock() -> Finding:
    """Calling hours, reports and certificates all trust it."""
    program = shutil.which("timedatectl")
    if program is None:
        return ok("clock", "no timedatectl here: synchronising is the host's business")
    asked = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except subprocess.TimeoutExpired:
        said = ""
    if said == "yes":
        return ok("clock", "synchronised")
    if said == "no":
        return warn("clock", "not synchronised", "timedatectl set-ntp true")
    return ok("clock", "timedatectl cannot tell: synchronising is the host's business")
