"""`callwright config`: the settings in force and where each comes from."""

from __future__ import annotations

import json
import os
import tomllib
from typing import Annotated, Any

import typer

from cli.output import Record, emit, screen, words
from cli.shell import CONFIG, Json, examples, group, settings

app = group("Settings: what is in force, and where it comes from.")


@app.command("show", epilog=examples("callwright config show --origin", "callwright config show --json"))
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: Json = False,
) -> None:
    """Show the settings in force, as a settings file.

    A secret that is set is only a comment there; in JSON it is `(set)`.
    """
    values, origins = in_force(), origins_of()
    if as_json:
        emit({"settings": values, "origin": origins} if origin else {"settings": values})
        return
    out, known = screen(), settings()
    for section, keys in values.items():
        out.print(f"[{section}]", style="bold")
        for key, value in keys.items():
            line = _line(key, value, getattr(getattr(known, section), key))
            out.print(f"{line:<50} # {origins[section][key]}" if origin else line, soft_wrap=True)
        out.print()


@app.command("check", epilog=examples("callwright config check", "callwright config check --config new.toml"))
def check(as_json: Json = False) -> None:
    """Check the settings: unknown keys, values that make no sense, secrets that are missing.

    Exit 2 if `callwright serve` would refuse them.
    """
    from engine.settings import find_file, refuse_unfit

    refuse_unfit(settings())
    path = find_file(CONFIG.get())
    if as_json:
        emit({"ok": True, "file": str(path) if path else None})
    else:
        typer.echo(f"{path or 'The defaults and the environment'}: ok")


def in_force() -> dict[str, Record]:
    """Section -> key -> value, without secrets."""
    known: dict[str, Record] = {}
    for section, keys in settings().model_dump().items():
        known[section] = {key: _shown(value) for key, value in keys.items()}
    known["store"]["url"] = _without_password(known["store"]["url"])
    return known


def origins_of() -> dict[str, dict[str, str]]:
    """Section -> key -> where its value comes from: default, environment, or the file's path."""
    from engine.settings import ENV_PREFIX, Settings, find_file

    path = find_file(CONFIG.get())
    file: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    environment = {name.upper() for name in os.environ}

    def origin(section: str, key: str) -> str:
        if f"{ENV_PREFIX}{section}__{key}".upper() in environment:
            return "environment"
        return str(path) if key in file.get(section, {}) else "default"

    return {
        section: {key: origin(section, key) for key in getattr(Settings(), section).__class__.model_fields}
        for section in Settings.model_fields
    }


def _without_password(url: str) -> str:
    """A database's URL as anybody may see it; one that cannot be read may hold the password anywhere."""
    if not url:
        return ""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "(set)"


def _shown(value: Any) -> Any:
    if hasattr(value, "get_secret_value"):
        return "(set)" if value.get_secret_value() else ""
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _line(key: str, value: Any, given: Any) -> str:
    """A line of a settings file; of what is hidden only a comment, so that no file holds `(set)` as a secret."""
    if hasattr(given, "get_secret_value") and value:
        return f"# {key} is set, and not shown"
    if key == "url" and value != given:
        return f"# {key} = {_toml(value)} is set, its password is not shown"
    return f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return str(value).lower() if isinstance(value, bool) else words(value)
