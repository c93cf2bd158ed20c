"""The floor on a terminal: from a record of `GET /v1/floor` to something rich can print. Pure.

Narrow terminals get one column, wide ones (from `WIDE` columns on) agents and calls side by side. When a height is
given nothing runs out of the screen: what does not fit is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli import floor_campaigns
from cli.output import Record, percent, seconds, words

WIDE: Final = 140
_STATES: Final = {
    "available": "green",
    "talking": "cyan",
    "ringing": "yellow",
    "reserved": "yellow",
    "wrap-up": "magenta",
    "not-ready": "red",
    "offline": "dim",
    "in-flow": "blue",
    "waiting": "yellow",
    "offered": "yellow",
}
_BUSY_FIRST: Final = ("talking", "ringing", "reserved", "wrap-up", "available", "not-ready", "offline")
_AROUND_TWO: Final = 8
"""Lines of a wide screen that are no row: title, totals, foot, heads of two tables, blank lines."""
_AROUND_THREE: Final = 10
"""The same for three tables one below the other."""

Cells = Callable[[Record], Sequence[Text | str]]
"""A row's cells."""


class Cut(NamedTuple):
    """How many rows each table may have; None: all of them."""

    queues: int | None = None
    agents: int | None = None
    calls: int | None = None


def picture(floor: Record, *, width: int, height: int | None, timezone: str) -> RenderableType:
    """Everything on one screen."""
    zone = ZoneInfo(timezone)
    now = datetime.fromisoformat(floor["at"])
    wide = width >= WIDE
    campaigns, taken = floor_campaigns.section(
        floor_campaigns.shown(floor.get("campaigns", ())), width, room_for_campaigns(height, wide=wide)
    )
    if campaigns:
        campaigns, taken = [*campaigns, Text()], taken + 1
    cut = rows_that_fit(floor, height if height is None else height - taken, wide=wide)
    queues = _queues(floor["queues"], cut.queues, wide=wide)
    agents = _agents(floor["agents"], cut.agents, now)
    calls = _calls(floor["calls"], cut.calls, now, wide=wide)
    below: list[RenderableType] = [_beside(agents, calls)] if wide else [agents, Text(), calls]
    above = (_title(floor, now, zone), _totals(floor["totals"]))
    return Group(*above, Text(), queues, Text(), *campaigns, *below, Text(), _foot(floor, now))


def room_for_campaigns(height: int | None, *, wide: bool) -> int | None:
    """The lines that campaigns may take: half of what is free, so that queues, agents and calls keep theirs."""
    return None if height is None else max(0, (height - (_AROUND_TWO if wide else _AROUND_THREE)) // 2 - 1)


def rows_that_fit(floor: Record, height: int | None, *, wide: bool) -> Cut:
    """Share the screen's lines: queues first, then half of the rest each for agents and calls."""
    if height is None:
        return Cut()
    queues, agents, calls = (max(1, len(floor[key])) for key in ("queues", "agents", "calls"))  # nothing is a line too
    free = height - (_AROUND_TWO if wide else _AROUND_THREE)
    queues = min(queues, max(1, free // 3))
    free -= queues
    if wide:
        return Cut(queues, max(1, free), max(1, free))
    agents = min(agents, max(1, free - min(calls, free // 2)))
    return Cut(queues, agents, max(1, free - agents))


def _title(floor: Record, now: datetime, zone: ZoneInfo) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{floor['site']} ", style="bold")
    line.append(f"{now.astimezone(zone):%Y-%m-%d %H:%M:%S}  ")
    for link in floor["links"]:
        line.append(f"{link['name']}:{'up' if link['up'] else 'down'} ", style="green" if link["up"] else "bold red")
    if floor["blind"]:
        line.append("| BLIND: Asterisk is out of sight ", style="bold white on red")
    if floor["draining"]:
        line.append("| DRAINING ", style="bold black on yellow")
    asterisk = re.split(r"[+~]", floor["asterisk"])[0] or "?"  # without the packager's additions
    line.append(f"| Asterisk {asterisk}, Callwright {floor['version']}", style="dim")
    return line


def _totals(totals: Record) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    parts = (
        ("today", totals["arrived"], ""),
        ("live", totals["in_progress"], "cyan"),
        ("answered", totals["answered"], "green"),
        ("abandoned", totals["abandoned"], "red"),
        ("overflowed", totals["overflowed"], "yellow"),
        ("callback", totals["callback"], ""),
        ("in flow", totals["ended_in_flow"], ""),
        ("lost", totals["lost"], "bold red"),
    )
    for title, count, style in parts:
        if count or title in ("today", "live", "answered", "abandoned"):
            line.append(f"{title} ")
            line.append(f"{count}  ", style=f"bold {style}" if count else "dim")
    line.append(f"ASA {seconds(totals['asa_s'])}")
    return line


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline", expand=False)
    for title, justify in columns:
        table.add_column(title, justify="right" if justify == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table


def _fill(
    table: Table,
    rows: Sequence[Record],
    limit: int | None,
    cells: Callable[[Record], Sequence[Text | str]],
    nothing: str,
) -> Table:
    """Add the rows that fit; the last line counts the others, or says that there is `nothing`."""
    shown = rows if limit is None or len(rows) <= limit else rows[: max(0, limit - 1)]
    for row in shown:
        table.add_row(*cells(row))
    if len(shown) < len(rows):
        table.add_row(Text(f"… {len(rows) - len(shown)} more", style="dim"))
    if not rows:
        table.add_row(Text(nothing, style="dim"))
    return table


def _queues(rows: Sequence[Record], limit: int | None, *, wide: bool) -> Table:
    right = ("WAITING", "LONGEST", "OFFERED", "TALKING", "FREE", "SIGNED IN", "IN TIME")
    titles = right if wide else ("WAIT", "LONGEST", "OFFER", "TALK", "FREE", "IN", "IN TIME")
    table = _table(("QUEUE", "left"), *((title, "right") for title in titles))

    def cells(row: Record) -> Sequence[Text | str]:
        name = Text(row["name"], style="" if row["open"] else "dim")
        if not row["open"]:
            name.append(" (closed)", style="yellow")
        late = row["waiting"] and row["longest_wait_s"] > row["service_level_s"]
        style = "bold red" if late else "yellow" if row["waiting"] else "dim"
        longest = seconds(row["longest_wait_s"]) if row["waiting"] else "-"
        counts = (row["offered"], row["talking"], row["agents_free"], row["agents_signed_in"])
        level = percent(row["service_level"]["value"])
        return (name, Text(str(row["waiting"]), style=style), Text(longest, style=style), *map(str, counts), level)

    return _fill(table, rows, limit, cells, "no queues")


def _agents(rows: Sequence[Record], limit: int | None, now: datetime) -> Table:
    table = _table(("AGENT", "left"), ("NAME", "left"), ("STATE", "left"), ("SINCE", "right"))

    def cells(row: Record) -> Sequence[Text | str]:
        state = Text(row["state"], style=_STATES.get(row["state"], ""))
        if row["reason"]:
            state.append(f" {row['reason']}")
        return (row["id"], row["name"], state, _age(row["since"], now))

    order = {state: place for place, state in enumerate(_BUSY_FIRST)}
    return _fill(
        table, sorted(rows, key=lambda row: (order.get(row["state"], 9), row["id"])), limit, cells, "no agents"
    )


def _calls(rows: Sequence[Record], limit: int | None, now: datetime, *, wide: bool) -> Table:
    table = _table(("PERSON", "left"), ("STATE", "left"), ("WHERE", "left"), ("AGENT", "left"), ("AGE", "right"))
    if wide:
        table.add_column("CALL", no_wrap=True)

    def cells(row: Record) -> Sequence[Text | str]:
        on_hold = " on hold" if row["held"] and row["state"] == "talking" else ""
        state = Text(row["state"] + on_hold, style=_STATES.get(row["state"], ""))
        place = row["queue_id"] or row["campaign_id"] or f"{row['flow']}/{row['node']}"
        line: list[Text | str] = [words(row["caller"]), state, place, words(row["agent_id"]), _age(row["arrived"], now)]
        return [*line, Text(row["id"], style="dim")] if wide else line

    return _fill(table, rows, limit, cells, "no calls")


def _beside(left: Table, right: Table) -> Table:
    both = Table.grid(padding=(0, 4, 0, 0))
    both.add_column(vertical="top")
    both.add_column(vertical="top")
    both.add_row(left, right)
    return both


def _foot(floor: Record, now: datetime) -> Text:
    line = Text(style="dim", no_wrap=True, overflow="ellipsis")
    deadline = floor["deadline"]
    if deadline is None:
        line.append("next: nothing is due")
    else:
        left = (datetime.fromisoformat(deadline["at"]) - now).total_seconds()
        line.append(f"next: {deadline['why']} of {deadline['subject']} in {seconds(max(0.0, left))}")
    if floor["backlog"]:
        line.append(f"  |  backlog {floor['backlog']}", style="bold red")
    for link in floor["links"]:
        if not link["up"]:
            line.append(f"  |  {link['name']}: {link['detail'] or link['state']}", style="bold red")
    return line


def _age(since: str | None, now: datetime) -> str:
    return "-" if since is None else seconds(max(0.0, (now - datetime.fromisoformat(since)).total_seconds()))
