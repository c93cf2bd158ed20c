"""`docs/dependencies.md` against pyproject.toml, the lock file and the installed packages' own words."""

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
OFFERED_OTHERWISE_TOO: Final = {"forbiddenfruit", "pyst2"}
"""Packages that name the (L)GPL beside another licence; the page says which one is used."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct() -> set[str]:
    """What pyproject.toml names, and `make lock` beside it (the build back end)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    named += [*project["build-system"]["requires"], "editables"]
    return {normal(re.split(r"[<>=!~\[;]", each)[0].strip()) for each in named}


def locked() -> dict[str, set[str]]:
    """Name -> versions; more than one where they differ by Python version."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text()):
        found.setdefault(normal(name), set()).add(version)
    return found


def rows() -> dict[str, tuple[str, str, str]]:
    """Name -> version, licence, reason, of the page's first two tables."""
    packages = PAGE.split("## Not as they seem")[0]
    cells = re.findall(r"(?m)^\| (\S+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", packages)
    return {normal(name): (version, licence, why) for name, version, licence, why in cells if name != "Package"}


def licence_of(name: str) -> str:
    """What an installed package says about its licence; "" if it is not installed here."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License")]
    # Some put the whole text into `License`: its first line is the name.
    fields = [text for key in ("License-Expression", "License") for text in metadata.get_all(key) or []]
    said = [text.partition("\n")[0] for text in fields]
    return " / ".join(filter(None, [*said, *classifiers]))


def test_every_direct_dependency_stands_there_and_no_other() -> None:
    assert set(rows()) == direct()


@pytest.mark.parametrize("name", sorted(direct()))
def test_a_row_has_the_locked_version_a_licence_and_a_reason(name: str) -> None:
    version, licence, why = rows()[name]
    assert set(re.findall(r"\d+(?:\.\d+)+", version.split(" on ")[0])) <= locked()[name]
    assert any(each in version for each in locked()[name])
    assert len(licence) >= 3
    assert len(why) >= 5


def test_no_dependency_is_under_the_gpl() -> None:
    copyleft = re.compile(r"\bL?GPL|General Public License", re.IGNORECASE)
    found = {name for name in locked() if copyleft.search(licence_of(name))}
    assert found <= OFFERED_OTHERWISE_TOO
    assert all(name in PAGE for name in found)


def test_the_licence_check_has_something_to_look_at() -> None:
    assert "MIT" in licence_of("rich")
    assert sum(bool(licence_of(name)) for name in locked()) > 40
