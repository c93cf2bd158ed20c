"""`callwright agent`: who answers, with which skills, and what they do now."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, TypedDict, Unpack

import typer

from cli import rolls
from cli.client import asked
from cli.office import Noun
from cli.output import Column, Record, done, words
from cli.shell import Json, examples, group, unpacked
from engine.domain.alphabets import AGENT_ENDPOINT

app = group("Agents: who answers, with which skills, and what they do now.")


class Mode(StrEnum):
    """How an agent's phone is used."""

    NAILED_UP = "nailed-up"
    ON_DEMAND = "on-demand"


ID: Final = typer.Argument(metavar="ID", help="The agent's id, as dialled to sign in, e.g. 1001.")
Id = Annotated[str, ID]
PHONE: Final = typer.Option(help="Phone held open (nailed-up), or rung for each call (on-demand).")


class Options(TypedDict, total=False):
    """What may be said of an agent."""

    name: Annotated[str, typer.Option(help="The agent's name.")]
    endpoint: Annotated[str, typer.Option(help="The PJSIP endpoint of the phone; agent-ID unless told otherwise.")]
    skill: Annotated[
        list[str], typer.Option(metavar="SKILL=LEVEL", help="A skill and its level, 1 to 10; as often as wanted.")
    ]
    mode: Annotated[Mode, PHONE]
    unit: rolls.Unit


class Changes(Options, total=False):
    """What may be changed of an agent."""

    no_skill: Annotated[list[str], typer.Option(metavar="SKILL", help="A skill the agent loses.")]


@app.command(
    "add",
    epilog=examples("callwright agent add 1001 --name 'Ada Byron' --skill sales=5 --skill support=2 --mode nailed-up"),
)
@unpacked
def add(id_: Id, as_json: Json = False, **given: Unpack[Options]) -> None:
    """Add an agent; `callwright agent pin` gives a PIN for signing in by telephone."""
    skills = rolls.levels(given.pop("skill", ()), "--skill")
    fields = {"id": id_, "name": id_, "endpoint": f"{AGENT_ENDPOINT}{id_}", "skills": skills, **given}
    rolls.add_one(Noun.AGENT, fields, as_json=as_json)


@app.command(
    "set",
    epilog=examples(
        "callwright agent set 1001 --skill sales=7",
        "callwright agent set 1001 --no-skill support --mode on-demand",
    ),
)
@unpacked
def set_(id_: Id, as_json: Json = False, **given: Unpack[Changes]) -> None:
    """Change an agent. Skills that are not named stay as they are."""
    won, lost = rolls.levels(given.pop("skill", ()), "--skill"), given.pop("no_skill", ())
    fields: dict[str, Any] = {**given}
    if won or lost:
        fields["skills"] = lambda had: {key: level for key, level in {**had, **won}.items() if key not in lost}
    rolls.change_one(Noun.AGENT, id_, fields, as_json=as_json)


@app.command("pin", epilog=examples("callwright agent pin 1001", "callwright agent pin 1001 < pin.txt"))
def pin(id_: Id, as_json: Json = False) -> None:
    """Set the PIN for signing in by telephone: typed, or one line of standard input. Ends a lock-out."""
    rolls.keep_secret(Noun.AGENT, id_, "PIN", as_json=as_json)


rolls.add_common(
    app,
    Noun.AGENT,
    ID,
    (
        Column("ID", "id", keep=True),
        Column("NAME", "name"),
        Column("STATE", "state"),
        Column("REASON", "reason"),
        Column("MODE", "mode"),
        Column("ENDPOINT", "endpoint", spare=True),
        Column("SKILLS", "skills", spare=True),
    ),
    example="1001",
    listing="List all agents and what they do now.",
    removal="Remove an agent. What the agent did stays in the reports.",
)


# --- what a supervisor has them do: needs a running engine -----------------------------------------------------------


@app.command("login", epilog=examples("callwright agent login 1001", "callwright agent login 1001 --not-ready"))
def login(
    id_: Id,
    ready: Annotated[bool, typer.Option("--ready/--not-ready", help="Whether calls may come at once.")] = True,
    mode: Annotated[Mode | None, PHONE] = None,
    as_json: Json = False,
) -> None:
    """Sign an agent in; a nailed-up phone is rung."""
    _have_done(id_, "login", {"ready": ready, "mode": mode}, as_json=as_json)


@app.command("logout", epilog=examples("callwright agent logout 1001"))
def logout(id_: Id, as_json: Json = False) -> None:
    """Sign an agent out; on a call, after it."""
    _have_done(id_, "logout", {}, as_json=as_json)


@app.command("ready", epilog=examples("callwright agent ready 1001"))
def ready_(id_: Id, as_json: Json = False) -> None:
    """Make an agent available, on a call after it."""
    _have_done(id_, "ready", {}, as_json=as_json)


@app.command("not-ready", epilog=examples("callwright agent not-ready 1001 --reason lunch"))
def not_ready(
    id_: Id,
    reason: Annotated[str, typer.Option(help="Why, in a word.")] = "requested",
    as_json: Json = False,
) -> None:
    """Send an agent no more calls; the present one goes on."""
    _have_done(id_, "not-ready", {"reason": reason}, as_json=as_json)


@app.command("wrapup", epilog=examples("callwright agent wrapup 1001"))
def wrapup(id_: Id, as_json: Json = False) -> None:
    """End an agent's wrap-up before its time."""
    _have_done(id_, "wrapup", {}, as_json=as_json)


def _have_done(id_: str, verb: str, wish: Record, *, as_json: bool) -> None:
    body = {key: value for key, value in wish.items() if value is not None}
    agent = asked(Noun.AGENT.plural, id_, verb, method="post", body=body)
    done(_told(agent), agent, as_json=as_json)


def _told(agent: Record) -> str:
    reason = f" ({agent['reason']})" if agent["reason"] else ""
    follows = f", then {agent['follows']}" if agent["follows"] else ""
    return f"Agent {agent['id']}, {words(agent['name'])}, is {agent['state']}{reason}{follows}."
