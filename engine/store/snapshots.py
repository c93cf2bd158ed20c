"""Snapshots of the floor beside the journal: `floor-<seq>.json`, a header line and the state's bytes.

A snapshot only saves time. One that is damaged is passed over for an older one; without any, replay starts at 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.domain.values import Value
from engine.store.checked import Checked, Links
from engine.store.files import write_whole
from engine.store.lines import Violation

_NAME = re.compile(r"floor-(\d{12})\.json")


class SnapshotHeader(Value):
    """What a snapshot is of: the floor after fact `seq` of the journal with this seed."""

    snapshot: int
    seed: str
    seq: int
    size: int
    sha256: str


def write_snapshot(directory: Path, seed: str, seq: int, state: bytes) -> Path:
    """Write the floor's state after fact `seq`.

    :raises OSError: no snapshot was added.
    """
    header = SnapshotHeader(snapshot=1, seed=seed, seq=seq, size=len(state), sha256=hashlib.sha256(state).hexdigest())
    path = directory / f"floor-{seq:012d}.json"
    write_whole(path, msgspec.json.encode(header) + b"\n" + state)
    return path


def nearest_snapshot(directory: Path, seed: str, seq: int) -> tuple[int, bytes] | None:
    """Return the latest sound snapshot at or before `seq`, as (its seq, state), or None."""
    for at, path in _snapshots(directory):
        if at <= seq and isinstance(state := _read(path, seed, at), bytes):
            return at, state
    return None


def examine_snapshots(directory: Path, seed: str, checked: Checked) -> Iterator[Violation]:
    """Yield a violation for every snapshot that cannot be used. `checked` spares those it knows, and learns others."""
    for at, path in _snapshots(directory):
        links = Links(seed, at, seed, at)
        if checked.recall(path) == links:
            continue
        mark = checked.mark(path)
        checked.read += 1
        if isinstance(found := _read(path, seed, at), Violation):
            yield found
        else:
            checked.remember(path, mark, links)


def _snapshots(directory: Path) -> list[tuple[int, Path]]:
    """Return (seq, path) of every snapshot file, latest first."""
    named = ((_NAME.fullmatch(path.name), path) for path in directory.glob("floor-*.json"))
    return sorted(((int(name[1]), path) for name, path in named if name), reverse=True)


def _read(path: Path, seed: str, seq: int) -> bytes | Violation:
    head, _, state = path.read_bytes().partition(b"\n")

    def broken(line: int, expected: str, found: str) -> Violation:
        return Violation(code="journal-snapshot", file=path.name, line=line, expected=expected, found=found)

    try:
        header = msgspec.json.decode(head, type=SnapshotHeader)
    except msgspec.DecodeError:
        return broken(1, "a snapshot header", repr(head[:60]))
    if (header.seed, header.seq) != (seed, seq):
        return broken(1, f"seed {seed}, seq {seq}", f"seed {header.seed}, seq {header.seq}")
    if (actual := hashlib.sha256(state).hexdigest()) != header.sha256:
        return broken(2, f"sha256 {header.sha256}", f"sha256 {actual}")
    return state
