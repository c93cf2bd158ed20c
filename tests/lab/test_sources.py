"""Where packages come from: apt's own two formats, read and never guessed."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.lab.sources import Archive, base, read

DEB822 = """\
Types: deb
# a comment between fields
URIs: http://mirror.invalid/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb deb-src
URIs: http://security.invalid/debian-security
Suites: bookworm-security

Types: deb
Enabled: no
URIs: http://off.invalid/debian
Suites: bookworm
"""
ONE_LINE = """\
# deb http://commented.invalid/debian bookworm main
deb-src http://source.invalid/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://one.invalid/debian bookworm main contrib # remark
deb http://vendor.invalid/apt stable main
"""


def apt(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return tmp_path


def test_the_release_of_the_distribution_itself_is_found_in_a_deb822_file(tmp_path: Path) -> None:
    found = base(read(apt(tmp_path, debian_sources=DEB822)), "bookworm")
    assert found == Archive(
        "http://mirror.invalid/debian", ("bookworm", "bookworm-updates"), "/usr/share/keyrings/debian.gpg"
    )


def test_one_line_entries_with_options_and_remarks(tmp_path: Path) -> None:
    archives = read(apt(tmp_path, debian_list=ONE_LINE))
    assert [archive.uri for archive in archives] == ["http://one.invalid/debian", "http://vendor.invalid/apt"]
    assert archives[0].keyring == "/k.gpg"


def test_disabled_foreign_and_backup_files_give_nothing(tmp_path: Path) -> None:
    folder = apt(tmp_path, debian_save=DEB822, vendor_list="deb http://vendor.invalid/apt stable main\n")
    assert base(read(folder), "bookworm") is None


def test_no_apt_at_all(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") == ()


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    from engine.lab.sources import _deb822, _one_line

    assert all(archive.uri for archive in [*_deb822(text), *_one_line(text)])
