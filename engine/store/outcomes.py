"""Outcomes: what the event `AttemptEnded` changes in the ledger and in the list, exactly once.

An attempt's outcome is set only while it has none, in the transaction that moves the projector's position: replaying
the journal sets none twice. With it the hour's sums of live answers are kept, and the lead goes on as its campaign's
terms say: waits for another dial, or is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignState
from engine.domain.events import AttemptEnded, CampaignMoved
from engine.domain.values import SECOND
from engine.errors import ConfigError, NotFound
from engine.store.campaigns import CampaignTerms, standing
from engine.store.dnc import unwanted
from engine.store.leads import RELEASED, LeadState, is_in
from engine.store.statements import insert_new
from engine.store.tables import Campaign, DialAttempt, Lead, LiveAnswersHour, table

HOUR_US = 3_600 * SECOND
AT_ONCE_TIMES = 2
"""After so many dials that reached nobody's telephone a lead may go again at once: the next trunk may carry it, or the
same one after its breaker's pause. From then on it is the number rather than the trunk, and the delay grows."""
FIRST_DELAY_US = 300 * SECOND
LONGEST_DELAY_US = 24 * HOUR_US
MOST_UNRUNG = 14
"""So many dials in a row that reached nobody end a lead. With these delays they take nearly four days, so no trunk that
is dead over a weekend uses up a list."""

_ATTEMPT = table(DialAttempt)
_LEAD = table(Lead)
_HOUR = table(LiveAnswersHour)
_CAMPAIGN = table(Campaign)

_NAMED = (
    update(_ATTEMPT)
    .where(_ATTEMPT.c.id == bindparam("key_id"), _ATTEMPT.c.outcome.is_(None))
    .values({name: bindparam(name) for name in (
        "answered_us", "connected_us", "outcome", "outcome_us", "wait_us", "cause", "agent_id", "rule"
    )})
)  # fmt: skip


def end_attempts(connection: Connection, ended: Iterable[AttemptEnded]) -> None:
    """Give attempts their outcomes, inside the projector's transaction. One that has an outcome keeps it."""
    terms: dict[str, CampaignTerms] = {}
    for event in ended:
        if connection.execute(_NAMED, _columns(event)).rowcount == 0:
            _let_go(connection, event)
            continue
        attempt = connection.execute(select(_ATTEMPT).where(_ATTEMPT.c.id == event.attempt_id)).one()
        if event.outcome.live_answer:
            _count(connection, event, attempt.seller)
        if event.campaign_id not in terms:
            terms[event.campaign_id] = _terms(connection, event.campaign_id)
        _recycle(connection, event, attempt, terms[event.campaign_id])


def move_campaigns(connection: Connection, moved: Iterable[CampaignMoved]) -> None:
    """Keep what was last asked of campaigns, and when each began."""
    for event in moved:
        row = _CAMPAIGN.c.id == event.campaign_id
        connection.execute(update(_CAMPAIGN).where(row).values(state=event.new.value))
        if event.new is CampaignState.RUNNING:
            connection.execute(update(_CAMPAIGN).where(row, _CAMPAIGN.c.begun_us.is_(None)).values(begun_us=event.at))


def _columns(event: AttemptEnded) -> dict[str, Any]:
    answered_us = event.answered_at or None
    if answered_us is None and event.outcome.live_answer:
        answered_us = event.at  # a live answer counts in some hour, whatever was not heard
    return {
        "key_id": event.attempt_id,
        "answered_us": answered_us,
        "connected_us": event.connected_at or None,
        "outcome": event.outcome.value,
        "outcome_us": event.at,
        "wait_us": event.wait_us if event.connected_at else None,
        "cause": event.cause,
        "agent_id": event.agent_id,
        "rule": event.rule,
    }


def _let_go(connection: Connection, event: AttemptEnded) -> None:
    """Free the lead of an attempt that never had an INTENT: nothing was dialled, nothing is counted."""
    mine = update(_LEAD).where(_LEAD.c.attempt_id == event.attempt_id, is_in(LeadState.CLAIMED))
    connection.execute(mine.values(**RELEASED))


def _count(connection: Connection, event: AttemptEnded, seller: str) -> None:
    answered_us = event.answered_at or event.at
    key = {"campaign_id": event.campaign_id, "seller": seller, "hour_us": answered_us - answered_us % HOUR_US}
    connection.execute(insert_new(_HOUR, connection), key | {"answers": 0, "drops": 0})
    drop = int(event.outcome is Outcome.ABANDONED)
    hour = update(_HOUR).where(*(_HOUR.c[name] == value for name, value in key.items()))
    connection.execute(hour.values(answers=_HOUR.c.answers + 1, drops=_HOUR.c.drops + drop))


def _terms(connection: Connection, campaign_id: str) -> CampaignTerms:
    try:
        return standing(connection, campaign_id).terms
    except (NotFound, ConfigError):  # removed while its last calls were up, or damaged: what happened is kept anyway
        return CampaignTerms()


def _recycle(connection: Connection, event: AttemptEnded, attempt: Any, terms: CampaignTerms) -> None:
    """Decide what becomes of the lead."""
    columns_of_lead = (_LEAD.c.id, _LEAD.c.attempts, _LEAD.c.unrung)
    mine = (_LEAD.c.attempt_id == event.attempt_id, is_in(LeadState.DIALLED))
    lead = connection.execute(select(*columns_of_lead).where(*mine)).one_or_none()
    if lead is None:
        return
    columns: dict[str, Any] = RELEASED | {"last_outcome": event.outcome.value}
    if event.outcome in (Outcome.TRUNK, Outcome.NOT_DIALLED):  # nobody's phone rang: no limit counts it
        columns["unrung"] = lead.unrung + 1
        asked_us = terms.retry_after_us(event.outcome) or 0
        columns["next_us"] = event.at + max(unrung_delay_us(columns["unrung"]), asked_us)
        if columns["unrung"] >= MOST_UNRUNG:
            columns["state"] = LeadState.DONE.value
    else:
        columns["attempts"], columns["unrung"] = lead.attempts + 1, 0
        retry_us = terms.retry_after_us(event.outcome)
        if retry_us is None or columns["attempts"] >= terms.max_attempts:
            columns["state"] = LeadState.DONE.value
        else:
            columns["next_us"] = max(event.at + retry_us, attempt.intent_us + terms.min_interval_us)
    if columns["state"] != LeadState.DONE.value and unwanted(connection, [attempt.number]):
        columns["state"] = LeadState.DNC.value
    connection.execute(update(_LEAD).where(_LEAD.c.id == lead.id).values(**columns))


def unrung_delay_us(times: int) -> int:
    """Return how long a lead waits (µs) after so many dials in a row that reached nobody's telephone."""
    if times <= AT_ONCE_TIMES:
        return 0
    return min(FIRST_DELAY_US << min(times - AT_ONCE_TIMES - 1, 16), LONGEST_DELAY_US)
