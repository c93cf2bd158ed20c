"""What machines ask: /healthz, /readyz, /metrics."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.web.memory import MemoryConsole


async def test_healthz_asks_nobody(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    console.reasons = ("ami: gone",)
    answer = await api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


async def test_readyz_says_why_not(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    assert (await api.get("/readyz")).json() == {"ready": True, "reasons": [], "warnings": []}
    console.reasons = ("ami: gone", "store: locked")
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["ami: gone", "store: locked"])


async def test_metrics_are_prometheus_text(api: httpx.AsyncClient) -> None:
    await api.get("/v1/calls/ix_1")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["callwright_agents", ("state", "talking")] == 2
    assert samples["callwright_facts_handled_total",] == 41
    route = [("method", "GET"), ("route", "/v1/calls/{id_}"), ("status", "200")]
    assert samples["callwright_http_requests_total", *route] == 1


async def test_metrics_never_hold_what_was_asked_for(api: httpx.AsyncClient) -> None:
    await api.get("/v1/numbers/+442079460021")
    await api.get("/442079460021")
    await api.request("SPY442079460021", "/v1/calls")
    assert "442079460021" not in (await api.get("/metrics")).text
