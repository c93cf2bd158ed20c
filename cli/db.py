"""`callwright db`: make, save and bring back the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.client import ask
from cli.office import refuse_beside_an_engine, sqlite_file
from cli.output import done, say
from cli.shell import Json, Yes, confirm, examples, group, settings

app = group("The database: make it, save it, bring it back.")


@app.command("upgrade", epilog=examples("callwright db upgrade"))
def upgrade(as_json: Json = False) -> None:
    """Bring the tables to this version; makes the database if there is none. Safe to repeat."""
    from engine.store.schema import current
    from engine.store.schema import upgrade as bring_up

    url = settings().database_url
    file = sqlite_file(url)

    async def work() -> tuple[str | None, str]:
        before = await current(url) if file is None or file.exists() else None
        return before, await bring_up(url)

    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before, after = ask(work())
    said = f"The tables are at revision {after}" + (
        " already." if before == after else f" (before: {before or 'none'})."
    )
    done(said, {"before": before, "revision": after}, as_json=as_json)


@app.command("backup", epilog=examples("callwright db backup /var/backups/callwright-2026-11-22.db"))
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; only you can read it.")],
    as_json: Json = False,
) -> None:
    """Write the whole database to a new file, while the engine runs."""
    from engine.store.backup import backup as write

    known = settings()
    ask(write(known.database_url, file))
    done(f"The database is in {file}.", {"file": str(file), "bytes": file.stat().st_size}, as_json=as_json)
    say(f"Keep {known.paths.journal} and {known.paths.data / 'vault.key'} with it: they belong together.")


@app.command("restore", epilog=examples("callwright db restore /var/backups/callwright-2026-11-22.db --yes"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `callwright db backup` wrote.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put a backup in place of everything in the database. The engine must be stopped."""
    from engine.store.backup import restore as bring_back

    known = settings()
    refuse_beside_an_engine(known)
    confirm("Replace everything in the database?", "this replaces the whole database", "db restore", yes=yes)
    target = sqlite_file(known.database_url)
    if target is not None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ask(bring_back(known.database_url, file))
    done(f"The database is as it was in {file}.", {"restored": str(file)}, as_json=as_json)
    say("Run `callwright db upgrade` if the backup is of an older version.")
