"""Set-up's refusals say what is missing and how to mend it; a tree that is there is used at once."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from engine.lab import sources, tree
from engine.lab.setup import need_programs


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def no_system_asterisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_system", lambda _root, _say: None)


@pytest.mark.usefixtures("no_system_asterisk")
def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(10**12, 10**12, 9_000_000))
    with pytest.raises(tree.SetupFailed, match="9 MB of disk are free, 1500 MB are needed") as refused:
        tree.provision(tmp_path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.usefixtures("no_system_asterisk")
def test_no_mirror_in_the_apt_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "read", lambda: ())
    monkeypatch.setattr(tree, "_need_mmdebstrap", lambda _say: None)
    with pytest.raises(tree.SetupFailed, match="no Debian package mirror"):
        tree.provision(tmp_path)


@pytest.mark.parametrize(("euid", "mend"), [(1000, "sudo apt-get install mmdebstrap")])
def test_no_mmdebstrap_and_not_root(monkeypatch: pytest.MonkeyPatch, euid: int, mend: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    with pytest.raises(tree.SetupFailed, match=mend):
        tree._need_mmdebstrap(print)


def test_a_failing_step_shows_its_last_lines_and_blames_the_network_when_it_is_that() -> None:
    said: list[str] = []
    script = "echo 'I: running apt-get update...'; echo 'E: Could not resolve host'; exit 1"
    with pytest.raises(tree.SetupFailed, match=r"Could not resolve host.*check the network"):
        tree._run_showing(["sh", "-c", script], said.append)
    assert said == ["  running apt-get update..."]


@pytest.mark.usefixtures("no_system_asterisk")
def test_a_stamped_tree_is_used_without_a_word(tmp_path: Path) -> None:
    binary = tmp_path / "tree/usr/sbin/asterisk"
    binary.parent.mkdir(parents=True)
    binary.touch()
    stamp = tree._AsUnpacked(layout=tree._LAYOUT, version="22.10.1")
    (tmp_path / "tree.json").write_bytes(msgspec.json.encode(stamp))
    said: list[str] = []
    found = tree.provision(tmp_path, said.append)
    assert (found.version, said) == ("22.10.1", [])
    assert found.inside(found.home / "x" / "etc") == "/srv/callwright/x/etc"


def test_a_path_outside_the_tree_is_refused(tmp_path: Path) -> None:
    plain = tree._plain(tmp_path / "tree", "22.10.1")
    with pytest.raises(ValueError, match="not in the subpath"):
        plain.inside(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("printed", "version"),
    [("Asterisk 22.10.1+dfsg~cs6\n", "22.10.1"), ("Asterisk certified/20.7-cert2\n", "20.7"), ("hello\n", None)],
)
def test_versions_as_asterisk_prints_them(printed: str, version: str | None) -> None:
    assert tree._version(["printf", printed]) == version


def test_missing_programs_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(tree.SetupFailed, match="sudo apt-get install surely-not-there"):
        need_programs({"no-such-program": "surely-not-there", "sh": "dash"})
