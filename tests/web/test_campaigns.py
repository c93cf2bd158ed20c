"""Campaigns, leads and the do-not-call list over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from engine.web import campaigns, create_rest_app
from engine.web.app import create_app
from tests.web.memory import MemoryConsole

AUTUMN = {"id": "autumn", "name": "Autumn", "queue_id": "sales", "trunks": ["a"]}


async def test_a_campaign_is_started_paused_and_stopped(api: httpx.AsyncClient) -> None:
    await api.post("/v1/campaigns", json=AUTUMN)
    for verb, state in (("start", "running"), ("pause", "paused"), ("stop", "stopped")):
        told = (await api.post(f"/v1/campaigns/autumn/{verb}")).json()
        assert (told["state"], told["live"]["agents"]["talking"]) == (state, 8)
    assert (await api.post("/v1/campaigns/winter/start")).status_code == 404


async def test_a_start_may_be_refused_by_a_rule(api: httpx.AsyncClient) -> None:
    await api.post("/v1/campaigns", json=AUTUMN | {"trunks": []})
    refused = await api.post("/v1/campaigns/autumn/start")
    assert (refused.status_code, refused.json()["error_id"], refused.json()["exit_code"]) == (403, "refused", 6)
    assert (await api.get("/v1/campaigns/autumn/check")).json()["ok"] is False


async def test_a_report_is_of_an_interval(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    await api.post("/v1/campaigns", json=AUTUMN)
    report = (await api.get("/v1/campaigns/autumn/report", params={"from": "2026-11-22", "to": "2026-11-23"})).json()
    assert (report["attempts"], report["answer_to_agent_ms"]) == (100, {"p50": 12.5, "p99": 88.0})
    assert console.campaigns.asked == [("autumn", "2026-11-22", "2026-11-23")]


async def test_a_list_is_sent_as_it_is(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    query = {"source": "../x/leads.csv", "region": "GB", "number": "phone"}
    sent = await api.post("/v1/campaigns/autumn/imports", params=query, content=b"phone,name\n1,Ann\n")
    assert (sent.status_code, sent.json()["accepted"]) == (201, 3)
    assert console.leads.brought == [("autumn", "leads.csv", "GB", {"number": "phone"}, "phone,name\n1,Ann\n")]
    assert (await api.get("/v1/campaigns/autumn/imports")).json()["items"] == [sent.json()]
    assert (await api.post("/v1/campaigns/autumn/imports", content=b"")).status_code == 422
    assert (await api.post("/v1/campaigns/autumn/imports", params={"region": "G1"})).status_code == 422


async def test_a_long_list_comes_in_pieces_and_leaves_nothing_behind(
    api: httpx.AsyncClient, console: MemoryConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = b"phone,name\n" + b"+442079460123,Ann\n" * 200_000
    sent = await api.post("/v1/campaigns/autumn/imports", content=rows)
    assert sent.status_code == 201
    assert len(console.leads.brought[0][4]) == len(rows)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


async def test_a_list_has_its_limit(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "LONGEST_LIST", 10)
    refused = await api.post("/v1/campaigns/autumn/imports", content=b"phone,name\n")
    assert (refused.status_code, refused.json()["error_id"]) == (413, "body-too-long")


async def test_leads(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    page = (await api.get("/v1/leads", params={"campaign": "autumn", "state": "new", "limit": 7})).json()
    assert (page["items"][0]["number"], page["next"]) == ("+44••••21", "lead_1")
    assert (console.leads.wanted[0].campaign, console.leads.wanted[0].limit) == ("autumn", 7)
    assert (await api.get("/v1/leads", params={"state": "asleep"})).status_code == 400
    assert (await api.get("/v1/leads", params={"limit": 501})).status_code == 422
    lead = (await api.get("/v1/leads/lead_1", params={"reveal": True})).json()
    assert (lead["number"], lead["history"][0]["outcome"]) == ("+442079460021", "busy")
    assert (await api.get("/v1/leads/lead_2")).status_code == 404
    assert (await api.get("/v1/rejected-rows")).json()["items"][0]["line"] == 5


async def test_do_not_call(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    made = await api.post("/v1/do-not-call", json={"number": "+442079460123", "by": "Ann"})
    assert (made.status_code, made.json()["by"]) == (201, "Ann")
    assert (await api.get("/v1/do-not-call/+442079460123")).json()["listed"] is True
    assert (await api.delete("/v1/do-not-call/+442079460123")).json()["listed"] is False
    assert (await api.delete("/v1/do-not-call/+442079460123")).status_code == 404
    assert (await api.post("/v1/do-not-call", json={"number": "me"})).status_code == 422
    sent = await api.post("/v1/do-not-call/imports", params={"source": "stop.txt"}, content=b"+33123456789\n")
    assert (sent.json()["added"], console.do_not_call.kept) == (1, {"+33123456789": "stop.txt"})


async def test_a_store_at_rest_answers_the_same_requests() -> None:
    """Every route of the smaller application is one of the whole, so a command need not know whom it asks."""
    console = MemoryConsole()
    whole = set(create_app(console).openapi()["paths"])
    at_rest = set(create_rest_app(console).openapi()["paths"])
    assert at_rest <= whole
    assert {path for path in whole if "campaigns" in path} <= at_rest
