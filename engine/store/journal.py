"""The journal: every fact the floor was told, in order, for ever.

`append` is cheap and belongs to the event loop; `flush` writes and syncs and belongs to a thread; one of each may run
at the same time. A fact is durable once `durable_seq` has reached it. The format is in `engine.store.lines`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.domain.facts import AnyFact
from engine.errors import BrokenInvariant, Conflict, JournalUnwritable, NotFound
from engine.store.checked import Checked, Links
from engine.store.files import PRIVATE, Tail, write_whole
from engine.store.lines import (
    FORMAT,
    Header,
    Record,
    Violation,
    digest,
    encode_body,
    encode_header,
    examine,
    first_seq_of,
    read_header,
    seal,
    segment_path,
    segment_paths,
)
from engine.store.snapshots import examine_snapshots, nearest_snapshot, write_snapshot


class TornTail(NamedTuple):
    """What `Journal.open` cut off: a last line that was never acknowledged."""

    file: str
    size: int
    """Bytes removed."""


class _Waiting(NamedTuple):
    seq: int
    body: bytes


def read_journal(directory: Path, from_seq: int = 1) -> Iterator[Record]:
    """Yield the records of a journal from `from_seq` on, checking the chain on the way. Needs no lock.

    A last line still being written is passed over, so a live journal may be read too.

    :raises NotFound: there is no journal, or it begins after `from_seq`.
    :raises JournalBroken: a line does not fit; `where` names file and line.
    """
    paths = segment_paths(directory)
    before = [index for index, path in enumerate(paths) if first_seq_of(path) <= from_seq]
    if not before:
        raise NotFound(f"no journal that holds fact {from_seq}", where=str(directory), mend="Check the path.")
    for found in _examine_all(paths[before[-1] :], from_start=before[-1] == 0):
        if isinstance(found, Violation):
            raise found.error()
        if found.seq >= from_seq:
            yield found


def verify_journal(directory: Path, checked: Checked | None = None) -> list[Violation]:
    """Check a whole journal and its snapshots: gapless, chained, readable. An empty list is a sound journal.

    `checked` spares closed segments and snapshots that it knows to be sound, and learns the others.
    """
    checked = checked or Checked()
    paths = segment_paths(directory)
    found: list[Violation] = []
    prev, seq = "", 1
    for path in paths:
        is_last = path == paths[-1]
        known = None if is_last else checked.recall(path)
        if known is None or (known.prev, known.first) != (prev, seq):
            known = _check_segment(path, prev, seq, checked, found, is_last=is_last)
        prev, seq = known.last, known.next
    if paths and not (found and found[0].code == "journal-header"):
        found += examine_snapshots(directory, read_header(paths[0]).seed, checked)
    return found


def _check_segment(
    path: Path, prev: str, seq: int, checked: Checked, found: list[Violation], *, is_last: bool
) -> Links:
    mark, before = checked.mark(path), len(found)
    checked.read += 1
    last: Record | None = None
    for each in examine(path, prev=prev, seq=seq, is_last=is_last):
        if isinstance(each, Record):
            last = each
        else:
            found.append(each)
    links = Links(prev, seq, *_handed_on(path, last))
    if len(found) == before and not is_last:
        checked.remember(path, mark, links)
    return links


def last_moment(directory: Path) -> int:
    """Return the time of a journal's last fact (UTC µs); 0 where there is none. Needs no lock.

    :raises JournalBroken: the last segment does not fit together.
    """
    last = 0
    for path in segment_paths(directory)[-2:]:  # the last one may be empty still
        for found in examine(path):
            if isinstance(found, Violation):
                raise found.error()
            last = found.now
    return last


def seq_before(directory: Path, moment: int) -> int:
    """Return the latest fact that begins a segment and was told before `moment` (UTC µs); 1 where there is none.

    Reads one line of a few segments, as time in a journal never runs backwards. Needs no lock.
    """
    paths = segment_paths(directory)
    later = bisect_left(paths, moment, key=_first_moment)
    return first_seq_of(paths[later - 1]) if later else 1


def _first_moment(path: Path) -> int:
    """When a segment's first fact was told; a time that never comes where it holds none that can be read."""
    first = next((found for found in examine(path) if isinstance(found, Record)), None)
    return first.now if first is not None else sys.maxsize


def _examine_all(paths: list[Path], *, from_start: bool) -> Iterator[Record | Violation]:
    prev, seq = ("", 1) if from_start else (None, None)
    for path in paths:
        last: Record | None = None
        for each in examine(path, prev=prev, seq=seq, is_last=path == paths[-1]):
            last = each if isinstance(each, Record) else last
            yield each
        prev, seq = _handed_on(path, last)


def _handed_on(path: Path, last: Record | None) -> tuple[str, int]:
    """The link and the number for the segment after this one, whose last record is given."""
    if last is not None:
        return last.h, last.seq + 1
    # An empty segment hands its own chain on: nothing was ever written after its header.
    return _chain_start(path), first_seq_of(path)


def _chain_start(path: Path) -> str:
    with path.open("rb") as segment:
        return digest("", segment.readline())


def _torn_bytes(path: Path) -> int:
    """Return how many bytes follow the last newline."""
    with path.open("rb") as segment:
        end = segment.seek(0, os.SEEK_END)
        position = end
        while position:
            step = min(position, 65_536)
            position = segment.seek(position - step)
            newline = segment.read(step).rfind(b"\n")
            if newline >= 0:
                return end - (position + newline + 1)
        return end


class Journal:
    """An open journal: one writer, guarded by a lock on the directory."""

    def __init__(self, directory: Path, lock: int, seed: str, *, created: int, engine: str) -> None:
        self.directory = directory
        self.seed = seed
        self.torn: TornTail | None = None
        self.last_seq = 0
        self.durable_seq = 0
        self._created = created
        self._engine = engine
        self._lock = lock
        self._link = ""
        self._tail: Tail | None = None
        self._rotate = False
        self._waiting: list[_Waiting] = []
        self._flushing = threading.Lock()

    @classmethod
    def open(cls, directory: Path, seed: str, *, created: int = 0, engine: str = "") -> Journal:
        """Open a journal for writing, or begin one.

        `seed` and `created` (UTC µs) are used only for a new journal: an old one keeps its own seed. A torn last line
        is cut off and reported as `torn`. Only the last segment is checked here; `verify` checks them all.

        :raises Conflict: another process has it open.
        :raises JournalBroken: the last segment does not fit together.
        :raises JournalUnwritable: the directory cannot be made or written.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, PRIVATE)
        except OSError as refused:
            raise _unwritable(directory, refused) from refused
        try:
            _take(lock, directory)
            journal = cls(directory, lock, seed, created=created, engine=engine)
            if paths := segment_paths(directory):
                journal._resume(paths)
            else:
                # At once, so that the seed survives a kill before the first fact: others remember it.
                journal._begin()
        except BaseException:
            os.close(lock)
            raise
        return journal

    def append(self, fact: AnyFact, now: int) -> int:
        """Take a fact in and return its number. Durable only after a `flush`."""
        seq = self.last_seq + 1
        self._waiting.append(_Waiting(seq, encode_body(seq, now, fact)))
        self.last_seq = seq
        return seq

    @property
    def waiting(self) -> int:
        """How many facts are not durable yet."""
        return self.last_seq - self.durable_seq

    def flush(self, upto: int | None = None) -> int:
        """Write and sync what was appended (up to fact `upto`) and return the new `durable_seq`.

        Call it from a thread.

        :raises JournalUnwritable: nothing was written, nothing is lost; call again when the disk is well.
        """
        with self._flushing:
            limit = self.last_seq if upto is None else min(upto, self.last_seq)
            batch = self._waiting[: max(0, limit - self.durable_seq)]
            if not batch:
                return self.durable_seq
            try:
                tail = self._segment(batch[0].seq)
                lines, link = [], self._link
                for _, body in batch:
                    link = digest(link, body)
                    lines.append(seal(body, link))
                tail.put(b"".join(lines))
            except OSError as refused:
                raise _unwritable(self.directory, refused) from refused
            self._link = link
            # One slice deletion: `append` may add at the other end at any moment.
            del self._waiting[: len(batch)]
            self.durable_seq = batch[-1].seq
            return self.durable_seq

    def read(self, from_seq: int = 1) -> Iterator[Record]:
        """Yield the durable records from `from_seq` on (see `read_journal`); nothing if there are none yet."""
        return read_journal(self.directory, from_seq) if self.durable_seq else iter(())

    def verify(self) -> list[Violation]:
        """Check everything that is on disk."""
        return verify_journal(self.directory)

    def snapshot(self, seq: int, state: bytes) -> None:
        """Keep the floor's state after fact `seq`, and begin a new segment with the next flush. Call it from a thread.

        :raises BrokenInvariant: `seq` is not durable: a snapshot must never know more than the journal.
        :raises JournalUnwritable: no snapshot was added.
        """
        if seq > self.durable_seq:
            raise BrokenInvariant(f"a snapshot after fact {seq}, but only {self.durable_seq} are durable")
        try:
            write_snapshot(self.directory, self.seed, seq, state)
        except OSError as refused:
            raise _unwritable(self.directory, refused) from refused
        self._rotate = True

    def nearest_snapshot(self, seq: int) -> tuple[int, bytes] | None:
        """Return the latest sound snapshot at or before `seq`, as (its seq, state), or None."""
        return nearest_snapshot(self.directory, self.seed, min(seq, self.durable_seq))

    def close(self) -> None:
        """Flush and let go.

        :raises JournalUnwritable: the last facts could not be written; the journal stays open.
        """
        self.flush()
        if self._tail is not None:
            self._tail.close()
            self._tail = None
        os.close(self._lock)

    def _begin(self) -> None:
        try:
            self._segment(1)
        except OSError as refused:
            raise _unwritable(self.directory, refused) from refused

    def _resume(self, paths: list[Path]) -> None:
        """Go on where the last process stopped."""
        path = paths[-1]
        self.seed = read_header(path).seed
        if torn := _torn_bytes(path):
            tail = Tail(path)
            tail.cut(tail.size - torn)
            tail.close()
            self.torn = TornTail(path.name, torn)
        self._link, self.last_seq = _chain_start(path), first_seq_of(path) - 1
        for found in examine(path):
            if isinstance(found, Violation):
                raise found.error()
            self._link, self.last_seq = found.h, found.seq
        self.durable_seq = self.last_seq
        self._tail = Tail(path)

    def _segment(self, first_seq: int) -> Tail:
        """Return the file to write to, beginning a new one first if it is due."""
        if self._tail is not None and not self._rotate:
            return self._tail
        path = segment_path(self.directory, first_seq)
        if self._tail is not None and self._tail.path == path:
            self._rotate = False  # nothing was written since the last rotation
            return self._tail
        header = encode_header(
            Header(
                journal=FORMAT,
                seed=self.seed,
                created=self._created,
                engine=self._engine,
                first_seq=first_seq,
                prev=self._link,
            )
        )
        write_whole(path, header)
        if self._tail is not None:
            self._tail.close()
        self._tail, self._link, self._rotate = Tail(path), digest("", header), False
        return self._tail


def _take(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        raise Conflict(
            "another engine writes this journal", where=str(directory), mend="Stop it first, or use another directory."
        ) from taken


def _unwritable(directory: Path, refused: OSError) -> JournalUnwritable:
    full = refused.errno in (errno.ENOSPC, errno.EDQUOT)
    return JournalUnwritable(
        f"the journal cannot be written: {refused.strerror}",
        where=str(directory),
        mend="Free space on this disk; the engine tries again by itself."
        if full
        else "Check the disk and the directory's owner.",
    )
