"""Asterisk's configuration: shown without secrets, installed whole, taken away without a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.installation import Installation, hidden
from engine.errors import ConfigError
from tests.cli import keys
from tests.cli.conftest import Callwright

SECRET = "secret-of-one-run"


@pytest.fixture
def etc(config: Path) -> Path:
    """Asterisk's configuration folder, with a file of the administrator's."""
    folder = config.parent / "etc"
    (folder / "extensions.conf").write_text("[default]\n")
    (folder / "sip_notify.conf").write_text("; untouched\n")
    return folder


def texts(folder: Path) -> dict[str, str]:
    """Every file of a folder."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_render_hides_secrets(callwright: Callwright, config: Path, tmp_path: Path) -> None:
    callwright("agent", "add", "1001")
    callwright("trunk", "add", "a", "--host", "sip.example.com", "--username", "us")
    callwright("trunk", "secret", "a", typed="trunk-password\n")
    shown = callwright("asterisk", "render")
    assert "==> callwright_pjsip.conf <==" in shown.out
    assert "[agent-1001]" in shown.out
    assert SECRET not in shown.out
    assert "trunk-password" not in shown.out
    keys.check("asterisk-render", callwright("asterisk", "render", "--json").json)
    told = callwright("asterisk", "render", "--to", str(tmp_path / "look"))
    assert "hold secrets" in told.err
    files = texts(tmp_path / "look")
    assert SECRET in files["callwright_manager.conf"]
    assert "trunk-password" in files["callwright_pjsip.conf"]


def test_a_setting_that_cannot_be_rendered_is_named_as_it_is_written(callwright: Callwright, config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    for line, setting in (('agi_bind = "a b"', "asterisk.agi_bind"), ('ami_secret = "a;b"', "asterisk.ami_secret")):
        kept = "\n".join(old for old in text.splitlines() if not old.startswith(line.split(" =")[0]))
        config.write_text(f"{kept}\n{line}\n", encoding="utf-8")
        told = callwright("asterisk", "render", "--json")
        assert (told.code, told.error["where"]) == (2, setting)


def test_a_carriers_name_and_password_as_carriers_give_them(callwright: Callwright, tmp_path: Path) -> None:
    callwright("trunk", "add", "a", "--host", "sip.example.com", "--username", "+44207946@sip.example.com")
    told = callwright("asterisk", "render")
    assert told.code == 2
    assert "it has no password" in told.err
    assert "callwright trunk secret a" in told.err
    callwright("trunk", "secret", "a", typed="p@ss\n")
    assert callwright("asterisk", "render", "--to", str(tmp_path / "look")).code == 0
    written = texts(tmp_path / "look")["callwright_pjsip.conf"]
    assert "username = +44207946@sip.example.com\npassword = p@ss\n" in written


def test_agents_who_share_a_phone_in_shifts(callwright: Callwright) -> None:
    callwright("agent", "add", "1001")
    callwright("agent", "add", "1002", "--endpoint", "agent-1001")
    told = callwright("asterisk", "render")
    assert told.code == 0
    assert told.out.count("[agent-1001](callwright-agent)") == 1


def test_phones_keep_their_passwords(callwright: Callwright, data: Path, tmp_path: Path) -> None:
    callwright("agent", "add", "1001")
    callwright("asterisk", "render", "--to", str(tmp_path / "one"))
    callwright("agent", "add", "1002")
    callwright("asterisk", "render", "--to", str(tmp_path / "two"))
    known = json.loads((data / "phones.json").read_text())
    assert set(known) == {"1001", "1002"}
    for folder in ("one", "two"):
        assert known["1001"] in (tmp_path / folder / "callwright_pjsip.conf").read_text()
    assert (data / "phones.json").stat().st_mode & 0o077 == 0


def test_a_dry_run_changes_nothing(callwright: Callwright, etc: Path) -> None:
    before = texts(etc)
    told = callwright("asterisk", "apply", "--dry-run")
    assert told.code == 0
    assert "foreign   extensions.conf" in told.out
    assert "-[default]" in told.out
    assert SECRET not in told.out
    assert texts(etc) == before
    keys.check("asterisk-apply", callwright("asterisk", "apply", "--dry-run", "--json").json)


def test_a_whole_life(callwright: Callwright, etc: Path, tmp_path: Path) -> None:
    before = texts(etc)
    refused = callwright("asterisk", "apply", "--no-reload")
    assert (refused.code, texts(etc)) == (4, before)
    assert callwright("asterisk", "apply", "--no-reload", "--replace").code == 0
    assert (etc / "extensions.conf.bak").read_text() == "[default]\n"
    assert (tmp_path / "ast" / "agi-bin" / "rescue.py").stat().st_mode & 0o111
    assert (tmp_path / "ast" / "rescue").is_dir()
    again = callwright("asterisk", "apply", "--no-reload", "--json").json
    assert {item["change"] for item in again["items"]} == {"same"}
    assert (again["applied"], again["reloaded"]) == (True, False)
    callwright("agent", "add", "1001")
    changed = callwright("asterisk", "apply", "--no-reload", "--json").json
    assert [item["name"] for item in changed["items"] if item["change"] == "changed"] == ["callwright_pjsip.conf"]
    assert (etc / "extensions.conf.bak").read_text() == "[default]\n"
    gone = callwright("asterisk", "remove", "--yes", "--no-reload", "--json").json
    assert {item["change"] for item in gone["items"]} == {"removed", "restored"}
    assert texts(etc) == before


def test_what_somebody_edited_is_left_alone(callwright: Callwright, etc: Path) -> None:
    callwright("asterisk", "apply", "--no-reload", "--replace")
    (etc / "rtp.conf").write_text("; mine\n")
    assert callwright("asterisk", "apply", "--no-reload").code == 4
    told = callwright("asterisk", "remove", "--yes", "--no-reload", "--json").json
    assert {item["name"] for item in told["items"] if item["change"] == "foreign"} == {"rtp.conf"}
    assert (etc / "rtp.conf").read_text() == "; mine\n"


def test_a_secret_that_is_not_set(callwright: Callwright, config: Path) -> None:
    config.write_text(config.read_text().replace(f'agi_secret = "{SECRET}"', ""))
    told = callwright("asterisk", "render", "--json")
    assert (told.code, told.error["where"]) == (2, "asterisk.agi_secret")


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Installation(tmp_path / "none").compare({"a.conf": ""})


def test_hidden() -> None:
    text = "secret = abc\nPassword=x y\nCW_AGI_SECRET = s3\nusername = me\n"
    assert hidden(text) == "secret = (secret)\nPassword=(secret) y\nCW_AGI_SECRET = (secret)\nusername = me\n"
