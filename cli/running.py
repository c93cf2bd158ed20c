"""`callwright serve` and `demo`: run the engine, or a whole small call centre to look at."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.output import plain, say, screen, words
from cli.shell import CONFIG, Json, examples

if TYPE_CHECKING:
    from engine.main.demo.run import DemoResult

WHAT_NEXT: Final = (
    "What next: docs/quick-start.md for your own phone and trunk; `callwright explain ID` says why an agent got a call."
)


def serve(
    unwatched: Annotated[
        bool, typer.Option("--unwatched", help="Without the watch that restarts a frozen engine.")
    ] = False,
) -> None:
    """Run the engine.

    Until SIGTERM or Ctrl-C; it then stops taking calls, finishes what is being said, and drops nobody.
    """
    from engine.main.serve import main

    code = main(CONFIG.get(), watched=not unwatched)
    if code:
        raise typer.Exit(code)


def demo(
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long people call.")] = 60,
    headless: Annotated[bool, typer.Option("--headless", help="Without the live screen.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed, other callers.")] = 1,
    as_json: Json = False,
) -> None:
    """Show a small call centre at work.

    On two real Asterisks: callers, flows, queues, agents, a predictive campaign, and a check of everything at the end.

    Exit 1 if somebody was lost on the way, or belief and truth differ.
    """
    from engine.main.demo.run import main

    result = main(seconds, headless=headless or as_json or not sys.stdout.isatty(), seed=seed, say=say)
    if not as_json:
        _sum_up(result)
        say(WHAT_NEXT)
    for failure in result.failures:
        say(f"FAILED: {failure}")
    if as_json:
        sys.stderr.flush()
        _print_json(result)
    if result.failures:
        raise typer.Exit(1)


def _print_json(result: DemoResult) -> None:
    from cli.output import emit

    emit(result)


def _sum_up(result: DemoResult) -> None:
    """The demo's result as a table that can be read aloud."""
    from rich.table import Table

    whole: dict[str, Any] = plain(result)
    ours, far, checked = whole["inbound"], whole["far_side"], whole["verify"]
    rows = [
        ("Asterisk", whole["asterisk"]["version"]),
        ("Calls placed by the simulated network", far["placed"]),
        ("Calls that arrived", ours["arrived"]),
        ("  ended in the flow", ours["ended_in_flow"]),
        ("  offered to a queue", ours["offered"]),
        ("    answered", ours["answered"]),
        ("    abandoned", ours["abandoned"]),
        ("    overflowed", ours["overflowed"]),
        ("    promised a call back", ours["callback"]),
        ("    still in progress", ours["in_progress"]),
        ("Callers who heard an agent", far["talked"]),
        ("Average speed of answer", f"{words(ours['asa_s'])} s"),
        *_latencies(ours),
        *_campaign(whole["outbound"]),
        ("Live calls compared by verify", f"{checked['live_calls_compared']} in {checked['runs']} runs"),
        ("Belief and truth", "agree" if checked["ok"] else f"differ: {words(checked['violations'])}"),
    ]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for title, value in rows:
        table.add_row(title, words(value))
    out = screen()
    out.print()
    out.print(table)


def _campaign(ours: dict[str, Any]) -> list[tuple[str, Any]]:
    """The predictive campaign's part of the table."""
    wait, rejected = ours["answer_to_agent_ms"], sum(ours["reasons"].values())
    rate, busy = ours["abandon_rate"], ours["agent_utilisation"]
    return [
        ("Leads imported", f"{ours['leads']}, rows rejected: {rejected}"),
        ("Calls that the campaign dialled", ours["attempts"]),
        ("  seen by the simulated network", ours["far_side_dialled"]),
        ("  answered by a person", ours["live_answers"]),
        ("    connected to an agent", ours["connected"]),
        ("    hung up before one came", ours["hung_up_early"]),
        ("    abandoned", ours["abandoned"] if rate is None else f"{ours['abandoned']} ({rate:.1%})"),
        ("  answered by a machine", ours["machines"]),
        ("Answer to agent", "–" if wait["p50"] is None else f"{wait['p50']:g} ms, 99 % within {wait['p99']:g} ms"),
        ("Agents' utilisation", "–" if busy is None else f"{busy:.0%}"),
    ]


def _latencies(ours: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key, title in (
        ("flow_to_agent_ms", "Flow to a free agent, phone held open"),
        ("ring_to_agent_ms", "Flow to a free agent, phone rung"),
    ):
        figures = ours.get(key)
        if figures and figures["p50"] is not None:
            found.append((title, f"{figures['p50']:g} ms, 99 % within {figures['p99']:g} ms"))
    return found


EXAMPLES = {
    "serve": examples("callwright serve", "callwright serve --config /etc/callwright/callwright.toml"),
    "demo": examples("callwright demo", "callwright demo --seconds 30 --headless --json"),
}
