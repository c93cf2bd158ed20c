"""The house rules that a machine can check: imports, sizes, errors, excepts, test manners, words that stay outside."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import engine
from engine import errors
from engine.errors import CallwrightError

ROOT: Final = Path(__file__).parents[1]
LONGEST_FILE: Final = 600
LONGEST_FUNCTION_P95: Final = 40
TEST_LINES_PER_MOCK: Final = 1_000
CORE_TESTS: Final = ("domain", "acd", "flows", "floor", "dialer")
POOR_NAMES: Final = re.compile(r"(manager|handler|helper|utils?|service)s?", re.IGNORECASE)
STABLE_ERROR_IDS: Final = """
    error usage not-found conflict asterisk-unreachable refused config bug
    ami ami-unencodable ami-header-missing ami-lost ami-timeout ami-busy ami-refused
    agi agi-command agi-protocol agi-refused agi-sound-missing agi-timeout prompt-unavailable
    store-unavailable store-too-new journal-unwritable journal-broken
"""
"""Ids that have been published: scripts rely on them, so none of them may ever go."""


def python_files(*tops: str) -> list[Path]:
    """All our Python files below these folders."""
    return sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_point_down_and_the_core_is_pure() -> None:
    """The contracts stand in pyproject.toml, section [tool.importlinter]."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("top", ["engine", "cli", "tests"])
def test_no_file_is_too_long(top: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(top)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("top", ["engine", "cli"])
def test_functions_are_short(top: str) -> None:
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for path in python_files(top) for node in functions(path))
    assert lengths[int(len(lengths) * 0.95)] <= LONGEST_FUNCTION_P95


def test_names_say_what_a_thing_is() -> None:
    poor = [path for path in python_files("engine", "cli") if POOR_NAMES.fullmatch(path.stem)]
    for path in python_files("engine", "cli"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        poor += [path / name for name in classes if re.search(rf"{POOR_NAMES.pattern}$", name)]
    assert poor == []


# --- errors ----------------------------------------------------------------------------------------------------------


def all_errors() -> list[type[CallwrightError]]:
    """The whole tree, wherever its leaves are defined."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if "versions" not in module.name and not module.name.endswith(("env", "__main__")):
            importlib.import_module(module.name)
    found: list[type[CallwrightError]] = [CallwrightError]
    for error in found:
        found.extend(child for child in error.__subclasses__() if child.__module__.startswith("engine."))
    return list(dict.fromkeys(found))


def test_every_error_has_an_id_of_its_own_that_never_changes() -> None:
    tree = all_errors()
    missing = [error.__name__ for error in tree if "error_id" not in vars(error)]
    assert missing == [], "an error without an id of its own"
    twice = [error_id for error_id, times in Counter(error.error_id for error in tree).items() if times > 1]
    assert twice == []
    assert {error.error_id for error in tree} >= set(STABLE_ERROR_IDS.split())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", error.error_id) for error in tree)


def test_every_error_stands_in_the_tree_that_is_drawn() -> None:
    """By its name, or in one of the sections of the module that the drawing names."""
    drawn = errors.__doc__ or ""
    source = Path(errors.__file__).read_text(encoding="utf-8")
    sections = set(re.findall(r"^# --- ([a-z]+) -+$", source, re.MULTILINE))
    assert all(re.search(rf"── {section}\b", drawn) for section in sections), "a section that the drawing leaves out"
    head = source.split("\n# --- ", maxsplit=1)[0]
    loose = [name for name in re.findall(r"^class (\w+)", head, re.MULTILINE) if name not in drawn]
    assert loose == []
    assert [error.__name__ for error in all_errors() if error.__bases__[0] is Exception] == ["CallwrightError"]


def test_every_broad_except_says_why() -> None:
    """A comment on its line or the next, unless it only tidies up and raises again."""
    silent = []
    for path in python_files("engine", "cli", "tests"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
                continue
            if isinstance(node.body[-1], ast.Raise):
                continue
            near = lines[node.lineno - 1 : node.lineno + 1]
            if not any("#" in line and re.search(r"#(?! noqa: [A-Z0-9, ]+$).*\w", line) for line in near):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


def _is_broad(caught: ast.expr | None) -> bool:
    names = [caught] if not isinstance(caught, ast.Tuple) else caught.elts
    broad = {"Exception", "BaseException"}
    return any(name is None or (isinstance(name, ast.Name) and name.id in broad) for name in names)


# --- tests' manners --------------------------------------------------------------------------------------------------


def test_fakes_obey_the_protocol_and_mocks_are_rare() -> None:
    """At most one mock per thousand test lines, and none in the core's tests."""
    mocks = Counter[str]()
    lines = 0
    for path in python_files("tests"):
        if path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            lines += len(text.splitlines())
            folder = path.relative_to(ROOT / "tests").parts[0]
            mocks[folder] += len(re.findall(r"\b\w*Mock\(|(?<![.\w])patch\(|mock\.patch", text))
    assert mocks.total() <= lines / TEST_LINES_PER_MOCK
    assert not any(mocks[folder] for folder in CORE_TESTS)


def test_core_tests_never_sleep() -> None:
    core = [path for path in python_files("tests") if path.relative_to(ROOT / "tests").parts[0] in CORE_TESTS]
    assert len(core) > 10
    assert [path for path in core if re.search(r"\bsleep\(", path.read_text(encoding="utf-8"))] == []


# --- what stays outside ----------------------------------------------------------------------------------------------


def test_no_machine_and_no_workplace_is_named() -> None:
    """Nothing in the repository depends on, or tells of, the machine that it was written on."""
    # brackets, so that this file does not find itself
    words = re.compile(r"(?<![\w.])/[w]ork(?=[/\"'\s`)]|$)|(?<![\w)])[.]library\b|\b[f]arm-\w", re.MULTILINE)
    told = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # sounds and pictures
        told += [f"{path.relative_to(ROOT)}: {found.group()}" for found in words.finditer(text)]
    assert told == []


def tracked_files() -> list[Path]:
    """What git holds; an unpacked release has no git, and all of it counts."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = (
        listed.stdout.split("\0") if listed.returncode == 0 else [str(path) for path in python_files("engine", "cli")]
    )
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]
