"""`callwright asterisk`: Asterisk's configuration from ours: look at it, install it, take it away again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.output import Record, emit, say, screen
from cli.shell import Json, Yes, confirm, examples, group, settings
from engine.errors import Conflict

if TYPE_CHECKING:
    from cli.installation import Change

app = group("Asterisk's configuration: look, install, remove.")

Reload = Annotated[bool, typer.Option("--reload/--no-reload", help="Tell a running Asterisk to read it anew.")]
SHOWN: Final = {"new": "green", "changed": "yellow", "same": "dim", "foreign": "bold red", "restored": "green"}


@app.command("render", epilog=examples("callwright asterisk render", "callwright asterisk render --to /tmp/look"))
def render(
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the files there, with secrets.")] = None,
    as_json: Json = False,
) -> None:
    """Print every configuration file, secrets hidden; or write them to a folder. Changes nothing in Asterisk."""
    from cli.installation import hidden, write_private
    from cli.planning import rendered

    files = rendered(settings())
    if to is not None:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in files.items():
            write_private(to / name, text)
    items = [{"name": name, "text": hidden(text)} for name, text in files.items()]
    if as_json:
        emit({"items": items, "next": None})
    elif to is not None:
        say(f"{len(files)} files are in {to}; they hold secrets.")
    else:
        for item in items:
            typer.echo(f"==> {item['name']} <==\n{item['text']}")


@app.command(
    "apply",
    epilog=examples("callwright asterisk apply --dry-run", "callwright asterisk apply --replace"),
)
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace files that are not ours; each is kept as NAME.bak.")
    ] = False,
    reload: Reload = True,
    as_json: Json = False,
) -> None:
    """Install the configuration in asterisk.config and have Asterisk read it.

    Files that somebody else wrote or edited are left alone unless --replace is given (exit 4).
    """
    from cli.installation import Installation, differences
    from cli.planning import beside, put_beside, rendered

    known = settings()
    place = Installation(known.asterisk.config)
    changes = place.compare(rendered(known))
    foreign = [change.name for change in changes if change.kind == "foreign"]
    if dry_run:
        _show(changes, {"applied": False, "reloaded": False}, as_json=as_json)
        if not as_json:
            typer.echo(differences(changes), nl=False)
            say(f"Also made or written: {', '.join(str(path) for path in beside(known))}")
        return
    if foreign and not replace:
        raise Conflict(
            f"not Callwright's, or edited since: {', '.join(foreign)}",
            where=str(known.asterisk.config),
            mend="look with --dry-run; --replace puts ours in their place and keeps each as NAME.bak; "
            "what is yours belongs into callwright_*_custom.conf",
        )
    place.install(changes)
    put_beside(known)
    reloaded = reload and _reload()
    _show(changes, {"applied": True, "reloaded": reloaded}, as_json=as_json)


@app.command("remove", epilog=examples("callwright asterisk remove --yes"))
def remove(yes: Yes = False, reload: Reload = True, as_json: Json = False) -> None:
    """Take our configuration out of Asterisk's folder and put back what was there before."""
    from cli.installation import Installation

    folder = settings().asterisk.config
    what = f"this removes Callwright's files from {folder}"
    confirm(f"Remove Callwright's files from {folder}?", what, "asterisk remove", yes=yes)
    changes = Installation(folder).remove()
    reloaded = reload and bool(changes) and _reload()
    _show(changes, {"applied": True, "reloaded": reloaded}, as_json=as_json)


def _show(changes: list[Change], more: Record, *, as_json: bool) -> None:
    if as_json:
        items = [{"name": change.name, "change": change.kind} for change in changes]
        emit({**more, "items": items, "next": None})
        return
    out = screen()
    for change in changes:
        out.print(f"{change.kind:<9} {change.name}", style=SHOWN.get(change.kind, ""))
    if not changes:
        say("Nothing of Callwright's is there.")
    if more["reloaded"]:
        say("Asterisk has read it. A change of ports needs a restart of Asterisk.")


def _reload() -> bool:
    from cli.installation import reload_asterisk

    trouble = reload_asterisk()
    if trouble:
        say(f"Asterisk was not told: {trouble}")
    return not trouble
