"""`callwright simulate`: one object a pacing, a table for people, a journal that replays, a recorded campaign played
again, mistakes in plain words.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from engine.simulation.pacings import NAMES
from engine.simulation.replay import NOT_RECALLED
from engine.simulation.world import FIRST_DAY
from engine.store.database import open_database
from engine.store.journal import Journal
from tests.cli import keys
from tests.cli.conftest import Callwright
from tests.contract.recorded_day import keep
from tests.simulation.studio import Played, play, scenario

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
    assert told.out.split()[:3] == ["PACING", "BUSY", "ABANDONED"]
    assert "predictive" in told.out
    assert not told.err


def test_whoever_breaks_the_cap_is_told_in_words(callwright: Callwright, file: Path) -> None:
    def verdict(pacing: str, cap: float) -> str:
        text = f"{SCENARIO}[limits]\nabandon_cap = {cap}\n".replace("hours = 0.2", "hours = 2.0")
        file.write_text(text, encoding="utf-8")
        head, row = callwright("simulate", str(file), "--pacing", pacing).out.splitlines()
        assert f"CAP {cap * 100:g} %" in head
        at = head.index("CAP")
        return row[at:].split("  ")[0].strip()

    assert verdict("issabel-overcommit", 0.005) == "BROKEN"
    assert verdict("progressive", 0.03) == "kept"
    assert verdict("progressive", 0.0005) == "not proven"


def test_the_table_is_whole_on_a_narrow_terminal(
    callwright: Callwright, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = callwright("simulate", str(file), "--pacing", "issabel-overcommit", "--days", "9")
    assert "…" not in told.out
    assert told.out.splitlines()[0].split()[-1] == "ATTEMPTS"


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


# --- a recorded campaign ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played() -> Played:
    return play(scenario(hours=0.25, warmup=0, count="[[0, 5]]"), "progressive")


@pytest.fixture
def small(callwright: Callwright, data: Path, played: Played) -> str:
    """A campaign in the store with a quarter of an hour behind it, on 2026-01-05 from 8:00 on."""
    return stored(callwright, data, played)


def stored(callwright: Callwright, data: Path, played: Played) -> str:
    """Keep a campaign that was played, without a journal."""
    callwright("queue", "add", "outbound")
    assert callwright("campaign", "create", "small", "--queue", "outbound", "--cap", "0.03").code == 0

    async def fill() -> None:
        database = open_database(f"sqlite:///{data}/callwright.db")
        await keep(database, played)
        await database.close()

    asyncio.run(fill())
    return "small"


def test_what_the_journal_knows_makes_a_part_of_a_day_go_as_it_went(callwright: Callwright, data: Path) -> None:
    """The forecast and all that was learnt come from before: without the journal predictive has nothing to spend."""
    day = play(scenario(hours=3.0, warmup=0), "predictive")
    name = stored(callwright, data, day)
    arguments = ("simulate", "--replay", name, "--from", "2026-01-05T09:00", "--to", "2026-01-05T09:40", "--json")
    blind = callwright(*arguments)
    assert NOT_RECALLED in blind.json["note"]
    journal = Journal.open(data / "journal", seed="played", engine="simulation")
    for at, fact in day.told:
        journal.append(fact, FIRST_DAY + round(at * 1_000_000))
    journal.close()
    again = callwright(*arguments)
    assert again.code == 0, again.err
    recorded = again.json["recorded"]
    assert NOT_RECALLED not in again.json.get("note", "")
    assert again.json["agent_utilisation"] == pytest.approx(recorded["agent_utilisation"], abs=0.03)
    assert again.json["attempts"] == pytest.approx(recorded["attempts"], rel=0.06)
    assert again.json["agent_utilisation"] > blind.json["agent_utilisation"] + 0.03


def test_a_recorded_campaign_is_played_again(callwright: Callwright, small: str) -> None:
    told = callwright("simulate", "--replay", small, "--pacing", "progressive", "--json")
    assert told.code == 0, told.err
    keys.check("simulate-replay", {key: value for key, value in told.json.items() if key != "note"})
    recorded = told.json["recorded"]
    assert recorded.keys() == {"attempts", "live_answers", "abandoned", "agent_utilisation"}
    assert told.json["attempts"] == pytest.approx(recorded["attempts"], rel=0.05)
    assert told.json["agent_utilisation"] == pytest.approx(recorded["agent_utilisation"], abs=0.02)
    more = callwright("simulate", "--replay", small, "--pacing", "progressive", "--set", "agents=+5", "--json").json
    assert more["recorded"] == recorded
    assert more["attempts"] > 1.5 * recorded["attempts"]
    assert "beyond the record" in more["note"]
    table = callwright("simulate", "--replay", small, "--pacing", "progressive")
    assert "(as recorded)" in table.out
    assert table.code == 0


def test_a_part_of_the_record_is_played(callwright: Callwright, small: str) -> None:
    def attempts(*when: str) -> int:
        told = callwright("simulate", "--replay", small, "--pacing", "ratio", *when, "--json")
        assert told.code == 0, told.err
        count: int = told.json["recorded"]["attempts"]
        return count

    whole = attempts("--day", "2026-01-05")
    assert whole == attempts("--from", "2026-01-05")
    assert 0 < attempts("--from", "2026-01-05T08:05", "--to", "2026-01-05T08:10") < whole / 2
    other = callwright("simulate", "--replay", small, "--day", "2026-01-06", "--json")
    assert (other.code, other.error["error_id"]) == (3, "record-too-thin")


@pytest.mark.parametrize(
    ("arguments", "code", "error_id"),
    [
        (["--replay", "nobody"], 3, "not-found"),
        (["--replay", "small", "--set", "agent=1"], 2, "usage"),
        (["--replay", "small", "--set", "agents=0"], 2, "usage"),
        (["--replay", "small", "--days", "2"], 2, "usage"),
        (["--replay", "small", "--day", "2026-01-05", "--to", "2026-01-05"], 2, "usage"),
        (["--replay", "small", "--day", "soon"], 2, "usage"),
        (["--replay", "small", "--from", "2026-01-06", "--to", "2026-01-05"], 2, "usage"),
        (["--replay", "small", "some.toml"], 2, "usage"),
        (["some.toml", "--set", "agents=1"], 2, "usage"),
        ([], 2, "usage"),
    ],
)
def test_what_cannot_be_played_again_is_told(
    callwright: Callwright, small: str, arguments: list[str], code: int, error_id: str
) -> None:
    told = callwright("simulate", *arguments, "--json")
    assert (told.code, told.error["error_id"]) == (code, error_id)
    assert told.error["mend"]
    assert not told.out


def test_without_a_database_nothing_is_played_again(callwright: Callwright) -> None:
    told = callwright("simulate", "--replay", "small", "--json")
    assert (told.code, told.error["error_id"]) == (3, "not-found")


def test_the_help_tells_of_replaying(callwright: Callwright) -> None:
    told = callwright("simulate", "--help")
    assert told.code == 0
    assert all(option in told.out for option in ("--replay CAMPAIGN", "--set KEY=VALUE", "--from", "--to", "--day"))
