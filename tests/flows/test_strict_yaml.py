from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.flows import strict_yaml
from engine.flows.problems import Problems
from engine.flows.strict_yaml import Items, Table, Text, Tree, read


def tree_of(text: str) -> Tree:
    problems = Problems("test.yaml")
    tree = read(text, problems)
    assert tree is not None, problems.errors
    assert problems.errors == []
    return tree


def refusals(text: str) -> list[str]:
    problems = Problems("test.yaml")
    read(text, problems)
    return [f"{error.line}:{error.column} {error.what}" for error in problems.errors]


def plain(tree: Tree) -> object:
    """The tree without its marks."""
    match tree:
        case Text():
            return tree.value
        case Items():
            return [plain(value) for value in tree.values]
        case Table():
            return {key: plain(value) for key, value in tree.entries.items()}


def test_every_scalar_stays_what_was_written() -> None:
    text = "a: no\nb: 012\nc: 09:30\nd: 2026-12-25\ne: 1_000\nf: ~\ng: 'x'\nh: 1e3\ni: =\nj: <<\n"
    assert plain(tree_of(text)) == {
        "a": "no", "b": "012", "c": "09:30", "d": "2026-12-25", "e": "1_000", "f": "~", "g": "x", "h": "1e3", "i": "=",
        "j": "<<",
    }  # fmt: skip


def test_places_count_from_one_and_in_characters() -> None:
    tree = tree_of("一: {二三: [四, 五]}\nb: 六")
    assert isinstance(tree, Table)
    assert tree.marks["b"] == (2, 1)
    inner = tree.entries["一"]
    assert isinstance(inner, Table)
    items = inner.entries["二三"]
    assert isinstance(items, Items)
    assert items.values[1].mark == (1, 13)


def test_an_empty_value_is_told_from_an_empty_text() -> None:
    tree = tree_of("a:\nb: ''")
    assert isinstance(tree, Table)
    assert tree.entries["a"] == Text("", (1, 3), given=False)  # type: ignore[arg-type]
    assert tree.entries["b"].given  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("a: &x 1\nb: *x", "1:4 an anchor"),
        ("a: *x", "1:4 an alias, *x"),
        ("a: !!python/object/apply:os.system [id]", "1:4 a tag, `tag:yaml.org,2002:python/object/apply:os.system`"),
        ("a: !!str x", "1:4 a tag, `tag:yaml.org,2002:str`"),
        ("!x a: b", "1:1 a tag, `!x`"),
        ("a: 1\na: 2", "2:1 the key `a` stands twice"),
        ("a: 1\n---\nb: 2", "2:1 a second document starts here"),
        ("? [a]\n: b", "1:3 a key that is no plain word"),
        ("", "1:1 the file is empty"),
        ("# nothing\n", "1:1 the file is empty"),
        ("a: b: c", "1:5 this is not YAML: mapping values are not allowed in this context"),
        ("a: \x01", "1:4 a character that cannot stand in YAML"),
        ("a:\n  b: \ud800", "2:6 half of a surrogate pair"),
    ],
)
def test_what_it_refuses(text: str, refusal: str) -> None:
    assert refusal in refusals(text)


def test_python_tags_run_nothing(tmp_path: object) -> None:
    marker = f"{tmp_path}/ran"
    for name in ("python/object/apply:os.mkdir", "python/object/new:os.mkdir", "python/name:os.mkdir"):
        refusals(f"a: !!{name} ['{marker}']")
    from pathlib import Path

    assert not Path(marker).exists()


def test_billion_laughs_stop_at_the_first_alias() -> None:
    lines = ["a0: &a0 [ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert [refusal for refusal in refusals("\n".join(lines)) if "alias" in refusal] == ["2:10 an alias, *a0"]


def test_nesting_is_bounded() -> None:
    assert refusals("[" * 32 + "]" * 32) == []
    assert refusals("[" * 33 + "]" * 33) == ["1:33 nested deeper than 32 levels"]
    for opened in ("[", "{", "{a: ", "- "):
        assert refusals(opened * 100_000)


def test_size_is_bounded() -> None:
    assert refusals("a: " + "x" * ((1 << 20) - 3)) == []
    assert refusals("a: " + "x" * ((1 << 20) - 2)) == ["1:1 the file has 1,048,577 bytes, more than 1,048,576"]
    assert "bytes" in refusals("a: " + "张" * 400_000)[0]


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    problems = Problems("test.yaml")
    assert read(text, problems) is not None or problems.errors


@given(st.text(alphabet="a:-[]{}&*!|>'\"%@`#, \n\t?~<=\\x0", max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    problems = Problems("test.yaml")
    assert read(text, problems) is not None or problems.errors


_words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), exclude_characters="\ufeff"), max_size=12)
_trees = st.recursive(
    _words,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(_words, inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(_trees)
def test_what_yaml_writes_we_read(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    problems = Problems("test.yaml")
    tree = read(text, problems)
    assert tree is not None
    assert plain(tree) == value


def test_the_slower_loader_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "flow: x\nnodes:\n  a: {say: 您好, next: b}\n  b:\n    hangup:\n"
    fast = tree_of(text)
    monkeypatch.setattr(strict_yaml, "_LOADER", strict_yaml._PythonLoader)
    assert tree_of(text) == fast
    assert refusals("a: 'x") == ["1:6 this is not YAML: found unexpected end of stream"]


def test_a_megabyte_is_read_in_time() -> None:
    text = "".join(f"k{n}: value number {n}\n" for n in range(38_000))
    began = time.perf_counter()
    tree_of(text)
    assert time.perf_counter() - began < 5
