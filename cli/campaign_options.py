"""What may be said of a campaign on the command line, and how it becomes fields of its definition."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, TypedDict

import typer

from cli import rolls
from cli.output import Record, plain
from engine.errors import UsageError

OWN_HOURS: Final = "campaign-hours"
"""The rule that `--hours` makes. The legal hours stay beside it: all rules must be kept."""
_TIME = re.compile(r"(?<![:\d])(\d{1,2})(?![:\d])")


class Mode(StrEnum):
    """How a campaign dials."""

    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    POWER = "power"
    PREDICTIVE = "predictive"
    AGENTLESS = "agentless"


class Window(StrEnum):
    """The period over which abandoned calls are counted."""

    RUN = "run"
    ROLLING_30_DAYS = "rolling-30-days"
    BLOCK_30_DAYS = "block-30-days"
    CALENDAR_MONTH = "calendar-month"
    DAY = "24-hours"


class Options(TypedDict, total=False):
    """What else may be said of a campaign."""

    name: Annotated[str, typer.Option(help="What people call it.")]
    mode: Annotated[Mode, typer.Option(help="How it dials.")]
    caller_id: Annotated[str, typer.Option(metavar="+…", help="The number that called people see, in E.164.")]
    trunk: Annotated[
        list[str], typer.Option(metavar="ID", help="A trunk; as often as wanted, the preferred one first.")
    ]
    seller: Annotated[str, typer.Option(help="For whom it calls.")]
    cap: Annotated[
        str, typer.Option(metavar="SHARE", help="The share of live answers that may be abandoned: 0.03, or 3%.")
    ]
    window: Annotated[list[Window], typer.Option(help="The period in which the cap holds; as often as wanted.")]
    of_seller: Annotated[
        bool, typer.Option("--of-seller/--of-campaign", help="Count all campaigns of the seller together.")
    ]
    hours: Annotated[
        list[str],
        typer.Option(
            metavar="'DAYS FROM-TO'",
            help="When it calls, in the called person's time, within the legal hours; as often as wanted.",
        ),
    ]
    timezone: Annotated[str, typer.Option(help="Where people are taken to be whose number does not tell.")]
    region: Annotated[str, typer.Option(metavar="CC", help="Country of numbers without country code, e.g. DE.")]
    ring_s: Annotated[float, typer.Option(help="Seconds a phone rings, 15 or more.")]
    connect_limit_s: Annotated[float, typer.Option(help="Seconds from the answer within which an agent must be there.")]
    lines: Annotated[int, typer.Option(help="Lines it may use at once; 0 for all.")]
    calls_per_second: Annotated[float, typer.Option(help="New calls per second; 0 for no limit.")]
    ratio: Annotated[float, typer.Option(help="Lines per free agent in power mode.")]
    answer_rate: Annotated[float, typer.Option(help="The share of calls believed to be answered, at the beginning.")]
    forecast_answers: Annotated[
        int, typer.Option(help="Live answers expected before the shortest window ends; 0: by --schedule and the list.")
    ]
    schedule: Annotated[
        list[str],
        typer.Option(
            metavar="'DAYS FROM-TO'",
            help="When it is meant to work, in its time zone: what is still to come today is forecast from it.",
        ),
    ]
    preview_s: Annotated[float, typer.Option(help="Seconds an agent may look at a lead in preview mode.")]
    wrap_up_s: Annotated[float, typer.Option(help="Seconds of wrap-up; those of the queue if not given.")]
    message: Annotated[str, typer.Option(help="The sound that says who called when no agent comes in time.")]
    opt_out_digit: Annotated[str, typer.Option(help="The key that puts somebody on the do-not-call list.")]
    daily_cap: Annotated[int, typer.Option(help="Dials of one number in 24 hours, over all campaigns.")]
    interval_s: Annotated[float, typer.Option(help="Seconds between two dials of one number.")]
    max_attempts: Annotated[int, typer.Option(help="Dials until a lead is done.")]
    retry: Annotated[
        list[str],
        typer.Option(metavar="OUTCOME=SECONDS", help="When to call again after an outcome; 0 ends the lead."),
    ]
    unit: rolls.Unit


def changes(given: Mapping[str, Any]) -> dict[str, Callable[[Record], Any]]:
    """The fields that options change: each made of the campaign as it was."""
    made: dict[str, Callable[[Record], Any]] = {}
    for option, value in given.items():
        if option not in (
            "trunk",
            "cap",
            "window",
            "of_seller",
            "message",
            "hours",
            "schedule",
            "daily_cap",
            "interval_s",
            "retry",
        ):
            made[option] = _always(value)
    if "trunk" in given:
        made["trunks"] = _always(given["trunk"])
    if "message" in given:
        made["message"] = lambda was: {**was["message"], "file": given["message"], "text": ""}
    if given.keys() & {"cap", "window", "of_seller"}:
        cap = {"cap": _share(given["cap"])} if "cap" in given else {}
        made["budgets"] = lambda was: _budgets(was["budgets"], {**given, **cap})
    if given.keys() & {"hours", "daily_cap", "interval_s"}:
        spans = spans_of(given.get("hours", ()))
        made["rules"] = lambda was: _rules(was["rules"], spans, given)
    if "schedule" in given:
        made["schedule"] = _always(spans_of(given["schedule"], "--schedule"))
    if "retry" in given:
        delays = _delays(given["retry"])
        made["retry_s"] = lambda was: {**was["retry_s"], **delays}
    return made


def fresh() -> Record:
    """A campaign's fields before anything is said: those that options are made of."""
    from engine.dialer.law import Rules
    from engine.domain.campaign import Budget
    from engine.domain.values import Prompt

    fields = {"budgets": (Budget(),), "rules": Rules(), "message": Prompt(), "retry_s": {}}
    return {name: plain(value) for name, value in fields.items()}


def spans_of(texts: Sequence[str], option: str = "--hours") -> list[Record]:
    """The spans of an option: `mon-fri 9-20`, also with minutes.

    Raises:
        UsageError: one is not of that shape.
    """
    from engine.flows.hours import parse_span

    found: list[Record] = []
    for text in texts:
        days, _, times = text.strip().partition(" ")
        try:
            spans = parse_span(f"{days} " + _TIME.sub(r"\1:00", times))
        except ValueError as wrong:
            raise UsageError(f"`{text}`: {wrong}", where=option, mend="write e.g. 'mon-fri 9-20'") from None
        found += [plain(span) for span in spans]
    return found


def _always(value: Any) -> Callable[[Record], Any]:
    return lambda _was: value


def _share(text: str) -> float:
    """A share as people write it: 0.03, or 3%."""
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if rest or not 0 <= share <= 1:
        raise UsageError(f"`{text}` is no share", where="--cap", mend="write e.g. 0.03 or 3%")
    return round(share, 9)


def _budgets(was: Sequence[Record], given: Mapping[str, Any]) -> list[Record]:
    """One budget for each window; what is not said stays as it was in the first."""
    old = was[0] if was else fresh()["budgets"][0]
    cap = given.get("cap", old["cap"])
    of_seller = given.get("of_seller", old["of_seller"])
    windows = given.get("window") or [each["window"] for each in was] or [old["window"]]
    return [{"window": str(window), "cap": cap, "of_seller": of_seller} for window in windows]


def _rules(was: Record, spans: list[Record], given: Mapping[str, Any]) -> Record:
    made = dict(was)
    if spans:
        legal = [rule for rule in was["hours"] if rule["id"] != OWN_HOURS]
        made["hours"] = [*legal, {"id": OWN_HOURS, "source": "ours", "spans": spans}]
    if "daily_cap" in given:
        others = [rule for rule in was["caps"] if rule["id"] != "daily-cap"]
        made["caps"] = [*others, {"id": "daily-cap", "source": "ours", "limit": given["daily_cap"]}]
    if "interval_s" in given:
        others = [rule for rule in was["intervals"] if rule["id"] != "interval"]
        made["intervals"] = [*others, {"id": "interval", "source": "ours", "seconds": given["interval_s"]}]
    return made


def _delays(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        outcome, _, seconds = text.partition("=")
        try:
            found[outcome] = float(seconds)
        except ValueError:
            mend = "write e.g. busy=900"
            raise UsageError(f"`{text}` is no outcome with seconds", where="--retry", mend=mend) from None
    return found
