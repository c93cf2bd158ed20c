"""Definitions: the same story at a running engine and in the store alone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from cli.flow_folder import usable_flows
from cli.rolls import levels
from engine.errors import UsageError
from tests.cli import keys
from tests.cli.conftest import Callwright


@pytest.fixture(params=["store", "engine"])
def office(request: pytest.FixtureRequest, callwright: Callwright) -> Callwright:
    """The command line, with and without a running engine."""
    if request.param == "engine":
        request.getfixturevalue("engine")
    return callwright


def test_agents(office: Callwright) -> None:
    office("skill", "add", "sales")
    office("skill", "add", "support")
    added = office("agent", "add", "1001", "--name", "张伟", "--skill", "sales=5", "--mode", "nailed-up")
    assert (added.code, added.out) == (0, "Added agent 1001.\n")
    again = office("agent", "add", "1001", "--json")
    assert (again.code, again.error["error_id"]) == (4, "conflict")
    shown = office("agent", "show", "1001", "--json").json
    assert (shown["name"], shown["endpoint"], shown["skills"]) == ("张伟", "agent-1001", {"sales": 5})
    changed = office("agent", "set", "1001", "--skill", "support=2", "--no-skill", "sales")
    assert changed.out == "Agent 1001: skills sales=5 → support=2.\n"
    assert office("agent", "set", "1001", "--name", "张伟").out == "Agent 1001: nothing is different.\n"
    listed = office("agent", "list", "--json")
    keys.check("agent-list", listed.json)
    keys.check("agent-show", shown)
    assert "张伟" in office("agent", "list").out
    assert "support=2" in office("agent", "show", "1001").out
    assert office("agent", "remove", "1001").code == 2, "nobody could be asked"
    assert office("agent", "remove", "1001", "--yes", "--json").json == {"removed": "1001"}
    assert office("agent", "show", "1001").code == 3


def test_queues(office: Callwright) -> None:
    for skill in ("sales", "zh"):
        office("skill", "add", skill)
    made = office("queue", "add", "vip", "--need", "sales=5,zh", "--step", "20 sales=3", "--step", "60", "--json").json
    assert made["steps"] == [
        {"needs": [{"skill": "sales", "level": 5}, {"skill": "zh", "level": 1}], "after_s": 0.0},
        {"needs": [{"skill": "sales", "level": 3}], "after_s": 20.0},
        {"needs": [], "after_s": 60.0},
    ]
    keys.check("queue-show", made)
    keys.check("queue-list", office("queue", "list", "--json").json)
    assert "sales≥5, zh≥1; 20 s: sales≥3; 60 s: anybody" in office("queue", "list").out
    told = office("queue", "set", "vip", "--max-wait-s", "90", "--no-record", "--strategy", "most-skilled")
    assert told.out == "Queue vip: strategy longest-idle → most-skilled; max wait s 300 → 90; record yes → no.\n"
    assert office("queue", "close", "vip", "--json").json["open"] is False
    assert office("queue", "open", "vip").code == 0
    assert office("queue", "show", "vip", "--json").json["open"] is True
    assert office("queue", "close", "none").code == 3


def test_numbers_and_trunks(office: Callwright) -> None:
    assert office("number", "add", "+442079460001", "--flow", "main-en").code == 0
    assert office("number", "set", "+442079460001", "--language", "zh").out.endswith("language en → zh.\n")
    number = office("number", "show", "+442079460001", "--json").json
    keys.check("number-show", number)
    keys.check("number-list", office("number", "list", "--json").json)
    assert office("number", "remove", "+442079460001", "--yes").out == "Removed number +442079460001.\n"
    assert office("trunk", "add", "a", "--host", "sip.example.com", "--username", "us").code == 0
    assert office("trunk", "set", "a", "--port", "5070").out == "Trunk a: port 5060 → 5070.\n"
    keys.check("trunk-show", office("trunk", "show", "a", "--json").json)
    keys.check("trunk-list", office("trunk", "list", "--json").json)
    assert office("trunk", "remove", "a", "--yes").code == 0


def test_skills(office: Callwright) -> None:
    assert office("skill", "add", "sales", "--name", "New business", "--json").json["name"] == "New business"
    assert office("skill", "set", "sales", "--name", "Sales").out == "Skill sales: name New business → Sales.\n"
    keys.check("skill-show", office("skill", "show", "sales", "--json").json)
    keys.check("skill-list", office("skill", "list", "--json").json)
    assert office("skill", "show", "salse").code == 3


def test_secrets_are_read_from_standard_input(office: Callwright) -> None:
    office("agent", "add", "1001")
    office("trunk", "add", "a", "--host", "sip.example.com")
    told = office("agent", "pin", "1001", "--json", typed="2468\n")
    assert told.json == {"id": "1001", "set": True}
    assert office("trunk", "secret", "a", typed="hush\n").out == "password of trunk a is set.\n"
    wrong = office("agent", "pin", "1001", typed="12\n")
    assert wrong.code == 2
    assert "4 to 8 digits" in wrong.err
    assert office("agent", "pin", "1001").code == 2
    assert office("agent", "pin", "1009", typed="2468\n").code == 3


def test_nothing_to_change_is_a_mistake(office: Callwright) -> None:
    office("skill", "add", "sales")
    told = office("skill", "set", "sales")
    assert told.code == 2
    assert "nothing to change was given" in told.err


def test_an_empty_list(office: Callwright, data: Path) -> None:
    office("db", "upgrade")
    told = office("trunk", "list")
    assert (told.code, told.out) == (0, "")
    assert "No trunks yet; add one with `callwright trunk add`." in told.err
    assert office("trunk", "list", "--json").json == {"items": [], "next": None}


def test_what_is_there_is_changed_by_set(office: Callwright) -> None:
    for arguments, name, verb in (
        (("skill", "add", "sales"), "skill sales", "skill set sales"),
        (("number", "add", "+442079460001", "--flow", "main-en"), "number +442079460001", "number set +442079460001"),
    ):
        assert office(*arguments).code == 0
        told = office(*arguments)
        assert told.code == 4
        assert name in told.err
        assert told.err.endswith(f" already\n  `callwright {verb}` changes it\n")


def test_a_choice_is_met_with_the_nearest(office: Callwright) -> None:
    told = office("agent", "add", "1001", "--mode", "nailedup")
    assert told.code == 2
    assert "'nailedup' is not one of 'nailed-up', 'on-demand'. Did you mean 'nailed-up'?" in told.err
    assert "Value error" not in told.err
    assert "Did you mean" not in office("agent", "add", "1001", "--mode", "zzz").err


def test_nobody_is_asked_for_the_pin_of_a_stranger(office: Callwright) -> None:
    office("skill", "add", "sales")
    told = office("agent", "pin", "9999", typed="")
    assert (told.code, "no PIN was given" in told.err) == (3, False)


def test_a_national_number_is_met_with_the_international_one(callwright: Callwright) -> None:
    told = callwright("number", "add", "02079460002", "--flow", "main-en", "--json")
    assert (told.code, told.error["mend"]) == (2, "did you mean +442079460002?")
    told = callwright("number", "add", "12", "--flow", "main-en", "--json")
    assert told.error["mend"] == "write it with + and the country code, e.g. +441212345678"


# --- only without an engine ------------------------------------------------------------------------------------------


def test_nothing_to_read_makes_no_database(callwright: Callwright, data: Path) -> None:
    told = callwright("agent", "list")
    assert told.code == 3
    assert "no engine is running, and there is no database" in told.err
    assert not data.exists()


def test_a_database_is_made_on_demand_and_that_is_said(callwright: Callwright, data: Path) -> None:
    told = callwright("skill", "add", "sales")
    assert told.err == f"Made the database {data}/callwright.db.\n"
    assert callwright("skill", "add", "other").err == ""


def test_what_only_an_engine_knows_is_null(callwright: Callwright) -> None:
    agent = callwright("agent", "add", "1001", "--json").json
    assert (agent["state"], agent["reachable"]) == (None, None)


def test_a_wrong_definition_names_the_field(callwright: Callwright) -> None:
    told = callwright("agent", "add", "1001", "--skill", "juggling=3", "--json")
    assert (told.code, told.error["where"]) == (2, "agent 1001.skills")
    assert callwright("queue", "add", "q", "--ring-s", "0").code == 2
    assert callwright("number", "add", "0123", "--flow", "main-en").code == 2
    assert callwright("queue", "add", "q", "--step", "soon sales").code == 2
    assert callwright("queue", "set", "q", "--step", "5 sales").code == 2


def test_a_number_leads_to_a_flow_that_is_there(callwright: Callwright) -> None:
    told = callwright("number", "add", "+442079460001", "--flow", "main-ne", "--json")
    assert (told.code, told.error["where"]) == (2, "number +442079460001.flow")
    assert told.error["what"] == "there is no flow 'main-ne'"
    assert told.error["mend"] == "Did you mean main-en? Known: main-en, main-zh."
    assert callwright("number", "add", "+442079460001", "--flow", "main-en").err == ""
    assert callwright("number", "set", "+442079460001", "--flow", "sales").code == 2
    assert callwright("number", "show", "+442079460001", "--json").json["flow"] == "main-en"


def test_a_flow_folder_that_cannot_be_read_is_a_warning(callwright: Callwright, config: Path) -> None:
    callwright("db", "upgrade")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("/ivr_flows", "/nowhere"), encoding="utf-8")
    told = callwright("number", "add", "+442079460001", "--flow", "main-ne")
    assert told.code == 0
    assert "nobody knows whether there is a flow main-ne" in told.err
    assert "/nowhere cannot be read (No such file or directory); see paths.flows" in told.err


def test_a_broken_flow_file_is_no_flow(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    (tmp_path / "b.yaml").write_text("flow: b\n", encoding="utf-8")
    (tmp_path / "c.txt").write_text("no flow file", encoding="utf-8")
    assert usable_flows(tmp_path) == {}


def test_a_skill_that_is_not_there_is_met_with_the_nearest(callwright: Callwright) -> None:
    callwright("skill", "add", "sales")
    told = callwright("queue", "add", "q", "--need", "sale=3", "--json")
    assert (told.code, told.error["where"]) == (2, "queue q, step 1")
    assert told.error["mend"] == "Did you mean sales? Known: sales."


def test_nothing_is_changed_behind_a_starting_engine(callwright: Callwright, data: Path) -> None:
    callwright("skill", "add", "sales")
    (data / "journal").mkdir()
    lock = os.open(data / "journal" / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        told = callwright("skill", "add", "other")
        assert (told.code, "does not serve its socket" in told.err) == (4, True)
        assert callwright("skill", "list").code == 0
        assert callwright("db", "restore", "nowhere", "--yes").code == 4
    finally:
        os.close(lock)


def test_levels() -> None:
    assert levels(["sales=5", "zh,en=2"], "--skill") == {"sales": 5, "zh": 1, "en": 2}
    for wrong in ("", "sales=", "=3", "sales=a", "sales=-1"):
        with pytest.raises(UsageError):
            levels([wrong], "--skill")
