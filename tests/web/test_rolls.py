"""Every kind of definition over HTTP, and what agents and queues can be asked to do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.memory import MemoryConsole

ANN = {"id": "1001", "name": "Ann", "endpoint": "agent-1001", "skills": {"english": 5}}
KINDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "agents": (ANN, "1001", {"name": "Anna"}),
    "queues": ({"id": "sales", "name": "Sales"}, "sales", {"ring_s": 9.5}),
    "skills": ({"id": "english", "name": "English"}, "english", {"name": "Spoken English"}),
    "numbers": ({"e164": "+442079460000", "flow": "main-en"}, "+442079460000", {"flow": "main-zh"}),
    "campaigns": ({"id": "autumn", "name": "Autumn", "queue_id": "sales"}, "autumn", {"ring_s": 30.0}),
    "trunks": ({"id": "carrier", "host": "sip.example.net"}, "carrier", {"port": 5070}),
}


@pytest.mark.parametrize("noun", KINDS)
async def test_a_definition_lives_from_post_to_delete(api: httpx.AsyncClient, noun: str) -> None:
    policy, id_, change = KINDS[noun]
    made = await api.post(f"/v1/{noun}", json=policy)
    assert made.status_code == 201
    assert policy.items() <= made.json().items()
    assert (await api.get(f"/v1/{noun}")).json() == {"items": [made.json()], "next": None}
    changed = await api.patch(f"/v1/{noun}/{id_}", json=change)
    assert changed.json() == made.json() | change
    assert (await api.get(f"/v1/{noun}/{id_}")).json() == changed.json()
    assert (await api.delete(f"/v1/{noun}/{id_}")).status_code == 204
    assert (await api.get(f"/v1/{noun}/{id_}")).status_code == 404


@pytest.mark.parametrize("noun", KINDS)
async def test_every_field_is_sent_defaults_too(api: httpx.AsyncClient, noun: str) -> None:
    policy, _, _ = KINDS[noun]
    sent = (await api.post(f"/v1/{noun}", json=policy)).json()
    schema = (await api.get("/openapi.json")).json()
    answer = schema["paths"][f"/v1/{noun}"]["post"]["responses"]["201"]
    name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert sent.keys() == schema["components"]["schemas"][name]["properties"].keys()


async def test_an_agents_day(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    await api.post("/v1/agents", json=ANN)
    assert (await api.put("/v1/agents/1001/pin", json={"pin": "4711"})).status_code == 204
    assert console.agents.pins == {"1001": "4711"}
    signed_in = await api.post("/v1/agents/1001/login", json={"ready": False})
    assert (signed_in.json()["state"], signed_in.json()["since"]) == ("not-ready", "2026-03-29T08:30:00.250000Z")
    assert (await api.post("/v1/agents/1001/ready")).json()["state"] == "available"
    paused = await api.post("/v1/agents/1001/not-ready", json={"reason": "lunch"})
    assert (paused.json()["state"], paused.json()["reason"]) == ("not-ready", "lunch")
    assert (await api.post("/v1/agents/1001/wrapup")).status_code == 409
    assert (await api.post("/v1/agents/1001/logout")).json()["state"] == "offline"


async def test_a_body_may_be_left_out_where_everything_has_a_default(api: httpx.AsyncClient) -> None:
    await api.post("/v1/agents", json=ANN)
    assert (await api.post("/v1/agents/1001/login")).json()["state"] == "available"
    assert (await api.post("/v1/agents/1001/not-ready")).json()["reason"] == "requested"


async def test_a_second_sign_in_is_a_conflict(api: httpx.AsyncClient) -> None:
    await api.post("/v1/agents", json=ANN)
    await api.post("/v1/agents/1001/login")
    again = await api.post("/v1/agents/1001/login")
    assert (again.status_code, again.json()["error_id"], again.json()["exit_code"]) == (409, "conflict", 4)


async def test_a_queue_closes_and_opens(api: httpx.AsyncClient) -> None:
    await api.post("/v1/queues", json={"id": "sales", "name": "Sales"})
    assert (await api.post("/v1/queues/sales/close")).json()["open"] is False
    assert (await api.post("/v1/queues/sales/open")).json()["open"] is True


async def test_a_trunks_secret_goes_in_and_never_out(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    await api.post("/v1/trunks", json=KINDS["trunks"][0])
    assert (await api.put("/v1/trunks/carrier/secret", json={"secret": "hush"})).status_code == 204
    assert console.trunks.secrets == {"carrier": "hush"}
    assert "hush" not in (await api.get("/v1/trunks/carrier")).text
