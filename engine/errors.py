"""The one error tree. Every error says what was wrong, where, and what to do.

    CallwrightError                      error_id        exit
    ├── UsageError                       usage           2   the request itself makes no sense
    ├── NotFound                         not-found       3
    ├── Conflict                         conflict        4   e.g. a second login of one agent
    ├── AsteriskUnreachable              asterisk-unreachable 5
    ├── RefusedByRule                    refused         6
    ├── ConfigError                      config          2   settings, flow files, queue definitions
    ├── BrokenInvariant                  bug             1   our own mistake; never raised for what a peer sent
    ├── agi
    │   └── see the section below
    └── ami
        └── see the section below

An error's `error_id` is stable: scripts, the HTTP API and the documentation refer to it.
What a peer does wrong (a contradictory AMI event, a caller who hangs up) is never an error of this tree:
it becomes a fact.
"""


class CallwrightError(Exception):
    """Base of every error that reaches a person.

    `what` is one sentence; `where` names the file, field or object; `mend` says what to do.
    """

    error_id = "error"
    exit_code = 1

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.mend:
            parts.append(self.mend)
        return " — ".join(parts)


class UsageError(CallwrightError):
    """The request makes no sense as it stands."""

    error_id = "usage"
    exit_code = 2


class NotFound(CallwrightError):
    """The named thing does not exist."""

    error_id = "not-found"
    exit_code = 3


class Conflict(CallwrightError):
    """The request contradicts the present state."""

    error_id = "conflict"
    exit_code = 4


class AsteriskUnreachable(CallwrightError):
    """Asterisk cannot be reached or does not answer."""

    error_id = "asterisk-unreachable"
    exit_code = 5


class RefusedByRule(CallwrightError):
    """A rule (law, policy, limit) forbids it."""

    error_id = "refused"
    exit_code = 6


class ConfigError(CallwrightError):
    """A settings file, flow file or definition cannot be used; the old one stays live."""

    error_id = "config"
    exit_code = 2


class BrokenInvariant(CallwrightError):
    """Our own code asked for something its tables forbid. A bug, never a peer's surprise."""

    error_id = "bug"


# --- ami -------------------------------------------------------------------------------------------------------------

# --- agi -------------------------------------------------------------------------------------------------------------
