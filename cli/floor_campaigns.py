"""Campaigns on the floor's screen: one row each with its figures, and below why the pace is what it is. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.output import Record, percent, words

DETAILED: Final = 110
"""From so many columns on the budget is told with its rate and cap."""
MOST_REASON_LINES: Final = 2
_STATES: Final = {"running": "green", "paused": "yellow"}


def line_of(campaign: Record, today: Record | None) -> Record:
    """What the screen says of a campaign (`CampaignView`); `today` is its report of today, None where not known.

    `answer_rate` and `agent_utilisation` are of today, None before there are any. `budget` is the one that is used up
    most: `drops` of `allowed` abandoned calls, None without a budget.
    """
    live = campaign["live"]
    ended = today["attempts"] - today["open"] if today else 0
    return {
        "id": campaign["id"],
        "name": campaign["name"],
        "mode": campaign["mode"],
        "state": campaign["state"],
        "agents": live and live["agents"],
        "lines": live and live["lines"],
        "answer_rate": round(today["live_answers"] / ended, 4) if today and ended else None,
        "agent_utilisation": today and today["agent_utilisation"],
        "budget": _tightest(campaign["standings"]),
        "pace": _pace(live),
    }


def shown(campaigns: Sequence[Record]) -> list[Record]:
    """Those that the screen shows: running, paused, or with calls up still."""
    return [each for each in campaigns if each["state"] != "stopped" or (each["lines"] and each["lines"]["up"])]


def section(rows: Sequence[Record], width: int, room: int | None) -> tuple[list[RenderableType], int]:
    """Campaigns in at most `room` lines (None: as many as it takes), and the lines they took; reasons go first.

    Nothing where not even a title and a row fit.
    """
    reasons = [line for row in rows for line in _reason(row, width)]
    if room is not None and 1 + len(rows) + len(reasons) > room:
        reasons = []
    few = rows if room is None or 1 + len(rows) <= room else rows[: max(0, room - 2)]
    if not few:
        return [], 0
    found: list[RenderableType] = [_table(few, width)]
    if len(few) < len(rows):
        found.append(Text(f"… {len(rows) - len(few)} more campaigns", style="dim"))
    found += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in reasons]
    return found, 1 + len(few) + (len(few) < len(rows)) + len(reasons)


def budget_words(budget: Record | None, *, detailed: bool) -> str:
    """How much of the budget is used: `12 of 249 allowed (1.3% of 930 answers, cap 3.0%)`."""
    if budget is None:
        return "no budget"
    used = f"{budget['drops']} of {budget['allowed']}"
    if not detailed:
        return used
    rate = percent(budget["rate"] or 0.0)
    return f"{used} allowed ({rate} of {budget['answers']} answers, cap {percent(budget['cap'])})"


def _tightest(standings: Sequence[Record]) -> Record | None:
    if not standings:
        return None
    worst = max(standings, key=lambda each: (each["drops"] + 1) / (max(each["bears"], 0) + 1))
    same = ("window", "cap", "answers", "drops", "rate", "upper95")
    return {name: worst[name] for name in same} | {"allowed": max(worst["bears"], 0)}


def _pace(live: Record | None) -> str:
    if live is None:
        return ""
    return f"{live['says']}; held back: {live['rule_says']}" if live["rule"] else str(live["says"])


def _reason(row: Record, width: int) -> list[str]:
    told = f"{row['id']}: {row['pace']}"
    return textwrap.wrap(told, width, subsequent_indent="  ", max_lines=MOST_REASON_LINES, placeholder=" …")


def _table(rows: Sequence[Record], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline", expand=False)
    for title in ("CAMPAIGN", "MODE", "STATE"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for title in ("AGENTS", "LINES", "ANSWER", "BUSY"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("ABANDONED", no_wrap=True, overflow="ellipsis")
    for row in rows:
        budget = row["budget"]
        full = budget is not None and budget["drops"] >= budget["allowed"] > 0
        table.add_row(
            row["id"],
            row["mode"],
            Text(row["state"], style=_STATES.get(row["state"], "dim")),
            _agents(row["agents"]),
            words(row["lines"] and row["lines"]["up"]),
            percent(row["answer_rate"]),
            percent(row["agent_utilisation"]),
            Text(budget_words(budget, detailed=width >= DETAILED), style="bold red" if full else ""),
        )
    return table


def _agents(crew: Record | None) -> str:
    """Those who talk or wrap up, of all at work: `5/6`."""
    return "-" if crew is None else f"{crew['talking'] + crew['wrapping']}/{crew['staffed']}"
