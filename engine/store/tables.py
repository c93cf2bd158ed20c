"""The tables. Instants are UTC microseconds (BIGINT), ids are text, policies are JSON text as the domain encodes them.

Fact tables follow Genesys's model of a conversation: who took part (participants: the customer, the flow, the queue,
each agent), on which legs (sessions), in which phases (segments). Participants overlap; the segments of one do not.
Facts have no foreign keys: what happened cannot be refused because a queue was removed meanwhile.

Personal data appears only as tokens; the table `token` alone resolves them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite counts up by itself only in a column typed INTEGER.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")
LIVE = "outcome IN ('connected', 'abandoned', 'hung-up-early')"
"""Attempts that a person answered, as partial indexes spell it."""


def _where(condition: str) -> dict[str, Any]:
    """Return what makes an index hold only the rows for which a condition is true."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Row(SQLModel):
    """Base of all rows; holds the project's own MetaData, so that migrations see nothing foreign."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)


def table(row: type[Row]) -> Table:
    """Return the table behind a row class, for statements on many rows."""
    return Row.metadata.tables[str(row.__tablename__)]


# --- what happened ---------------------------------------------------------------------------------------------------


class Conversation(Row, table=True):
    """One interaction, whatever its channel. `state` is its InteractionState, `ending` its Ending once it ended."""

    __table_args__ = (Index(None, "arrived_us"),)

    id: str = Field(primary_key=True)
    channel: str
    unit: str
    customer_id: str | None = None
    case_id: str | None = None
    number: str
    flow: str
    caller: str | None = None
    caller_name: str | None = None
    state: str
    arrived_us: int = Field(sa_type=BigInteger)
    ended_us: int | None = Field(default=None, sa_type=BigInteger)
    ending: str | None = None
    cause: int | None = None
    talk_us: int = Field(default=0, sa_type=BigInteger)
    wrap_up_us: int = Field(default=0, sa_type=BigInteger)
    campaign_id: str | None = None
    attempt_id: str | None = None


class Participant(Row, table=True):
    """Who took part in a conversation: `purpose` is customer, flow, queue or agent; `who` the latter's id."""

    conversation_id: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    who: str = Field(primary_key=True)
    joined_us: int = Field(sa_type=BigInteger)


class Session(Row, table=True):
    """One leg of a conversation: `leg` is Asterisk's Uniqueid. `recording` is the recording's name, if any."""

    __table_args__ = (Index(None, "leg"),)

    conversation_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    purpose: str
    who: str
    channel: str
    leg: str
    start_us: int = Field(sa_type=BigInteger)
    end_us: int | None = Field(default=None, sa_type=BigInteger)
    recording: str = ""


class Segment(Row, table=True):
    """One phase of one participant: `phase` is flow, queue, ring, talk or wrap-up; `how` says how it ended.

    A `queue` segment is a whole visit to a queue, from entering to answer or leaving; offers that fail lie inside it.
    `position` is the journal's number × 1,000,000 + a count, so it sorts by time and is the same after a replay.
    """

    __table_args__ = (
        Index(None, "phase", "start_us"),
        Index(None, "agent_id", "start_us"),
    )

    conversation_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    phase: str
    who: str
    queue_id: str | None = None
    agent_id: str | None = None
    start_us: int = Field(sa_type=BigInteger)
    end_us: int | None = Field(default=None, sa_type=BigInteger)
    how: str = ""
    waited_us: int | None = Field(default=None, sa_type=BigInteger)
    agent_was_free: bool = False


class AgentSpan(Row, table=True):
    """An agent in one state from `start_us` to `end_us`. Being offline is the absence of a span."""

    __tablename__ = "agent_span"
    __table_args__ = (
        Index(None, "start_us"),
        # An agent has one open span and, over the years, many thousands of closed ones.
        Index(
            "ix_agent_span_open",
            "agent_id",
            sqlite_where=text("end_us IS NULL"),
            postgresql_where=text("end_us IS NULL"),
        ),
    )

    agent_id: str = Field(primary_key=True)
    start_us: int = Field(primary_key=True, sa_type=BigInteger)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    state: str
    reason: str = ""
    end_us: int | None = Field(default=None, sa_type=BigInteger)


# --- definitions -----------------------------------------------------------------------------------------------------


class Unit(Row, table=True):
    """A client, department or branch. Units are a tree; everything belongs to one."""

    id: str = Field(primary_key=True)
    name: str
    parent: str | None = Field(default=None, sa_column_args=[ForeignKey("unit.id")])


class Skill(Row, table=True):
    """A skill that agents have and queues ask for."""

    id: str = Field(primary_key=True)
    name: str


class Agent(Row, table=True):
    """An AgentProfile (`policy`) and the argon2 hash of the agent's PIN. `pin_*` count failures and lock out."""

    id: str = Field(primary_key=True)
    unit: str = Field(sa_column_args=[ForeignKey("unit.id")])
    policy: str = Field(sa_type=Text)
    pin_hash: str | None = None
    pin_failures: int = 0
    pin_locked_until_us: int = Field(default=0, sa_type=BigInteger)


class Queue(Row, table=True):
    """A QueuePolicy."""

    id: str = Field(primary_key=True)
    unit: str = Field(sa_column_args=[ForeignKey("unit.id")])
    policy: str = Field(sa_type=Text)


class Number(Row, table=True):
    """A NumberPolicy; the id is the number in E.164."""

    id: str = Field(primary_key=True)
    unit: str = Field(sa_column_args=[ForeignKey("unit.id")])
    policy: str = Field(sa_type=Text)


class Trunk(Row, table=True):
    """A TrunkPolicy and, apart from it, the secret that `asterisk apply` writes out."""

    id: str = Field(primary_key=True)
    unit: str = Field(sa_column_args=[ForeignKey("unit.id")])
    policy: str = Field(sa_type=Text)
    secret: str = ""


# --- outbound --------------------------------------------------------------------------------------------------------


class Campaign(Row, table=True):
    """A CampaignPolicy and its CampaignTerms. `state` is what was last asked of it, `begun_us` its first start."""

    id: str = Field(primary_key=True)
    unit: str = Field(sa_column_args=[ForeignKey("unit.id")])
    policy: str = Field(sa_type=Text)
    terms: str = Field(default="{}", sa_type=Text, sa_column_kwargs={"server_default": "{}"})
    state: str = Field(default="stopped", sa_column_kwargs={"server_default": "stopped"})
    begun_us: int | None = Field(default=None, sa_type=BigInteger)


class LeadGroup(Row, table=True):
    """Leads of a campaign with equal priority and equal time zones: a claim asks group by group, never lead by lead.

    `zones` are IANA names joined by commas, in alphabetical order; empty where the number does not tell.
    """

    __tablename__ = "lead_group"
    __table_args__ = (UniqueConstraint("campaign_id", "priority", "zones"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    campaign_id: str
    priority: int
    zones: str = Field(sa_type=Text)


class Lead(Row, table=True):
    """Somebody to be called: `number` is a token, `state` a LeadState.

    `lease_us` and `attempt_id` are set while it is claimed, `attempt_id` also while it is dialled. It may not be called
    before `next_us`. `attempts` counts the dials that its campaign's limit counts, `unrung` those since the last of
    them, one after the other, that reached nobody's telephone.
    """

    __table_args__ = (
        UniqueConstraint("campaign_id", "number"),
        Index(None, "number"),
        Index(None, "campaign_id", "state"),
        # The order in which leads of one group are claimed. Only leads that wait are in it.
        Index("ix_lead_waiting", "group_id", "next_us", "id", **_where("state = 'new'")),
        Index("ix_lead_leased", "lease_us", **_where("state = 'claimed'")),
        Index("ix_lead_attempt", "attempt_id", unique=True, **_where("attempt_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    campaign_id: str
    group_id: int = Field(sa_type=BigInteger)
    number: str
    segment: str = ""
    state: str = "new"
    attempts: int = 0
    last_outcome: str | None = None
    next_us: int = Field(default=0, sa_type=BigInteger)
    lease_us: int | None = Field(default=None, sa_type=BigInteger)
    attempt_id: str | None = None
    import_id: str = ""
    unrung: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class LeadImport(Row, table=True):
    """One import of a file. `ended_us` is missing while it goes on, or when it was cut off.

    `number_column`: the name of the column that the numbers were taken from.
    """

    __tablename__ = "lead_import"
    __table_args__ = (Index(None, "campaign_id", "begun_us"),)

    id: str = Field(primary_key=True)
    campaign_id: str
    source: str
    begun_us: int = Field(sa_type=BigInteger)
    ended_us: int | None = Field(default=None, sa_type=BigInteger)
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    number_column: str = Field(default="", sa_column_kwargs={"server_default": ""})


class RejectedRow(Row, table=True):
    """A row of an imported file that became no lead: its line, why, and what stood for the number, masked."""

    __tablename__ = "rejected_row"

    import_id: str = Field(primary_key=True)
    line: int = Field(primary_key=True, sa_type=BigInteger)
    reason: str
    masked: str = ""


class DialAttempt(Row, table=True):
    """The ledger: one row per attempt, written before anything is dialled. `outcome` is NULL while it is open.

    `number` is a token, `lookup` the vault's keyed hash of the same number: what the law counts per number goes by it,
    so erasing a person and importing his number again gives nobody more calls. NULL where the token was erased before.
    A refused attempt has outcome `refused` and its rule from the beginning; nothing was dialled.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        Index(None, "number", "intent_us"),
        Index(None, "lookup", "intent_us"),
        Index(None, "campaign_id", "intent_us"),
        Index("ix_attempt_open", "intent_us", **_where("outcome IS NULL")),
        # The edges of a budget's window; whole hours are in live_answers_hour.
        Index("ix_attempt_live", "campaign_id", "answered_us", **_where(LIVE)),
        Index("ix_attempt_live_seller", "seller", "answered_us", **_where(LIVE)),
    )

    id: str = Field(primary_key=True)
    campaign_id: str
    seller: str
    lead_id: str
    number: str
    trunk_id: str
    intent_us: int = Field(sa_type=BigInteger)
    answered_us: int | None = Field(default=None, sa_type=BigInteger)
    connected_us: int | None = Field(default=None, sa_type=BigInteger)
    outcome: str | None = None
    outcome_us: int | None = Field(default=None, sa_type=BigInteger)
    wait_us: int | None = Field(default=None, sa_type=BigInteger)
    cause: int = 0
    rule: str = ""
    agent_id: str | None = None
    lookup: bytes | None = Field(default=None, sa_type=LargeBinary)


class CampaignSpan(Row, table=True):
    """A campaign running or paused from `start_us` to `end_us`. Being stopped is the absence of a span."""

    __tablename__ = "campaign_span"

    campaign_id: str = Field(primary_key=True)
    start_us: int = Field(primary_key=True, sa_type=BigInteger)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    state: str
    reason: str = ""
    end_us: int | None = Field(default=None, sa_type=BigInteger)


class TrunkSpan(Row, table=True):
    """A trunk's circuit breaker open or probing from `start_us` to `end_us`. Being well is the absence of a span."""

    __tablename__ = "trunk_span"

    trunk_id: str = Field(primary_key=True)
    start_us: int = Field(primary_key=True, sa_type=BigInteger)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    state: str
    reason: str = ""
    end_us: int | None = Field(default=None, sa_type=BigInteger)


class LiveAnswersHour(Row, table=True):
    """Sums of one campaign over the hour from `hour_us`: people who answered, and those of them who were abandoned."""

    __tablename__ = "live_answers_hour"
    __table_args__ = (Index(None, "seller", "hour_us"),)

    campaign_id: str = Field(primary_key=True)
    seller: str = Field(primary_key=True)
    hour_us: int = Field(primary_key=True, sa_type=BigInteger)
    answers: int = 0
    drops: int = 0


class DoNotCall(Row, table=True):
    """A number that must not be called. `lookup` is the vault's keyed hash of it, `number` a token for showing it.

    The hash stays when the person is erased: otherwise a later import would call again who asked not to be called.
    """

    __tablename__ = "do_not_call"

    lookup: bytes = Field(primary_key=True, sa_type=LargeBinary)
    number: str
    source: str
    by: str = ""
    added_us: int = Field(sa_type=BigInteger)


# --- the store's own -------------------------------------------------------------------------------------------------


class PersonalData(Row, table=True):
    """What a token stands for. `lookup` is HMAC-SHA256 of kind and value; rarely one value has several tokens."""

    __tablename__ = "token"
    __table_args__ = (Index(None, "lookup"), Index(None, "created_us"))

    id: str = Field(primary_key=True)
    kind: str
    value: str
    lookup: bytes = Field(sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)


class Outgoing(Row, table=True):
    """A message for the bus, kept until the broker has taken it. `seq` is the order of publishing."""

    __tablename__ = "outbox"
    __table_args__ = {"sqlite_autoincrement": True}

    seq: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    topic: str
    payload: bytes = Field(sa_type=LargeBinary)
    retained: bool = False
    created_us: int = Field(sa_type=BigInteger)


class Projection(Row, table=True):
    """Up to which fact of which journal the fact tables are filled. One row."""

    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(default=1, primary_key=True)
    journal: str
    last_seq: int = Field(default=0, sa_type=BigInteger)
    skipped: int = 0


class RescueCallback(Row, table=True):
    """A caller whom the rescue script served while the engine was away. `number` and `caller` are tokens.

    `outcome` is callback or hung-up. `promised_us` is set by the event that the imported fact led to; until then, a
    callback may be lost by a crash and must be handed to the floor again.
    """

    __tablename__ = "rescue_callback"

    id: str = Field(primary_key=True)
    uniqueid: str
    dialled: str
    caller: str | None = None
    number: str | None = None
    outcome: str
    language: str
    taken_us: int = Field(sa_type=BigInteger)
    promised_us: int | None = Field(default=None, sa_type=BigInteger)
