"""Checking a journal again reads only what is new, and misses nothing that was touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.domain.facts import TimePassed
from engine.store.checked import Checked
from engine.store.journal import Journal, verify_journal
from engine.store.lines import segment_paths

SEGMENTS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of five segments, the last one open, with a snapshot after each of the others."""
    journal = Journal.open(tmp_path, "seed")
    for _ in range(SEGMENTS):
        for _ in range(10):
            journal.append(TimePassed(), 1_700_000_000_000_000 + journal.last_seq)
        journal.flush()
        if journal.last_seq < 10 * SEGMENTS:
            journal.snapshot(journal.last_seq, b"{}")
    journal.close()
    return tmp_path


def test_what_was_sound_and_is_untouched_is_not_read_again(folder: Path) -> None:
    checked = Checked(settled_ns=-1)
    assert verify_journal(folder, checked) == []
    assert checked.read == SEGMENTS + SEGMENTS - 1
    assert verify_journal(folder, checked) == []
    assert checked.read == 2 * SEGMENTS - 1 + 1  # the open segment alone


def test_what_was_written_a_moment_ago_is_read_again(folder: Path) -> None:
    checked = Checked(settled_ns=3600 * 10**9)
    for times in (1, 2):
        assert verify_journal(folder, checked) == []
        assert checked.read == times * (2 * SEGMENTS - 1)


@pytest.mark.parametrize("which", range(SEGMENTS))
def test_a_change_that_keeps_size_and_date_is_found(folder: Path, which: int) -> None:
    checked = Checked(settled_ns=-1)
    assert verify_journal(folder, checked) == []
    path = segment_paths(folder)[which]
    before = path.stat()
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"now":17', b'"now":18', 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert [each.code for each in verify_journal(folder, checked)] == ["journal-chain"]
    assert [each.code for each in verify_journal(folder, checked)] == ["journal-chain"]  # what is broken is not learnt
    path.write_bytes(text)
    assert verify_journal(folder, checked) == []


def test_a_segment_that_is_gone_or_exchanged_breaks_the_chain(folder: Path) -> None:
    checked = Checked(settled_ns=-1)
    assert verify_journal(folder, checked) == []
    first, second, *_ = segment_paths(folder)
    second.rename(folder / "kept")
    assert {each.code for each in verify_journal(folder, checked)} == {"journal-chain", "journal-gap"}
    (folder / "kept").rename(second)
    assert verify_journal(folder, checked) == []
    first.write_bytes(first.read_bytes().splitlines(keepends=True)[0])
    assert {each.code for each in verify_journal(folder, checked)} == {"journal-chain", "journal-gap"}


def test_a_damaged_snapshot_is_found(folder: Path) -> None:
    checked = Checked(settled_ns=-1)
    assert verify_journal(folder, checked) == []
    [path, *_] = sorted(folder.glob("floor-*.json"))
    path.write_bytes(path.read_bytes().replace(b"{}", b"[]"))
    assert [each.code for each in verify_journal(folder, checked)] == ["journal-snapshot"]
