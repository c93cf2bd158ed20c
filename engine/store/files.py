"""Files that must not be half written: private, synced, renamed into place."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o600


def sync_directory(directory: Path) -> None:
    """Make a name in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or what was there before. The file is ours alone (0600).

    :raises OSError: nothing under `path` was changed.
    """
    draft = path.with_name(path.name + ".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        write_at(descriptor, content, 0)
        os.fsync(descriptor)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_directory(path.parent)


def write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Write all bytes from `offset` on, however many the kernel takes at once."""
    rest = memoryview(content)
    while rest:
        taken = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[taken:], offset + taken


class Tail:
    """The end of an append-only file that knows how much of it is safe.

    `put` returns only when the bytes are on disk. When it fails, the file is cut back to what was safe before, and the
    same bytes may be put again: after a failed fsync the kernel may have dropped them, so they are written anew.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE)
        self.path = path
        self.size = os.fstat(self._descriptor).st_size

    def put(self, content: bytes) -> None:
        """Append and sync.

        :raises OSError: nothing was added.
        """
        try:
            write_at(self._descriptor, content, self.size)
            os.fdatasync(self._descriptor)
        except OSError:
            self._cut_back()
            raise
        self.size += len(content)

    def cut(self, size: int) -> None:
        """Drop everything after the first `size` bytes.

        :raises OSError: the file is as it was.
        """
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)
        self.size = size

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:  # pragma: no cover - the next put writes over the same place anyway
            return
