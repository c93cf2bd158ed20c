"""`callwright simulate`: a campaign in virtual time on the engine's own core, paced by us or as others do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cli.interaction import From, To
from cli.output import Column, Record, emit, percent, say, show_table
from cli.shell import Json, examples, quiet, settings
from engine.errors import Conflict, JournalBroken, NotFound, UsageError

if TYPE_CHECKING:
    from engine.domain.recorded import RecordedCampaign
    from engine.simulation import Scenario
    from engine.simulation.replay import Memory
    from engine.simulation.result import Result


def _figure(key: str, digits: int) -> Callable[[Record], str]:
    return lambda row: "-" if row[key] is None else f"{row[key]:,.{digits}f}"


def _share(key: str) -> Callable[[Record], str]:
    return lambda row: percent(row[key]) if row[key] is None else f"{row[key]:.2%}"


def _against(cap: float) -> Callable[[Record], str]:
    """Whether the abandonment cap was kept: in words, as colours are not for everybody."""

    def shown(row: Record) -> str:
        rate, upper = row["abandon_rate"], row["abandon_upper95"]
        if rate is None or upper is None:
            return "-"
        return "kept" if upper <= cap else "not proven" if rate <= cap else "BROKEN"

    return shown


COLUMNS = (
    Column("PACING", "pacing", keep=True),
    Column("BUSY", shows=_share("agent_utilisation"), justify="right"),
    Column("ABANDONED", shows=_share("abandon_rate"), justify="right"),
    Column("UPPER 95 %", shows=_share("abandon_upper95"), justify="right"),
    Column("ANSWERS", shows=_figure("live_answers", 0), justify="right"),
    Column("ATTEMPTS", shows=_figure("attempts", 0), justify="right"),
    Column("IDLE S/CONNECT", shows=_figure("idle_s_per_connect", 1), justify="right", spare=True),
    Column("SECONDS", shows=_figure("wall_s", 1), justify="right", spare=True),
)


def simulate(
    scenario: Annotated[
        Path | None, typer.Argument(metavar="SCENARIO.toml", help="See docs/simulation.md.", show_default=False)
    ] = None,
    pacing: Annotated[str, typer.Option(metavar="NAME|all", help="Ours, a peer's, bound, or all.")] = "predictive",
    seed: Annotated[int, typer.Option(min=0, help="The same seed brings the same people under each pacing.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days in a row, judged together.")] = 1,
    journal: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the facts there, for `callwright replay`.")
    ] = None,
    replay: Annotated[
        str, typer.Option(metavar="CAMPAIGN", help="Play a recorded campaign again instead of a scenario.")
    ] = "",
    start: From = "",
    end: To = "",
    day: Annotated[str, typer.Option(metavar="DAY", help="Of the record only this day, such as 2026-11-22.")] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Otherwise than recorded: agents (=12, =+5), cap, lines, calls_per_second, connect_limit_s.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Simulate a campaign.

    Plays a scenario in virtual time to the same core that runs live: people, machines, agents, carrier. Pacings:
    predictive, progressive, the peers' (ratio, vicidial-hard, vicidial-average, vicidial-tapered, omnileads, issabel,
    issabel-overcommit, impact, erlang-b), and bound, the optimum of the exponential model.

    With --replay the people and agents are those of a recorded campaign; --set plays it at other settings.

    With --json one object a line, one for each pacing.
    """
    from engine.simulation.pacings import NAMES, rule

    quiet()
    if pacing not in (*NAMES, "all"):
        rule(pacing)  # says which names there are
    if replay:
        _refuse("--replay", {"SCENARIO.toml": scenario, "--days": days > 1, "--journal": journal})
        if day:
            _refuse("--day", {"--from": start, "--to": end})
        played = _of_record(replay, start or day, end or day, changes or (), seed)
    else:
        _refuse("a scenario", {"--from": start, "--to": end, "--day": day, "--set": changes})
        played = _of_scenario(scenario, pacing, seed, days, journal)
    rows: list[Record] = []
    run, cap = played
    for name in NAMES if pacing == "all" else (pacing,):
        with _Progress(name) as progress:
            row = run(name, progress.show).record()
        rows.append(row)
        if as_json:
            emit(row)
    if not as_json:
        _show(rows, cap)


Show = Callable[[float], None]
Run = Callable[[str, Show], "Result"]
"""Plays one pacing."""


class Play(NamedTuple):
    """What is to be played, and the share of the live answers that may be abandoned in it."""

    run: Run
    cap: float


def _refuse(beside: str, given: dict[str, object]) -> None:
    """Options that mean nothing beside another are no slip to be passed over."""
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} means nothing with {beside}", where=name, mend="Leave one of them out.")


def _of_record(campaign_id: str, start: str, end: str, changes: Sequence[str], seed: int) -> Play:
    from cli.recorded import recorded
    from engine.simulation.changes import parse_changes
    from engine.simulation.record import Record as Recording
    from engine.simulation.replay import replay

    wanted = parse_changes(changes)
    found = recorded(campaign_id, start, end)
    memory = _memory(found)
    record = Recording(found if memory is None else memory.applied(found))
    return Play(
        lambda pacing, show: replay(record, pacing, memory=memory, changes=wanted, seed=seed, progress=show),
        record.scenario(wanted).limits.abandon_cap,
    )


def _memory(found: RecordedCampaign) -> Memory | None:
    """What the site's journal tells that the engine knew then; None where it does not go back so far, or is broken.

    It is read from the segment on in which the record begins, from the snapshot before that.
    """
    from engine.main.belief import restore
    from engine.simulation.replay import recall
    from engine.store.journal import read_journal, seq_before
    from engine.store.lines import segment_paths

    folder = settings().paths.journal
    if not found.dials or not segment_paths(folder):
        return None
    begin, end = found.dials[0].dialled_at, max(max(each.dialled_at, each.ended_at) for each in found.dials)
    try:
        before = restore(folder, upto=seq_before(folder, begin) - 1)
        later = ((record.now, record.fact) for record in read_journal(folder, before.seq + 1))
        return recall(found.policy.id, before.floor, later, begin, end)
    except (NotFound, JournalBroken):
        return None


def _of_scenario(scenario: Path | None, pacing: str, seed: int, days: int, journal: Path | None) -> Play:
    from engine.simulation import load
    from engine.simulation.pacings import OURS
    from engine.simulation.run import simulate as run

    if scenario is None:
        mend = "Name a scenario file, or a recorded campaign with --replay CAMPAIGN."
        raise UsageError("there is nothing to simulate", where="SCENARIO.toml", mend=mend)
    if journal is not None and pacing not in OURS:
        mend = "Choose predictive or progressive."
        raise UsageError("a journal is kept of one of our own pacings", where="--journal", mend=mend)
    whole = load(scenario)
    cap = whole.limits.abandon_cap
    if journal is None:
        return Play(lambda name, show: run(whole, name, seed=seed, days=days, progress=show), cap)
    return Play(lambda name, show: _kept(whole, name, seed, days, journal, show), cap)


def _kept(scenario: Scenario, pacing: str, seed: int, days: int, journal: Path, show: Show) -> Result:
    from engine.simulation.run import simulate as run
    from engine.store.journal import Journal

    if journal.exists() and any(journal.iterdir()):
        raise Conflict("the folder is not empty", where=str(journal), mend="Name a new one.")
    kept = Journal.open(journal, seed=f"simulation-{seed}", engine="simulation")
    try:
        return run(scenario, pacing, seed=seed, days=days, progress=show, record=kept.append)
    finally:
        kept.close()


def _show(rows: list[Record], cap: float) -> None:
    recorded = rows[0].get("recorded")
    shown = [_as_recorded(recorded, rows[0]), *rows] if isinstance(recorded, dict) else rows
    judged = Column(f"CAP {cap * 100:g} %", shows=_against(cap), keep=True)
    show_table((*COLUMNS[:4], judged, *COLUMNS[4:]), shown, empty="")
    for row in rows:
        if row.get("note"):
            say(f"{row['pacing']}: {row['note']}")


def _as_recorded(recorded: Record, row: Record) -> Record:
    """What really happened, as a row beside the others."""
    from engine.dialer.clopper_pearson import clopper_pearson_upper

    live, abandoned = recorded["live_answers"], recorded["abandoned"]
    rate = abandoned / live if live else None
    upper = clopper_pearson_upper(abandoned, live) if live else None
    told = {"pacing": "(as recorded)", "abandon_rate": rate, "abandon_upper95": upper}
    return {**dict.fromkeys(row), **recorded, **told}


class _Progress:
    """How far it is, on a terminal's standard error, in one line that goes away."""

    def __init__(self, pacing: str) -> None:
        self._pacing = pacing
        self._watched = sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        self.show(0.0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watched:
            typer.echo("\r\x1b[K", nl=False, err=True)

    def show(self, share: float) -> None:
        """`share` of the run is done."""
        if self._watched:
            typer.echo(f"\r{self._pacing}: {share:.0%}\x1b[K", nl=False, err=True)


EXAMPLE = examples(
    "callwright simulate scenario.toml",
    "callwright simulate scenario.toml --pacing all --json",
    "callwright simulate scenario.toml --pacing progressive --days 5 --seed 7",
    "callwright simulate --replay spring --day 2026-11-22 --set agents=+5 --set cap=0.02",
)
