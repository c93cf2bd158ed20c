"""`callwright verify`, `explain` and `replay`: is what the engine believes true, and why did it decide so."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.client import asked, is_served
from cli.explanation import show_decisions
from cli.output import Column, Record, emit, local, plain, say, screen, show_record, show_table, words
from cli.shell import Json, examples, quiet, settings
from engine.errors import AsteriskUnreachable, CallwrightError

VIOLATIONS = (
    Column("CODE", "code", keep=True),
    Column("IDS", shows=lambda row: words(row["ids"]), keep=True),
    Column("BELIEF", "belief"),
    Column("TRUTH", "truth"),
    Column("SINCE", "since"),
)


def verify(as_json: Json = False) -> None:
    """Compare what the engine believes with the truth.

    With Asterisk, the fact tables and the journal.

    Exit 1 if something differs, still two seconds later; 5 if Asterisk cannot be read.
    """
    try:
        report = asked("verify", method="post")
    except CallwrightError as lost:
        if lost.exit_code == AsteriskUnreachable.exit_code:
            why = f" ({lost.mend})" if lost.mend else ""
            lost.what, lost.where = f"Asterisk cannot be reached, so nothing was compared{why}", ""
            lost.mend = "see `callwright doctor`"
        raise
    if as_json:
        emit(report)
    elif report["ok"]:
        typer.echo(f"Belief and truth agree ({report['live_calls_compared']} live calls compared).")
    else:
        show_table(VIOLATIONS, report["violations"], empty="")
        say(f"{len(report['violations'])} differ ({report['live_calls_compared']} live calls compared).")
    if not report["ok"]:
        raise typer.Exit(1)


def explain(
    id_: Annotated[str, typer.Argument(metavar="ID", help="An interaction, e.g. ix_01K…")],
    as_json: Json = False,
) -> None:
    """Say why this agent got the call, and not that one.

    Who was considered for an interaction, and why each other agent was refused.

    Recomputed from the journal, so it also works for decisions before a restart, and without an engine.
    """
    found = asked("explain", id_) if is_served(settings().paths.socket) else _from_journal(id_)
    if as_json:
        emit(found)
    else:
        show_decisions(screen(), found, settings().site.timezone)


def _from_journal(id_: str) -> Record:
    from engine.main.belief import explain as recompute
    from engine.main.sights import decision_view

    items = [plain(decision_view(each.seq, each.decision)) for each in recompute(settings().paths.journal, id_)]
    return {"interaction_id": id_, "items": items, "next": None}


def replay(
    journal: Annotated[
        Path | None, typer.Argument(metavar="JOURNAL", help="The journal's folder; this site's own if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a journal again.

    From its first line, compared with every snapshot on the way. Exit 1 if one differs.
    """
    from engine.main.belief import replay as run

    quiet()
    folder = journal if journal is not None else settings().paths.journal
    watched = sys.stderr.isatty()

    def progress(seq: int) -> None:
        if watched:
            typer.echo(f"\r{seq:,} facts", nl=False, err=True)

    report = run(folder, progress)
    if watched:
        typer.echo("\r", nl=False, err=True)
    if as_json:
        emit(report)
    else:
        zone = settings().site.timezone
        record = {key: value for key, value in plain(report).items() if key not in ("from_s", "to_s", "differs_at")}
        for key, moment in (("from", report.from_s), ("to", report.to_s)):
            record[key] = local(datetime.fromtimestamp(moment, UTC).isoformat(), zone)
        show_record(record)
    if not report.ok:
        say(f"The floor differs from its snapshot after fact {report.differs_at}.")
        raise typer.Exit(1)


EXAMPLES = {
    "verify": examples("callwright verify", "callwright verify --json"),
    "explain": examples("callwright explain ix_01KABCDEFGHJKMNPQRSTVWXYZ0"),
    "replay": examples("callwright replay", "callwright replay /var/lib/callwright/journal --json"),
}
