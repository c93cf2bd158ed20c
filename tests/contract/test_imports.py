"""Lists from CSV: every row has its place, and no number appears where it should not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.domain.campaign import CampaignId
from engine.errors import ConfigError, NotFound
from engine.store.campaigns import CampaignTerms
from engine.store.database import Database
from engine.store.imports import ROWS_AT_ONCE, Imported
from engine.store.tables import Lead, LeadGroup, LeadImport, RejectedRow
from tests.contract.lists import NOON, POLICY, SPRING, Desk, los_angeles, new_york, open_desk


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    return await open_desk(database, tmp_path, CampaignTerms(region="US"))


async def test_every_row_is_a_lead_a_duplicate_or_rejected(desk: Desk) -> None:
    result = await desk.load(
        f"{new_york(1)},a,1,",
        "(212) 200-0002,b,,",  # the campaign's country
        "+33 1 23 45 67 89,c,9,America/Chicago",
        f"{new_york(1)},again,,",
        "",
        "nobody,,,",
        "+1212,,,",
        "+12120000000,,,",
        f"{new_york(3)},,0,",
        f"{new_york(4)},,,Mars/Olympus",
        f"{new_york(5)},{'x' * 65},,",
        header="Phone Number;segment;priority;Time Zone".replace(";", ","),
    )
    assert result == Imported(
        import_id=result.import_id,
        number_column="Phone Number",
        accepted=3,
        duplicates=1,
        rejected=6,
        reasons={"no-number": 1, "impossible": 1, "unassigned": 1, "priority": 1, "timezone": 1, "segment": 1},
        done=True,
    )
    rejected = await desk.imports.rejected(result.import_id)
    assert [(row.line, row.reason) for row in rejected] == [
        (7, "no-number"),
        (8, "impossible"),
        (9, "unassigned"),
        (10, "priority"),
        (11, "timezone"),
        (12, "segment"),
    ]
    assert rejected[3].masked == "+1••••03"
    assert [row.line for row in await desk.imports.rejected(result.import_id, after=9, limit=2)] == [10, 11]
    [kept] = await desk.rows(LeadImport)
    assert (kept["accepted"], kept["duplicates"], kept["rejected"], kept["ended_us"]) == (3, 1, 6, NOON)
    groups = {(row["priority"], row["zones"]) for row in await desk.rows(LeadGroup)}
    assert groups == {(1, "America/New_York"), (5, "America/New_York"), (9, "America/Chicago")}


async def test_numbers_are_only_tokens(desk: Desk) -> None:
    await desk.load(new_york(1), "+1212", "nonsense 5551234567")
    for row in (Lead, LeadGroup, LeadImport, RejectedRow):
        text = str(await desk.rows(row))
        assert "2002000001" not in text
        assert new_york(1) not in text
        assert "5551234567" not in text
    [lead] = await desk.rows(Lead)
    assert await desk.vault.resolve([lead["number"]]) == {lead["number"]: new_york(1)}


async def test_importing_again_adds_nothing(desk: Desk) -> None:
    rows = [new_york(n) for n in range(10)]
    await desk.load(*rows)
    again = await desk.load(*rows, new_york(10))
    assert (again.accepted, again.duplicates) == (1, 10)


async def test_the_same_number_may_be_in_two_campaigns_under_one_token(desk: Desk, tmp_path: Path) -> None:
    await desk.load(new_york(1))
    await desk.definitions.campaigns.add(replace(POLICY, id=CampaignId("autumn")))  # type: ignore[type-var]
    await desk.imports.import_csv(CampaignId("autumn"), desk.folder / "list.csv", NOON)
    tokens = {row["number"] for row in await desk.rows(Lead)}
    assert len(tokens) == 1


async def test_a_long_list_is_written_in_batches(desk: Desk) -> None:
    count = 2 * ROWS_AT_ONCE + 1
    seen: list[int] = []
    file = desk.folder / "long.csv"
    lines = ["number", *(los_angeles(n) for n in range(count))]
    await asyncio.to_thread(file.write_text, "\n".join(lines), encoding="utf-8-sig")
    result = await desk.imports.import_csv(SPRING, file, NOON, progress=lambda sums: seen.append(sums.accepted))
    assert seen == [ROWS_AT_ONCE, 2 * ROWS_AT_ONCE, count]
    assert result.accepted == count
    assert desk.vault.unsaved == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_separators_are_told_from_the_header(desk: Desk, separator: str) -> None:
    file = desk.folder / "list.csv"
    text = separator.join(("name", "Mobile")) + "\r\n" + separator.join(('"A, B; C"', new_york(1))) + "\r\n"
    await asyncio.to_thread(file.write_text, text)
    assert (await desk.imports.import_csv(SPRING, file, NOON)).accepted == 1


async def test_what_is_no_list_is_refused_whole(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no column holds"):
        await desk.load("x", header="name")
    with pytest.raises(ConfigError, match="the file is empty"):
        await desk.load(header="")
    with pytest.raises(NotFound, match="cannot be read"):
        await desk.imports.import_csv(SPRING, desk.folder / "gone.csv", NOON)
    with pytest.raises(NotFound, match="autumn"):
        await desk.imports.import_csv(CampaignId("autumn"), desk.folder / "list.csv", NOON)
    assert await desk.rows(LeadImport) == []


async def test_hostile_rows_are_rejected_alone(desk: Desk) -> None:
    huge = '"' + "9" * 10_000 + '"'
    result = await desk.load(new_york(1), huge, "\0", new_york(2) + "\0", new_york(3), '"unfinished')
    assert (result.accepted, result.duplicates) == (2, 0)
    assert result.reasons == {"unreadable": 1, "control": 2, "no-number": 1}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1-212-FLOWERS", "letters"),
        ("mobile +12122000001", "letters"),
        ("+12122000001 (Ann)", "letters"),
        ("手机 +12122000001", "letters"),
        ("+1212200\x000001", "control"),
        ("4.4207946E+11", "spreadsheet"),
        ("4,4E+11", "spreadsheet"),
        ("12122000001.0", "spreadsheet"),
        ("+1 212 200 0001 ext. 7", "impossible"),
        ("+12122000001 / +12122000002", "several-numbers"),
        ("+12122000001; +12122000002", "several-numbers"),
        ("2122000001、2122000002", "several-numbers"),
    ],
)
async def test_what_is_dressed_as_a_number_is_kept_with_its_reason(desk: Desk, written: str, reason: str) -> None:
    result = await desk.load(f'"{written}"', new_york(2))
    assert (result.accepted, result.reasons) == (1, {reason: 1})
    [kept] = await desk.imports.rejected(result.import_id)
    assert (kept.line, kept.reason) == (2, reason)


async def test_digits_are_read_as_people_write_them(desk: Desk) -> None:
    wide = new_york(3).translate({ord(char): ord(char) - ord("0") + 0xFF10 for char in "0123456789"})
    result = await desk.load("tel:+1-212-200-0001", "212.200.0002", wide)
    assert result.accepted == 3, result.reasons


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("gb18030", "gb18030"),
        ("gbk", "GBK"),
        ("utf-16-le", "utf-16-le"),
    ],
)
async def test_lists_in_other_encodings(desk: Desk, written: str, told: str) -> None:
    file = desk.folder / "list.csv"
    text = f"姓名,手机,segment\r\n王芳,{new_york(1)},北京\r\n李伟,{new_york(2)},上海\r\n"
    await asyncio.to_thread(file.write_bytes, text.encode(written))
    result = await desk.imports.import_csv(SPRING, file, NOON, encoding=told)
    assert (result.accepted, result.number_column) == (2, "手机")
    assert {row["segment"] for row in await desk.rows(Lead)} == {"北京", "上海"}


async def test_a_country_is_taken_as_people_write_it_or_refused_with_the_one_meant(desk: Desk) -> None:
    file = desk.folder / "list.csv"
    await asyncio.to_thread(file.write_text, "number\n020 7946 0121\n")
    assert (await desk.imports.import_csv(SPRING, file, NOON, region="gb")).accepted == 1
    for wrong, meant in (("uk", "GB"), ("CHINA", "CN"), ("Untied States", "US"), ("中国", "CN")):
        with pytest.raises(ConfigError) as refused:
            await desk.imports.import_csv(SPRING, file, NOON, region=wrong)
        assert f"Did you mean {meant} " in refused.value.mend
    with pytest.raises(ConfigError, match="ISO 3166"):
        await desk.imports.import_csv(SPRING, file, NOON, region="Mordor")
    assert len(await desk.rows(LeadImport)) == 1
    await desk.definitions.campaigns.set_terms(SPRING, CampaignTerms(region="gb"))
    assert (await desk.imports.import_csv(SPRING, file, NOON)).duplicates == 1


async def test_a_list_that_cannot_be_used_leaves_nothing(desk: Desk) -> None:
    """A quote that nobody closed is found far below good rows, before any of them is imported."""
    rows = [new_york(n) for n in range(ROWS_AT_ONCE)]
    with pytest.raises(ConfigError, match=f"list.csv:{ROWS_AT_ONCE + 2}"):
        await desk.load(*rows, '"Ann', *rows)
    assert await desk.rows(LeadImport) == await desk.rows(Lead) == []
