"""Attempts after blindness: what a picture of all channels, or CEL, tells of calls whose end nobody heard."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dialer import trunks
from engine.domain import facts
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.campaign import CampaignPolicy
from engine.domain.commands import Trace
from engine.domain.facts import SeenLeg
from engine.domain.values import SECOND, LegId
from engine.floor import attempts, called
from engine.floor.state import Attempt
from engine.floor.step import Step

_ANSWERED = frozenset({Outcome.CONNECTED, Outcome.ABANDONED, Outcome.HUNG_UP_EARLY, Outcome.MACHINE, Outcome.MESSAGE})
TRACE_LIMIT = 60 * SECOND
"""Nobody knows what became of an attempt: after this it is quarantined."""
JUST_DIALLED = 10 * SECOND


def compared(step: Step, picture: Mapping[LegId, SeenLeg], *, was_blind: bool) -> None:
    """What a picture of all channels tells of attempts, before anything is believed of their legs."""
    for attempt in sorted(step.state.attempts.values(), key=lambda each: each.id):
        real = picture.get(LegId(attempt.id))
        if real is None:
            _missing(step, attempt, was_blind=was_blind)
        elif real.place == "message" and not attempt.agentless:
            called.message_started(step, facts.MessageStarted(attempt_id=attempt.id))
        elif (real.place in ("answered", "message") and real.up) or real.bridge:
            called.answered(step, facts.AttemptAnswered(attempt_id=attempt.id))


def _missing(step: Step, attempt: Attempt, *, was_blind: bool) -> None:
    if not was_blind and step.now - attempt.dialled_at < JUST_DIALLED:
        return  # Asterisk was asked to dial it a moment ago
    if attempt.state is AttemptState.ENDED:
        attempts.free(step, attempt)
    else:
        trace(step, attempt)


def found(step: Step, fact: facts.AttemptFound) -> None:
    """An INTENT that a crash took out of our memory: what became of it is looked up once we see."""
    attempts.adopt(step, fact)


def trace(step: Step, attempt: Attempt) -> None:
    """Its leg is gone and nobody told how: CEL knows."""
    if not attempt.tracing:
        attempt.tracing = True
        step.timers.clear("overdue", attempt.id)
        step.timers.set("trace", attempt.id, step.now + TRACE_LIMIT)
        step.do(Trace(attempt_id=attempt.id))


def traced(step: Step, fact: facts.AttemptTraced) -> None:
    """What CEL knows of it."""
    attempt = step.state.attempts.get(fact.attempt_id)
    if attempt is None or not attempt.tracing:
        return
    campaign = step.state.campaigns[attempt.campaign_id]
    if attempt.state is not AttemptState.ENDED:
        attempt.answered_at = attempt.answered_at or fact.answered_at
        attempts.end(step, attempt, _no_less(attempt, outcome_of(fact, attempt, campaign.policy)), cause=fact.cause)
    attempts.free(step, attempt)


def outcome_of(trace: facts.AttemptTraced, attempt: Attempt, policy: CampaignPolicy) -> Outcome:
    """The outcome of an attempt whose life is known from CEL.

    Its end is missing there when Asterisk died with it: who had answered then is no less a live answer.
    """
    if not trace.dialled:
        return Outcome.NOT_DIALLED
    if not trace.ended_at and not trace.answered_at:
        return Outcome.LOST
    if not trace.answered_at:
        return trunks.classify(trace.cause) if trace.cause else Outcome.NETWORK
    if attempt.agentless:
        return Outcome.MESSAGE
    limit = round(policy.connect_limit_s * SECOND)
    in_time = 0 < trace.joined_at <= trace.answered_at + limit
    if in_time and not 0 < trace.message_at < trace.joined_at:
        return Outcome.CONNECTED
    if trace.message_at or trace.joined_at or not trace.ended_at or trace.ended_at - trace.answered_at >= limit:
        return Outcome.ABANDONED
    return Outcome.HUNG_UP_EARLY


def _no_less(attempt: Attempt, told: Outcome) -> Outcome:
    """What the log tells, but never less than what we heard ourselves: an answer stays one, and so does a join."""
    if attempt.state is AttemptState.CONNECTED:
        return Outcome.CONNECTED
    if attempt.state is AttemptState.ANSWERED and told not in _ANSWERED:
        return Outcome.MESSAGE if attempt.agentless else Outcome.ABANDONED
    return told


def trace_over(step: Step, attempt: Attempt) -> None:
    """CEL did not answer: quarantined."""
    if attempt.state is not AttemptState.ENDED:
        attempts.end(step, attempt, _no_less(attempt, Outcome.LOST))
    attempts.free(step, attempt)
