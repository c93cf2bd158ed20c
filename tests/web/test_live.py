"""Calls, interactions, floor, flows, explain, verify, reports and config over HTTP."""

from __future__ import annotations

import httpx

from engine.runtime.console import Wanted
from tests.web.memory import MemoryConsole


async def test_calls_are_masked_unless_revealed(api: httpx.AsyncClient) -> None:
    [call] = (await api.get("/v1/calls")).json()["items"]
    assert call["caller"] == "+44••••21"
    assert (await api.get("/v1/calls/ix_1?reveal=true")).json()["caller"] == "+442079460021"


async def test_a_call_is_hung_up(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    answer = await api.delete("/v1/calls/ix_1")
    assert (answer.status_code, answer.json()["id"], console.calls.hung_up) == (200, "ix_1", ["ix_1"])


async def test_interactions_are_asked_for_with_every_filter(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    query = {
        "from": "2026-03-29",
        "to": "2026-03-30",
        "queue": "sales",
        "agent": "1001",
        "cursor": "1.ix",
        "limit": "7",
    }
    page = (await api.get("/v1/interactions", params=query | {"reveal": "true"})).json()
    wanted = Wanted(start="2026-03-29", end="2026-03-30", queue="sales", agent="1001", cursor="1.ix", limit=7)
    assert console.interactions.asked == [(wanted, True)]
    assert (page["items"][0]["id"], page["next"]) == ("ix_1", "1.ix_1")


async def test_an_interaction_shows_its_segments(api: httpx.AsyncClient) -> None:
    shown = (await api.get("/v1/interactions/ix_1")).json()
    assert shown["segments"][0]["phase"] == "queue"
    assert shown["sessions"][0]["end"] is None


async def test_the_floor(api: httpx.AsyncClient) -> None:
    floor = (await api.get("/v1/floor")).json()
    assert floor["queues"][0]["service_level"]["value"] == 0.8
    assert floor["deadline"] == {"at": "2026-03-29T08:30:00.250000Z", "why": "wrap-up", "subject": "1001"}


async def test_a_flow_is_activated_by_its_text(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    answer = await api.post("/v1/flows/main", content="flow: main # 你好".encode())
    assert (answer.status_code, answer.json()["replaced"]) == (200, None)
    assert console.flows.texts == {"main": "flow: main # 你好"}
    assert [flow["name"] for flow in (await api.get("/v1/flows")).json()["items"]] == ["main"]


async def test_explain(api: httpx.AsyncClient) -> None:
    told = (await api.get("/v1/explain/ix_1")).json()
    assert told["items"][0]["refused"] == [{"agent_id": "1002", "state": "offline", "reasons": ["signed out"]}]


async def test_verify_keeps_the_keys_of_the_design(api: httpx.AsyncClient) -> None:
    report = (await api.post("/v1/verify")).json()
    assert report.keys() == {"ok", "live_calls_compared", "violations"}
    assert report["violations"][0].keys() == {"code", "ids", "belief", "truth", "since"}


async def test_reports(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    query = {"from": "2026-03-29", "queue": "sales", "formula": "sl.cms/1"}
    assert (await api.get("/v1/reports/service-level", params=query)).json()["formula"] == "sl.cms/1"
    assert (await api.get("/v1/reports/agents")).json()["items"][0]["seconds"] == {"available": 10.0}
    assert console.reports.asked == [("2026-03-29", "", "sales", "sl.cms/1"), ("", "")]


async def test_config_hides_secrets(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/config")).json()["settings"]["asterisk"]["ami_secret"] == "(set)"
