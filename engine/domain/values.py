"""Small values that facts, commands and policies share.

Tokens: a person's number, name or typed digits enter the core only as a `Token`, an opaque text that the store
resolves. Erasing the token erases the person; the journal's hash chain stays valid.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, NewType, dataclass_transform

import msgspec

Micros = NewType("Micros", int)
"""UTC microseconds since 1970, advanced by the monotonic clock."""

SECOND = 1_000_000

InteractionId = NewType("InteractionId", str)
LegId = NewType("LegId", str)
"""One Asterisk channel, named by its Uniqueid."""
AgentId = NewType("AgentId", str)
QueueId = NewType("QueueId", str)
Token = NewType("Token", str)


if TYPE_CHECKING:
    # msgspec declares its own dataclass transform without defaults, and a type checker takes the outermost one; so
    # checkers see this equivalent instead: frozen, keyword-only.
    @dataclass_transform(frozen_default=True, kw_only_default=True)
    class Value:
        """Base of every value: frozen, keyword-only, compared by content, readable as JSON."""

        def __init_subclass__(cls, *, tag: bool | str = False, tag_field: str = "") -> None: ...

else:

    class _FrozenByDefault(msgspec.StructMeta):
        """Makes every subclass frozen and keyword-only without saying so in each."""

        def __new__(mcls, name, bases, namespace, **options):
            options = {"frozen": True, "kw_only": True} | options
            return super().__new__(mcls, name, bases, namespace, **options)

    class Value(msgspec.Struct, metaclass=_FrozenByDefault, omit_defaults=True, forbid_unknown_fields=True):
        """Base of every value: frozen, keyword-only, compared by content, readable as JSON."""


class Channel(StrEnum):
    """The kind of contact. Voice is the first one, not the only one."""

    VOICE = "voice"
    VIDEO = "video"
    CHAT = "chat"
    EMAIL = "email"
    SMS = "sms"
    SOCIAL = "social"


class LegMode(StrEnum):
    """How an agent's phone is used: held open in an idle loop, or rung for each call."""

    NAILED_UP = "nailed-up"
    ON_DEMAND = "on-demand"


class Prompt(Value):
    """What a person hears (or reads): a recorded file, or text for speech.

    Exactly one of `file` (a sound name below the sounds folder) and `text` is set. `language` is a BCP 47 tag.
    """

    file: str = ""
    text: str = ""
    language: str = "en"


class DigitPattern(Value):
    """A named shape of digits, matched where the digits are (never in the core). `regex` matches the whole input."""

    name: str
    regex: str


class Collect(Value):
    """What digits to gather after the prompts.

    `options`: single-key choices of a menu; the core learns which was chosen. Without options the digits are kept
    as a token and the core learns only the name of the first matching pattern.
    Times are seconds; `terminator` ends the input early and is not part of it.
    """

    max_digits: int = 1
    first_digit_s: float = 5.0
    next_digit_s: float = 3.0
    terminator: str = "#"
    options: tuple[str, ...] = ()
    patterns: tuple[DigitPattern, ...] = ()


class AskOutcome(StrEnum):
    """How a question to a caller ended."""

    PLAYED = "played"  # nothing to collect, all prompts were played
    ANSWERED = "answered"  # an option was chosen, or digits matched a pattern
    INVALID = "invalid"  # digits came, but no option or pattern fits
    SILENCE = "silence"  # nothing was pressed in time
    FAILED = "failed"  # a prompt could not be played


class NotReadyReason(StrEnum):
    """Reasons the engine itself sets; supervisors may define others as plain text."""

    LOGIN = "login"
    NO_ANSWER = "ring-no-answer"
    PHONE_GONE = "phone-gone"
    REQUESTED = "requested"
    ASTERISK_LOST = "asterisk-lost"
