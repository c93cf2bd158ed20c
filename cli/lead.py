"""`callwright lead`: people to be called, one by one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli import lists
from cli.client import Engine
from cli.desk import at_desk, wanted
from cli.output import Column, Record, done, emit, emit_list, local, say, show_record, show_table, words
from cli.shell import Json, examples, group, settings
from engine.errors import CallwrightError

app = group("Leads: people to be called, and rows of lists that became none.")

AT_ONCE: Final = 500
Numbers = Annotated[bool, typer.Option("--numbers", help="Show telephone numbers unmasked.")]
Campaign = Annotated[str, typer.Option(metavar="NAME", help="Only of this campaign.")]
OfCampaign = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign, e.g. autumn.")]
IMPORT: Final = Column("IMPORT", "import_id", keep=True)
REJECTED: Final = (
    Column("FILE", "source"),
    Column("LINE", "line", justify="right"),
    Column("REASON", "reason", keep=True),
    Column("WHY", shows=lambda row: lists.REASONS.get(row["reason"], ""), spare=True),
    Column("STOOD THERE", "masked"),
)
FIELDS: Final = ("id", "number", "segment", "priority", "zones", "state", "attempts", "last_outcome", "next")


class State(StrEnum):
    """How a lead stands."""

    NEW = "new"
    CLAIMED = "claimed"
    DIALLED = "dialled"
    DONE = "done"
    DNC = "dnc"


InState = Annotated[State | None, typer.Option(help="Only in this state.")]


@app.command(
    "list",
    epilog=examples("callwright lead list --campaign autumn --state new", "callwright lead list --rejected --json"),
)
def list_(
    campaign: Campaign = "",
    state: InState = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="Rows of lists that became no lead, and why.")] = False,
    import_id: Annotated[str, typer.Option("--import", metavar="ID", help="Only of this import of a list.")] = "",
    numbers: Numbers = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="So many at once.")] = 100,
    cursor: Annotated[str, typer.Option(help="Where the page before ended.")] = "",
    as_json: Json = False,
) -> None:
    """List leads in the order of their import, numbers masked."""
    query: dict[str, Any] = {"campaign": campaign, "import": import_id, "limit": limit, "cursor": cursor}
    if rejected:
        page = wanted("rejected-rows", **query)
    else:
        page = wanted("leads", state=state and state.value, reveal=numbers, **query)
    if as_json:
        emit_list(page["items"], page["next"])
        return
    columns = _rejected_columns(page["items"]) if rejected else _columns(page["items"])
    show_table(columns, page["items"], empty="No rows." if rejected else "No leads.")
    if page["next"]:
        say(f"There are more: --cursor {page['next']}")


def _rejected_columns(rows: list[Record]) -> tuple[Column, ...]:
    """With the import's id where the rows are of several."""
    several = len({row["import_id"] for row in rows}) > 1
    return (IMPORT, *REJECTED) if several else REJECTED


def _columns(leads: list[Record]) -> tuple[Column, ...]:
    timezone = settings().site.timezone
    why = (Column("WHY", "why", spare=True),) if any(lead["why"] for lead in leads) else ()
    return (
        Column("ID", "id", keep=True),
        Column("NUMBER", "number"),
        Column("CAMPAIGN", "campaign_id", spare=True),
        Column("SEGMENT", "segment", spare=True),
        Column("STATE", "state"),
        Column("TRIED", "attempts", justify="right"),
        Column("LAST", "last_outcome"),
        Column("NOT BEFORE", shows=lambda lead: local(lead["next"], timezone) if lead["state"] == "new" else "-"),
        *why,
    )


@app.command("show", epilog=examples("callwright lead show lead_01KABCDEFGHJKMNPQRSTVWXYZ0"))
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The lead's id; see `callwright lead list`.")],
    numbers: Numbers = False,
    as_json: Json = False,
) -> None:
    """Show one lead with every attempt and every refusal."""
    lead = wanted("leads", id_, reveal=numbers)
    if as_json:
        emit(lead)
        return
    history = lead.pop("history")
    timezone = settings().site.timezone
    show_record(lead | {"next": local(lead["next"], timezone)})
    typer.echo("")
    show_table(
        (
            Column("ATTEMPT", "id", keep=True),
            Column("BEGUN", shows=lambda each: local(each["begun"], timezone)),
            Column("OUTCOME", shows=lambda each: words(each["outcome"] or "under way")),
            Column("RULE", "rule"),
            Column("TRUNK", "trunk_id"),
            Column("AGENT", "agent_id"),
            Column("CAUSE", "cause", justify="right"),
        ),
        history,
        empty="Nobody tried yet.",
    )


@app.command("import", epilog=examples("callwright lead import autumn leads.csv --region CN --column phone"))
def import_(
    campaign: OfCampaign,
    file: lists.ListFile,
    region: lists.Region = "",
    column: lists.NumberColumn = "",
    segment_column: lists.SegmentColumn = "",
    encoding: lists.Encoding = "",
    as_json: Json = False,
) -> None:
    """Import a list into a campaign; the same as `callwright campaign import`."""
    lists.import_list(campaign, file, region, column, segment_column, encoding, as_json=as_json)


@app.command(
    "export",
    epilog=examples(
        "callwright lead export autumn > leads.csv",
        "callwright lead export autumn --out leads.csv --numbers --state done",
    ),
)
def export(
    campaign: OfCampaign,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there, readable by you alone.")] = None,
    state: InState = None,
    numbers: Numbers = False,
    as_json: Json = False,
) -> None:
    """Write a campaign's leads as CSV, numbers masked."""
    leads = at_desk(lambda desk: _all(desk, campaign, state, numbers=numbers), writing=False)
    if as_json and out is None:
        emit_list(leads)
        return
    text = _csv(leads)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as refused:
        raise CallwrightError(f"cannot be written: {refused.strerror}", where=str(out), mend="name another") from None
    done(f"Wrote {len(leads)} leads to {out}.", {"file": str(out), "leads": len(leads)}, as_json=as_json)


async def _all(desk: Engine, campaign: str, state: State | None, *, numbers: bool) -> list[Record]:
    return [lead async for lead in _each(desk, campaign, state, numbers=numbers)]


async def _each(desk: Engine, campaign: str, state: State | None, *, numbers: bool) -> AsyncIterator[Record]:
    cursor = ""
    while True:
        query: dict[str, Any] = {"campaign": campaign, "cursor": cursor, "limit": AT_ONCE, "reveal": numbers}
        page = await desk.get("leads", state=state and state.value, **query)
        for lead in page["items"]:
            yield lead
        if page["next"] is None:
            return
        cursor = page["next"]


def _csv(leads: list[Record]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(FIELDS)
    for lead in leads:
        writer.writerow([" ".join(value) if isinstance(value := lead[key], list) else value for key in FIELDS])
    return written.getvalue()
