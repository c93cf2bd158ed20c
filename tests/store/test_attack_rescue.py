"""Lines in the rescue spool that no script of ours writes must cost nobody else his call back."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.database import open_database
from engine.store.rescue import Rescue
from engine.store.schema import upgrade_database
from engine.store.vault import Vault

GOOD = b'{"id":"good","at":1,"uniqueid":"1.2","number":"+441234568"}\n'
BAD = {
    "no UTF-8": b'{"id":"a","at":1,"uniqueid":"1.1","number":"\xff"}\n',
    "a time no database holds": b'{"id":"a","at":99999999999999999999999,"uniqueid":"1.1","number":"+441234567"}\n',
    "half a surrogate": b'{"id":"a","at":1,"uniqueid":"1.1","number":"\\ud800"}\n',
    "NUL": b'{"id":"a\\u0000","at":1,"uniqueid":"1.1","number":"+441234567"}\n',
    "numbers for words": b'{"id":1,"at":1,"uniqueid":2,"number":3}\n',
    "too deep": b'{"id":"a","at":' + b"[" * 2000 + b"]" * 2000 + b"}\n",
    "no object": b"[]\n",
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
async def test_a_bad_line_is_told_and_the_next_caller_is_owed_his_call(tmp_path: Path, line: bytes) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "rescue-20260101.jsonl").write_bytes(line + GOOD)
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    try:
        await upgrade_database(database)
        rescue = Rescue(database, await Vault.open(database, tmp_path), spool)
        assert await rescue.collect() == 1
        assert [call.spool_id for call in await rescue.waiting()] == ["good"]
        assert len(rescue.bad) == 1
    finally:
        await database.close()
