"""Every kind of error says what, where and what to do, in one shape; none shows a trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import errors
from engine.web import create_app
from engine.web.answers import LONGEST_BODY, status_of
from tests.web.memory import MemoryConsole

FIELDS = ["id", "name", "e164", "flow", "endpoint", "skills", "steps", "mode", "host", "port", "ring_s", "x"]
KEYS = {"type", "title", "status", "detail", "error_id", "where", "mend", "exit_code"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem that an answer tells."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told.keys() == KEYS
    assert told["status"] == answer.status_code
    assert told["type"] == f"urn:callwright:error:{told['error_id']}"
    assert told["title"]
    assert "Traceback" not in answer.text
    return told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("x"), 400),
        (errors.RefusedByRule("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.ConfigError("x"), 422),
        (errors.StoreTooNew("x"), 422),
        (errors.BrokenInvariant("x"), 500),
        (errors.JournalBroken("x"), 500),
        (errors.AsteriskUnreachable("x"), 503),
        (errors.AmiTimeout("x"), 503),
        (errors.StoreUnavailable("x"), 503),
    ],
)
async def test_each_branch_of_the_tree_has_its_status(
    api: httpx.AsyncClient, console: MemoryConsole, error: errors.CallwrightError, status: int
) -> None:
    error.where, error.mend = "here", "Do that."
    console.fault = error
    answer = await api.post("/v1/verify")
    told = problem(answer)
    assert (answer.status_code, told["error_id"]) == (status, error.error_id)
    assert (told["detail"], told["where"], told["mend"]) == ("x", "here", "Do that.")
    assert told["exit_code"] == error.exit_code


def test_every_error_of_the_tree_has_a_status_of_its_kind() -> None:
    def below(kind: type[errors.CallwrightError]) -> list[type[errors.CallwrightError]]:
        return [kind] + [leaf for child in kind.__subclasses__() for leaf in below(child)]

    for kind in below(errors.CallwrightError):
        if kind.__init__ is errors.CallwrightError.__init__:
            assert 400 <= status_of(kind("x")) < 600


async def test_an_unexpected_error_is_a_problem_without_its_trace(
    api: httpx.AsyncClient, console: MemoryConsole
) -> None:
    console.fault = KeyError("+442079460021")
    answer = await api.post("/v1/verify")
    assert problem(answer)["error_id"] == "bug"
    assert "442079460021" not in answer.text


async def test_an_unknown_address(api: httpx.AsyncClient) -> None:
    assert problem(await api.get("/v2/agents"))["error_id"] == "not-found"


async def test_a_wrong_method_names_the_right_ones(api: httpx.AsyncClient) -> None:
    answer = await api.put("/v1/verify")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    problem(answer)


async def test_an_unknown_field_suggests_the_nearest(api: httpx.AsyncClient) -> None:
    told = problem(await api.post("/v1/agents", json={"id": "1", "nmae": "Ann", "endpoint": "e"}))
    assert (told["status"], told["error_id"]) == (422, "config")
    assert "nmae" in told["detail"]
    assert told["mend"] == "Did you mean name?"


async def test_a_field_of_the_wrong_type_is_named(api: httpx.AsyncClient) -> None:
    told = problem(await api.post("/v1/queues", json={"id": "s", "name": "S", "ring_s": "long"}))
    assert (told["where"], told["status"]) == ("ring_s", 422)


async def test_a_missing_field_is_named(api: httpx.AsyncClient) -> None:
    assert "endpoint" in problem(await api.post("/v1/agents", json={"id": "1", "name": "Ann"}))["detail"]


async def test_the_key_cannot_change(api: httpx.AsyncClient) -> None:
    await api.post("/v1/skills", json={"id": "english", "name": "English"})
    told = problem(await api.patch("/v1/skills/english", json={"id": "german"}))
    assert (told["where"], told["status"]) == ("id", 422)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"nul"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_body_that_is_no_object(api: httpx.AsyncClient, method: str, body: bytes) -> None:
    path = "/v1/skills" if method == "POST" else "/v1/skills/english"
    assert problem(await api.request(method, path, content=body))["status"] in (400, 422)


async def test_a_parameter_that_makes_no_sense(api: httpx.AsyncClient) -> None:
    told = problem(await api.get("/v1/interactions?limit=many"))
    assert (told["status"], told["error_id"], told["where"]) == (422, "usage", "query limit")
    assert problem(await api.get("/v1/interactions?limit=501"))["status"] == 422


async def test_a_time_that_cannot_be_read(api: httpx.AsyncClient) -> None:
    assert problem(await api.get("/v1/interactions?from=yesterday"))["status"] == 400


async def test_a_broken_flow_text(api: httpx.AsyncClient) -> None:
    assert problem(await api.post("/v1/flows/main", content=b""))["where"] == "main.yaml:1:1"
    assert problem(await api.post("/v1/flows/main", content=b"\xff\xfe"))["status"] == 400


async def test_a_body_over_a_mebibyte_is_refused(api: httpx.AsyncClient, console: MemoryConsole) -> None:
    told = problem(await api.post("/v1/flows/main", content=b"#" * (LONGEST_BODY + 1)))
    assert (told["status"], told["error_id"]) == (413, "body-too-long")
    assert (await api.post("/v1/flows/main", content=b"#" * LONGEST_BODY)).status_code == 200


async def test_an_endless_body_is_not_read_to_its_end(api: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64:
            sent += 1
            yield b"#" * 65_536

    told = problem(await api.post("/v1/flows/main", content=endless()))
    assert told["status"] == 413
    assert sent <= 18


@pytest.mark.parametrize("path", ["/v1/agents/%00", "/v1/calls/a%0Ab", "/v1/interactions?queue=%00"])
async def test_control_characters_go_no_further(api: httpx.AsyncClient, path: str) -> None:
    assert problem(await api.get(path))["error_id"] == "usage"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
APP = create_app(MemoryConsole())


@settings(max_examples=100)
@given(noun=st.sampled_from(["agents", "queues", "skills", "numbers", "trunks"]), value=JSON, patch=st.booleans())
def test_no_body_is_our_own_mistake(noun: str, value: Any, patch: bool) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
            content = json.dumps(value).encode()
            path = f"/v1/{noun}/x" if patch else f"/v1/{noun}"
            return await client.request("PATCH" if patch else "POST", path, content=content)

    answer = asyncio.run(send())
    assert answer.status_code < 500
    if answer.status_code >= 400:
        problem(answer)
