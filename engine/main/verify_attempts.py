"""Belief against truth for calls that we dial, compared purely; `engine.main.verify` does the rest.

Codes:

    attempt-missing  the floor believes in a call out that Asterisk does not have
    attempt-differs  a call out is elsewhere than believed, or the floor contradicts itself about it
    lines-differ     the lines that a campaign believes to use are not its calls
    intent-missing   the floor dials what the ledger has no INTENT of
    intent-open      the ledger has an INTENT without outcome that the floor does not know
    outcome-differs  the ledger tells another outcome of an attempt than the journal
    dialled-twice    a number was dialled while another call to it was up
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import Mode
from engine.domain.facts import SeenLeg
from engine.domain.values import LegId, Value
from engine.floor.called import interaction_id
from engine.floor.state import Attempt, Campaign, FloorState
from engine.main.verify import NOTHING, Finding

_S = AttemptState
OPEN: Final = ""
"""In place of an outcome."""
_NO_ROW: Final = frozenset({Outcome.REFUSED.value, Outcome.NOT_DIALLED.value})
"""Outcomes of attempts that the ledger may never have heard of."""


class LedgerRows(Value):
    """What the ledger holds, with at least what the journal told up to its fact `seq`.

    `outcomes`: of all open attempts (`OPEN`) and of those asked for; `twice`: pairs of attempts at one number of which
    the second was dialled before the first had ended.
    """

    seq: int = 0
    outcomes: dict[str, str] = {}
    twice: tuple[tuple[str, str], ...] = ()


def against_asterisk(state: FloorState, legs: Iterable[SeenLeg]) -> list[Finding]:
    """Compare calls that we dial with Asterisk's channels, and with what else the floor believes."""
    truth = {seen.leg: seen for seen in legs}
    return [
        *(finding for attempt in state.attempts.values() for finding in _attempt(state, attempt, truth)),
        *(finding for campaign in state.campaigns.values() for finding in _lines(state, campaign)),
    ]


def _attempt(state: FloorState, attempt: Attempt, truth: Mapping[LegId, SeenLeg]) -> Iterable[Finding]:
    leg = LegId(attempt.id)
    seen = truth.get(leg)
    if seen is None and leg not in state.legs and not attempt.tracing:
        yield Finding(code="attempt-missing", ids=(attempt.id,), belief=attempt.state, truth="no such channel")
    if seen is not None and attempt.state is _S.DIALLING and seen.place not in ("dialling", "ringing"):
        yield Finding(code="attempt-differs", ids=(attempt.id,), belief=attempt.state, truth=f"in {seen.place}")
    if (wrong := _contradiction(state, attempt)) is not None:
        yield Finding(code="attempt-differs", ids=(attempt.id,), belief=attempt.state, truth=wrong)


def _contradiction(state: FloorState, attempt: Attempt) -> str | None:
    """What in the floor's own state does not fit to the attempt's."""
    campaign = state.campaigns.get(attempt.campaign_id)
    if campaign is None:
        return "no such campaign"
    ringing, waiting = attempt.id in campaign.ringing, attempt.id in campaign.answered
    wants_agent = campaign.policy.mode is not Mode.AGENTLESS
    if ringing is not (attempt.state is _S.DIALLING):
        return "ringing" if ringing else "not ringing"
    if waiting is not (attempt.state is _S.ANSWERED and wants_agent):
        return "waiting for an agent" if waiting else "not waiting for an agent"
    if attempt.state is _S.ENDED and attempt.outcome is None:
        return "no outcome"
    if attempt.state in (_S.ANSWERED, _S.CONNECTED) and interaction_id(attempt.id) not in state.interactions:
        return NOTHING
    return None


def _lines(state: FloorState, campaign: Campaign) -> Iterable[Finding]:
    mine = [attempt.id for attempt in state.attempts.values() if attempt.campaign_id == campaign.policy.id]
    if campaign.up != len(mine):
        believed, real = f"{campaign.up} lines up", f"{len(mine)} calls"
        yield Finding(code="lines-differ", ids=(campaign.policy.id,), belief=believed, truth=real)
    for attempt_id in sorted({*campaign.ringing, *campaign.answered} - state.attempts.keys()):
        yield Finding(code="lines-differ", ids=(campaign.policy.id, attempt_id), belief="a call", truth=NOTHING)


def against_ledger(state: FloorState, rows: LedgerRows, ended: Mapping[str, tuple[int, str]]) -> list[Finding]:
    """Compare attempts with the ledger. `ended`: by attempt, the journal's fact that ended it, and its outcome."""
    return [
        *_intents(state, rows, ended),
        *_outcomes(rows, ended),
        *(
            Finding(code="dialled-twice", ids=pair, belief="one call to a number at a time", truth="two at once")
            for pair in rows.twice
        ),
    ]


def _intents(state: FloorState, rows: LedgerRows, ended: Mapping[str, tuple[int, str]]) -> Iterable[Finding]:
    for attempt in state.attempts.values():
        if attempt.id not in rows.outcomes:
            yield Finding(code="intent-missing", ids=(attempt.id,), belief=attempt.state, truth="no INTENT")
    known = state.attempts.keys() | ended.keys()
    for attempt_id, outcome in rows.outcomes.items():
        if outcome == OPEN and attempt_id not in known:
            yield Finding(
                code="intent-open", ids=(attempt_id,), belief="no such attempt", truth="an INTENT without outcome"
            )


def _outcomes(rows: LedgerRows, ended: Mapping[str, tuple[int, str]]) -> Iterable[Finding]:
    for attempt_id, (seq, outcome) in ended.items():
        if seq > rows.seq:
            continue
        row = rows.outcomes.get(attempt_id)
        if row is None and outcome in _NO_ROW:
            continue
        if row != outcome:
            truth = "no row" if row is None else row or "no outcome"
            yield Finding(code="outcome-differs", ids=(attempt_id,), belief=outcome, truth=truth)
