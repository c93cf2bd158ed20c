"""The keys of a command's JSON are a contract: each set lies in `schemas/`, and a difference is a failure.

After a change that is meant: `CALLWRIGHT_WRITE_SCHEMAS=1 pytest tests/cli`, then look at what differs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent / "schemas"
FREE = frozenset({"skills", "levels", "variables", "seconds", "figures", "retry_s", "outcomes", "refused", "reasons"})
"""Keys whose own keys are data: ids of skills, names of variables, states, reasons."""


def keys_of(value: Any) -> Any:
    """The keys of a JSON value, nested; of a list those of its first item; "" for everything else, null for nothing."""
    if isinstance(value, dict):
        return {key: {} if key in FREE and isinstance(each, dict) else keys_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return [keys_of(value[0])] if value and isinstance(value[0], dict | list) else []
    return None if value is None else ""


def agree(found: Any, kept: Any) -> bool:
    """Whether two sets of keys are the same, where there is something on both sides."""
    if isinstance(found, dict) and isinstance(kept, dict):
        return found.keys() == kept.keys() and all(agree(found[key], kept[key]) for key in kept)
    if isinstance(found, list) and isinstance(kept, list):
        return not found or not kept or agree(found[0], kept[0])
    return found is None or kept is None or found == kept


def check(name: str, value: Any) -> None:
    """Compare with the schema file of that name."""
    path = SCHEMAS / f"{name}.json"
    found = keys_of(value)
    if os.environ.get("CALLWRIGHT_WRITE_SCHEMAS") and not (
        path.exists() and agree(found, json.loads(path.read_text()))
    ):
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert path.exists(), f"no schema file for {name}: see tests/cli/keys.py"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert agree(found, kept), f"{name}: the keys are {json.dumps(found)}, not {json.dumps(kept)}"
