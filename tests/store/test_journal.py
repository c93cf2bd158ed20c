"""The journal: what is acknowledged is there, what is torn is cut, what is changed is found."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.facts import AnyFact, CallArrived, TimePassed
from engine.domain.values import LegId, Token
from engine.errors import BrokenInvariant, Conflict, JournalBroken, JournalUnwritable, NotFound, StoreTooNew
from engine.store.journal import Journal, read_journal, seq_before, verify_journal

T0 = 1_763_800_000_000_000


def fact(number: int) -> AnyFact:
    return CallArrived(leg=LegId(f"leg.{number}"), number="+33123456789", caller=Token(f"num_{number}"))


def written(directory: Path, count: int, seed: str = "seed") -> Journal:
    journal = Journal.open(directory, seed, created=T0, engine="0.1.0")
    for number in range(count):
        journal.append(fact(number), T0 + number)
    journal.flush()
    return journal


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    journal = written(tmp_path / "j", 5)
    records = list(journal.read())
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert [record.now for record in records] == [T0 + n for n in range(5)]
    assert [record.fact for record in records] == [fact(n) for n in range(5)]
    assert [record.seq for record in journal.read(4)] == [4, 5]
    assert journal.verify() == []


def test_a_moment_is_found_by_its_segment(tmp_path: Path) -> None:
    journal = written(tmp_path, 0)
    for number in range(1, 10):
        journal.append(fact(number), T0 + 10 * number)
        journal.flush()
        if number % 3 == 0:
            journal.snapshot(number, b"{}")  # segments begin with 1, 4 and 7
    found = {number: seq_before(tmp_path, T0 + 10 * number) for number in range(12)}
    assert found == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 4, 6: 4, 7: 4, 8: 7, 9: 7, 10: 7, 11: 7}
    assert seq_before(tmp_path / "none", T0) == 1


def test_nothing_is_durable_before_a_flush(tmp_path: Path) -> None:
    journal = written(tmp_path, 1)
    assert journal.append(fact(9), T0) == 2
    assert (journal.durable_seq, journal.waiting) == (1, 1)
    assert [record.seq for record in read_journal(tmp_path)] == [1]
    assert journal.flush() == 2


def test_a_flush_goes_only_as_far_as_asked(tmp_path: Path) -> None:
    journal = written(tmp_path, 0)
    for number in range(4):
        journal.append(fact(number), T0)
    assert journal.flush(2) == 2
    assert [record.seq for record in read_journal(tmp_path)] == [1, 2]
    assert journal.flush(1) == 2
    assert journal.flush() == 4
    assert journal.verify() == []


def test_reopening_goes_on_with_the_old_seed_and_chain(tmp_path: Path) -> None:
    written(tmp_path, 3).close()
    journal = written(tmp_path, 2, seed="another")
    assert (journal.seed, journal.last_seq) == ("seed", 5)
    assert verify_journal(tmp_path) == []


def test_a_kill_before_the_first_fact_keeps_the_seed(tmp_path: Path) -> None:
    written(tmp_path, 0).close()
    journal = written(tmp_path, 1, seed="another")
    assert (journal.seed, journal.last_seq) == ("seed", 1)
    assert journal.verify() == []


def test_a_disk_that_is_full_at_the_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(JournalUnwritable, match="No space left"):
            Journal.open(tmp_path, "seed")
    written(tmp_path, 1).close()
    assert verify_journal(tmp_path) == []


def test_two_engines_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = written(tmp_path, 1)
    with pytest.raises(Conflict, match="another engine"):
        Journal.open(tmp_path, "seed")
    journal.close()
    Journal.open(tmp_path, "seed").close()


def test_reading_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(read_journal(tmp_path))
    journal = written(tmp_path, 0)
    assert list(journal.read()) == []


@given(cut=st.integers(min_value=1, max_value=400), count=st.integers(min_value=1, max_value=4))
@settings(max_examples=60)
def test_a_torn_end_costs_only_lines_that_lost_bytes(
    tmp_path_factory: pytest.TempPathFactory, cut: int, count: int
) -> None:
    directory = tmp_path_factory.mktemp("torn")
    written(directory, count).close()
    [segment] = directory.glob("journal-*.jsonl")
    whole = segment.read_bytes()
    header, *lines = whole.splitlines(keepends=True)
    kept = max(len(header), len(whole) - cut)
    segment.write_bytes(whole[:kept])
    complete = whole[:kept].count(b"\n") - 1
    # Readers pass the torn line over without touching it; the writer cuts it off and goes on.
    assert [record.seq for record in read_journal(directory)] == list(range(1, complete + 1))
    assert verify_journal(directory) == []
    journal = Journal.open(directory, "seed")
    assert journal.last_seq == complete
    assert (journal.torn is None) == (whole[:kept].endswith(b"\n"))
    journal.append(TimePassed(), T0)
    journal.close()
    assert verify_journal(directory) == []
    assert len(lines) >= complete


@given(data=st.data())
@settings(max_examples=80)
def test_a_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("changed")
    written(directory, 3).close()
    [segment] = directory.glob("journal-*.jsonl")
    content = bytearray(segment.read_bytes())
    # The last newline is left alone: without it the line is torn, not changed.
    position = data.draw(st.integers(min_value=0, max_value=len(content) - 2))
    content[position] ^= data.draw(st.sampled_from([1, 2, 32]))
    segment.write_bytes(bytes(content))
    with pytest.raises((JournalBroken, StoreTooNew)):
        list(read_journal(directory))


def test_a_removed_line_names_file_line_and_numbers(tmp_path: Path) -> None:
    written(tmp_path, 5).close()
    [segment] = tmp_path.glob("journal-*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(JournalBroken, match=rf"{segment.name}:4") as error:
        list(read_journal(tmp_path))
    assert "expected" in error.value.what
    codes = [violation.code for violation in verify_journal(tmp_path)]
    assert codes == ["journal-chain", "journal-gap"]
    with pytest.raises(JournalBroken):
        Journal.open(tmp_path, "seed")


def test_a_removed_segment_is_found(tmp_path: Path) -> None:
    journal = written(tmp_path, 2)
    for _ in range(2):
        journal.snapshot(journal.durable_seq, b"{}")
        journal.append(fact(0), T0)
        journal.flush()
    journal.close()
    segments = sorted(tmp_path.glob("journal-*.jsonl"))
    assert [path.name for path in segments] == [f"journal-{seq:012d}.jsonl" for seq in (1, 3, 4)]
    assert verify_journal(tmp_path) == []
    segments[1].unlink()
    assert [violation.code for violation in verify_journal(tmp_path)] == ["journal-chain", "journal-gap"]


def test_a_fact_of_a_newer_version_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = written(tmp_path, 1)
    monkeypatch.setattr(
        "engine.store.journal.encode_body",
        lambda seq, now, _: f'{{"seq":{seq},"now":{now},"fact":{{"fact":"New"}}}}'.encode(),
    )
    journal.append(fact(1), T0)
    journal.close()
    with pytest.raises(StoreTooNew, match="newer"):
        list(read_journal(tmp_path))


def test_snapshots_begin_a_segment_and_the_nearest_is_found(tmp_path: Path) -> None:
    journal = written(tmp_path, 3)
    journal.snapshot(3, b'{"floor":3}')
    journal.append(fact(3), T0)
    journal.append(fact(4), T0)
    journal.flush()
    journal.snapshot(5, b'{"floor":5}')
    assert journal.nearest_snapshot(4) == (3, b'{"floor":3}')
    assert journal.nearest_snapshot(99) == (5, b'{"floor":5}')
    assert journal.nearest_snapshot(2) is None
    assert [record.seq for record in journal.read(4)] == [4, 5]


def test_a_damaged_snapshot_is_passed_over_and_reported(tmp_path: Path) -> None:
    journal = written(tmp_path, 3)
    journal.snapshot(2, b"two")
    journal.snapshot(3, b"three")
    path = tmp_path / "floor-000000000003.json"
    path.write_bytes(path.read_bytes()[:-1])
    assert journal.nearest_snapshot(3) == (2, b"two")
    assert [violation.code for violation in journal.verify()] == ["journal-snapshot"]


def test_a_snapshot_never_knows_more_than_the_journal(tmp_path: Path) -> None:
    journal = written(tmp_path, 1)
    journal.append(fact(1), T0)
    with pytest.raises(BrokenInvariant):
        journal.snapshot(2, b"")


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_full_disk_loses_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    journal = written(tmp_path, 2)
    before = min(tmp_path.glob("journal-*")).read_bytes()
    for number in range(50):
        journal.append(fact(number), T0)
    real = os.pwrite

    def full(descriptor: int, *arguments: Any) -> int:
        if call == "pwrite" and len(arguments[0]) > 100:
            # What a filling disk does: it takes a part first.
            return real(descriptor, bytes(arguments[0])[:100], arguments[1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(JournalUnwritable, match="No space left"):
            journal.flush()
        assert journal.durable_seq == 2
        assert min(tmp_path.glob("journal-*")).read_bytes() == before
    assert journal.flush() == 52
    assert journal.verify() == []


CHILD = """
import sys
from pathlib import Path
from engine.domain.facts import LegEnded
from engine.store.journal import Journal
journal = Journal.open(Path(sys.argv[1]), "seed")
while True:
    for number in range(20):
        journal.append(LegEnded(leg=str(number)), 0)
    print(journal.flush(), flush=True)
"""


def test_every_kill_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    """A child appends and flushes until it is killed; whatever it printed as durable must be there."""
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = 0
        while acknowledged < 2_000:
            acknowledged = int(child.stdout.readline())
        child.kill()
        for line in child.stdout:
            acknowledged = int(line) if line.endswith("\n") else acknowledged
    journal = Journal.open(tmp_path, "seed")
    assert journal.last_seq >= acknowledged
    assert journal.verify() == []
    journal.close()
