"""One campaign as people see it: `campaign show`, `campaign watch` and `campaign report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cli.campaign_words import described
from cli.output import Column, Record, local, percent, words

if TYPE_CHECKING:
    from rich.table import Table


def picture(campaign: Record, timezone: str, *, whole: bool = True) -> Table:
    """Pace and its reason, agents, lines, leads, budgets, and what does not move: hours, schedule, caps, limits.

    Without `whole` only what moves.
    """
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in (*lines(campaign, timezone), *(described(campaign) if whole else ())):
        table.add_row(title, text)
    return table


def lines(campaign: Record, timezone: str) -> list[tuple[str, str]]:
    """Title and text of each line about what moves."""
    begun = f", begun {local(campaign['begun'], timezone)}" if campaign["begun"] else ""
    return [
        (campaign["id"], f"{campaign['name']}: {campaign['state']}{begun}"),
        ("mode", f"{campaign['mode']}, queue {campaign['queue_id']}, for {words(campaign['seller'])}"),
        ("dials", f"as {words(campaign['caller_id'])} over {', '.join(campaign['trunks']) or 'no trunk'}"),
        *_live(campaign["live"]),
        ("leads", ", ".join(f"{count} {state}" for state, count in campaign["leads"].items())),
        *((_window(each), _standing(each)) for each in campaign["standings"]),
    ]


def _live(live: Record | None) -> list[tuple[str, str]]:
    if live is None:
        return [("pace", "no engine is running: start it with `callwright serve`")]
    agents, used = live["agents"], live["lines"]
    rule = f"; held back: {live['rule_says']}" if live["rule"] else ""
    busy = agents["talking"] + agents["wrapping"]
    share = percent(busy / agents["staffed"]) if agents["staffed"] else "-"
    figures = {key: _bounded(key, value) for key, value in live["figures"].items() if value == value}
    at_work = (
        f"{agents['staffed']} at work: {agents['free']} free, {agents['talking']} talking,"
        f" {agents['wrapping']} in wrap-up ({share} busy); {agents['paused']} not ready"
    )
    found = [
        ("pace", f"{live['says']}{rule}"),
        ("agents", at_work),
        ("lines", f"{used['up']} up: {used['ringing']} ringing, {used['waiting']} answered and waiting for an agent"),
        ("stock", f"{live['stock']} leads claimed"),
    ]
    if figures:
        found.append(("figures", ", ".join(f"{_said(key)} {_figure(value)}" for key, value in figures.items())))
    return found


def _said(key: str) -> str:
    return _FIGURES.get(key, key.replace("_", " "))


_FIGURES: Final = {
    "free": "free agents",
    "ringing": "calls ringing",
    "answer_rate": "estimated answer rate",
    "risk": "risk that the next call finds nobody",
    "price": "highest risk taken",
    "answers": "live answers in the window",
    "drops": "abandoned",
    "at_end": "live answers counted on at its end",
    "bears": "may be abandoned by then",
    "at_risk": "could be abandoned now",
    "room": "more calls allowed now",
    "read_ago_s": "seconds since the ledger was read",
}
"""The figures of pacing and governor in words; others are named as they are."""


def _bounded(key: str, value: float) -> float:
    """Fewer than none allowed is the governor's word for: even none would prove too little."""
    return max(0.0, value) if key == "bears" else value


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _window(budget: Record) -> str:
    return f"{budget['window']}{' of the seller' if budget['of_seller'] else ''}"


def _standing(budget: Record) -> str:
    used = (
        f"used {budget['drops']} of {budget['bears']} allowed by its end" if budget["bears"] > 0 else "none allowed yet"
    )
    return (
        f"{used}; so far {budget['drops']} of {budget['answers']} live answers abandoned ({percent(budget['rate'])},"
        f" at most {percent(budget['upper95'])} by 95 %; cap {percent(budget['cap'])})"
    )


REPORT: Final = (
    Column("WHAT", "what", keep=True),
    Column("COUNT", "count", justify="right"),
    Column("", shows=lambda row: str(row["more"])),
)


def report_rows(found: Record) -> list[Record]:
    """What a campaign's attempts came to, a row for each figure."""

    def row(what: str, count: Any, more: str = "") -> Record:
        return {"what": what, "count": words(count), "more": more}

    bound = f"{percent(found['abandon_rate'])}, at most {percent(found['abandon_upper95'])} by 95 %"
    waits = found["answer_to_agent_ms"]
    spread = f"half within {words(waits['p50'])} ms, 99 % within {words(waits['p99'])} ms" if waits["p50"] else ""
    others = {
        name: count
        for name, count in found["outcomes"].items()
        if count and name not in ("connected", "abandoned", "hung-up-early", "refused")
    }
    refused = ", ".join(f"{rule} {count}" for rule, count in sorted(found["refused"].items()))
    return [
        row("attempts", found["attempts"], f"{found['open']} under way" if found["open"] else ""),
        row("live answers", found["live_answers"]),
        row("  connected", found["connected"], spread),
        row("  abandoned", found["abandoned"], bound),
        row("  hung up early", found["hung_up_early"]),
        *(row(name.replace("-", " "), count) for name, count in others.items()),
        row("refused by a rule", found["outcomes"]["refused"], refused),
        row("utilisation", percent(found["agent_utilisation"])),
    ]
