"""`callwright flow`: check flow files, play them in the terminal, draw them, make them live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.client import ask, asked, calling
from cli.known_queues import known_queues, undefined_queues
from cli.output import Column, done, emit, emit_list, screen, show_table
from cli.rules import Outcome, Rules
from cli.shell import Json, examples, group, settings
from engine.errors import CallwrightError, NotFound, UsageError

if TYPE_CHECKING:
    from engine.domain.flow import Flow
    from engine.flows.errors import FlowError
    from engine.flows.parser import Checked
    from engine.flows.problems import FlowWarning

app = group("Flows: check the files, play and draw them, make them live.")

OneFile = Annotated[Path, typer.Argument(metavar="FILE", help="A flow file, e.g. ivr_flows/main-en.yaml.")]
COLUMNS: Final = (
    Column("FLOW", "name", keep=True),
    Column("VERSION", "version"),
    Column("LANGUAGE", "language"),
    Column("NODES", "nodes", justify="right"),
    Column("CALLERS", "interactions", justify="right"),
)


def load(file: Path) -> Checked:
    """Read and check one flow file.

    Raises:
        NotFound: no such file.
        UsageError: it cannot be read.
        FlowErrors: it is no flow that can be used.
    """
    from engine.flows.errors import FlowError, FlowErrors
    from engine.flows.parser import check
    from engine.flows.strict_yaml import MAX_BYTES

    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("there is no such file", where=str(file), mend=_meant(file)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot be read: {reason}", where=str(file), mend="name a readable file") from None
    if len(raw) > MAX_BYTES:
        fault = FlowError(f"the file has more than {MAX_BYTES:,} bytes", file=str(file), mend="split it")
        raise FlowErrors([fault])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        fault = FlowError("not UTF-8", file=str(file), line=line, column=column, mend="save the file as UTF-8")
        raise FlowErrors([fault]) from None
    return check(text, str(file))


def _meant(file: Path) -> str:
    """A mend for a path that leads nowhere: often it is a flow's name."""
    try:
        named = settings().paths.flows / f"{file.name.removesuffix('.yaml')}.yaml"
        return f"did you mean {named}?" if named.is_file() else "check the path"
    except (CallwrightError, OSError, ValueError):  # settings that cannot be used are no matter of this command
        return "check the path"


# --- check -----------------------------------------------------------------------------------------------------------


@app.command("check", epilog=examples("callwright flow check ivr_flows/*.yaml"))
def check_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Flow files.")], as_json: Json = False
) -> None:
    """Check flow files: every fault with its place and mend. Exit 2 when one is broken, 3 when one is missing.

    A queue that is not defined is a warning, where the queues are known.
    """
    from engine.flows.errors import FlowErrors

    err = screen(stderr=True)
    items: list[dict[str, Any]] = []
    code = 0
    queues = known_queues()
    for file in files:
        try:
            checked = load(file)
        except CallwrightError as error:
            code = error.exit_code if code != FlowErrors.exit_code else code  # broken outweighs missing
            items.append(_broken(file, error))
            for each in error.items if isinstance(error, FlowErrors) else (error,):
                err.print(str(each), soft_wrap=True)
            continue
        warnings = (*checked.warnings, *undefined_queues(checked.flow, queues, str(file)))
        items.append(_sound(file, checked.flow, warnings))
        for warning in warnings:
            said = f"{warning.file}:{warning.line}:{warning.column}: warning: {warning.what} — {warning.mend}"
            err.print(said, soft_wrap=True)
        if not as_json:
            flow = checked.flow
            said = f"{file}: ok, flow {flow.name}, {len(flow.nodes)} nodes, version {flow.version}"
            screen().print(said, soft_wrap=True)
    if as_json:
        emit({"ok": code == 0, "items": items, "next": None})
    raise typer.Exit(code)


def _sound(file: Path, flow: Flow, warnings: Sequence[FlowWarning]) -> dict[str, Any]:
    facts = {"flow": flow.name, "version": flow.version, "language": flow.language, "nodes": len(flow.nodes)}
    places = [_place(warning) for warning in warnings]
    return {"file": str(file), "ok": True, **facts, "errors": [], "warnings": places}


def _broken(file: Path, error: CallwrightError) -> dict[str, Any]:
    from engine.flows.errors import FlowErrors

    if isinstance(error, FlowErrors):
        errors = [_place(item) for item in error.items]
    else:
        errors = [{"line": 0, "column": 0, "what": error.what, "mend": error.mend}]
    nothing = {"flow": None, "version": None, "language": None, "nodes": None}
    return {"file": str(file), "ok": False, **nothing, "errors": errors, "warnings": []}


def _place(fault: FlowError | FlowWarning) -> dict[str, Any]:
    return {"line": fault.line, "column": fault.column, "what": fault.what, "mend": fault.mend}


# --- draw, run -------------------------------------------------------------------------------------------------------


@app.command(epilog=examples("callwright flow draw ivr_flows/main-en.yaml > main-en.mmd"))
def draw(file: OneFile, as_json: Json = False) -> None:
    """Print a flow as a Mermaid flowchart."""
    from engine.flows.drawing import mermaid

    flow = load(file).flow
    if as_json:
        emit({"flow": flow.name, "version": flow.version, "mermaid": mermaid(flow)})
    else:
        typer.echo(mermaid(flow), nl=False)


@app.command(
    epilog=examples(
        "callwright flow run ivr_flows/main-en.yaml",
        "callwright flow run ivr_flows/main-en.yaml --keys 1 --queue timeout",
    )
)
def run(
    file: OneFile,
    rules: Annotated[Rules, typer.Option("--as", help="By which rules the caller answers.")] = Rules.PHONE,
    keys: Annotated[
        str | None,
        typer.Option(
            help="The caller's answers, one for each question, by commas; an empty one is silence. "
            "Without it they are read from standard input, a line each."
        ),
    ] = None,
    queue: Annotated[Outcome | None, typer.Option(help="What becomes of the caller in each queue.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Play it at this time (ISO 8601; local without offset).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play a flow: its prompts are shown, answers come from the keyboard or --keys."""
    from cli.play import Play

    checked = load(file)
    now = time.time_ns() // 1_000 if at is None else _micros(at)
    answers = iter(keys.split(",")) if keys is not None else None
    play = Play(checked, rules, answers, queue, now, screen(stderr=as_json))
    ended = play.to_the_end()
    if as_json:
        flow, state = checked.flow, play.step.state
        emit(
            {
                "flow": flow.name,
                "version": flow.version,
                "as": rules.value,
                "ended": ended,
                "node": state.node,
                "entered": play.entered,
                "turns": play.turns,
                "variables": state.variables,
                "recording_refused": state.recording_refused,
            }
        )


def _micros(text: str) -> int:
    try:
        at = datetime.fromisoformat(text).astimezone()
        if not 1970 <= at.year <= 2999:
            raise ValueError
        return int(at.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        mend = "write ISO 8601, e.g. 2026-12-25T10:00"
        raise UsageError(f"`{text}` is no time", where="--at", mend=mend) from None


# --- live flows: need a running engine -------------------------------------------------------------------------------


@app.command("list", epilog=examples("callwright flow list --json"))
def list_(as_json: Json = False) -> None:
    """List the live flows and how many callers walk through each."""
    page = asked("flows")
    if as_json:
        emit_list(page["items"], page["next"])
    else:
        show_table(COLUMNS, page["items"], empty="No live flows.")


@app.command(epilog=examples("callwright flow activate ivr_flows/main-en.yaml"))
def activate(file: OneFile, as_json: Json = False) -> None:
    """Make a flow file the live version. Callers who walk through the old one go on in it."""
    name = load(file).flow.name
    text = file.read_text(encoding="utf-8-sig")

    async def send() -> dict[str, Any]:
        async with calling(settings().paths.socket) as engine:
            return await engine.post_text("flows", name, text=text)

    made = ask(send())
    done(f"Flow {name}, version {made['version']}, is live.", made, as_json=as_json)
