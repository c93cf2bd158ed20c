"""One caller walks through a flow in the terminal: what is said is printed, what the caller answers is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from cli.rules import Outcome, Rules
from engine.domain.values import AskOutcome, Channel, Collect, Prompt, Token
from engine.flows.interpreter import Context, Heard, QueueLeft, Step, WantAsk, WantHangUp, WantQueue, begin, resume
from engine.flows.parser import Checked

if TYPE_CHECKING:
    from rich.console import Console

TURNS: Final = 200
"""A played caller gives up after so many turns, so a flow that goes round for ever ends too."""

PHONE_KEYS: Final = frozenset("0123456789*#")


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
