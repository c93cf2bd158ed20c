"""What is the same for every kind of definition: list, show, add, set, remove."""

# No `from __future__ import annotations`: typer could not look up the annotations of a command inside a function.

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.models import ArgumentInfo

from cli.office import Noun, Office, at_office
from cli.output import Column, Record, done, emit, emit_list, show_record, show_table, words
from cli.shell import Json, Yes, confirm, examples
from engine.errors import CallwrightError, Conflict, UsageError

if TYPE_CHECKING:
    from engine.domain.values import Value

Unit = Annotated[str, typer.Option(help="The unit it belongs to.")]


def add_common(
    app: typer.Typer,
    noun: Noun,
    argument: ArgumentInfo,
    columns: Sequence[Column],
    *,
    example: str,
    removal: str,
    listing: str = "",
) -> None:
    """Give a group its `list`, `show` and `remove`.

    Args:
        app: the group.
        noun: what it is about.
        argument: how one is named on the command line.
        columns: the table of `list`.
        example: a name for the examples.
        removal: the help of `remove`.
        listing: the help of `list`, where it shows more than definitions.
    """

    def of(verb: str, says: str, *lines: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        return app.command(verb, help=says, epilog=examples(*(f"callwright {noun} {verb}{line}" for line in lines)))

    @of("list", listing or f"List all {noun.plural}.", "", " --json")
    def list_(as_json: Json = False) -> None:
        records = at_office(lambda office: office.list(noun), writing=False)
        if as_json:
            emit_list(records)
        else:
            show_table(columns, records, empty=f"No {noun.plural} yet; add one with `callwright {noun} add`.")

    @of("show", f"Show one {noun}.", f" {example}")
    def show(id_: Annotated[str, argument], as_json: Json = False) -> None:
        record = at_office(lambda office: office.show(noun, id_), writing=False)
        if as_json:
            emit(record)
        else:
            show_record(record)

    @of("remove", removal, f" {example} --yes")
    def remove(id_: Annotated[str, argument], yes: Yes = False, as_json: Json = False) -> None:
        confirm(f"Remove {noun} {id_}?", f"this removes {noun} {id_}", f"{noun} remove", yes=yes)
        at_office(lambda office: office.remove(noun, id_), writing=True)
        done(f"Removed {noun} {id_}.", {"removed": id_}, as_json=as_json)


def add_one(noun: Noun, fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Define a new one from the fields that are given; the others have their defaults."""
    policy = _policy(noun, fields)
    try:
        record = at_office(lambda office: office.add(noun, policy), writing=True)
    except CallwrightError as refused:
        if refused.error_id == Conflict.error_id and refused.where == noun:  # the store's word for: it is there
            refused.where, refused.mend = "", f"`callwright {noun} set {fields[noun.key]}` changes it"
        raise
    done(f"Added {noun} {record[noun.key]}.", record, as_json=as_json)


def change_one(noun: Noun, id_: str, fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Change the fields that are given and tell what is different."""

    async def work(office: Office) -> tuple[Record, Record]:
        before = await office.show(noun, id_)
        changes = {key: value(before[key]) if callable(value) else value for key, value in fields.items()}
        changes = {key: value for key, value in changes.items() if value is not None}
        if not changes:
            mend = f"see `callwright {noun} set --help`"
            raise UsageError("nothing to change was given", where=f"{noun} set", mend=mend)
        return before, await office.change(noun, id_, changes)

    before, after = at_office(work, writing=True)
    done(_difference(noun, before, after, fields), after, as_json=as_json)


def _difference(noun: Noun, before: Record, after: Record, fields: Mapping[str, Any]) -> str:
    parts = [
        f"{key.replace('_', ' ')} {words(before[key])} → {words(after[key])}"
        for key in fields
        if before[key] != after[key]
    ]
    said = "; ".join(parts) or "nothing is different"
    return f"{noun.capitalize()} {after[noun.key]}: {said}."


def keep_secret(noun: Noun, id_: str, what: str, *, as_json: bool) -> None:
    """Read a secret, never from the command line, where every user of the machine could see it.

    Nobody is asked for the secret of somebody who is not there.
    """
    at_office(lambda office: office.show(noun, id_), writing=False)
    if sys.stdin.isatty():
        secret = typer.prompt(f"{what} of {noun} {id_}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise UsageError(
            f"no {what} was given", where="standard input", mend=f"type it, or pipe one line with the {what}"
        )
    at_office(lambda office: office.set_secret(noun, id_, secret), writing=True)
    done(f"{what} of {noun} {id_} is set.", {"id": id_, "set": True}, as_json=as_json)


def _policy(noun: Noun, fields: Mapping[str, Any]) -> "Value":
    import msgspec

    from engine.domain import policy
    from engine.runtime.reading import read
    from engine.runtime.views import Skill

    kinds: dict[Noun, type[Value]] = {
        Noun.AGENT: policy.AgentProfile,
        Noun.QUEUE: policy.QueuePolicy,
        Noun.SKILL: Skill,
        Noun.NUMBER: policy.NumberPolicy,
        Noun.TRUNK: policy.TrunkPolicy,
    }
    return read(msgspec.json.encode(dict(fields)), kinds[noun])


def levels(given: Sequence[str], where: str) -> dict[str, int]:
    """`sales=5` or `sales` (level 1), as often as wanted, also by commas.

    Raises:
        UsageError: it is not that.
    """
    found: dict[str, int] = {}
    for word in (word for text in given for word in text.split(",")):
        skill, equals, level = word.strip().partition("=")
        if not skill or (equals and not level.isdecimal()):
            raise UsageError(
                f"`{word}` is no skill with a level", where=where, mend="write e.g. sales=5; levels are 1 to 10"
            )
        found[skill] = int(level) if equals else 1
    return found
