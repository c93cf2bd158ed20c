"""The command line against a whole engine; and what it does with the engine's files when that is gone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli import keys
from tests.cli.conftest import Callwright, Neighbour, in_thread, next_door


def test_a_supervisors_hour(callwright: Callwright, neighbour: Neighbour) -> None:
    agents = {agent["id"]: agent for agent in callwright("agent", "list", "--json").json["items"]}
    assert (agents["1001"]["name"], agents["1001"]["state"]) == ("Ann", "offline")
    _, interaction = neighbour.do(lambda house: house.talk())
    calls = callwright("call", "list", "--json").json
    keys.check("call-list", calls)
    assert [(call["id"], call["agent_id"]) for call in calls["items"]] == [(interaction, "1001")]
    assert "Ann" in callwright("top", "--once").out
    keys.check("top", callwright("top", "--json").json)
    assert callwright("agent", "login", "1001").code == 4
    assert callwright("agent", "not-ready", "1001", "--reason", "lunch").out.endswith("then not-ready.\n")
    assert callwright("verify", "--json").json["ok"] is True
    added = callwright("queue", "add", "late", "--need", "english", "--json")
    assert (added.code, added.json["waiting"]) == (0, 0)
    assert callwright("skill", "remove", "english", "--yes").code == 4
    assert callwright("call", "hangup", interaction).code == 0
    neighbour.do(lambda house: house.written())
    found = callwright("explain", interaction, "--json").json
    keys.check("explain", found)
    assert found["items"][0]["winner"] == "1001"
    assert "english 1" in str(found["items"][0]["refused"])
    assert callwright("explain", "ix_none").code == 3
    level = callwright("report", "service-level", "--json").json
    keys.check("report-service-level", level)
    assert level["total"]["answered"] == 1


def test_a_decision_outlives_the_engine(callwright: Callwright, tmp_path: Path, sounds: Path) -> None:
    with in_thread(lambda: next_door(tmp_path, sounds)) as neighbour:
        _, interaction = neighbour.do(lambda house: house.talk())
        neighbour.do(lambda house: house.written())
        live = callwright("explain", interaction, "--json").json
    assert callwright("explain", interaction, "--json").json == live
    told = callwright("replay", "--json")
    keys.check("replay", told.json)
    assert (told.code, told.json["ok"]) == (0, True)
    assert callwright("replay", str(tmp_path / "data" / "journal"), "--json").json == told.json
    assert callwright("replay", str(tmp_path)).code == 3
    assert callwright("agent", "list", "--json").json["items"][0]["name"] == "Ann"
    segment = next((tmp_path / "data" / "journal").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:3] + lines[4:]))
    broken = callwright("replay", "--json")
    assert (broken.code, broken.error["error_id"]) == (1, "journal-broken")
    sick = {item["name"]: item for item in callwright("doctor", "--json").json["items"]}
    assert (sick["journal"]["verdict"], sick["engine"]["verdict"]) == ("fail", "warn")


def test_saved_and_brought_back(callwright: Callwright, tmp_path: Path) -> None:
    file = str(tmp_path / "kept.db")
    assert callwright("db", "backup", file).code == 3
    assert callwright("db", "upgrade", "--json").json == {"before": None, "revision": "0003"}
    assert "already" in callwright("db", "upgrade").out
    callwright("skill", "add", "sales")
    saved = callwright("db", "backup", file, "--json")
    keys.check("db-backup", saved.json)
    assert "vault.key" in saved.err
    assert callwright("db", "backup", file).code == 4
    callwright("skill", "remove", "sales", "--yes")
    assert callwright("db", "restore", file).code == 2
    assert callwright("db", "restore", file, "--yes", "--json").json == {"restored": file}
    assert callwright("skill", "show", "sales").code == 0
    Path(file).write_text("no database")
    assert callwright("db", "restore", file, "--yes").code == 2


@pytest.mark.parametrize("number", ["9999", ""])
def test_tables_of_another_version(callwright: Callwright, data: Path, number: str) -> None:
    import sqlite3
    from contextlib import closing

    callwright("skill", "add", "sales")
    with closing(sqlite3.connect(data / "callwright.db")) as connection:
        if number:
            connection.execute("UPDATE alembic_version SET version_num = ?", (number,))
        else:
            connection.execute("DELETE FROM alembic_version")
        connection.commit()
    told = callwright("skill", "list")
    assert (told.code, "db upgrade" in told.err) == (4, True)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://callwright:hush@db/callwright", "postgresql://callwright:***@db/callwright"),
        ("hush", "(set)"),
    ],
)
def test_config_shows_no_password_of_the_database(
    callwright: Callwright, monkeypatch: pytest.MonkeyPatch, url: str, seen: str
) -> None:
    monkeypatch.setenv("CALLWRIGHT__STORE__URL", url)
    for told in (callwright("config", "show"), callwright("config", "show", "--json")):
        assert "hush" not in told.out + told.err
        assert seen in told.out


def test_config(callwright: Callwright, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLWRIGHT__LOG__LEVEL", "debug")
    shown = callwright("config", "show", "--origin", "--json").json
    assert shown["settings"]["asterisk"]["ami_secret"] == "(set)"
    assert shown["origin"]["log"]["level"] == "environment"
    assert shown["origin"]["asterisk"]["ami_port"] == str(config)
    assert shown["origin"]["site"]["region"] == "default"
    assert "secret-of-one-run" not in callwright("config", "show").out
    assert 'timezone = "Europe/London"' in callwright("config", "show").out
    assert callwright("config", "show").out.count("(set)") == 0
    kept = tomllib.loads(callwright("config", "show").out)
    assert "ami_secret" not in kept["asterisk"]
    assert kept["asterisk"]["agi_allow"] == ["127.0.0.0/8"]
    assert callwright("config", "check", "--json").json == {"ok": True, "file": str(config)}
    config.write_text('[site]\ntimezone = "Europe/Londn"\n')
    assert callwright("config", "check").code == 2
    config.write_text("[site]\ntimezon = 1\n")
    told = callwright("config", "check")
    assert (told.code, "did you mean site.timezone?" in told.err) == (2, True)


@pytest.mark.parametrize(
    "wrong", ['agi_secret = ""', 'agi_secret = "short"', 'ami_secret = ""', 'ami_secret = "(set)"']
)
def test_check_refuses_what_serve_refuses_before_it_makes_a_file(
    callwright: Callwright, config: Path, data: Path, wrong: str
) -> None:
    key = wrong.split(" ", maxsplit=1)[0]
    config.write_text(config.read_text().replace(f'{key} = "secret-of-one-run"', wrong))
    checked, served = callwright("config", "check", "--json"), callwright("serve")
    assert (checked.code, served.code) == (2, 2)
    assert checked.error["where"] == f"asterisk.{key}"
    assert f"asterisk.{key}: {checked.error['what']}" in served.err
    assert not data.exists()
