"""Trunks: how many calls each may carry now, which one is tried first, and what an unanswered call's end tells.

Three limits, each known from a small state that lives in the floor: lines (calls at once), calls per second, and a
breaker that takes a trunk out when it fails again and again. A dead trunk must never burn leads: what it refuses is the
trunk's failure and not the lead's, and the next trunk in the order of preference carries on.

Calls per second are spaced by the generic cell rate algorithm (ITU-T I.371), so that in no second more leave than
allowed: below 40 a second one by one, above in groups of a twentieth, for which the pace is a little slower.

The breaker: five failures in a row without any sign of life between them, none more than a minute after the one
before, open it (five within seconds when calls are refused at once, five time-outs when they vanish). Open, it carries
nothing for 10 s; then one call is the probe. If that fails too, the pause doubles, up to 5 min. A Retry-After opens it
at once for that long (RFC 3261 section 21.5.4), but for 5 min at most: a 503 often speaks for one part of the far side
only (RFC 5390).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from engine.domain.attempt import Outcome
from engine.domain.campaign import LEGAL_RING_S, TrunkId
from engine.domain.policy import TrunkPolicy
from engine.domain.values import SECOND

UNLIMITED: Final = 1_000_000
"""Room where there is no limit."""

FAILURES_TO_OPEN: Final = 5
IN_A_ROW_US: Final = 60 * SECOND
PAUSE_US: Final = 10 * SECOND
LONGEST_PAUSE_US: Final = 300 * SECOND
PROBE_LIMIT_US: Final = 60 * SECOND
"""A probe of which nothing was heard for so long is given up; another may go."""


class Breaker(StrEnum):
    """Whether a trunk is trusted."""

    CLOSED = "closed"  # calls go
    OPEN = "open"  # none goes until `retry_at`, then one
    PROBING = "probing"  # that one is on its way


class TrunkState(msgspec.Struct):
    """One trunk at one moment; part of the floor's state. Instants and durations are µs, 0 where there is none.

    `in_use`: calls up or ringing that we placed. `next_at`: when the call after those already placed would be due if
    they were evenly spaced. `failures` in a row, the last at `failed_at`. `pause_us`: how long the breaker opens next.
    """

    in_use: int = 0
    next_at: int = 0
    state: Breaker = Breaker.CLOSED
    failures: int = 0
    failed_at: int = 0
    retry_at: int = 0
    pause_us: int = PAUSE_US


def room(policy: TrunkPolicy, state: TrunkState, now: int) -> int:
    """How many more calls this trunk takes at this instant; `UNLIMITED` when nothing limits it."""
    lines = max(0, policy.lines - state.in_use) if policy.lines > 0 else UNLIMITED
    return min(lines, _tokens(policy.calls_per_second, state, now), _trusted(state, now))


def next_room_at(policy: TrunkPolicy, state: TrunkState, now: int) -> int | None:
    """When time alone makes room again; None when there is room, or when only the end of a call makes some."""
    if room(policy, state, now) > 0 or (policy.lines > 0 and state.in_use >= policy.lines):
        return None
    at = now
    if state.state is Breaker.OPEN:
        at = max(at, state.retry_at)
    elif state.state is Breaker.PROBING:
        at = max(at, state.retry_at + PROBE_LIMIT_US)
    if policy.calls_per_second > 0:
        spacing, burst = _spacing(policy.calls_per_second)
        at = max(at, state.next_at - (burst - 1) * spacing)
    return at


def took(policy: TrunkPolicy, state: TrunkState, now: int) -> None:
    """A call was placed on this trunk. Every call counts, also one placed without asking for room."""
    state.in_use += 1
    if policy.calls_per_second > 0:
        spacing, _ = _spacing(policy.calls_per_second)
        state.next_at = max(state.next_at, now) + spacing
    if state.state is not Breaker.CLOSED and _trusted(state, now):
        state.state, state.retry_at = Breaker.PROBING, now


def freed(state: TrunkState) -> None:
    """A call is off this trunk. Tell what it proved, if anything, before: `failed` or `succeeded`."""
    state.in_use = max(0, state.in_use - 1)
    if state.state is Breaker.PROBING and state.in_use == 0:
        state.state = Breaker.OPEN  # the probe proved nothing: the next call is one


def failed(state: TrunkState, now: int, retry_after_s: float = 0.0) -> bool:
    """The trunk itself refused or lost a call (`Outcome.TRUNK`). True when the breaker opened by it.

    `retry_after_s`: how long the far side asked to be left alone, 0 when it did not say.
    """
    if state.state is Breaker.OPEN:
        state.retry_at = max(state.retry_at, now + _asked(retry_after_s))
        return False
    in_a_row = now - state.failed_at <= IN_A_ROW_US
    state.failures = state.failures + 1 if in_a_row else 1
    state.failed_at = now
    if state.state is Breaker.CLOSED and state.failures < FAILURES_TO_OPEN and retry_after_s <= 0:
        return False
    state.state = Breaker.OPEN
    state.retry_at = now + max(state.pause_us, _asked(retry_after_s))
    state.pause_us = min(2 * state.pause_us, LONGEST_PAUSE_US)
    return True


def succeeded(state: TrunkState, now: int) -> None:
    """A sign of life: the far side rang, was busy or was answered. Closes the breaker, unless its pause still runs.

    While the pause runs it comes from a call placed before the failures, and proves nothing.
    """
    if state.state is Breaker.OPEN and now < state.retry_at:
        return
    state.state = Breaker.CLOSED
    state.failures = state.failed_at = state.retry_at = 0
    state.pause_us = PAUSE_US


def choose(
    order: Iterable[TrunkId], policies: Mapping[TrunkId, TrunkPolicy], states: Mapping[TrunkId, TrunkState], now: int
) -> TrunkId | None:
    """The first of `order` that has room; None when none has. One that is not defined is passed over."""
    for trunk_id in order:
        policy = policies.get(trunk_id)
        if policy is not None and room(policy, states.get(trunk_id) or TrunkState(), now) > 0:
            return trunk_id
    return None


def _spacing(per_second: float) -> tuple[int, int]:
    """µs between calls, and how many may go at once, such that no second sees more than `per_second` (rounded up)."""
    burst = max(1, int(per_second / 20))
    return -int(-SECOND // (per_second - (burst - 1))), burst


def _tokens(per_second: float, state: TrunkState, now: int) -> int:
    if per_second <= 0:
        return UNLIMITED
    spacing, burst = _spacing(per_second)
    return max(0, burst - -(-max(0, state.next_at - now) // spacing))


def _trusted(state: TrunkState, now: int) -> int:
    """The calls that the breaker lets pass."""
    if state.state is Breaker.CLOSED:
        return UNLIMITED
    due = state.retry_at + (PROBE_LIMIT_US if state.state is Breaker.PROBING else 0)
    return 1 if now >= due else 0


def _asked(retry_after_s: float) -> int:
    return min(round(max(0.0, retry_after_s) * SECOND), LONGEST_PAUSE_US)


# --- what an end tells -----------------------------------------------------------------------------------------------

_O = Outcome

BY_SIP: Final[dict[int, tuple[Outcome, Outcome]]] = {
    401: (_O.TRUNK, _O.NETWORK),  # it does not know us
    402: (_O.TRUNK, _O.NETWORK),
    403: (_O.TRUNK, _O.REJECTED),
    404: (_O.UNALLOCATED, _O.UNALLOCATED),
    407: (_O.TRUNK, _O.NETWORK),
    408: (_O.TRUNK, _O.NO_ANSWER),  # nobody reacted: an ordinary no-answer only after it rang
    410: (_O.UNALLOCATED, _O.UNALLOCATED),
    480: (_O.NO_ANSWER, _O.NO_ANSWER),
    482: (_O.NETWORK, _O.NETWORK),
    483: (_O.NETWORK, _O.NETWORK),
    484: (_O.UNALLOCATED, _O.UNALLOCATED),
    485: (_O.UNALLOCATED, _O.UNALLOCATED),
    486: (_O.BUSY, _O.BUSY),
    487: (_O.CANCELLED, _O.NO_ANSWER),
    502: (_O.NETWORK, _O.NETWORK),
    504: (_O.NETWORK, _O.NETWORK),
    600: (_O.BUSY, _O.BUSY),
    603: (_O.REJECTED, _O.REJECTED),
    604: (_O.UNALLOCATED, _O.UNALLOCATED),
    607: (_O.REJECTED, _O.REJECTED),  # Unwanted, RFC 8197
    608: (_O.REJECTED, _O.REJECTED),  # Rejected by an analysis, RFC 8688
}
"""SIP status: what it is before anything rang, and after. 3xx that are not listed are the network's, others the trunk's
before it rang and the network's after."""

BY_CAUSE: Final[dict[int, tuple[Outcome, Outcome]]] = {
    1: (_O.UNALLOCATED, _O.UNALLOCATED),
    2: (_O.NETWORK, _O.NETWORK),
    3: (_O.TRUNK, _O.NETWORK),  # chan_pjsip's own word when it finds no endpoint or cannot begin a session
    14: (_O.NETWORK, _O.NETWORK),
    16: (_O.CANCELLED, _O.NO_ANSWER),
    17: (_O.BUSY, _O.BUSY),
    18: (_O.TRUNK, _O.NO_ANSWER),  # 408, also PJSIP's own when an INVITE was never answered
    19: (_O.NO_ANSWER, _O.NO_ANSWER),  # 480, and main/dial.c when our ringing time is over
    20: (_O.TRUNK, _O.NO_ANSWER),  # no SIP answer maps to it: the trunk's own registration is missing
    21: (_O.REJECTED, _O.REJECTED),  # 603, but also 401, 403 and 407: see `classify`
    22: (_O.UNALLOCATED, _O.UNALLOCATED),
    23: (_O.NETWORK, _O.NETWORK),
    26: (_O.NO_ANSWER, _O.NO_ANSWER),
    27: (_O.NETWORK, _O.NETWORK),  # 502
    28: (_O.UNALLOCATED, _O.UNALLOCATED),  # 484
    31: (_O.NETWORK, _O.NO_ANSWER),
    54: (_O.REJECTED, _O.REJECTED),
    102: (_O.NETWORK, _O.NETWORK),  # 504
    127: (_O.TRUNK, _O.NO_ANSWER),  # 487 after it rang; before, a 4xx that says our request was wrong
}
"""Q.850 cause: what it is before anything rang, and after. What is not listed (34, 38, 41, 42, 44, 50, 52, 58, ...) is
the trunk's before it rang and the network's after."""

_NO_ANSWER_YET: Final = frozenset({Outcome.NO_ANSWER, Outcome.CANCELLED})


def classify(cause: int, sip: int = 0, *, rang: bool | None = None, age_us: int = 0) -> Outcome:
    """What became of a call that ended without an answer.

    `cause`: Q.850, 0 when unknown. `sip`: the final status of the far side, 0 when unknown. `rang`: whether ringing or
    early media was heard (180, 183: AMI's Newstate with Ringing, or DialState with RINGING or PROGRESS); None when
    nobody knows. `age_us`: since dialling.

    Asterisk makes a cause out of the SIP status by `ast_sip_hangup_sip2cause` (res/res_pjsip.c, Asterisk 22) and the
    reverse by `hangup_cause2sip` (channels/chan_pjsip.c); when our own ringing time is over, main/dial.c sets cause 19,
    which reads as 480. So a cause says less than a status, and neither says whether anything rang:

    - A trunk that swallows INVITEs ends as 18 (408) after 32 s, or as 19 when we gave up before. What never rang for
      `LEGAL_RING_S` and ends as if nobody had answered is therefore the trunk's failure.
    - 21 is a person's refusal (603) and a trunk's (403). Without the status it is the trunk's when it is known that
      nothing rang: retrying a person who refused is bounded by the cap per number, a list eaten by a trunk is not.
    - After ringing, nothing is the trunk's failure: it brought the call to its end.

    With `rang` None, 18 is the trunk's, and 19 and 21 the person's.
    """
    if sip >= 300:
        early, late = BY_SIP.get(sip) or (Outcome.NETWORK if sip < 400 else Outcome.TRUNK, Outcome.NETWORK)
    else:
        early, late = BY_CAUSE.get(cause, (Outcome.TRUNK, Outcome.NETWORK))
        if cause == 21 and rang is False:
            return Outcome.TRUNK
    if rang:
        return late
    if rang is False and early in _NO_ANSWER_YET and age_us >= LEGAL_RING_S * SECOND:
        return Outcome.TRUNK
    return early
