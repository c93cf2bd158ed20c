"""CPU time of processes, from /proc (Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def seconds(pid: int) -> float:
    """User and system seconds of one process with all its threads, and of its children that have ended."""
    return sum(int(field) for field in _stat(pid)[11:15]) / _TICKS


def tree(root: int) -> list[int]:
    """The process and all its descendants that live now."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
            except OSError:
                continue  # it ended while we looked
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def tree_seconds(root: int) -> float:
    """CPU seconds of a process and all its descendants."""
    total = 0.0
    for pid in tree(root):
        try:
            total += seconds(pid)
        except OSError:
            continue
    return total


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second may hold anything, also blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
