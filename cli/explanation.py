"""A decision for people: who fitted, in which order, and what spoke against each other agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.output import Record, local, seconds, words

if TYPE_CHECKING:
    from rich.console import Console


def show_decisions(out: Console, found: Record, timezone: str) -> None:
    """Every decision about one interaction, first to last."""
    from rich.table import Table

    for number, item in enumerate(found["items"], start=1):
        if number > 1:
            out.print()
        out.print(f"Decision {number} about {found['interaction_id']}", style="bold")
        needs = ", ".join(f"{need['skill']} at least {need['level']}" for need in item["needs"]) or "no skill"
        points = item["priority"] + item["queue_priority"]
        out.print(f"  {local(item['at'], timezone)}, journal fact {item['seq']}, queue {item['queue_id']}")
        out.print(f"  waited {seconds(item['waited_s'])}, priority {points}, step {item['step'] + 1}: needs {needs}")
        winner = f"agent {item['winner']}" if item["winner"] else "nobody"
        out.print(f"  chosen by {item['strategy']}: {winner}")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="bold")
        for title in ("PLACE", "AGENT", "WHY"):
            table.add_column(title, overflow="fold")
        for agent in item["fitting"]:
            why = f"idle {seconds(agent['idle_s'])}, {agent['skill_points']} skill points, {words(agent['levels'])}"
            table.add_row(str(agent["place"]), agent["agent_id"], why)
        for agent in item["refused"]:
            reasons = [agent["state"], *(reason for reason in agent["reasons"] if reason != agent["state"])]
            table.add_row("refused", agent["agent_id"], "; ".join(reasons))
        out.print(table)
