"""`callwright flow`: check flow files, play them in the terminal, draw them. Works on files; needs no engine."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console

from engine.domain.values import AskOutcome, Channel, Collect, Prompt, Token
from engine.errors import CallwrightError, NotFound, UsageError
from engine.flows.drawing import mermaid
from engine.flows.errors import FlowError, FlowErrors
from engine.flows.interpreter import Context, Heard, QueueLeft, Step, WantAsk, WantHangUp, WantQueue, begin, resume
from engine.flows.parser import Checked, check
from engine.flows.problems import FlowWarning
from engine.flows.strict_yaml import MAX_BYTES

TURNS: Final = 200
"""A played caller gives up after so many turns, so a flow that goes round for ever ends too."""

PHONE_KEYS: Final = frozenset("0123456789*#")

app = typer.Typer(no_args_is_help=True, help="Check, play and draw flow files.", rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
OneFile = Annotated[Path, typer.Argument(metavar="FILE", help="A flow file, e.g. ivr_flows/main-en.yaml.")]


class Rules(StrEnum):
    """How a flow is played: by telephone (keys) or by text (replies)."""

    PHONE = "phone"
    TEXT = "text"


class Outcome(StrEnum):
    """What becomes of a played caller in a queue."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    CLOSED = "closed"


def load(file: Path) -> Checked:
    """Read and check one flow file.

    Raises:
        NotFound: no such file.
        UsageError: it cannot be read.
        FlowErrors: it is no flow that can be used.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("there is no such file", where=str(file), mend="check the path") from None
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


def _screen(*, stderr: bool = False) -> Console:
    """Plain output; what the terminal's encoding cannot show becomes `?` instead of an error."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def _fail(error: CallwrightError) -> typer.Exit:
    _screen(stderr=True).print(str(error))
    return typer.Exit(error.exit_code)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


# --- check -----------------------------------------------------------------------------------------------------------


@app.command("check", epilog="Example: callwright flow check ivr_flows/*.yaml")
def check_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Flow files.")], as_json: Json = False
) -> None:
    """Check flow files: every fault with its place and mend. Exit 2 when one is broken, 3 when one is missing."""
    out, err = _screen(), _screen(stderr=True)
    items: list[dict[str, Any]] = []
    code = 0
    for file in files:
        try:
            checked = load(file)
        except CallwrightError as error:
            code = error.exit_code if code != FlowErrors.exit_code else code  # broken outweighs missing
            items.append(_broken(file, error))
            for each in error.items if isinstance(error, FlowErrors) else (error,):
                err.print(str(each))
            continue
        items.append(_sound(file, checked))
        for warning in checked.warnings:
            err.print(f"{warning.file}:{warning.line}:{warning.column}: warning: {warning.what} — {warning.mend}")
        if not as_json:
            flow = checked.flow
            out.print(f"{file}: ok, flow {flow.name}, {len(flow.nodes)} nodes, version {flow.version}")
    if as_json:
        _print_json({"ok": code == 0, "items": items})
    raise typer.Exit(code)


def _sound(file: Path, checked: Checked) -> dict[str, Any]:
    flow = checked.flow
    facts = {"flow": flow.name, "version": flow.version, "language": flow.language, "nodes": len(flow.nodes)}
    warnings = [_place(warning) for warning in checked.warnings]
    return {"file": str(file), "ok": True, **facts, "errors": [], "warnings": warnings}


def _broken(file: Path, error: CallwrightError) -> dict[str, Any]:
    if isinstance(error, FlowErrors):
        errors = [_place(item) for item in error.items]
    else:
        errors = [{"line": 0, "column": 0, "what": error.what, "mend": error.mend}]
    nothing = {"flow": None, "version": None, "language": None, "nodes": None}
    return {"file": str(file), "ok": False, **nothing, "errors": errors, "warnings": []}


def _place(fault: FlowError | FlowWarning) -> dict[str, Any]:
    return {"line": fault.line, "column": fault.column, "what": fault.what, "mend": fault.mend}


# --- draw ------------------------------------------------------------------------------------------------------------


@app.command(epilog="Example: callwright flow draw ivr_flows/main-en.yaml > main-en.mmd")
def draw(file: OneFile, as_json: Json = False) -> None:
    """Print a flow as a Mermaid flowchart."""
    try:
        flow = load(file).flow
    except CallwrightError as error:
        raise _fail(error) from None
    if as_json:
        _print_json({"flow": flow.name, "version": flow.version, "mermaid": mermaid(flow)})
    else:
        typer.echo(mermaid(flow), nl=False)


# --- run -------------------------------------------------------------------------------------------------------------


@app.command(epilog="Example: callwright flow run ivr_flows/main-en.yaml --keys 1 --queue timeout")
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
    try:
        checked = load(file)
        now = time.time_ns() // 1_000 if at is None else _micros(at)
    except CallwrightError as error:
        raise _fail(error) from None
    answers = iter(keys.split(",")) if keys is not None else None
    play = Play(checked, rules, answers, queue, now, _screen(stderr=as_json))
    ended = play.to_the_end()
    if as_json:
        flow, state = checked.flow, play.step.state
        _print_json(
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


class Play:
    """One caller, played in the terminal. `turns` is what was said and answered, `entered` every node on the way."""

    def __init__(
        self,
        checked: Checked,
        rules: Rules,
        answers: Iterator[str] | None,
        outcome: Outcome | None,
        now: int,
        screen: Console,
    ) -> None:
        self._flow = checked.flow
        self._rules = rules
        self._answers = answers
        self._outcome = outcome if outcome is not None or answers is None else Outcome.ANSWERED
        self._now = now
        self._screen = screen
        self._context = Context(
            channel=Channel.VOICE if rules is Rules.PHONE else Channel.CHAT, language=checked.flow.language
        )
        self.turns: list[dict[str, Any]] = []
        self.entered: list[str] = []
        self.step: Step

    def to_the_end(self) -> str:
        """Play on until the flow hangs up ("hung-up"), the caller does ("caller-left") or gives up ("gave-up")."""
        self._show(begin(self._flow, self._now, self._context))
        for _ in range(TURNS):
            want = self.step.want
            turn: dict[str, Any] = {"node": self.step.state.node}
            self.turns.append(turn)
            if isinstance(want, WantHangUp):
                self._say(want.prompts, turn)
                self._line("the flow hangs up")
                return "hung-up"
            heard = self._ask(want, turn) if isinstance(want, WantAsk) else self._wait(want, turn)
            if heard is None:
                self._line("the caller hangs up")
                return "caller-left"
            self._show(resume(self._flow, self.step.state, heard, self._now, self._context))
        self._line(f"the caller gives up after {TURNS} turns")
        return "gave-up"

    def _show(self, step: Step) -> None:
        self.step = step
        self.entered.extend(step.entered)
        if step.entered:
            self._screen.print(f"  {' → '.join(step.entered)}", style="dim")

    def _line(self, text: str) -> None:
        self._screen.print(f"({text})", style="italic")

    def _say(self, prompts: tuple[Prompt, ...], turn: dict[str, Any]) -> None:
        turn["prompts"] = [prompt.text or f"[{prompt.file}]" for prompt in prompts]
        speaker = "♪" if self._rules is Rules.PHONE else "<"
        for words in turn["prompts"]:
            self._screen.print(f"{speaker} {words}")

    def _ask(self, want: WantAsk, turn: dict[str, Any]) -> Heard | None:
        self._say(want.prompts, turn)
        if want.collect is None:
            turn["outcome"] = AskOutcome.PLAYED.value
            return Heard(outcome=AskOutcome.PLAYED)
        asked = f"one of {' '.join(want.collect.options)}" if want.collect.options else "digits"
        typed = self._answer(f"{asked}, or nothing")
        if typed is None:
            return None
        heard = judged(want.collect, typed, self._rules)
        turn |= {"outcome": heard.outcome.value, "choice": heard.choice}
        self._line(heard.outcome.value + (f": {heard.choice}" if heard.choice else ""))
        return heard

    def _wait(self, want: WantQueue, turn: dict[str, Any]) -> QueueLeft | None:
        needs = "".join(f", needs {need.skill} {need.level}" for need in want.needs)
        self._line(f"waits in queue {want.node.queue}, priority {want.priority}{needs}")
        outcome = self._outcome
        while outcome is None:
            typed = self._answer("answered, timeout or closed")
            if typed is None:
                return None
            outcome = next((each for each in Outcome if typed and each.value.startswith(typed.lower())), None)
        turn |= {"queue": str(want.node.queue), "outcome": outcome.value}
        self._line({"answered": "talks with an agent, who leaves first"}.get(outcome.value, outcome.value))
        reasons: dict[Outcome, Literal["timeout", "closed", "agent-left"]] = {
            Outcome.ANSWERED: "agent-left",
            Outcome.TIMEOUT: "timeout",
            Outcome.CLOSED: "closed",
        }
        return QueueLeft(reason=reasons[outcome])

    def _answer(self, asked: str) -> str | None:
        """What the caller types; None when he hangs up: at the end of standard input, or by Ctrl-C."""
        if self._answers is not None:
            return next(self._answers, "").strip()
        try:
            return self._screen.input(f"[{asked}] > ", markup=False).strip()
        except (EOFError, KeyboardInterrupt, UnicodeDecodeError):
            return None


def judged(collect: Collect, typed: str, rules: Rules) -> Heard:
    """What an answer comes to, as a channel's edge would judge it."""
    if not typed:
        return Heard(outcome=AskOutcome.SILENCE)
    if rules is Rules.PHONE and not PHONE_KEYS.issuperset(typed):
        return Heard(outcome=AskOutcome.INVALID)
    if collect.options:
        key = typed[0] if rules is Rules.PHONE else typed
        return Heard(outcome=AskOutcome.ANSWERED, choice=key) if key in collect.options else _wrong()
    digits = typed.split(collect.terminator, 1)[0] if collect.terminator else typed
    for pattern in collect.patterns:
        if len(digits) <= collect.max_digits and re.fullmatch(pattern.regex, digits):
            return Heard(outcome=AskOutcome.ANSWERED, choice=pattern.name, digits=Token("typed"))
    return _wrong()


def _wrong() -> Heard:
    return Heard(outcome=AskOutcome.INVALID)
