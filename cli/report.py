"""`callwright report`: figures from the fact tables; each names the formula it came from."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from cli.client import asked
from cli.interaction import From, To
from cli.output import Column, Record, emit, local, percent, say, seconds, show_table
from cli.shell import Json, examples, group

app = group("Reports: figures from the fact tables. Needs a running engine.")


def _ratio(key: str) -> Column:
    title = {"service_level": "IN TIME", "abandonment": "ABAND %"}[key]
    return Column(title, shows=lambda row: percent(row[key]["value"]), justify="right")


_SHORT: Final = {"answered": "ANSW", "abandoned": "ABAND", "overflowed": "OVER", "callback": "CALLB", "waiting": "WAIT"}


def _count(key: str) -> Column:
    return Column(_SHORT.get(key, key.upper()), key, justify="right")


def _speed(row: Record) -> str:
    return seconds(row["speed_of_answer"]["value"])


SERVICE_LEVEL: Final = (
    Column("QUEUE", "queue_id", keep=True),
    _ratio("service_level"),
    Column("ASA", shows=_speed, justify="right"),
    *(_count(key) for key in ("offered", "answered", "abandoned", "overflowed", "callback", "lost", "waiting")),
    _ratio("abandonment"),
)

AGENTS: Final = (
    Column("AGENT", "agent_id", keep=True),
    Column("NAME", "name"),
    Column("SIGNED IN", shows=lambda row: seconds(row["signed_in_s"]), justify="right"),
    Column("OFFERS", "offers", justify="right"),
    Column("MISSED", "offers_missed", justify="right"),
    Column("HANDLED", "handled", justify="right"),
    Column("AHT", shows=lambda row: seconds(row["handle_time"]["value"]), justify="right"),
    Column("OCCUPANCY", shows=lambda row: percent(row["occupancy"]["value"]), justify="right"),
)


@app.command(
    "service-level",
    epilog=examples(
        "callwright report service-level",
        "callwright report service-level --from 2026-11-01 --to 2026-11-30 --queue sales --json",
    ),
)
def service_level(
    start: From = "",
    end: To = "",
    queue: Annotated[str, typer.Option(help="Only this queue.")] = "",
    formula: Annotated[str, typer.Option(help="The formula's id, see docs/kpis.md; ours if not given.")] = "",
    as_json: Json = False,
) -> None:
    """Visits to queues and how many were answered in time. Without times: today."""
    wanted: dict[str, Any] = {"from": start, "to": end, "queue": queue, "formula": formula}
    report = asked("reports", "service-level", **wanted)
    if as_json:
        emit(report)
        return
    _heading(report, report["formula"])
    total = {**report["total"], "queue_id": "all"}
    show_table(SERVICE_LEVEL, [*report["items"], total], empty="There is no queue yet.")


@app.command("agents", epilog=examples("callwright report agents --from 2026-11-22T08:00 --to 2026-11-22T18:00"))
def agents(start: From = "", end: To = "", as_json: Json = False) -> None:
    """How agents spent their time. Without times: today."""
    wanted: dict[str, Any] = {"from": start, "to": end}
    report = asked("reports", "agents", **wanted)
    if as_json:
        emit(report)
        return
    _heading(report, "")
    show_table(AGENTS, report["items"], empty="No agent was signed in.")


def _heading(report: Record, formula: str) -> None:
    times = " to ".join(local(report[key], report["timezone"]) for key in ("start", "end"))
    say(f"{times} ({report['timezone']})" + (f", by {formula}" if formula else ""))
