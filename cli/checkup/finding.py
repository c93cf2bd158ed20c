"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import CallwrightError


class Verdict(StrEnum):
    """`warn`: it works, but somebody should look. `fail`: it does not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One check: its stable name, the verdict, what was seen, and exactly what to do ("" when all is well)."""

    name: str
    verdict: Verdict
    evidence: str
    mend: str = ""


def ok(name: str, evidence: str) -> Finding:
    """All is well."""
    return Finding(name, Verdict.OK, evidence)


def warn(name: str, evidence: str, mend: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(name, Verdict.WARN, evidence, mend)


def fail(name: str, evidence: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(name, Verdict.FAIL, evidence, mend)


def judged(name: str, look: Callable[[], Finding]) -> Finding:
    """What a check finds; an error of ours is a failure with its own mend, an unreadable file one with its reason."""
    try:
        return look()
    except CallwrightError as error:
        return fail(name, f"{error.where}: {error.what}" if error.where else error.what, error.mend or "see above")
    except OSError as error:
        return fail(name, f"{error.filename or name}: {error.strerror}", "check the path and its rights")


Findings = Iterator[Finding]
