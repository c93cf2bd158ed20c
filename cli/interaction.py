"""`callwright interaction`: contacts, live and over."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import asked
from cli.output import Column, Record, emit, emit_list, local, say, seconds, show_record, show_table, words
from cli.shell import Json, Reveal, examples, group, settings

app = group("Interactions: contacts, live and over. Needs a running engine.")

From = Annotated[
    str, typer.Option("--from", metavar="TIME", help="ISO 8601; a day alone is its beginning; the site's time zone.")
]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="ISO 8601; a day alone is its end.")]


def _columns(timezone: str) -> tuple[Column, ...]:
    return (
        Column("ID", "id", keep=True),
        Column("ARRIVED", shows=lambda row: local(row["arrived"], timezone)),
        Column("PERSON", "caller"),
        Column("CAMPAIGN", "campaign_id"),
        Column("STATE", "state"),
        Column("ENDING", "ending"),
        Column("TALK", shows=lambda row: seconds(row["talk_s"]), justify="right"),
        Column("LEAD", "lead_id", spare=True),
        Column("FLOW", "flow", spare=True),
        Column("CHANNEL", "channel", spare=True),
    )


@app.command(
    "list",
    epilog=examples(
        "callwright interaction list --from 2026-11-22 --queue sales",
        "callwright interaction list --agent 1001 --limit 500 --json",
    ),
)
def list_(
    start: From = "",
    end: To = "",
    queue: Annotated[str, typer.Option(help="Only those that were in this queue.")] = "",
    agent: Annotated[str, typer.Option(help="Only those that this agent took.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="So many at most.")] = 50,
    cursor: Annotated[str, typer.Option(help="Go on here: `next` of the page before.")] = "",
    reveal: Reveal = False,
    as_json: Json = False,
) -> None:
    """List interactions, newest first."""
    wanted: dict[str, Any] = {"from": start, "to": end, "queue": queue, "agent": agent}
    page = asked("interactions", **wanted, limit=limit, cursor=cursor, reveal=reveal)
    if as_json:
        emit_list(page["items"], page["next"])
        return
    show_table(_columns(settings().site.timezone), page["items"], empty="No interactions.")
    if page["next"]:
        say(f"There are more: add --cursor {page['next']}")


@app.command("show", epilog=examples("callwright interaction show ix_01KABCDEFGHJKMNPQRSTVWXYZ0"))
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The interaction's id.")],
    reveal: Reveal = False,
    as_json: Json = False,
) -> None:
    """Show one interaction with its phases and legs."""
    found = asked("interactions", id_, reveal=reveal)
    if as_json:
        emit(found)
        return
    timezone = settings().site.timezone
    show_record({key: value for key, value in found.items() if key not in ("segments", "sessions")})
    say("")
    show_table(_segment_columns(timezone), found["segments"], empty="No phases yet.")
    say("")
    show_table(_session_columns(timezone), found["sessions"], empty="No legs.")


def _who(row: Record) -> str:
    return words(row["queue_id"] if row["phase"] == "queue" else row["agent_id"] or row["who"])


def _segment_columns(timezone: str) -> tuple[Column, ...]:
    return (
        Column("PHASE", "phase"),
        Column("WHO", shows=_who),
        Column("FROM", shows=lambda row: local(row["start"], timezone)),
        Column("TO", shows=lambda row: local(row["end"], timezone)),
        Column("HOW", "how"),
        Column("WAITED", shows=lambda row: seconds(row["waited_s"]), justify="right"),
    )


def _session_columns(timezone: str) -> tuple[Column, ...]:
    return (
        Column("LEG", "leg", keep=True),
        Column("PURPOSE", "purpose"),
        Column("WHO", "who"),
        Column("FROM", shows=lambda row: local(row["start"], timezone), spare=True),
        Column("TO", shows=lambda row: local(row["end"], timezone), spare=True),
        Column("RECORDING", "recording", keep=True),
    )
