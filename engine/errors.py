"""The one error tree. Every error says what was wrong, where, and what to do.

    CallwrightError                      error_id        exit
    ├── UsageError                       usage           2   the request itself makes no sense
    ├── NotFound                         not-found       3
    │   └── RecordTooThin                record-too-thin 3   too little was recorded to simulate it
    ├── Conflict                         conflict        4   e.g. a second login of one agent
    ├── AsteriskUnreachable              asterisk-unreachable 5
    ├── RefusedByRule                    refused         6
    ├── ConfigError                      config          2   settings, flow files, queue definitions
    ├── BrokenInvariant                  bug             1   our own mistake; never raised for what a peer sent
    ├── agi
    │   └── see the section below
    ├── ami
    │   └── see the section below
    └── store
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


class RecordTooThin(NotFound):
    """What was recorded does not suffice to play it again: no attempts, nobody at work, or nobody was talked to."""

    error_id = "record-too-thin"


# --- ami -------------------------------------------------------------------------------------------------------------


class AmiError(AsteriskUnreachable):
    """Base of what can go wrong between the engine and Asterisk's manager interface."""

    error_id = "ami"


class AmiUnencodable(BrokenInvariant):
    """An action holds what must never go on the wire; nothing was sent. `where` names the action and the field."""

    error_id = "ami-unencodable"


class AmiHeaderMissing(AmiError):
    """A message lacks a header that the reader cannot do without: never read as an empty text."""

    error_id = "ami-header-missing"


class AmiLost(AmiError):
    """The link is down, or went down before the answer came. Whether Asterisk acted on it is unknown."""

    error_id = "ami-lost"


class AmiTimeout(AmiError):
    """No answer in time over a link that lives. Whether Asterisk acted on it is unknown."""

    error_id = "ami-timeout"


class AmiBusy(AmiError):
    """Too many actions wait for an answer already; this one was not sent."""

    error_id = "ami-busy"


class AmiRefused(AmiError):
    """Asterisk answered with an error. `headers` are the answer's, in order; `message` is its text."""

    error_id = "ami-refused"

    def __init__(self, message: str, *, where: str, headers: tuple[tuple[str, str], ...] = (), mend: str = "") -> None:
        super().__init__(f"Asterisk refused: {message}", where=where, mend=mend)
        self.message = message
        self.headers = headers


# --- agi -------------------------------------------------------------------------------------------------------------


class AgiError(CallwrightError):
    """Something about a FastAGI session. A caller who hangs up is none: see `engine.agi.session.AgiHangup`."""

    error_id = "agi"


class AgiCommandInvalid(AgiError):
    """A command that we must not send: a control character, an application off the list, a name that is none."""

    error_id = "agi-command"


class AgiProtocolError(AgiError):
    """The peer does not speak AGI, or beyond every limit. Its session is closed."""

    error_id = "agi-protocol"


class AgiRefused(AgiError):
    """Asterisk refused a command (510, 520, an unknown application); the caller is still there."""

    error_id = "agi-refused"


class AgiSoundMissing(AgiRefused):
    """Asterisk has no such sound in a format it can play; the caller is still there."""

    error_id = "agi-sound-missing"


class AgiTimeout(AgiError):
    """Asterisk did not reply in time. The session is closed."""

    error_id = "agi-timeout"


class PromptUnavailable(CallwrightError):
    """A prompt can neither be found nor spoken: the caller would hear silence."""

    error_id = "prompt-unavailable"


# --- store -----------------------------------------------------------------------------------------------------------


class StoreUnavailable(CallwrightError):
    """The database does not answer, is locked, or is full. Nothing was changed; trying again may work."""

    error_id = "store-unavailable"


class StoreWentBack(StoreUnavailable):
    """The database has less than it had: restored or failed over while the engine ran. Only a restart mends it."""

    error_id = "store-went-back"


class StoreBroken(StoreUnavailable):
    """The database is there, and damaged: trying again mends nothing. A running engine goes on with its journal."""

    error_id = "store-broken"
    exit_code = 2


class StoreTooNew(ConfigError):
    """The database (or a journal line) was made by a newer Callwright than this one."""

    error_id = "store-too-new"


class JournalUnwritable(StoreUnavailable):
    """The journal's disk is full or refuses to write. Facts wait in memory; what was acknowledged is safe."""

    error_id = "journal-unwritable"


class JournalBroken(CallwrightError):
    """A journal does not fit together: a line was changed, removed or damaged. `where` is file and line."""

    error_id = "journal-broken"
