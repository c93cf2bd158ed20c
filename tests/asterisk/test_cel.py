"""What became of attempts by the channel event log: turned over, cut off, damaged, or still growing."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from engine.asterisk import cel
from engine.domain.campaign import AttemptId
from engine.domain.facts import AttemptTraced, OptedOut
from engine.domain.values import SECOND

START = 1_700_000_000.0


def attempt_at(seconds: float) -> AttemptId:
    """An id minted then."""
    return AttemptId(f"att_{ULID.from_timestamp(seconds)}")


def row(event: str, at: float, leg: str, extra: str = "") -> str:
    """One line as cel_custom writes it: every value a text; an event of the dialplan's own stands in both types."""
    own = event if event.islower() else ""
    told = {"eventtype": event, "userdeftype": own, "eventtime": f"{at:.6f}", "uniqueid": leg, "linkedid": leg}
    return json.dumps({**told, "channame": "PJSIP/trunk-pstn-1", "num": "", "exten": "s", "eventextra": extra}) + "\n"


def call(leg: str, at: float, *between: tuple[str, float], cause: int = 16, lasts: float = 20.0) -> list[str]:
    middle = [row(event, at + after, leg) for event, after in between]
    extra = json.dumps({"hangupcause": cause})
    end = [row("HANGUP", at + lasts, leg, extra), row("CHAN_END", at + lasts, leg)]
    return [row("CHAN_START", at, leg), *middle, *end]


def us(seconds: float) -> int:
    return round(seconds * SECOND)


def write(path: Path, *lines: str, at: float = START) -> Path:
    path.write_text("".join(lines))
    os.utime(path, (at, at))
    return path


def before(at: float = START) -> list[str]:
    """Somebody else's call, so that the log is known to reach back."""
    return call("1.1", at - 60)


def test_an_attempt_from_dial_to_end(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    between = (("ANSWER", 5.0), ("abandoned", 6.7), ("opted-out", 9.0), ("BRIDGE_ENTER", 9.5))
    log = write(tmp_path / "cel.jsonl", *before(), *call(attempt, START + 1, *between))
    assert cel.trace(log, [attempt]) == [
        AttemptTraced(
            attempt_id=attempt,
            dialled=True,
            answered_at=us(START + 6),
            message_at=us(START + 7.7),
            opted_out_at=us(START + 10),
            joined_at=us(START + 10.5),
            ended_at=us(START + 21),
            cause=16,
        )
    ]
    assert cel.opted_out(log, us(START), us(START + 60)) == [OptedOut(at=us(START + 10), attempt_id=attempt)]
    assert cel.opted_out(log, us(START + 10) + 1, us(START + 60)) == []


def test_a_message_of_a_campaign_without_agents_is_one_too(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    log = write(tmp_path / "cel.jsonl", *call(attempt, START, ("ANSWER", 1.0), ("message", 1.1)))
    assert cel.trace(log, [attempt])[0].message_at == us(START + 1.1)


def test_the_shell_that_a_bridge_leaves_ends_nothing(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    shell = row("CHAN_END", START + 3, attempt).replace("PJSIP/", "Surrogate/PJSIP/")
    lines = call(attempt, START, ("ANSWER", 2.0), ("BRIDGE_ENTER", 3.0))
    log = write(tmp_path / "cel.jsonl", *before(), *lines[:3], shell, *lines[3:])
    assert cel.trace(log, [attempt])[0].ended_at == us(START + 20)


def test_one_that_still_rings_has_no_end(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    log = write(tmp_path / "cel.jsonl", *before(), row("CHAN_START", START + 1, attempt))
    [trace] = cel.trace(log, [attempt])
    assert (trace.dialled, trace.ended_at) == (True, 0)


def test_not_dialled_is_said_only_where_the_log_reaches_back(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    later = call("1.2", START + 1)
    assert cel.trace(write(tmp_path / "new.jsonl", *later), [attempt]) == []
    assert cel.trace(write(tmp_path / "empty.jsonl"), [attempt]) == []
    [trace] = cel.trace(write(tmp_path / "old.jsonl", *before(), *later), [attempt])
    assert trace == AttemptTraced(attempt_id=attempt, dialled=False)


def test_an_id_that_tells_no_time_is_looked_for_everywhere(tmp_path: Path) -> None:
    log = write(tmp_path / "cel.jsonl", *call("odd", START), *before(START + 9_000))
    assert [trace.dialled for trace in cel.trace(log, [AttemptId("odd"), AttemptId("odder")])] == [True]


@pytest.mark.parametrize("turned", ["cel.jsonl.1", "cel.jsonl-20231114"])
def test_a_log_that_was_turned_over_in_the_middle_of_a_call(tmp_path: Path, turned: str) -> None:
    attempt = attempt_at(START)
    lines = [*before(), *call(attempt, START, ("ANSWER", 1.0), cause=31)]
    write(tmp_path / turned, *lines[:-2], at=START + 1)
    log = write(tmp_path / "cel.jsonl", *lines[-2:], at=START + 20)
    write(tmp_path / "cel.jsonl.2.gz", "not to be read")
    [trace] = cel.trace(log, [attempt])
    assert (trace.answered_at, trace.ended_at, trace.cause) == (us(START + 1), us(START + 20), 31)


def test_without_any_log_it_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cel.trace(tmp_path / "cel.jsonl", [attempt_at(START)])


def test_damaged_and_unfinished_lines_hide_nothing(tmp_path: Path) -> None:
    attempt = attempt_at(START)
    lines = [part for line in call(attempt, START) for part in ("{\n", line, "\x00\xff\n", "null\n")]
    log = write(tmp_path / "cel.jsonl", *before(), *lines, '{"eventtype":"CHAN_')
    assert cel.trace(log, [attempt])[0].ended_at == us(START + 20)


@settings(max_examples=25)
@given(wanted=st.lists(st.integers(0, 999), min_size=1, max_size=5, unique=True), turns=st.sets(st.integers(1, 5_999)))
def test_wherever_they_are_and_wherever_it_was_turned_over(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[int], turns: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("cel")
    attempts = [attempt_at(START + n) for n in range(1000)]
    lines = [*before(), *(line for n, leg in enumerate(attempts) for line in call(leg, START + n, lasts=0.5))]
    edges = [0, *sorted(turns)[:4], len(lines)]
    pieces = [lines[one:other] for one, other in itertools.pairwise(edges)]
    for number, piece in enumerate(pieces[:-1]):
        write(folder / f"cel.jsonl.{len(pieces) - 1 - number}", *piece, at=START + number)
    log = write(folder / "cel.jsonl", *pieces[-1], at=START + 9)
    traces = cel.trace(log, [attempts[n] for n in wanted])
    assert [trace.ended_at for trace in traces] == [us(START + n + 0.5) for n in wanted]
