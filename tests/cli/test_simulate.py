"""`callwright simulate`: one object a pacing, a table for people, a journal that replays, mistakes in plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.simulation.pacings import NAMES
from tests.cli import keys
from tests.cli.conftest import Callwright

SCENARIO = """
name = "short"
hours = 0.2
warmup_minutes = 2
[agents]
count = [[0, 4]]
[calls]
answer_rate = [[0, 0.4]]
talk_s = {dist = "exponential", mean = 60}
wrap_s = {dist = "constant", value = 10}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_one_pacing_is_one_object(callwright: Callwright, file: Path) -> None:
    told = callwright("simulate", str(file), "--pacing", "progressive", "--seed", "3", "--json")
    assert told.code == 0
    keys.check("simulate", told.json)
    assert (told.json["scenario"], told.json["pacing"], told.json["seed"]) == ("short", "progressive", 3)


def test_all_pacings_are_a_line_each(
    callwright: Callwright, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = callwright("simulate", str(file), "--pacing", "all", "--json")
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["pacing"] for row in rows] == list(NAMES)
    assert rows[-1]["note"] == "reference (exponential model)"
    assert rows[-1]["attempts"] is None


def test_people_get_a_table(callwright: Callwright, file: Path) -> None:
    told = callwright("simulate", str(file), "--days", "2")
    assert told.out.split()[:3] == ["PACING", "AGENTS", "BUSY"]
    assert "predictive" in told.out
    assert not told.err


def test_the_kept_journal_replays(callwright: Callwright, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert callwright("simulate", str(file), "--journal", str(folder), "--json").code == 0
    replayed = callwright("replay", str(folder), "--json")
    assert replayed.code == 0
    assert replayed.json["facts"] > 100
    again = callwright("simulate", str(file), "--journal", str(folder), "--json")
    assert (again.code, again.error["error_id"]) == (4, "conflict")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--pacing", "predictiv"], 2, "predictive"),
        (["--pacing", "omnileads", "--journal", "kept"], 2, "predictive"),
        (["--days", "0"], 2, ""),
    ],
)
def test_mistakes_are_told(callwright: Callwright, file: Path, arguments: list[str], code: int, word: str) -> None:
    told = callwright("simulate", str(file), *arguments, "--json")
    assert told.code == code
    assert word in told.error["mend"]


def test_a_wrong_key_is_named(callwright: Callwright, file: Path) -> None:
    file.write_text(SCENARIO.replace("wrap_s", "wrap_up_s"), encoding="utf-8")
    told = callwright("simulate", str(file), "--json")
    assert (told.code, told.error["error_id"]) == (2, "config")
    assert told.error["where"] == f"{file}: calls.wrap_up_s"
    assert "wrap_s" in told.error["mend"]
