"""The API's description: complete, and its keys do not change by accident.

`schemas/keys.json` lists the keys of everything that is sent. To change them on purpose:
`UPDATE_SCHEMAS=1 pytest tests/web/test_openapi.py`, and say so in the CHANGELOG.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx

from engine.web import create_app
from tests.web.describe import PAGE, current
from tests.web.memory import MemoryConsole

KEYS = Path(__file__).parent / "schemas" / "keys.json"


def described() -> dict[str, Any]:
    """The description."""
    whole: dict[str, Any] = create_app(MemoryConsole()).openapi()
    return whole


def keys_of(whole: dict[str, Any]) -> dict[str, Any]:
    """Every route, and every object with its keys."""
    routes = sorted(f"{method.upper()} {path}" for path, item in whole["paths"].items() for method in item)
    schemas = whole["components"]["schemas"]
    objects = {name: sorted(schema["properties"]) for name, schema in schemas.items() if "properties" in schema}
    return {"routes": routes, "objects": objects}


def test_keys_are_those_that_were_promised() -> None:
    found = keys_of(described())
    if os.environ.get("UPDATE_SCHEMAS"):
        KEYS.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(KEYS.read_text(encoding="utf-8"))


def test_every_reference_leads_somewhere() -> None:
    whole = described()
    known = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(each) for each in value.values()))
        return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()

    assert references(whole) <= known


def test_every_operation_has_a_name_a_summary_and_its_errors() -> None:
    names = []
    for path, item in described()["paths"].items():
        for operation in item.values():
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert "HTTPValidationError" not in json.dumps(operation)
            assert path == "/metrics" or "default" in operation["responses"]
    assert len(names) == len(set(names))


async def test_it_is_served(api: httpx.AsyncClient) -> None:
    assert (await api.get("/openapi.json")).json()["info"]["title"] == "Callwright"


def test_the_documentation_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == current(), "run python -m tests.web.describe"
