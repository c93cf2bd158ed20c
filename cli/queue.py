"""`callwright queue`: where callers wait, whom they need, how long."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from cli import rolls
from cli.client import asked, is_served
from cli.office import Noun
from cli.output import Column, Record, done, seconds
from cli.shell import Json, Yes, examples, group, settings
from engine.errors import UsageError

app = group("Queues: where callers wait, whom they need, how long.")


class Strategy(StrEnum):
    """Which of the fitting agents is chosen."""

    LONGEST_IDLE = "longest-idle"
    MOST_SKILLED = "most-skilled"


Id = Annotated[str, typer.Argument(metavar="ID", help="The queue's id, e.g. sales.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Need = Annotated[
    list[str] | None,
    typer.Option(metavar="SKILL=LEVEL", help="A skill its agents need, at least at this level; as often as wanted."),
]
Step = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'SECONDS SKILL=LEVEL ...'",
        help="What is needed from so many seconds of waiting on, instead; as often as wanted.",
    ),
]
Choice = Annotated[Strategy | None, typer.Option(help="Which of the fitting agents is chosen.")]
Priority = Annotated[int | None, typer.Option(help="Points above other queues; one is worth a minute of waiting.")]
Ring = Annotated[float | None, typer.Option("--ring-s", help="Seconds an agent's phone rings.")]
WrapUp = Annotated[float | None, typer.Option("--wrap-up-s", help="Seconds of wrap-up after a call.")]
MaxWait = Annotated[float | None, typer.Option("--max-wait-s", help="Seconds until a caller goes back to the flow.")]
InTime = Annotated[float | None, typer.Option("--service-level-s", help="Seconds within which an answer is in time.")]
Short = Annotated[float | None, typer.Option("--short-abandon-s", help="Who leaves sooner counts as a short abandon.")]
Music = Annotated[str | None, typer.Option(help="Asterisk's class of music on hold.")]
Position = Annotated[bool | None, typer.Option("--position/--no-position", help="Tell callers their place.")]
Every = Annotated[float | None, typer.Option("--announce-every-s", help="Seconds between announcements.")]
Language = Annotated[str | None, typer.Option(help="Language of the announcements, e.g. en or zh.")]
Record_ = Annotated[bool | None, typer.Option("--record/--no-record", help="Record the calls.")]
Unit = Annotated[str | None, typer.Option(help="The unit it belongs to.")]


def _needs(record: Record) -> str:
    parts = []
    for step in record["steps"]:
        wanted = ", ".join(f"{need['skill']}≥{need['level']}" for need in step["needs"]) or "anybody"
        parts.append(f"{step['after_s']:g} s: {wanted}" if step["after_s"] else wanted)
    return "; ".join(parts)


COLUMNS: Final = (
    Column("ID", "id", keep=True),
    Column("NAME", "name"),
    Column("OPEN", "open"),
    Column("WAITING", "waiting", justify="right"),
    Column("LONGEST", shows=lambda queue: seconds(queue["longest_wait_s"]), justify="right"),
    Column("TALKING", "talking", justify="right"),
    Column("FREE", "agents_free", justify="right"),
    Column("NEEDS", shows=_needs),
)


@app.command(
    "add",
    epilog=examples(
        "callwright queue add sales --name Sales --need sales=3",
        "callwright queue add vip --need sales=5 --step '20 sales=1' --priority 3 --max-wait-s 120",
    ),
)
def add(
    id_: Id,
    name: Name = None,
    need: Need = None,
    step: Step = None,
    strategy: Choice = None,
    priority: Priority = None,
    ring_s: Ring = None,
    wrap_up_s: WrapUp = None,
    max_wait_s: MaxWait = None,
    service_level_s: InTime = None,
    short_abandon_s: Short = None,
    music: Music = None,
    position: Position = None,
    announce_every_s: Every = None,
    language: Language = None,
    record: Record_ = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Add a queue. Who is needed may be relaxed by steps the longer a caller waits."""
    steps = routing_steps(need or [], step or [])
    fields: dict[str, Any] = {"id": id_, "name": name or id_, "steps": steps, "strategy": strategy}
    fields |= {"priority": priority, "ring_s": ring_s, "wrap_up_s": wrap_up_s, "max_wait_s": max_wait_s}
    fields |= {"service_level_s": service_level_s, "short_abandon_s": short_abandon_s, "music": music}
    fields |= {"announce_position": position, "announce_every_s": announce_every_s, "language": language}
    rolls.add_one(Noun.QUEUE, fields | {"record": record, "unit": unit}, as_json=as_json)


@app.command("list", epilog=examples("callwright queue list", "callwright queue list --json"))
def list_(as_json: Json = False) -> None:
    """List all queues and who is in them."""
    rolls.list_all(Noun.QUEUE, COLUMNS, as_json=as_json)


@app.command("show", epilog=examples("callwright queue show sales"))
def show(id_: Id, as_json: Json = False) -> None:
    """Show one queue."""
    rolls.show_one(Noun.QUEUE, id_, as_json=as_json)


@app.command(
    "set",
    epilog=examples(
        "callwright queue set sales --max-wait-s 120 --no-record",
        "callwright queue set sales --need sales=3 --step '30 sales=1'",
    ),
)
def set_(
    id_: Id,
    name: Name = None,
    need: Need = None,
    step: Step = None,
    strategy: Choice = None,
    priority: Priority = None,
    ring_s: Ring = None,
    wrap_up_s: WrapUp = None,
    max_wait_s: MaxWait = None,
    service_level_s: InTime = None,
    short_abandon_s: Short = None,
    music: Music = None,
    position: Position = None,
    announce_every_s: Every = None,
    language: Language = None,
    record: Record_ = None,
    unit: Unit = None,
    as_json: Json = False,
) -> None:
    """Change a queue. `--need` and `--step` together replace its routing steps."""
    if step and not need:
        raise UsageError("steps are replaced together", where="--step", mend="give --need for the first step as well")
    fields: dict[str, Any] = {"name": name, "steps": routing_steps(need, step or []) if need else None}
    fields |= {"strategy": strategy, "priority": priority, "ring_s": ring_s, "wrap_up_s": wrap_up_s}
    fields |= {"max_wait_s": max_wait_s, "service_level_s": service_level_s, "short_abandon_s": short_abandon_s}
    fields |= {"music": music, "announce_position": position, "announce_every_s": announce_every_s}
    rolls.change_one(Noun.QUEUE, id_, fields | {"language": language, "record": record, "unit": unit}, as_json=as_json)


@app.command("open", epilog=examples("callwright queue open sales"))
def open_(id_: Id, as_json: Json = False) -> None:
    """Let callers in."""
    _set_open(id_, is_open=True, as_json=as_json)


@app.command("close", epilog=examples("callwright queue close sales"))
def close(id_: Id, as_json: Json = False) -> None:
    """Let no more callers in; who waits goes on waiting."""
    _set_open(id_, is_open=False, as_json=as_json)


@app.command("remove", epilog=examples("callwright queue remove sales --yes"))
def remove(id_: Id, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a queue. What happened in it stays in the reports."""
    rolls.remove_one(Noun.QUEUE, id_, yes=yes, as_json=as_json)


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
    found = rolls.levels(skills, where) if skills else {}
    return {"needs": [{"skill": skill, "level": level} for skill, level in found.items()], "after_s": after_s}
