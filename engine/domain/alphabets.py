"""What a name may be made of where Asterisk is to be told it: one rule for whoever stores it and whoever writes it.

Nothing that fits here can begin a line, a section or a comment of Asterisk's configuration. Forty characters of an id
leave room for what Asterisk puts around it in a channel's name (`PJSIP/trunk-…-0000001f`, 79 at the most:
`AST_CHANNEL_NAME` of include/asterisk/channel.h).
"""

import re
from typing import Final, NamedTuple


class Alphabet(NamedTuple):
    """The shape of a text, and the same in words that complete "use …"."""

    shape: re.Pattern[str]
    words: str

    def allows(self, text: str) -> bool:
        """Whether the whole text has this shape."""
        return self.shape.fullmatch(text) is not None


ID: Final = Alphabet(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"), "1 to 40 letters, digits, _ and -, beginning with a letter or digit"
)
ENDPOINT: Final = Alphabet(re.compile(r"[A-Za-z0-9_.-]{1,128}"), "1 to 128 letters, digits, _, . and -")
"""A PJSIP endpoint that the administrator defines; one that we define is `AGENT_ENDPOINT` and an `ID`."""
HOST: Final = Alphabet(
    re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?"), "a host name or an address, without port"
)
USERNAME: Final = Alphabet(re.compile(r"[A-Za-z0-9_.@+-]{1,64}"), "1 to 64 letters, digits, _, ., @, + and -")
"""Our name at a carrier: often a number with + or an address."""
PASSWORD: Final = Alphabet(
    re.compile(r"[!-:<-\[\]-~]{1,128}"), "1 to 128 ASCII letters, digits and marks, but no space, ; or \\"
)
"""The carrier chooses it; `;` and `\\` mean something in Asterisk's configuration."""

AGENT_ENDPOINT: Final = "agent-"
"""Endpoints whose name begins so are ours to define."""
