"""Doctor: each check's verdicts, and the whole of it."""

from __future__ import annotations

import socket
import time
from importlib import metadata
from pathlib import Path

import pytest

from cli.checkup import house, machine, telephony
from cli.checkup.finding import Finding, Verdict, fail, judged, ok
from engine.domain.facts import TimePassed
from engine.errors import ConfigError
from engine.settings import Settings, load
from engine.store.journal import Journal
from engine.testing.ami_peer import AmiPeer
from tests.cli import keys
from tests.cli.conftest import Callwright


def verdicts(items: list[dict[str, str]]) -> dict[str, str]:
    """Name -> verdict."""
    return {item["name"]: item["verdict"] for item in items}


def test_a_fresh_site(callwright: Callwright) -> None:
    told = callwright("doctor", "--json")
    keys.check("doctor", told.json)
    found = verdicts(told.json["items"])
    assert (told.code, told.json["ok"]) == (1, False)
    assert {found[name] for name in ("python", "packages", "settings", "disk", "journal", "flows")} == {"ok"}
    assert {found[name] for name in ("data-folder", "database", "engine")} == {"warn"}
    assert {found[name] for name in ("ami", "dialplan", "sounds", "recordings")} == {"fail"}
    assert all(item["mend"] for item in told.json["items"] if item["verdict"] != "ok")


def test_for_people(callwright: Callwright) -> None:
    told = callwright("doctor")
    assert "→ callwright asterisk apply" in told.out
    assert "failed" in told.out.splitlines()[-1]


def test_numbers_lead_somewhere(callwright: Callwright, config: Path) -> None:
    def numbers() -> tuple[str, str, str]:
        found = next(item for item in callwright("doctor", "--json").json["items"] if item["name"] == "numbers")
        return found["verdict"], found["evidence"], found["mend"]

    assert numbers()[0] == "warn"  # no database
    callwright("db", "upgrade")
    assert numbers()[:2] == ("warn", "none is defined: every call is refused")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("/ivr_flows", "/nowhere"), encoding="utf-8")
    callwright("number", "add", "+442079460001", "--flow", "main-enn")
    assert "/nowhere cannot be read: No such file" in numbers()[1]
    config.write_text(text, encoding="utf-8")
    assert numbers()[0::2] == ("fail", "callwright number set +442079460001 --flow main-en")
    callwright("number", "set", "+442079460001", "--flow", "main-en")
    assert "sales (flow main-en), support (flow main-en)" in numbers()[1]
    for name in ("sales", "support"):
        callwright("skill", "add", name)
        callwright("queue", "add", name, "--need", f"{name}=1")
    assert numbers()[0] == "ok"


def test_a_settings_file_that_everybody_may_read(callwright: Callwright, config: Path) -> None:
    config.chmod(0o644)
    found = next(item for item in callwright("doctor", "--json").json["items"] if item["name"] == "settings")
    assert (found["verdict"], found["mend"]) == ("warn", f"chmod o= {config}")


def test_settings_that_cannot_be_used(callwright: Callwright, config: Path) -> None:
    config.write_text("[sight]\n")
    told = callwright("doctor", "--json").json
    assert told["items"][-1]["name"] == "settings"
    assert "did you mean site?" in told["items"][-1]["mend"]


def test_a_site_at_work(callwright: Callwright, config: Path, engine: object, data: Path) -> None:
    data.chmod(0o700)
    callwright("asterisk", "apply", "--no-reload")
    with socket.create_server(("127.0.0.1", 0)) as agi:
        port = agi.getsockname()[1]
        config.write_text(config.read_text().replace("ami_port = 1", f"ami_port = 1\nagi_port = {port}"))
        (config.parent / "ast" / "sounds").mkdir()
        found = verdicts(callwright("doctor", "--json").json["items"])
    for name in ("engine", "fastagi", "dialplan", "sounds", "recordings", "rescue-spool", "data-folder"):
        assert found[name] == "ok", name


def test_the_port_is_taken(callwright: Callwright, config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config.write_text(config.read_text().replace("ami_port = 1", f"ami_port = 1\nagi_port = {port}"))
        found = {item["name"]: item for item in callwright("doctor", "--json").json["items"]}
    assert found["fastagi"]["evidence"] == f"127.0.0.1:{port} is taken by another program"


def test_a_journal_from_the_future(callwright: Callwright, data: Path) -> None:
    journal = Journal.open(data / "journal", "seed")
    journal.append(TimePassed(), time.time_ns() // 1000 + 3_700_000_000)
    journal.close()
    found = {item["name"]: item for item in callwright("doctor", "--json").json["items"]}
    assert (found["journal"]["verdict"], found["journal-clock"]["verdict"]) == ("ok", "warn")
    assert found["journal-clock"]["evidence"].startswith("the journal's clock is 1:01:")


def test_a_broken_flow(callwright: Callwright, config: Path, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "bad.yaml").write_text("flow: bad\n")
    text = config.read_text().splitlines()
    config.write_text("\n".join(f'flows = "{tmp_path}/flows"' if line.startswith("flows") else line for line in text))
    found = {item["name"]: item for item in callwright("doctor", "--json").json["items"]}
    assert found["flows"]["verdict"] == "fail"
    assert found["flows"]["mend"].startswith("callwright flow check ")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("22.10.1~dfsg+~cs6", Verdict.OK),
        ("23.0.0", Verdict.OK),
        ("22.9.0", Verdict.WARN),
        ("20.5.0", Verdict.WARN),
        ("18.20.0", Verdict.FAIL),
        ("GIT-master", Verdict.WARN),
    ],
)
def test_versions(said: str, verdict: Verdict) -> None:
    assert telephony.judged_version(said).verdict is verdict


def test_rights() -> None:
    allowed = set(telephony.NEEDED)
    assert telephony.judged_rights(allowed).verdict is Verdict.OK
    assert telephony.judged_rights(allowed | {"Command"}).verdict is Verdict.WARN
    lacking = telephony.judged_rights(allowed - {"Bridge"})
    assert (lacking.verdict, "Bridge (features)" in lacking.evidence) == (Verdict.FAIL, True)


def test_contexts_are_those_of_the_dialplan() -> None:
    assert {"callwright-inbound", "callwright-agents", "callwright-rescue"} <= set(telephony.contexts())


async def test_a_refused_login(config: Path) -> None:
    async with AmiPeer() as peer:
        known = load(config).asterisk.model_copy(update={"ami_port": peer.port})
        findings = [found async for found in telephony.telephony(Settings(asterisk=known))]
    assert findings[0].verdict is Verdict.FAIL
    assert "refused the login" in findings[0].evidence


async def test_looking_at_the_engines_port_knocks_at_no_door(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as agi:
        agi.setblocking(False)
        port = agi.getsockname()[1]
        known = load(config)
        asterisk = known.asterisk.model_copy(update={"agi_port": port})
        found = [each async for each in telephony.ports(known.model_copy(update={"asterisk": asterisk}), served=True)]
        assert (found[0].name, found[0].evidence) == ("fastagi", f"127.0.0.1:{port} is open")
        with pytest.raises(BlockingIOError):
            agi.accept()


async def test_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        assert await telephony.reachable("127.0.0.1", port)
    assert not await telephony.reachable("127.0.0.1", port)


def test_an_error_is_a_failed_check() -> None:
    def refuse() -> Finding:
        raise ConfigError("no", where="there", mend="do this")

    def unreadable() -> Finding:
        raise PermissionError(13, "Permission denied", "/etc/x")

    assert judged("a", refuse) == fail("a", "there: no", "do this")
    assert judged("b", unreadable) == fail("b", "/etc/x: Permission denied", "check the path and its rights")


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Settings().model_copy(update={"paths": Settings().paths.model_copy(update={"data": tmp_path / "new"})})
    for limits, verdict in (((0, 0), Verdict.OK), ((0, 2**60), Verdict.WARN), ((2**60, 2**61), Verdict.FAIL)):
        monkeypatch.setattr(house, "FULL", limits[0])
        monkeypatch.setattr(house, "LOW", limits[1])
        assert next(each for each in house.house(known) if each.name == "disk").verdict is verdict


def test_packages_that_differ_from_the_lock() -> None:
    assert machine.differing({"typer": {"0.0.1"}, "no-such-package": {"1"}})[0].startswith("typer ")
    has = metadata.version("typer")
    lock = f"typer=={has} ; python_version < '3.12' \\\n    --hash=sha256:0\ntyper==99.0 ; python_version >= '3.12'\n"
    assert machine.pinned(lock) == {"typer": {has, "99.0"}}
    assert machine.differing(machine.pinned(lock)) == []
    assert ok("x", "y").mend == ""


def test_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    told = machine.tool("sox", "no sound")
    assert (told.verdict, told.mend) == (Verdict.WARN, "apt-get install sox")
