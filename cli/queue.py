"""`callwright queue`: where callers wait, whom they need, how long."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final, TypedDict, Unpack

import typer

from cli import rolls
from cli.client import asked, is_served
from cli.office import Noun
from cli.output import Column, Record, done, seconds
from cli.shell import Json, examples, group, settings, unpacked
from engine.errors import UsageError

app = group("Queues: where callers wait, whom they need, how long.")


class Strategy(StrEnum):
    """Which of the fitting agents is chosen."""

    LONGEST_IDLE = "longest-idle"
    MOST_SKILLED = "most-skilled"


ID: Final = typer.Argument(metavar="ID", help="The queue's id, e.g. sales.")


class Options(TypedDict, total=False):
    """What may be said of a queue: its fields, but for `need` and `step`, which make its routing steps."""

    name: Annotated[str, typer.Option(help="What people call it.")]
    need: Annotated[
        list[str],
        typer.Option(
            metavar="SKILL=LEVEL", help="A skill its agents need, at least at this level; as often as wanted."
        ),
    ]
    step: Annotated[
        list[str],
        typer.Option(
            metavar="'SECONDS SKILL=LEVEL ...'",
            help="What is needed from so many seconds of waiting on, instead; as often as wanted.",
        ),
    ]
    strategy: Annotated[Strategy, typer.Option(help="Which of the fitting agents is chosen.")]
    priority: Annotated[int, typer.Option(help="Points above other queues; one is worth a minute of waiting.")]
    ring_s: Annotated[float, typer.Option(help="Seconds an agent's phone rings.")]
    wrap_up_s: Annotated[float, typer.Option(help="Seconds of wrap-up after a call.")]
    max_wait_s: Annotated[float, typer.Option(help="Seconds until a caller goes back to the flow.")]
    service_level_s: Annotated[float, typer.Option(help="Seconds within which an answer is in time.")]
    short_abandon_s: Annotated[float, typer.Option(help="Who leaves sooner counts as a short abandon.")]
    music: Annotated[str, typer.Option(help="Asterisk's class of music on hold.")]
    announce_position: Annotated[bool, typer.Option("--position/--no-position", help="Tell callers their place.")]
    announce_every_s: Annotated[float, typer.Option(help="Seconds between announcements.")]
    language: Annotated[str, typer.Option(help="Language of the announcements, e.g. en or zh.")]
    record: Annotated[bool, typer.Option("--record/--no-record", help="Record the calls.")]
    unit: rolls.Unit


def _needs(record: Record) -> str:
    parts = []
    for step in record["steps"]:
        wanted = ", ".join(f"{need['skill']}≥{need['level']}" for need in step["needs"]) or "anybody"
        parts.append(f"{step['after_s']:g} s: {wanted}" if step["after_s"] else wanted)
    return "; ".join(parts)


@app.command(
    "add",
    epilog=examples(
        "callwright queue add sales --name Sales --need sales=3",
        "callwright queue add vip --need sales=5 --step '20 sales=1' --priority 3 --max-wait-s 120",
    ),
)
@unpacked
def add(id_: Annotated[str, ID], as_json: Json = False, **given: Unpack[Options]) -> None:
    """Add a queue. Who is needed may be relaxed by steps the longer a caller waits."""
    steps = routing_steps(given.pop("need", ()), given.pop("step", ()))
    rolls.add_one(Noun.QUEUE, {"id": id_, "name": id_, "steps": steps, **given}, as_json=as_json)


@app.command(
    "set",
    epilog=examples(
        "callwright queue set sales --max-wait-s 120 --no-record",
        "callwright queue set sales --need sales=3 --step '30 sales=1'",
    ),
)
@unpacked
def set_(id_: Annotated[str, ID], as_json: Json = False, **given: Unpack[Options]) -> None:
    """Change a queue. `--need` and `--step` together replace its routing steps."""
    need, step = given.pop("need", ()), given.pop("step", ())
    if step and not need:
        raise UsageError("steps are replaced together", where="--step", mend="give --need for the first step as well")
    steps = routing_steps(need, step) if need else None
    rolls.change_one(Noun.QUEUE, id_, {"steps": steps, **given}, as_json=as_json)


@app.command("open", epilog=examples("callwright queue open sales"))
def open_(id_: Annotated[str, ID], as_json: Json = False) -> None:
    """Let callers in."""
    _set_open(id_, is_open=True, as_json=as_json)


@app.command("close", epilog=examples("callwright queue close sales"))
def close(id_: Annotated[str, ID], as_json: Json = False) -> None:
    """Let no more callers in; who waits goes on waiting."""
    _set_open(id_, is_open=False, as_json=as_json)


rolls.add_common(
    app,
    Noun.QUEUE,
    ID,
    (
        Column("ID", "id", keep=True),
        Column("NAME", "name"),
        Column("OPEN", "open"),
        Column("WAITING", "waiting", justify="right"),
        Column("LONGEST", shows=lambda queue: seconds(queue["longest_wait_s"]), justify="right"),
        Column("TALKING", "talking", justify="right"),
        Column("FREE", "agents_free", justify="right"),
        Column("NEEDS", shows=_needs),
    ),
    example="sales",
    listing="List all queues and who is in them.",
    removal="Remove a queue. What happened in it stays in the reports.",
)


def _set_open(id_: str, *, is_open: bool, as_json: bool) -> None:
    if is_served(settings().paths.socket):
        record = asked("queues", id_, "open" if is_open else "close", method="post")
        done(f"Queue {id_} is {'open' if is_open else 'closed'}.", record, as_json=as_json)
    else:
        rolls.change_one(Noun.QUEUE, id_, {"open": is_open}, as_json=as_json)


def routing_steps(need: Sequence[str], later: Sequence[str]) -> list[Record]:
    """The routing steps of `--need` and `--step`, in order of time.

    Raises:
        UsageError: a step does not begin with seconds, or a skill is none.
    """
    steps = [_step(0.0, need, "--need")]
    for text in later:
        after, *skills = text.split() or [""]
        try:
            after_s = float(after)
        except ValueError:
            mend = "write e.g. '20 sales=1'"
            raise UsageError(f"`{text}` does not begin with seconds", where="--step", mend=mend) from None
        steps.append(_step(after_s, skills, "--step"))
    return sorted(steps, key=lambda step: float(step["after_s"]))


def _step(after_s: float, skills: Sequence[str], where: str) -> Record:
    needs = [{"skill": skill, "level": level} for skill, level in rolls.levels(skills, where).items()]
    return {"needs": needs, "after_s": after_s}
