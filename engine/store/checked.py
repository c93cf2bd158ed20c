"""What of a journal was read before and found sound, so that checking it again reads only what is new.

Believed is what the file system says of a closed file: its inode, size and both times. Nobody can write into a file and
keep its `ctime`, short of the raw disk or the machine's clock. So an accident and a careless hand are found at once; a
disk that rots without being written to is found by whoever remembers nothing: `callwright doctor`, `callwright replay`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

SETTLED_NS = 2_000_000_000
"""A file changed more recently is not remembered: a second change within one tick of the clock would not show."""


class Mark(NamedTuple):
    """What the file system says of a file; times in ns."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Links(NamedTuple):
    """How a segment hangs in the chain: the link and number that it follows, and those that follow it."""

    prev: str
    first: int
    last: str
    next: int


class Checked:
    """Remembers sound files for one process. Not for several threads at once."""

    def __init__(self, settled_ns: int = SETTLED_NS) -> None:
        self._settled_ns = settled_ns
        self._known: dict[Path, tuple[Mark, Links]] = {}
        self.read = 0
        """Files that had to be read."""

    def recall(self, path: Path) -> Links | None:
        """What is known of a file; None when it is new or was changed."""
        known = self._known.get(path)
        return known[1] if known is not None and known[0] == self.mark(path) else None

    def mark(self, path: Path) -> Mark:
        """Look at a file. Look before reading it: what is changed meanwhile then differs the next time.

        :raises OSError: it is gone.
        """
        found = path.stat()
        return Mark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def remember(self, path: Path, mark: Mark, links: Links) -> None:
        """Keep that a file was read and found sound."""
        if time.time_ns() - mark.changed > self._settled_ns:
            self._known[path] = (mark, links)
