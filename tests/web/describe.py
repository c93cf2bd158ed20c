"""Writes docs/api.md from the description: `python -m tests.web.describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.web import create_app
from tests.web.memory import MemoryConsole

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
_HEAD = """# The HTTP API

A running engine serves its API on a Unix socket, `callwright.sock` in its data folder, with rights 0600: whoever may
open it may do everything below. The command line uses nothing else.

    curl --unix-socket var/callwright.sock http://engine/v1/floor
    curl --unix-socket var/callwright.sock http://engine/openapi.json

This page is written from the API's own description by `python -m tests.web.describe`, and a test compares them.

* Lists are `{"items": [...], "next": ...}`; `next` is the `cursor` of the page that follows, or null.
* Every key of an object is always there. Keys are added, never renamed; `tests/web/schemas/keys.json` holds them all.
* Instants are ISO 8601 in UTC with `Z`; durations are seconds and end in `_s`. `from` and `to` without an offset are
  the site's own time; a day alone is its beginning as `from` and its end as `to`. Left out, reports are of today.
* Callers' numbers and names are masked; `?reveal=true` shows them.
* `PATCH` takes some fields; a list or table that is given replaces the old one whole.
* A change is answered once it is on disk.
* A body has at most 1 MiB.

## Errors

Every error is `application/problem+json` (RFC 9457):

| Key | Means |
|---|---|
| `error_id` | what kind, stable |
| `status` | the HTTP status |
| `title`, `detail` | the kind in words; what is wrong here |
| `where` | the field, object or file |
| `mend` | what to do |
| `exit_code` | what the command line ends with |
| `type` | `urn:callwright:error:` and `error_id` |

| Status | When |
|---|---|
| 400 | the request makes no sense: no JSON, no such time |
| 403 | a rule forbids it |
| 404 | no such thing, no such address |
| 405 | the address knows other methods |
| 409 | it contradicts what is: a second sign-in, an id that is taken, a queue with callers in it |
| 413 | the body is too long |
| 422 | a field is missing, unknown or of the wrong type; a parameter cannot be read; a definition cannot be used |
| 500 | our own mistake; the engine's log has the trace |
| 503 | Asterisk or the database cannot be reached |

## For machines

`/healthz`: the process lives and its loop turns. `/readyz`: it can do its work; else 503 with `reasons`. `/metrics`:
Prometheus, names `callwright_…`, no personal data.

## Verify

`POST /v1/verify` compares the engine's belief with Asterisk's channels, with the fact tables and with the journal, and
compares again 2 s later whatever differs. A violation is what differs, word for word, both times.

| `code` | Means |
|---|---|
"""


def page(described: dict[str, Any], codes: dict[str, str]) -> str:
    """The page, from the description and the codes of `verify`."""
    lines = [f"| {code} | {says} |" for code, says in codes.items()]
    lines += ["", "## Routes", "", "| Route | Does | Answers |", "|---|---|---|"]
    for path, item in described["paths"].items():
        for method, operation in item.items():
            shown = path.replace("{id_}", "{id}")
            lines.append(f"| `{method.upper()} {shown}` | {operation['summary']} | {_answer(operation)} |")
    lines += ["", "## Objects", ""]
    for name, schema in sorted(described["components"]["schemas"].items()):
        if "properties" not in schema or name.startswith("Page_"):
            continue
        lines += [f"**{name}**: {' '.join(schema.get('description', '').split())}", ""]
        lines += [", ".join(f"`{key}`" for key in schema["properties"]), ""]
    return _HEAD + "\n".join(lines).rstrip() + "\n"


def _answer(operation: dict[str, Any]) -> str:
    status, good = next(iter(operation["responses"].items()))
    content: dict[str, Any] = next(iter(good.get("content", {}).values()), {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    listed = name.removeprefix("Page_").rstrip("_") + " list" if name.startswith("Page_") else name
    return " ".join(part for part in (status, listed) if part)


def codes() -> dict[str, str]:
    """The codes of `verify`, from the docstrings of its two parts."""
    from engine.main import verify, verify_attempts

    found: dict[str, str] = {}
    for line in f"{verify.__doc__}\n{verify_attempts.__doc__}".splitlines():
        code, _, says = line.strip().partition(" ")
        if line.startswith("    ") and says:
            found[code] = says.strip()
    return found


def current() -> str:
    """The page as it should be now."""
    return page(create_app(MemoryConsole()).openapi(), codes())


if __name__ == "__main__":
    PAGE.write_text(current(), encoding="utf-8")
