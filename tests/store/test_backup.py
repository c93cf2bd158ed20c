"""A restored SQLite file holds telephone numbers from its first moment on."""

from __future__ import annotations

import os
from pathlib import Path

from engine.store.backup import backup, restore
from engine.store.schema import upgrade


async def test_what_is_restored_is_its_owners_only(tmp_path: Path) -> None:
    url, path, target = f"sqlite:///{tmp_path / 'callwright.db'}", tmp_path / "backup", tmp_path / "elsewhere.db"
    await upgrade(url)
    await backup(url, path)
    before = os.umask(0o022)
    try:
        await restore(f"sqlite:///{target}", path)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o600
