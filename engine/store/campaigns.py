"""What the store itself must know of a campaign: whom it may dial again and when, its hours, and how it stands.

A campaign is a row with two values: the `CampaignPolicy`, which the floor is given too, and these `CampaignTerms`,
which only the store and the law look at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from engine.dialer.law import Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignId, CampaignPolicy, CampaignState
from engine.domain.flow import OpenSpan
from engine.domain.values import SECOND, Value
from engine.errors import ConfigError, NotFound
from engine.store.tables import Campaign, table

_CAMPAIGN = table(Campaign)

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0
RETRY_S: dict[Outcome, float] = {
    Outcome.BUSY: 15 * MINUTE_S,
    Outcome.NO_ANSWER: 2 * HOUR_S,
    Outcome.MACHINE: 4 * HOUR_S,
    Outcome.REJECTED: DAY_S,
    Outcome.NETWORK: 30 * MINUTE_S,
    Outcome.CANCELLED: 30 * MINUTE_S,
    Outcome.HUNG_UP_EARLY: DAY_S,
    # Ofcom: an abandoned number is not dialled again within 72 hours unless an agent is sure to be there.
    Outcome.ABANDONED: 72 * HOUR_S,
    Outcome.LOST: DAY_S,
}
"""After what time a lead is called again, by the outcome of its last attempt. Others end it."""


class CampaignTerms(Value):
    """How a campaign may treat the people it calls. Durations are seconds.

    `rules`: calling hours, caps and intervals per number, asked at the claim and again at the INTENT. `timezone`: where
    people are taken to be whose number does not tell; empty: they are not called. `max_attempts`: then the lead is
    done. `retry_s`: other delays than `RETRY_S` by outcome; 0 ends the lead. `region`: the country (ISO 3166, e.g. DE)
    of numbers that are imported without country code. `schedule`: when the campaign is meant to work, for forecasts;
    nothing where that is unknown.
    """

    rules: Rules = Rules()
    timezone: str = ""
    max_attempts: int = 6
    retry_s: dict[str, float] = {}
    region: str = ""
    schedule: tuple[OpenSpan, ...] = ()

    def retry_after_us(self, outcome: Outcome) -> int | None:
        """After what time a lead with this last outcome is called again (µs); None when it is done."""
        seconds = self.retry_s.get(outcome.value, RETRY_S.get(outcome, 0.0))
        return round(seconds * SECOND) if seconds > 0 else None

    @property
    def min_interval_us(self) -> int:
        """The shortest time between two dials of one number, µs."""
        return round(max((rule.seconds for rule in self.rules.intervals), default=0.0) * SECOND)

    def zones(self, known: str) -> tuple[str, ...]:
        """Return the time zones of a lead whose group has these (names joined by commas)."""
        return tuple((known or self.timezone).split(",")) if known or self.timezone else ()


class Standing(NamedTuple):
    """A campaign as the store knows it. `begun_us` is its first start, None before."""

    policy: CampaignPolicy
    terms: CampaignTerms
    state: CampaignState
    begun_us: int | None


_POLICY = msgspec.json.Decoder(CampaignPolicy)
_TERMS = msgspec.json.Decoder(CampaignTerms)


def standing(connection: Connection, campaign_id: str) -> Standing:
    """Return a campaign, inside the caller's transaction.

    :raises NotFound: there is none.
    :raises ConfigError: its row cannot be read.
    """
    row = connection.execute(select(_CAMPAIGN).where(_CAMPAIGN.c.id == campaign_id)).one_or_none()
    if row is None:
        raise missing(campaign_id)
    return read_standing(row)


def read_standing(row: Any) -> Standing:
    """Return a campaign as its row tells it.

    :raises ConfigError: it cannot be read: another version wrote it, or another hand.
    """
    try:
        return Standing(_POLICY.decode(row.policy), _TERMS.decode(row.terms), CampaignState(row.state), row.begun_us)
    except ValueError as wrong:
        mend = f"Remove it with `callwright campaign remove {row.id}` and create it anew, or bring back a backup."
        raise ConfigError(
            f"its definition in the database cannot be read: {wrong}", where=f"campaign {row.id}", mend=mend
        ) from wrong


def missing(campaign_id: str | CampaignId) -> NotFound:
    """Return the error for a campaign that is not there."""
    return NotFound(f"there is no campaign {campaign_id}", where="campaign", mend="See `callwright campaign list`.")
