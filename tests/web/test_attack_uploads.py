"""What an attack on uploaded lists found: each test was red once."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("source", ["..", "a/..", ".", "/", "\\", "列" * 200, "x" * 200])
@pytest.mark.parametrize("path", ["campaigns/autumn/imports", "do-not-call/imports"])
async def test_no_name_of_a_file_breaks_its_upload(api: httpx.AsyncClient, path: str, source: str) -> None:
    sent = await api.post(
        f"/v1/{path}", params={"source": source, "number": "phone"}, content=b"phone,name\n+33123456789,Ann\n"
    )
    assert sent.status_code == 201
