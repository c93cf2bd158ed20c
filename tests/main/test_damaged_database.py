"""A damaged SQLite file: one clear line at a start, no crash loop, a running engine that goes on, the way back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import StoreBroken
from engine.main.console import LiveConsole
from engine.store.backup import backup, restore
from engine.testing.ami_peer import AmiPeer
from tests.main.hall import NAILED, Hall
from tests.main.test_serve import Served


def scribbled(file: Path) -> None:
    """Something wrote over all its pages but the first."""
    with closing(sqlite3.connect(file)) as known:
        known.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = known.execute("PRAGMA page_size").fetchone()[0]
    whole = file.read_bytes()
    file.write_bytes(whole[:size] + b"\xa5" * (len(whole) - size))


def not_a_database(file: Path) -> None:
    """Somebody copied something else there."""
    file.write_bytes(b"<html>404</html>" * 1000)


def cut_short(file: Path) -> None:
    """A copy that did not finish."""
    with closing(sqlite3.connect(file)) as known:
        known.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])


DAMAGE = [scribbled, not_a_database, cut_short]


async def test_a_start_says_what_where_and_how_to_mend_once(tmp_path: Path, sounds: Path) -> None:
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami) as first:
        await first.until_ready()
    file = first.settings.paths.data / "callwright.db"
    scribbled(file)
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami) as served:
        assert await served.ended() == 2
        [line] = served.lines
    told = json.loads(line)
    assert told["error_id"] == "store-broken"
    assert told["why"].startswith(f"{file}: the database is damaged: ")
    assert "callwright db restore FILE --yes" in told["why"]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_backup_comes_back_and_the_journal_tells_the_rest(
    tmp_path: Path, sounds: Path, damage: Callable[[Path], None]
) -> None:
    async with Hall(tmp_path, sounds) as hall:
        url, file = hall.settings.database_url, tmp_path / "data" / "callwright.db"
        await hall.sign_in(NAILED)
        await hall.on_disk()
        await backup(url, tmp_path / "saved.db")
        call = await hall.call_in()
        await hall.talk(call)
        await hall.on_disk()
        await hall.kill()
        damage(file)
        with pytest.raises(StoreBroken):
            await hall.start()
        damaged = file.read_bytes()
        await restore(url, tmp_path / "saved.db")
        assert file.with_name("callwright.db.damaged").read_bytes() == damaged
        await hall.start()
        await hall.on_disk()
        assert (await LiveConsole(hall.engine).verify()).violations == ()
        await call.hang_up()
        await hall.ended(call)


async def test_a_second_damage_does_not_overwrite_the_first(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        url, file = hall.settings.database_url, tmp_path / "data" / "callwright.db"
        await backup(url, tmp_path / "saved.db")
        await hall.kill()
        for content in (b"first" * 1000, b"second" * 1000):
            file.write_bytes(content)
            await restore(url, tmp_path / "saved.db")
        await hall.start()
        assert file.with_name("callwright.db.damaged").read_bytes()[:5] == b"first"
        assert file.with_name("callwright.db.damaged-2").read_bytes()[:6] == b"second"


async def test_a_running_engine_goes_on_with_its_journal(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        await hall.on_disk()
        scribbled(tmp_path / "data" / "callwright.db")
        await hall.engine.database.close()  # as its next connection would find it: this one has pages in memory
        call = await hall.call_in()
        await hall.talk(call)
        await hall.until(lambda: hall.engine.clerk.trouble is not None)
        assert isinstance(hall.engine.clerk.trouble, StoreBroken)
        assert any("damaged" in reason for reason in (await LiveConsole(hall.engine).health()).reasons)
        assert hall.engine.projector.skipped == 0  # no fact is given up because of it
        await call.hang_up()
        await hall.ended(call)
