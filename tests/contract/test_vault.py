"""The vault: one token for one value, durable before it is needed, gone for ever when erased."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError, NotFound
from engine.store.database import Database
from engine.store.vault import Vault, mask

CALLER = "+8613800001234"


async def saved(vault: Vault, database: Database, *, durable: bool = True) -> None:
    """What the clerk does behind the journal."""
    async with vault.turn:
        async with database.writing(durable=durable) as connection:
            batch = await connection.run_sync(vault.save)
        await vault.saved(batch, durable=durable)


async def test_the_same_value_has_the_same_token(database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, tmp_path)
    token = vault.token("number", CALLER)
    assert token == vault.token("number", CALLER)
    assert token != vault.token("digits", CALLER)
    assert CALLER not in token
    assert await vault.resolve([token, "num_unknown"]) == {token: CALLER}
    vault.flush()
    await saved(vault, database)
    again = await Vault.open(database, tmp_path)
    assert again.token("number", CALLER) == token
    assert await again.resolve([token]) == {token: CALLER}


async def test_a_killed_engine_finds_its_flushed_tokens_again(database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, tmp_path)
    kept = vault.token("number", CALLER)
    vault.flush()
    lost = vault.token("name", "张伟")  # never flushed: no journal line mentions it
    reborn = await Vault.open(database, tmp_path)
    assert await reborn.resolve([kept, lost]) == {kept: CALLER}
    assert reborn.token("number", CALLER) == kept
    await saved(reborn, database)
    assert (tmp_path / "vault.pending").read_bytes() == b""
    assert (await Vault.open(database, tmp_path)).unsaved == 0


async def test_the_pending_file_keeps_what_came_after_the_commit_began(database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, tmp_path)
    vault.token("number", CALLER)
    vault.flush()
    async with vault.turn:
        async with database.writing() as connection:
            batch = await connection.run_sync(vault.save)
            late = vault.token("number", "+33123456789")
            vault.flush()
        await vault.saved(batch, durable=True)
    assert late.encode() in (tmp_path / "vault.pending").read_bytes()
    assert late in await (await Vault.open(database, tmp_path)).resolve([late])


async def test_a_torn_pending_line_is_cut_off(database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, tmp_path)
    first = vault.token("number", CALLER)
    vault.flush()
    pending = tmp_path / "vault.pending"
    pending.write_bytes(pending.read_bytes() + b'{"id":"num_')
    reborn = await Vault.open(database, tmp_path)
    second = reborn.token("number", "+33123456789")
    reborn.flush()
    assert len(await (await Vault.open(database, tmp_path)).resolve([first, second])) == 2


@pytest.mark.parametrize("when", ["fresh", "flushed", "saved"])
async def test_erasing_erases_everywhere(database: Database, tmp_path: Path, when: str) -> None:
    vault = await Vault.open(database, tmp_path)
    token = vault.token("number", CALLER)
    other = vault.token("number", "+33123456789")
    if when != "fresh":
        vault.flush()
    if when == "saved":
        await saved(vault, database, durable=False)
    await vault.erase(token)
    vault.flush()
    assert await vault.resolve([token, other]) == {other: "+33123456789"}
    assert CALLER not in (tmp_path / "vault.pending").read_text()
    reborn = await Vault.open(database, tmp_path)
    assert await reborn.resolve([token, other]) == {other: "+33123456789"}
    assert reborn.token("number", CALLER) != token
    with pytest.raises(NotFound):
        await vault.erase(token)


async def test_erasing_takes_every_token_of_the_value(database: Database, tmp_path: Path) -> None:
    old = await Vault.open(database, tmp_path)
    first = old.token("number", CALLER)
    old.flush()
    await saved(old, database)
    forgetful = await Vault.open(database, tmp_path, remembered=0)
    second = forgetful.token("number", CALLER)
    assert second != first
    forgetful.flush()
    await saved(forgetful, database)
    await forgetful.erase(second)
    assert await forgetful.resolve([first, second]) == {}


@given(value=st.text(max_size=30))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_can_be_kept(database: Database, tmp_path: Path, value: str) -> None:
    vault = await Vault.open(database, tmp_path)
    token = vault.token("name", value)
    vault.flush()
    await saved(vault, database)
    found = await (await Vault.open(database, tmp_path)).resolve([token])
    assert found[token] == value.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def test_broken_text_is_kept_as_well_as_can_be(database: Database, tmp_path: Path) -> None:
    vault = await Vault.open(database, tmp_path)
    token = vault.token("name", "a\udce9b")
    vault.flush()
    await saved(vault, database)
    assert await vault.resolve([token]) == {token: "a?b"}


async def test_a_key_that_others_can_read_is_refused(database: Database, tmp_path: Path) -> None:
    await Vault.open(database, tmp_path)
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "vault.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        await Vault.open(database, tmp_path)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800001234", "+86••••34"),
        ("+33123456789", "+33••••89"),
        ("13800001234", "••••34"),
        ("112", "••••"),
        ("", "••••"),
        ("anonymous", "••••us"),
    ],
)
def test_masks_show_country_and_two_digits(number: str, shown: str) -> None:
    assert mask(number) == shown
