"""`callwright campaign`: people who are called, how fast, and what it came to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Unpack

import typer

from cli import campaign_options, lists
from cli.campaign_options import Options
from cli.campaign_screen import REPORT, picture, report_rows
from cli.campaign_words import changed, hours_in_vain
from cli.client import Engine, NoEngine, ask, calling, is_served, no_engine
from cli.desk import at_desk, wanted
from cli.interaction import From, To
from cli.output import Column, Record, done, emit, emit_list, local, percent, say, screen, show, show_table, words
from cli.shell import Json, Yes, confirm, examples, group, settings, unpacked
from engine.errors import CallwrightError, Conflict, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

app = group("Campaigns: people who are called, how fast, and what it came to.")

Id = Annotated[str, typer.Argument(metavar="NAME", help="The campaign, e.g. autumn.")]
QUEUE: Final = typer.Option(metavar="ID", help="The queue whose agents serve it.")


def _worst(campaign: Record) -> str:
    """The budget that is nearest to its cap: `1.9% (19 of 1000)`."""
    if not campaign["standings"]:
        return "-"
    worst = max(campaign["standings"], key=lambda each: (each["rate"] or 0.0) / (each["cap"] or 1.0))
    return f"{percent(worst['rate'] or 0.0)} ({worst['drops']} of {worst['answers']})"


COLUMNS: Final = (
    Column("ID", "id", keep=True),
    Column("NAME", "name", spare=True),
    Column("STATE", "state"),
    Column("MODE", "mode"),
    Column("QUEUE", "queue_id", spare=True),
    Column("AGENTS", shows=lambda each: words(each["live"] and each["live"]["agents"]["staffed"]), justify="right"),
    Column("LINES", shows=lambda each: words(each["live"] and each["live"]["lines"]["up"]), justify="right"),
    Column("TO CALL", shows=lambda each: str(each["leads"]["new"] + each["leads"]["claimed"]), justify="right"),
    Column("DONE", shows=lambda each: str(each["leads"]["done"]), justify="right"),
    Column("ABAND", shows=_worst, justify="right"),
    Column("PACE", shows=lambda each: words(each["live"] and each["live"]["says"]), spare=True),
)


@app.command(
    "create",
    epilog=examples(
        "callwright campaign create autumn --queue sales --caller-id +442079460000 --trunk carrier-a",
        "callwright campaign create vip --queue vip --mode progressive --hours 'mon-fri 9-20' --cap 0.02",
        "callwright campaign create july --queue sales --trunk main --trunk spare --window calendar-month",
    ),
)
@unpacked
def create(id_: Id, queue: Annotated[str, QUEUE], as_json: Json = False, **given: Unpack[Options]) -> None:
    """Define a campaign; it is stopped until `start`."""
    blank = campaign_options.fresh()
    fields = {field: made(blank) for field, made in campaign_options.changes(given).items()}
    fields = {"name": id_, "region": settings().site.region, **fields}
    try:
        record = at_desk(
            lambda desk: desk.post("campaigns", body={"id": id_, "queue_id": queue, **fields}), writing=True
        )
    except CallwrightError as refused:
        if refused.error_id == Conflict.error_id and refused.where == "campaign":
            refused.where, refused.mend = "", f"`callwright campaign set {id_}` changes it"
        raise
    done(f"Created campaign {id_}; see `callwright campaign check {id_}`.", record, as_json=as_json)
    _warn_of_times(record)


@app.command(
    "set",
    epilog=examples(
        "callwright campaign set autumn --mode progressive",
        "callwright campaign set autumn --cap 0.02 --window rolling-30-days --window calendar-month",
    ),
)
@unpacked
def set_(id_: Id, queue: Annotated[str | None, QUEUE] = None, as_json: Json = False, **given: Unpack[Options]) -> None:
    """Change a campaign; one that runs follows at once. A list that is given replaces the old one."""
    makers = campaign_options.changes(given)
    if not makers and queue is None:
        raise UsageError(
            "nothing to change was given", where="campaign set", mend="see `callwright campaign set --help`"
        )

    async def work(desk: Engine) -> tuple[Record, Record]:
        before = await desk.get("campaigns", id_)
        fields = {field: made(before) for field, made in makers.items()}
        if queue is not None:
            fields["queue_id"] = queue
        return before, await desk.patch("campaigns", id_, body=fields)

    before, after = at_desk(work, writing=True)
    said = changed(before, after)
    told = "\n  ".join([f"Campaign {id_} has changed:", *said]) if said else f"Campaign {id_}: nothing is different."
    done(told, after, as_json=as_json)
    _warn_of_times(after)


def _warn_of_times(campaign: Record) -> None:
    """Say at once that hours were given in which nobody may be called, or times without a place."""
    if campaign["schedule"] and not campaign["timezone"]:
        say("Warning: the schedule is in UTC; name its time zone with --timezone, e.g. Europe/Paris.")
    for warning in hours_in_vain(campaign):
        say(f"Warning: {warning}")


@app.command("remove", epilog=examples("callwright campaign remove autumn --yes"))
def remove(id_: Id, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a stopped campaign with its leads. Asks first. Its attempts stay in the ledger."""
    what = f"this removes campaign {id_} with all its leads"
    confirm(f"Remove campaign {id_} and all its leads?", what, "campaign remove", yes=yes)
    at_desk(lambda desk: desk.delete("campaigns", id_), writing=True)
    done(f"Removed campaign {id_}.", {"removed": id_}, as_json=as_json)


@app.command(
    "import",
    epilog=examples(
        "callwright campaign import autumn leads.csv",
        "callwright campaign import autumn leads.csv --region CN --column phone",
    ),
)
def import_(
    id_: Id,
    file: lists.ListFile,
    region: lists.Region = "",
    column: lists.NumberColumn = "",
    segment_column: lists.SegmentColumn = "",
    encoding: lists.Encoding = "",
    as_json: Json = False,
) -> None:
    """Import a list of people to call. Rows that cannot be called are kept apart with their reason."""
    lists.import_list(id_, file, region, column, segment_column, encoding, as_json=as_json)


@app.command("check", epilog=examples("callwright campaign check autumn", "callwright campaign check autumn --json"))
def check(id_: Id, as_json: Json = False) -> None:
    """Tell what forbids a campaign, what will hurt, and what may be hoped for. Exit 1 if it has errors."""
    found = wanted("campaigns", id_, "check")
    if as_json:
        emit(found)
    else:
        for finding in found["findings"]:
            typer.echo(f"{finding['level'].upper():<8} {finding['what']}")
            if finding["mend"]:
                typer.echo(f"{'':<8} {finding['mend']}")
        verdict = "may be started" if found["ok"] else "cannot be started"
        typer.echo(f"Campaign {id_} {verdict}.")
    if not found["ok"]:
        raise typer.Exit(1)


@app.command("start", epilog=examples("callwright campaign start autumn"))
def start(id_: Id, as_json: Json = False) -> None:
    """Dial from now on; without a running engine, from its start on. Refused while `check` finds errors."""
    _ask(id_, "start", as_json=as_json)


@app.command("pause", epilog=examples("callwright campaign pause autumn"))
def pause(id_: Id, as_json: Json = False) -> None:
    """Dial no more for now; what rings goes on."""
    _ask(id_, "pause", as_json=as_json)


@app.command("stop", epilog=examples("callwright campaign stop autumn"))
def stop(id_: Id, as_json: Json = False) -> None:
    """Dial no more; claimed leads go back to the list."""
    _ask(id_, "stop", as_json=as_json)


def _ask(id_: str, verb: str, *, as_json: bool) -> None:
    campaign = at_desk(lambda desk: desk.post("campaigns", id_, verb), writing=True)
    done(f"Campaign {id_} is {campaign['state']}.", campaign, as_json=as_json)
    if campaign["live"] is None and verb == "start":
        say("No engine is running: it begins to dial when one does (`callwright serve`).")


@app.command("list", epilog=examples("callwright campaign list", "callwright campaign list --json"))
def list_(as_json: Json = False) -> None:
    """List all campaigns and how they stand."""
    records: Sequence[Record] = wanted("campaigns")["items"]
    if as_json:
        emit_list(records)
    else:
        show_table(COLUMNS, records, empty="No campaigns yet; add one with `callwright campaign create`.")


@app.command("show", epilog=examples("callwright campaign show autumn", "callwright campaign show autumn --json"))
def show_(id_: Id, as_json: Json = False) -> None:
    """Show a campaign: its pace and why, agents, lines, leads, budgets; hours, schedule, caps and limits."""
    campaign = wanted("campaigns", id_)
    if as_json:
        emit(campaign)
    else:
        show(picture(campaign, settings().site.timezone))


@app.command(
    "watch",
    epilog=examples(
        "callwright campaign watch autumn",
        "callwright campaign watch autumn --once",
        "callwright campaign watch autumn --json",
    ),
)
def watch(
    id_: Id,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Watch a campaign live until Ctrl-C; with `--json` a line for each look. Needs a running engine."""
    known = settings()
    if not is_served(known.paths.socket):
        raise no_engine(known.paths.socket)
    campaign = wanted("campaigns", id_)  # who is not there is told below the prompt
    out = screen()
    if once or not (as_json or out.is_terminal):
        if as_json:
            emit(campaign)
        else:
            show(picture(campaign, known.site.timezone, whole=False))
        return
    try:
        ask(_print_lines(id_, every) if as_json else _live(id_, every))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _print_lines(id_: str, every: float) -> None:
    import asyncio

    async with calling(settings().paths.socket) as engine:
        while True:
            emit(await engine.get("campaigns", id_))
            sys.stdout.flush()
            await asyncio.sleep(every)


async def _live(id_: str, every: float) -> None:
    import asyncio

    from rich.live import Live

    async with calling(settings().paths.socket) as engine:
        with Live(console=screen(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(await _look(engine, id_), refresh=True)
                await asyncio.sleep(every)


async def _look(engine: Engine, id_: str) -> RenderableType:
    """The campaign at this moment; an engine that went away is awaited."""
    from rich.text import Text

    try:
        return picture(await engine.get("campaigns", id_), settings().site.timezone, whole=False)
    except NoEngine:
        return Text("the engine is away; whoever is answered now hears the message, nothing is dialled", "bold red")
    except CallwrightError as error:
        return Text(str(error), style="bold red")


@app.command(
    "report",
    epilog=examples("callwright campaign report autumn", "callwright campaign report autumn --from 2026-11-22 --json"),
)
def report(id_: Id, start: From = "", end: To = "", as_json: Json = False) -> None:
    """Tell what a campaign's attempts came to; without times since it began."""
    query: dict[str, Any] = {"from": start, "to": end}
    found = wanted("campaigns", id_, "report", **query)
    if as_json:
        emit(found)
        return
    say(" to ".join(local(found[key], found["timezone"]) for key in ("start", "end")) + f" ({found['timezone']})")
    show_table(REPORT, report_rows(found), empty="")
