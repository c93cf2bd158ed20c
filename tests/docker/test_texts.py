"""The documents a stranger reads first: their links lead somewhere, both languages say the same, commands exist."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import typer.testing
from typer.main import get_command

from cli.main import app

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), ROOT / "docs" / "README.md", ROOT / "docs" / "quick-start.md"])
ENGLISH: Final = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE: Final = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def shell_blocks(text: str) -> list[str]:
    """The contents of a page's code blocks marked `sh`."""
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    return [block for language, block in blocks if language == "sh"]


def commands(page: Path) -> list[list[str]]:
    """Every `callwright ...` line of a page's code blocks, as words."""
    found = []
    for block in shell_blocks(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for name in ("callwright", ".venv/bin/callwright"):
                if name in words:
                    end = words.index("|") if "|" in words[words.index(name) :] else len(words)
                    found.append(words[words.index(name) + 1 : end])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [each for each in targets if "://" not in each and not (page.parent / each).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    runner = typer.testing.CliRunner()
    for words in commands(page):
        names: list[str] = []
        group = get_command(app)
        for word in words:
            known = getattr(group, "commands", {})
            if word not in known:
                break
            names.append(word)
            group = known[word]
        options = {part for each in getattr(group, "params", []) for part in [*each.opts, *each.secondary_opts]}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options | {"--config", "--debug", "--version"}, words
        assert runner.invoke(app, [*names, "--help"]).exit_code == 0, words


def test_the_chinese_readme_has_the_same_parts() -> None:
    def shape(text: str) -> tuple[int, list[str], set[str]]:
        lines = [re.sub(r"\s*#.*", "", line).rstrip() for block in shell_blocks(text) for line in block.splitlines()]
        links = {link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")}
        return len(re.findall(r"(?m)^## ", text)), [line for line in lines if line], links

    assert shape(ENGLISH) == shape(CHINESE)
