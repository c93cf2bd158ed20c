"""Leads and the do-not-call list on the command line, over a store that was filled and at an engine."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from tests.cli import keys
from tests.cli.conftest import Callwright
from tests.web.memory import MemoryConsole

LIST = """\
name;Phone;list
Ann;+442079460121;a
Bob;020 7946 0122;b
Zoe;+33123456789;b
Eve;none;b
Joe;12;b
"""


@pytest.fixture
def filled(callwright: Callwright, tmp_path: Path) -> Callwright:
    """A store with a campaign and its list."""
    file = tmp_path / "leads.csv"
    file.write_text(LIST, encoding="utf-8")
    callwright("queue", "add", "sales")
    callwright("campaign", "create", "autumn", "--queue", "sales", "--region", "GB")
    told = callwright("lead", "import", "autumn", str(file))
    assert told.out.splitlines()[0] == "3 leads imported, 0 known already, 2 rejected."
    return callwright


def test_leads_are_listed_masked(filled: Callwright) -> None:
    page = filled("lead", "list", "--json").json
    keys.check("lead-list", page)
    assert {(lead["number"], lead["segment"], lead["state"]) for lead in page["items"]} == {
        ("+44••••21", "a", "new"),
        ("+44••••22", "b", "new"),
        ("+33••••89", "b", "new"),
    }
    assert "+442079460122" in filled("lead", "list", "--numbers").out
    assert filled("lead", "list", "--campaign", "winter").code == 3
    assert filled("lead", "list", "--state", "done", "--json").json["items"] == []


def test_lists_come_in_pages(filled: Callwright) -> None:
    first = filled("lead", "list", "--limit", "2", "--json").json
    rest = filled("lead", "list", "--limit", "2", "--cursor", first["next"], "--json").json
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert f"--cursor {first['next']}" in filled("lead", "list", "--limit", "2").err
    bad = filled("lead", "list", "--rejected", "--limit", "1", "--json").json
    more = filled("lead", "list", "--rejected", "--limit", "1", "--cursor", bad["next"], "--json").json
    assert [row["line"] for row in (*bad["items"], *more["items"])] == [5, 6]
    assert more["next"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "1.imp_1",
        f"{1 << 63}.imp_1.2",
        f"1.imp_1.{'9' * 19}",
        f"{'9' * 5000}.imp_1.2",
        "\u0661.imp_1.2",
        "1.im'p.2",
        "-1.imp_1.2",
    ],
)
def test_a_bad_cursor_is_told(filled: Callwright, cursor: str) -> None:
    told = filled("lead", "list", "--rejected", "--cursor", cursor)
    assert (told.code, "Traceback" in told.err) == (2, False)
    assert filled("lead", "list", "--cursor", cursor).code == 2


def test_rejected_rows_of_one_import(filled: Callwright, tmp_path: Path) -> None:
    second = tmp_path / "more.csv"
    second.write_text("phone\n1-212-FLOWERS\n4.4E+11\n", encoding="utf-8")
    done = filled("lead", "import", "autumn", str(second), "--json").json
    keys.check("campaign-import", done)
    assert done["reasons"] == {"letters": 1, "spreadsheet": 1}
    rows = filled("lead", "list", "--rejected", "--import", done["id"], "--json").json["items"]
    assert [(row["source"], row["line"]) for row in rows] == [("more.csv", 2), ("more.csv", 3)]
    assert len(filled("lead", "list", "--rejected", "--json").json["items"]) == 4
    assert "IMPORT" in filled("lead", "list", "--rejected").out
    assert "IMPORT" not in filled("lead", "list", "--rejected", "--import", done["id"]).out
    assert "Excel" in filled("lead", "list", "--rejected", "--import", done["id"]).out
    assert filled("lead", "list", "--import", done["id"], "--json").json["items"] == []
    assert filled("lead", "list", "--rejected", "--import", "imp_0").code == 3


def test_rejected_rows_tell_why(filled: Callwright) -> None:
    keys.check("lead-rejected", filled("lead", "list", "--rejected", "--json").json)
    shown = filled("lead", "list", "--rejected", "--campaign", "autumn").out
    assert "no telephone number stands there" in shown
    assert "too few or too many digits" in shown


def test_one_lead(filled: Callwright) -> None:
    [lead] = [each["id"] for each in filled("lead", "list", "--json").json["items"] if each["segment"] == "a"]
    shown = filled("lead", "show", lead, "--json").json
    assert (shown["number"], shown["zones"], shown["history"]) == ("+44••••21", ["Europe/London"], [])
    assert filled("lead", "show", lead, "--numbers", "--json").json["number"] == "+442079460121"
    assert "Nobody tried yet." in filled("lead", "show", lead).err
    assert filled("lead", "show", "lead_0").code == 3


def test_a_list_of_a_chinese_spreadsheet(filled: Callwright, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes("姓名,手机\r\n王芳,13800138000\r\n".encode("gb18030"))
    refused = filled("lead", "import", "autumn", str(file), "--region", "CHINA")
    assert refused.code == 2
    assert "Did you mean CN (China)?" in refused.err
    refused = filled("lead", "import", "autumn", str(file), "--region", "cn")
    assert refused.code == 2
    assert "--encoding gb18030" in refused.err
    done = filled("campaign", "import", "autumn", str(file), "--region", "cn", "--encoding", "gb18030")
    assert done.out.splitlines()[:2] == [
        "1 leads imported, 0 known already, 0 rejected.",
        "  Numbers were taken from column '手机'.",
    ]


def test_between_two_columns_the_user_is_asked(filled: Callwright, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("phone,mobile\n+442079460131,+442079460132\n", encoding="utf-8")
    refused = filled("lead", "import", "autumn", str(file))
    assert refused.code == 2
    assert "--column" in refused.err
    assert filled("lead", "import", "autumn", str(file), "--phone-column", "mobile").code == 0
    assert "+442079460132" in filled("lead", "list", "--numbers").out


def test_leads_are_exported(filled: Callwright, tmp_path: Path) -> None:
    head, *rows = filled("lead", "export", "autumn").out.splitlines()
    [ann] = [row for row in rows if ",a," in row]
    assert head == "id,number,segment,priority,zones,state,attempts,last_outcome,next"
    assert ann.split(",")[1:6] == ["+44••••21", "a", "5", "Europe/London", "new"]
    out = tmp_path / "out.csv"
    told = filled("lead", "export", "autumn", "--out", str(out), "--numbers", "--json")
    assert told.json == {"file": str(out), "leads": 3}
    assert "+442079460121" in out.read_text(encoding="utf-8")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert filled("lead", "export", "autumn", "--out", str(tmp_path)).code == 1
    keys.check("lead-list", filled("lead", "export", "autumn", "--json").json)


def test_a_lead_at_an_engine(callwright: Callwright, engine: MemoryConsole) -> None:
    shown = callwright("lead", "show", "lead_1", "--json").json
    keys.check("lead-show", shown)
    assert "busy" in callwright("lead", "show", "lead_1").out
    told = callwright("lead", "list", "--state", "new", "--limit", "3", "--numbers")
    assert "+442079460021" in told.out
    assert (engine.leads.wanted[0].state, engine.leads.wanted[0].limit) == ("new", 3)


# --- do not call -----------------------------------------------------------------------------------------------------


def test_do_not_call_ends_a_lead(filled: Callwright) -> None:
    added = filled("dnc", "add", "020 7946 0121", "--region", "GB", "--json").json
    keys.check("dnc", added)
    assert (added["number"], added["listed"], added["source"]) == ("+442079460121", True, "operator")
    assert filled("dnc", "check", "+442079460121").out.startswith("+442079460121 is on the do-not-call list since ")
    assert len(filled("lead", "list", "--state", "dnc", "--json").json["items"]) == 1
    refused = filled("dnc", "remove", "+442079460121", "--json")
    assert (refused.code, "say --yes" in refused.error["mend"]) == (2, True)
    assert filled("dnc", "check", "+442079460121", "--json").json["listed"] is True
    assert filled("dnc", "remove", "+442079460121", "--yes").code == 0
    assert filled("dnc", "check", "+442079460121", "--json").json["listed"] is False
    assert filled("dnc", "remove", "+442079460121", "--yes").code == 3
    assert len(filled("lead", "list", "--state", "new", "--json").json["items"]) == 3
    assert filled("dnc", "add", "nobody").code == 2


def test_a_file_of_numbers(filled: Callwright, tmp_path: Path) -> None:
    bare, table = tmp_path / "stop.txt", tmp_path / "stop.csv"
    bare.write_text("+442079460121\n+442079460122\n\nnobody\n", encoding="utf-8")
    table.write_text('who,"Mobil"\nAnn,"+442079460121"\nZoe,+33123456789\n', encoding="utf-8")
    told = filled("dnc", "import", str(bare))
    assert told.out.splitlines()[0] == "2 numbers added, 0 known already, 1 rejected."
    assert "line 4: no-number" in told.out
    found = filled("dnc", "import", str(table), "--column", "Mobil", "--json").json
    keys.check("dnc-import", found)
    assert (found["added"], found["known"], found["rejected"]) == (1, 1, 0)
    assert len(filled("lead", "list", "--state", "dnc", "--json").json["items"]) == 3
    assert filled("dnc", "import", str(table), "--column", "Handy").code == 2
    assert filled("dnc", "import", str(tmp_path / "none")).code == 3


def test_a_file_of_numbers_with_quotes(filled: Callwright, tmp_path: Path) -> None:
    """No number is lost to its row's quotes: each would be called."""
    file = tmp_path / "stop.csv"
    file.write_text(
        'who;Phone;note\n"Smith; Ann";+442079460121;"said ""no"""\n"Zoe;+442079460122;\nOld "Bob";+442079460123;x\n',
        encoding="utf-8",
    )
    found = filled("dnc", "import", str(file), "--json").json
    assert (found["added"], found["rejected"]) == (3, 0)
    assert filled("dnc", "check", "+442079460121", "--json").json["listed"] is True


def test_a_file_of_numbers_below_excels_own_line(filled: Callwright, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("sep=;\nwho, where;Phone\nZoe, London;+442079460121\n", encoding="utf-8")
    assert filled("dnc", "import", str(file), "--json").json["added"] == 1
    assert filled("dnc", "check", "+442079460121", "--json").json["listed"] is True


def test_a_file_of_numbers_without_a_header_loses_none(filled: Callwright, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("Zoe;+442079460121;+442079460122\n;+442079460123\nnobody;x\n", encoding="utf-8")
    found = filled("dnc", "import", str(file), "--json").json
    assert (found["added"], found["rejected"], found["reasons"]) == (3, 1, {"no-number": 1})


def test_a_file_of_numbers_in_utf_16(filled: Callwright, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_bytes("who;Phone\nJürgen;+442079460121\n".encode("utf-16"))
    assert filled("dnc", "import", str(file), "--json").json["added"] == 1
    file.write_bytes("who;Phone\nJürgen;+442079460122\n".encode("utf-16-le"))
    assert filled("dnc", "import", str(file)).code == 2
    assert filled("dnc", "check", "020 7946 0121", "--region", "uk").code == 2


def test_do_not_call_at_an_engine(callwright: Callwright, engine: MemoryConsole, tmp_path: Path) -> None:
    assert callwright("dnc", "add", "+442079460121").code == 0
    assert list(engine.do_not_call.kept) == ["+442079460121"]
    assert callwright("dnc", "check", "+442079460121", "--json").json["listed"] is True
    assert callwright("dnc", "remove", "+442079460121", "--yes").code == 0
    (tmp_path / "stop.txt").write_text("+33123456789\n", encoding="utf-8")
    assert callwright("dnc", "import", str(tmp_path / "stop.txt"), "--json").json["added"] == 1


def test_numbers_do_not_come_in_beside_an_engine(filled: Callwright, data: Path) -> None:
    """One that holds the journal but does not serve yet: its vault is its own."""
    (data / "journal").mkdir(exist_ok=True)
    lock = os.open(data / "journal" / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert filled("dnc", "add", "+442079460121").code == 4
        assert filled("dnc", "check", "+442079460121").code == 4
        assert filled("lead", "list").code == 0
    finally:
        os.close(lock)
