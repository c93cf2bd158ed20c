"""Before a campaign is started: what forbids it, what will hurt, and what may be hoped for, in words with a mend.

`errors` name what is unlawful or cannot dial at all; a campaign with one is not started. `warnings` let it run.
`advice` is what an experienced supervisor would say. Each finding's `code` is stable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from engine.dialer.forecast import Conditions, needs, predictive, progressive
from engine.dialer.law import HoursRule
from engine.domain.campaign import LEGAL_RING_S, CampaignPolicy, Mode, Window
from engine.domain.policy import TrunkPolicy
from engine.domain.values import Value

LEGAL_CAPS: Final[dict[Window, tuple[float, str]]] = {
    Window.CALENDAR_MONTH: (0.05, "CRTC Unsolicited Telecommunications Rules, part III"),
}
USUAL_CAP: Final = (0.03, "16 CFR 310.4(b)(4)(i)")
LEGAL_CONNECT_S: Final = 2.0
EARLIEST, LATEST = 8 * 60, 21 * 60
"""47 CFR 64.1200(c)(1): not before 8 and not after 21 o'clock where the called person is."""
USUAL_HANDLE_S: Final = 150.0
PEAK: Final = 1.5
"""Lines at a peak are about half as many again as on average."""
FAR_OFF: Final = 1.5
"""An answer rate that was seen differs from the believed one when it is so many times larger or smaller."""
_AGENT_MODES: Final = (Mode.PREDICTIVE, Mode.PROGRESSIVE, Mode.POWER, Mode.PREVIEW)


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


class Finding(Value):
    """One thing about a campaign: what is so, and what to do."""

    level: Level
    code: str
    what: str
    mend: str


class Means(Value):
    """What a campaign has to work with.

    `trunks` are those that it names and that are defined. `agents` may serve its queue; `nailed_up` of them hold their
    phone open; `signed_in` of these are at work now, None when no engine tells. `waiting` leads may still be called.
    `answer_rate` and `handle_s` were seen so far, None before enough was. `callable_back`: the caller id is an inbound
    number of ours. `hours` must all be kept when it calls. `blind`: Asterisk is out of the engine's sight; None when no
    engine tells.
    """

    queue_known: bool
    trunks: Mapping[str, TrunkPolicy]
    agents: int
    nailed_up: int
    signed_in: int | None
    waiting: int
    answer_rate: float | None
    handle_s: float | None
    callable_back: bool
    hours: tuple[HoursRule, ...]
    blind: bool | None = None


class Forecast(Value):
    """What the present means may come to. Utilisations are 0 to 1; without agents there is none.

    `assumed` names what was not seen yet but believed.
    """

    agents: int
    answer_rate: float
    handle_s: float
    progressive: float
    predictive: float
    lines: float
    calls_per_second: float
    assumed: tuple[str, ...]

    @property
    def crew(self) -> str:
        """How many agents, in words: `1 agent`, `6 agents`."""
        return "1 agent" if self.agents == 1 else f"{self.agents} agents"


def look(policy: CampaignPolicy, means: Means) -> tuple[Finding, ...]:
    """Everything worth saying about a campaign, errors first."""
    found = [*_law(policy, means), *_lines_out(policy, means), *_people(policy, means), *_pace(policy, means)]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def forecast(policy: CampaignPolicy, means: Means) -> Forecast | None:
    """What may be hoped for with the agents there are (those at work, if any is); None without any."""
    agents = means.signed_in or means.nailed_up
    if not agents:
        return None
    assumed = [
        name for name, seen in (("answer rate", means.answer_rate), ("handling time", means.handle_s)) if seen is None
    ]
    conditions = _conditions(policy, means, agents)
    hoped = predictive(conditions)
    takes = needs(conditions, hoped if policy.mode is Mode.PREDICTIVE else progressive(conditions))
    return Forecast(
        agents=agents,
        answer_rate=conditions.answer_rate,
        handle_s=conditions.handle_s,
        progressive=round(progressive(conditions), 4),
        predictive=round(hoped, 4),
        lines=round(takes.lines, 1),
        calls_per_second=round(takes.calls_per_second, 3),
        assumed=tuple(assumed),
    )


def _conditions(policy: CampaignPolicy, means: Means, agents: int) -> Conditions:
    return Conditions(
        agents=agents,
        answer_rate=means.answer_rate or policy.answer_rate,
        handle_s=means.handle_s or USUAL_HANDLE_S,
        # Machines and refusals end sooner than the time a phone may ring.
        fail_s=0.85 * policy.ring_s,
        cap=min((budget.cap for budget in policy.budgets), default=0.0),
    )


def _error(code: str, what: str, mend: str) -> Finding:
    return Finding(level=Level.ERROR, code=code, what=what, mend=mend)


def _warning(code: str, what: str, mend: str) -> Finding:
    return Finding(level=Level.WARNING, code=code, what=what, mend=mend)


def _advice(code: str, what: str, mend: str = "") -> Finding:
    return Finding(level=Level.ADVICE, code=code, what=what, mend=mend)


def set_command(policy: CampaignPolicy, options: str) -> str:
    """The command that mends it, as it stands in a finding."""
    return f"`callwright campaign set {policy.id} {options}`"


# --- law -------------------------------------------------------------------------------------------------------------


def _law(policy: CampaignPolicy, means: Means) -> Iterator[Finding]:
    if policy.ring_s < LEGAL_RING_S:
        yield _error(
            "ring-time",
            f"phones ring only {policy.ring_s:g} s; an unanswered call must ring 15 s or four times"
            " (16 CFR 310.4(b)(4)(ii))",
            set_command(policy, "--ring-s 25"),
        )
    if policy.connect_limit_s > LEGAL_CONNECT_S:
        yield _error(
            "connect-limit",
            f"an agent may come {policy.connect_limit_s:g} s after the answer; the law gives {LEGAL_CONNECT_S:g} s",
            set_command(policy, "--connect-limit-s 2"),
        )
    for budget in policy.budgets:
        most, source = LEGAL_CAPS.get(budget.window, USUAL_CAP)
        if budget.cap > most:
            yield _error(
                "cap",
                f"{budget.cap:.1%} of the answers may be abandoned per {budget.window}; the law bears {most:.0%}"
                f" ({source})",
                set_command(policy, f"--cap {most:g}"),
            )
    if policy.mode in (Mode.PREDICTIVE, Mode.POWER) and any(budget.cap == 0 for budget in policy.budgets):
        yield _advice(
            "cap-zero",
            "with a cap of 0 nobody may be abandoned, so never more calls than free agents are dialled",
            set_command(policy, "--cap 0.03"),
        )
    if not policy.budgets and policy.mode is not Mode.AGENTLESS:
        yield _warning(
            "no-budget",
            "no abandonment budget is given, so never more calls than free agents are dialled",
            set_command(policy, "--cap 0.03 --window rolling-30-days"),
        )
    if not policy.message.file and not policy.message.text:
        yield _error(
            "no-message", "nobody is told who called when no agent comes in time", set_command(policy, "--message FILE")
        )
    if not policy.seller:
        yield _warning(
            "no-seller",
            "no seller is named: the message must say for whom you call, and his budget is shared by his campaigns",
            set_command(policy, "--seller NAME"),
        )
    if not any(_decent(rule) for rule in means.hours):
        yield _warning(
            "hours",
            "it may call before 8 or after 21 o'clock at the called person's place (47 CFR 64.1200(c)(1) forbids it)",
            set_command(policy, "--hours 'mon-sun 8-21'"),
        )


def _decent(rule: HoursRule) -> bool:
    return all(span.start >= EARLIEST and span.end <= LATEST for span in rule.spans)


# --- lines out -------------------------------------------------------------------------------------------------------


def _lines_out(policy: CampaignPolicy, means: Means) -> Iterator[Finding]:
    if not policy.trunks:
        yield _error("no-trunk", "no trunk is named, so nothing can be dialled", set_command(policy, "--trunk ID"))
    for trunk in policy.trunks:
        if trunk not in means.trunks:
            yield _error(
                "trunk-unknown", f"there is no trunk {trunk}", f"`callwright trunk add {trunk} --host HOST`, or another"
            )
    if not policy.caller_id:
        yield _error(
            "no-caller-id", "no caller id is given: calls without one are refused or unlawful",
            set_command(policy, "--caller-id +…"),
        )  # fmt: skip
    elif not means.callable_back:
        yield _warning(
            "caller-id",
            f"{policy.caller_id} is none of our inbound numbers: who calls back reaches nobody here",
            f"`callwright number add {policy.caller_id} --flow FLOW`",
        )
    if means.blind:
        yield _warning(
            "no-asterisk",
            "the engine does not see Asterisk at this moment, so nothing is dialled",
            "`callwright doctor` says why",
        )
    if policy.trunks and len(policy.trunks) == 1:
        yield _advice(
            "one-trunk", "there is one trunk only; when it fails, dialling stops", set_command(policy, "--trunk …")
        )
    yield from _enough(policy, means)


def _enough(policy: CampaignPolicy, means: Means) -> Iterator[Finding]:
    """Whether lines and calls per second suffice for the forecast."""
    hoped = forecast(policy, means)
    if hoped is None or policy.mode not in _AGENT_MODES:
        return
    trunks = [means.trunks[trunk] for trunk in policy.trunks if trunk in means.trunks]
    lines = tightest(policy.lines, [trunk.lines for trunk in trunks])
    wanted = hoped.lines * PEAK
    if lines is not None and lines < wanted:
        yield _warning(
            "lines",
            f"{lines:g} lines are fewer than the {wanted:.0f} that {hoped.crew} need at an answer rate of"
            f" {hoped.answer_rate:.0%}",
            f"order more lines and set `callwright trunk set ID --lines {wanted:.0f}`, or raise the campaign's own",
        )
    pace = tightest(policy.calls_per_second, [trunk.calls_per_second for trunk in trunks])
    if pace is not None and pace < hoped.calls_per_second * PEAK:
        yield _warning(
            "calls-per-second",
            f"{pace:g} calls per second are fewer than the {hoped.calls_per_second * PEAK:.2g} that are needed",
            "ask the carrier for more: `callwright trunk set ID --calls-per-second N`",
        )


def tightest(own: float, trunks: list[float]) -> float | None:
    """The tightest of a campaign's own limit and its trunks' sum; None without any. 0 is no limit."""
    together = sum(trunks) if trunks and all(limit > 0 for limit in trunks) else None
    limits = [limit for limit in (own or None, together) if limit is not None]
    return min(limits, default=None)


# --- people ----------------------------------------------------------------------------------------------------------


def _people(policy: CampaignPolicy, means: Means) -> Iterator[Finding]:
    if not means.queue_known:
        yield _error(
            "queue-unknown", f"there is no queue {policy.queue_id}", f"`callwright queue add {policy.queue_id}`"
        )
    if not means.waiting:
        yield _warning("no-leads", "nobody is left to be called", f"`callwright campaign import {policy.id} FILE`")
    if policy.mode is Mode.AGENTLESS:
        return
    if not means.agents:
        yield _warning(
            "no-agents", f"no agent has the skills of queue {policy.queue_id}", "`callwright agent set ID --skill …`"
        )
    elif not means.nailed_up:
        yield _warning(
            "not-nailed-up",
            f"none of the {means.agents} agents holds his phone open, and nobody can be rung within"
            f" {policy.connect_limit_s:g} s",
            "`callwright agent set ID --mode nailed-up`",
        )
    elif means.signed_in == 0:
        yield _warning(
            "nobody-signed-in", f"none of the {means.nailed_up} agents is signed in", "`callwright agent login ID`"
        )


# --- pace ------------------------------------------------------------------------------------------------------------


def _pace(policy: CampaignPolicy, means: Means) -> Iterator[Finding]:
    seen = means.answer_rate
    if seen is not None and not policy.answer_rate / FAR_OFF <= seen <= policy.answer_rate * FAR_OFF:
        yield _warning(
            "answer-rate",
            f"{policy.answer_rate:.0%} of the calls were believed to be answered, {seen:.0%} are",
            set_command(policy, f"--answer-rate {seen:.2g}"),
        )
    hoped = forecast(policy, means)
    if hoped is None or policy.mode not in (Mode.PREDICTIVE, Mode.PROGRESSIVE, Mode.POWER):
        return
    points = 100 * (hoped.predictive - hoped.progressive)
    gain = f"up to {points:.0f} points" if points >= 0.5 else "less than half a point"
    assumed = f" (assumed: {', '.join(hoped.assumed)})" if hoped.assumed else ""
    yield _advice(
        "gain",
        f"at {hoped.crew} and an answer rate of {hoped.answer_rate:.0%}{assumed} predictive gains {gain}"
        f" over progressive: {hoped.predictive:.0%} instead of {hoped.progressive:.0%} utilisation",
        _which(policy, points),
    )


def _which(policy: CampaignPolicy, points: float) -> str:
    if policy.mode is Mode.PREDICTIVE and points < 2.0:
        return "progressive abandons nobody: " + set_command(policy, "--mode progressive")
    if policy.mode is Mode.PROGRESSIVE and points >= 5.0:
        return set_command(policy, "--mode predictive")
    return ""
