"""Files as people have them: each is read, or refused with the line and what to do."""

from __future__ import annotations

import csv
import io
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, NotFound
from engine.store.list_columns import find_columns
from engine.store.list_files import LONGEST_ROW_OF_LINES, MOST_LINES_OF_A_ROW, guess, open_list

CHINESE = "姓名,手机\n王芳,13800138000\n李伟,13800138001\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def rows(path: Path, content: str | bytes, encoding: str = "") -> list[tuple[int, list[str] | None]]:
    """Write a file and read it as a list."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    opened = open_list(path, {}, encoding)
    with opened.file:
        return [(row.line, row.cells) for row in opened.rows]


def refusal(path: Path, content: str | bytes, encoding: str = "") -> ConfigError:
    """What is said of a file that is no list."""
    with pytest.raises(ConfigError) as refused:
        rows(path, content, encoding)
    return refused.value


@pytest.mark.parametrize(
    ("content", "encoding", "line"),
    [
        (CHINESE.encode("gb18030"), "gb18030", 1),
        (("number,name\n" + "+442079460121,Ann\n" * 3000).encode() + "+1,王芳\n".encode("gbk"), "gb18030", 3002),
        ("number,name\n1,Ann\n2,J\xfcrgen\n".encode("cp1252"), "cp1252", 3),
        (CHINESE.encode("utf-16-le"), "utf-16-le", 1),
        ("number\n+442079460121\n".encode("utf-16-be"), "utf-16-be", 1),
    ],
)
def test_another_encoding_is_named_with_its_line(path: Path, content: bytes, encoding: str, line: int) -> None:
    refused = refusal(path, content)
    assert refused.where == f"list.csv:{line}"
    assert f"--encoding {encoding}" in refused.mend
    assert rows(path, content, encoding)


def test_a_wrong_encoding_is_told_of_too(path: Path) -> None:
    assert "no encoding 'klingon'" in refusal(path, CHINESE, "klingon").what
    assert "no encoding 'rot13'" in refusal(path, CHINESE, "rot13").what
    assert refusal(path, b"number\n\xff\xff\xff\n", "gb18030").where == "list.csv:2"
    assert refusal(path, b"number\n1\n", "utf-16").where == "list.csv:1"


def test_chinese_is_told_from_western_text() -> None:
    assert guess("很高兴认识你".encode("gbk")) == "gb18030"
    assert guess("Jürgen Müller, Besançon".encode("cp1252")) == "cp1252"


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        (['1,"unfinished', *("2,b" for _ in range(MOST_LINES_OF_A_ROW))], 2),
        (["1,a", '2,"unfinished', "3,c", '4,"Bob"', "5,e"], 3),
        (["1,a", '2,"unfinished', "3,c"], 3),
        (["1,a", '2,"' + "x" * LONGEST_ROW_OF_LINES, "3,c"], 3),
    ],
    ids=["to the end", "closed by another", "at the end", "long"],
)
def test_a_quote_that_swallows_rows_is_told_where_it_begins(path: Path, lines: list[str], begins: int) -> None:
    refused = refusal(path, "\n".join(("number,name", *lines)))
    assert refused.where == f"list.csv:{begins}"
    assert "swallows" in refused.what


def test_line_breaks_within_fields_are_no_fault(path: Path) -> None:
    read = rows(path, 'number,address\n1,"Baker Street\r\nLondon, ""NW1"""\n\n2,b\n')
    assert read == [(2, ["1", 'Baker Street\r\nLondon, "NW1"']), (5, ["2", "b"])]


def test_what_holds_nobody_is_told(path: Path) -> None:
    assert "no row stands below" in refusal(path, "number,name\n\n,\n").what
    assert "the file is empty" in refusal(path, "").what
    assert "the file is empty" in refusal(path, "\n \n").what
    assert "longer than" in refusal(path, "number\n" + "9" * (2 << 20)).what
    with pytest.raises(NotFound):
        open_list(path.parent / "gone.csv", {})


def test_excel_s_own_line_tells_the_separator(path: Path) -> None:
    assert rows(path, "sep=|\r\nnumber|name, first\r\n1|a;b,c\r\n") == [(3, ["1", "a;b,c"])]


def test_memory_does_not_grow_with_the_file(path: Path) -> None:
    with path.open("w") as file:
        file.write("number,name\n")
        file.writelines("+442079460121,Ann and some text\n" for _ in range(50_000))
    tracemalloc.start()
    opened = open_list(path, {})
    with opened.file:
        assert sum(1 for _ in opened.rows) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@given(st.binary(max_size=400), st.sampled_from(["", "utf-8", "utf-16", "gb18030", "big5", "cp1252"]))
def test_any_bytes_are_a_list_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, told: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with suppress(ConfigError):
        rows(path, b"number\n" + content, told)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1, max_size=20)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=5))
def test_what_a_spreadsheet_writes_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    written = io.StringIO()
    csv.writer(written).writerows([["number", "name"], *cells])
    assert [row for _, row in rows(path, written.getvalue())] == cells


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_found_by_name_or_as_told() -> None:
    names = ["Name", "Anschluss", "PRIO", "tz"]
    columns = find_columns(names, {"number": "Anschluss"})
    assert columns == ("Anschluss", "", "PRIO", "tz")
    with pytest.raises(ConfigError, match="no column 'phone'"):
        find_columns(names, {"number": "phone"})
    with pytest.raises(ConfigError, match="no column holds"):
        find_columns(names, {})


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["phone2", "phone", "phone3"], "phone"),
        (["name", "Phone 1"], "Phone 1"),
        (["姓名", "手机号码"], "手机号码"),
        (["number of children", "mobile"], "mobile"),
    ],
)
def test_one_column_is_the_number_s(names: list[str], taken: str) -> None:
    assert find_columns(names, {}).number == taken


@pytest.mark.parametrize("names", [["phone", "mobile"], ["phone1", "phone2"], ["number", "Phone"], ["phone", "phone"]])
def test_between_several_the_user_chooses(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="2 columns could hold the telephone numbers") as refused:
        find_columns(names, {})
    assert "--column" in refused.value.mend
    assert find_columns(names, {"number": names[1]}).number == names[1]


def test_a_missing_header_is_told_without_the_number() -> None:
    with pytest.raises(ConfigError, match="the first line is a row") as refused:
        find_columns(["Ann", "+44 20 7946 0121"], {})
    assert "7946" not in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        find_columns(["Ann", "+44 20 7946 0121"], {"number": "phone"})
    assert "7946" not in str(refused.value)
