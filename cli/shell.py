"""What every command has in common: how it is declared, how its errors are told, which settings it works with.

`Shell` is the class of all our command groups. It is the one place where an error becomes text (or, with `--json`, one
JSON object) on standard error and an exit code; so a group alone, as tests call it, behaves like the whole program.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_type_hints

import typer
from typer.core import TyperGroup

from engine.errors import CallwrightError, UsageError

if TYPE_CHECKING:
    from engine.settings import Settings

CONFIG: Final[ContextVar[Path | None]] = ContextVar("config", default=None)
"""The settings file named by `--config`."""
ALONE: Final[ContextVar[bool]] = ContextVar("alone", default=False)
"""Whether the whole process is this command, so that logging is its to set up."""
DEBUG: Final[ContextVar[bool]] = ContextVar("debug", default=False)
"""Whether `--debug` asked for tracebacks."""

ANYWHERE: Final = {"--config": 1, "--debug": 0}
"""Options of the whole program that may stand anywhere, and how many values each takes."""

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; its keys are stable.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show callers' numbers and names unmasked.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def settings() -> Settings:
    """The settings in force for this command.

    Raises:
        ConfigError: they cannot be used.
    """
    from engine.settings import load

    quiet()
    return load(CONFIG.get())


def quiet() -> None:
    """Keep what parts of the engine log out of a command's answer: only errors, and on standard error."""
    if not ALONE.get():
        return
    import logging

    import structlog

    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def confirm(question: str, what: str, command: str, *, yes: bool) -> None:
    """Ask before something is lost, unless `yes` says so already. `what` is said where nobody can be asked.

    Raises:
        UsageError: there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(what, where=command, mend="say --yes if it is meant")
    typer.confirm(question, abort=True, err=True)


def group(says: str, *, epilog: str | None = None, completion: bool = False) -> typer.Typer:
    """A group of commands in the house style: plain help that copies well, `-h`, errors as above."""
    return typer.Typer(
        cls=Shell,
        help=says,
        epilog=epilog,
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=completion,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def examples(*lines: str) -> str:
    """The end of a command's help: command lines that can be copied. The mark keeps the help from refilling them."""
    return "\b\n" + "\n".join(["Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def unpacked(command: Callable[..., None]) -> Callable[..., None]:
    """Make one option of each key that `**given: Unpack[Options]` of a command may hold; what is not given is left out.

    So `add` and `set` share their options: a TypedDict whose keys are the fields of the definition. `as_json`, the
    last of the command's own parameters, stays the last in the help.
    """
    signature = inspect.signature(command, eval_str=True)
    *own, as_json, given = signature.parameters.values()
    (options,) = get_args(given.annotation)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in get_type_hints(options, include_extras=True).items()
    ]
    last = as_json.replace(kind=inspect.Parameter.KEYWORD_ONLY)

    @wraps(command)
    def spread(**values: Any) -> None:
        command(**{name: value for name, value in values.items() if value is not None})

    # typer reads what it should offer here, and nowhere else.
    spread.__signature__ = signature.replace(parameters=[*own, *shared, last])  # type: ignore[attr-defined]
    spread.__annotations__ = {}
    return spread


class Shell(TyperGroup):
    """A group of commands that tells errors in words and ends with the exit codes of the design, section 7."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line and exit."""
        given = list(sys.argv[1:] if args is None else args)
        if any("--config" in parameter.opts for parameter in self.params):
            given = in_front(given, ANYWHERE)

        def work() -> Any:
            # `super` is needed by its long name: this is not the method itself.
            return super(Shell, self).main(
                given, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )

        if not standalone_mode:
            return work()
        sys.exit(exit_code_of(work, as_json="--json" in before_dashes(given)))


def exit_code_of(work: Callable[[], Any], *, as_json: bool) -> int:
    """Do the work, tell what went wrong, return the exit code."""
    try:
        result = work()
    except CallwrightError as error:
        tell(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as wrong:
        wrong.message = in_our_words(wrong.message)
        if as_json or not hasattr(wrong, "show"):
            told = {"error_id": "usage", "what": wrong.format_message(), "where": "command line", "mend": "see --help"}
            typer.echo(json.dumps({"error": told}, ensure_ascii=False), err=True)
        else:
            wrong.show()
        return wrong.exit_code
    except typer.Abort:
        typer.echo("Nothing was done.", err=True)
        return 1
    except Exception as bug:  # noqa: BLE001 - whatever we did not foresee: told in a line, kept in a file
        return _unforeseen(bug, as_json=as_json)
    return result if isinstance(result, int) else 0


def in_our_words(said: str) -> str:
    """What typer says of a wrong choice, without pydantic's name for it and with the nearest choice."""
    said = said.replace("Value error, ", "")
    given, found, choices = said.partition(" is not one of ")
    near = get_close_matches(given.rpartition(" ")[2].strip("'"), re.findall(r"'([^']+)'", choices), n=1)
    return f"{said} Did you mean '{near[0]}'?" if found and near else said


def tell(error: CallwrightError, *, as_json: bool) -> None:
    """What, where and what to do, on standard error."""
    items = getattr(error, "items", None)
    if as_json:
        told: dict[str, Any] = {name: getattr(error, name) for name in ("error_id", "what", "where", "mend")}
        typer.echo(json.dumps({"error": told}, ensure_ascii=False), err=True)
    elif isinstance(items, Sequence) and items:
        for item in items:
            typer.echo(str(item), err=True)
    else:
        place = f"{error.where}: " if error.where else ""
        typer.echo(f"Error: {place}{error.what}", err=True)
        if error.mend:
            typer.echo(f"  {error.mend}", err=True)


def _unforeseen(bug: Exception, *, as_json: bool) -> int:
    import traceback

    if DEBUG.get():
        traceback.print_exception(bug)
        return 1
    what = f"something unexpected happened: {type(bug).__name__}"
    tell(CallwrightError(what, mend=_kept(bug)), as_json=as_json)
    return 1


def _kept(bug: Exception) -> str:
    """Keep the traceback in a private file; return what to tell about it."""
    import traceback
    from datetime import UTC, datetime

    from platformdirs import user_log_path

    name = f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    path = user_log_path("callwright") / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as log:
            traceback.print_exception(bug, file=log)
    except OSError:
        return "the same command with --debug shows where"
    return f"the whole story is in {path}; --debug shows it here"


def before_dashes(args: Sequence[str]) -> Sequence[str]:
    """The arguments up to `--`, behind which nothing is an option."""
    return args[: args.index("--")] if "--" in args else args


def in_front(args: Sequence[str], options: dict[str, int]) -> list[str]:
    """The arguments with these options (name -> count of values) moved to the front."""
    front: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*front, *rest, word, *left]
        name = word.partition("=")[0]
        if name not in options:
            rest.append(word)
            continue
        count = options[name] if "=" not in word else 0
        front += [word, *left[:count]]
        del left[:count]
    return [*front, *rest]
