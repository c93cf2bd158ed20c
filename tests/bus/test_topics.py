"""Topics and envelopes: every event has a route, evil ids have none, nobody's number gets out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.page import topics_page
from engine.bus.topics import LONGEST_TEXT, ROUTES, UNSPOKEN, Announcer, Envelope, checked_id, envelope, topic, topics
from engine.domain import events
from engine.domain.agent import AgentState
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, CampaignId, CampaignState, LeadId, TrunkId
from engine.domain.interaction import Ending, InteractionState
from engine.domain.values import AgentId, Channel, InteractionId, LegId, QueueId, Token
from engine.errors import ConfigError, UsageError

AT = 1_767_225_600_250_000
IN = InteractionId("in_01KDVD3H7T")
QUEUE, ANNA = QueueId("support"), AgentId("anna")
SPRING, ATTEMPT = CampaignId("spring"), AttemptId("att_1")
SECRET = "+8613800138000"

ALL: tuple[tuple[events.AnyEvent, str], ...] = (
    (
        events.InteractionArrived(
            at=AT, interaction_id=IN, number=SECRET, flow="hello", caller=Token("tok_1"), caller_name=Token("tok_2")
        ),
        f"interaction/{IN}/arrived",
    ),
    (events.InteractionQueued(at=AT, interaction_id=IN, queue_id=QUEUE), f"interaction/{IN}/queued"),
    (
        events.InteractionOffered(
            at=AT, interaction_id=IN, queue_id=QUEUE, agent_id=ANNA, considered=3, waited_us=1_000_000
        ),
        f"interaction/{IN}/offered",
    ),
    (
        events.OfferFailed(at=AT, interaction_id=IN, queue_id=QUEUE, agent_id=ANNA, reason="ring-no-answer"),
        f"interaction/{IN}/offer-failed",
    ),
    (
        events.InteractionAnswered(
            at=AT, interaction_id=IN, queue_id=QUEUE, agent_id=ANNA, waited_us=7, recording=f"/var/{SECRET}.wav"
        ),
        f"interaction/{IN}/answered",
    ),
    (
        events.InteractionLeftQueue(at=AT, interaction_id=IN, queue_id=QUEUE, how=Ending.ABANDONED, waited_us=9),
        f"interaction/{IN}/left-queue",
    ),
    (events.InteractionEnded(at=AT, interaction_id=IN, ending=Ending.ANSWERED), f"interaction/{IN}/ended"),
    (events.AgentMoved(at=AT, agent_id=ANNA, old=AgentState.OFFLINE, new=AgentState.NOT_READY), "agent/anna/moved"),
    (events.FlowStepped(at=AT, interaction_id=IN, flow="hello", node="menu"), f"interaction/{IN}/flow-stepped"),
    (
        events.CallbackPromised(at=AT, interaction_id=IN, number=Token("tok_3"), spool_id="sp_1"),
        f"interaction/{IN}/callback-promised",
    ),
    (
        events.CampaignMoved(at=AT, campaign_id=SPRING, old=CampaignState.STOPPED, new=CampaignState.RUNNING),
        "campaign/spring/moved",
    ),
    (events.CampaignPaced(at=AT, campaign_id=SPRING, reason="risk", figures={"free": 2.0}), "campaign/spring/paced"),
    (
        events.LeadPreviewed(
            at=AT, agent_id=ANNA, attempt_id=ATTEMPT, campaign_id=SPRING, lead_id=LeadId("lead_1"), until=AT
        ),
        "agent/anna/previews",
    ),
    (
        events.AttemptEnded(
            at=AT,
            attempt_id=ATTEMPT,
            campaign_id=SPRING,
            lead_id=LeadId("lead_1"),
            trunk_id=TrunkId("east"),
            outcome=Outcome.BUSY,
            dialled_at=AT,
        ),
        "attempt/att_1/ended",
    ),
    (events.PersonOptedOut(at=AT, attempt_id=ATTEMPT, campaign_id=SPRING), "attempt/att_1/opted-out"),
    (events.TrunkMoved(at=AT, trunk_id=TrunkId("east"), state="open"), "trunk/east/moved"),
    (events.Anomaly(at=AT, what="a leg nobody knows", leg=LegId("1.2")), "engine/anomaly"),
)


def test_every_event_of_the_domain_has_a_route_and_an_example_here() -> None:
    assert set(ROUTES) == {type(event) for event, _ in ALL}
    assert set(ROUTES) | UNSPOKEN == set(get_args(events.AnyEvent))
    assert not set(ROUTES) & UNSPOKEN


def test_a_step_that_another_event_tells_is_not_announced() -> None:
    moved = events.InteractionMoved(
        at=AT, interaction_id=IN, old=InteractionState.ARRIVED, new=InteractionState.IN_FLOW, node="menu"
    )
    assert Announcer("main")(moved, 1) == []
    begun = events.AttemptBegun(
        at=AT, attempt_id=ATTEMPT, campaign_id=SPRING, lead_id=LeadId("lead_1"), trunk_id=TrunkId("east")
    )
    assert Announcer("main")(begun, 1) == []


@pytest.mark.parametrize(("event", "where"), ALL, ids=lambda value: value if isinstance(value, str) else "")
def test_topic_and_envelope(event: events.AnyEvent, where: str) -> None:
    (message,) = topics(event, 42, "main")
    assert message.topic == f"callwright/v1/main/{where}"
    assert (message.qos, message.retained) == (1, False)
    read = msgspec.json.decode(message.payload, type=Envelope)
    assert (read.seq, read.version, read.site) == (42, 1, "main")
    assert read.at == datetime.fromisoformat("2026-01-01T00:00:00.250Z")
    assert b'"at":"2026-01-01T00:00:00.250000Z"' in message.payload
    assert read.event.endswith(where.rsplit("/", 1)[1])
    assert msgspec.json.decode(read.data)["channel"] == Channel.VOICE
    assert SECRET.encode() not in message.payload


def test_a_message_sent_again_has_its_old_id_and_another_has_another() -> None:
    def id_of(event: events.AnyEvent, seq: int, site: str) -> str:
        return msgspec.json.decode(topics(event, seq, site)[0].payload, type=Envelope).id

    first = ALL[2][0]
    assert id_of(first, 1, "main") == id_of(msgspec.convert(msgspec.to_builtins(first), events.AnyEvent), 1, "main")
    seen = {id_of(event, seq, site) for event, _ in ALL for seq in (1, 2) for site in ("main", "east")}
    assert len(seen) == len(ALL) * 4


@given(st.text())
def test_only_plain_ids_become_part_of_a_topic(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_.\-]{1,128}", text, re.ASCII):
        assert checked_id(text, what="queue id") == text
        return
    with pytest.raises(UsageError) as refusal:
        checked_id(text, what="queue id")
    assert "queue id" in str(refusal.value)
    assert str(refusal.value).isascii() or "—" in str(refusal.value)


@pytest.mark.parametrize("evil", ["+", "#", "a/b", "a+", "", " ", "a\n", "a\x00", "销售", "$SYS", "٣", "a" * 129])
def test_evil_ids_and_sites_are_refused(evil: str) -> None:
    with pytest.raises(UsageError):
        checked_id(evil, what="agent id")
    with pytest.raises(ConfigError) as refusal:
        topic(evil, "agent", "anna", "state")
    assert refusal.value.where == "site.name"
    with pytest.raises(ConfigError):
        Announcer(evil)
    if evil:
        moved = events.AgentMoved(at=AT, agent_id=AgentId(evil), old=AgentState.OFFLINE, new=AgentState.AVAILABLE)
        with pytest.raises(UsageError):
            topics(moved, 1, "main")
        ((where, payload, retained),) = Announcer("main")(moved, 1)
        assert where == "callwright/v1/main/engine/refused"
        assert msgspec.json.decode(payload)["data"]["event"] == "agent.moved"
        assert not retained


@given(st.text(max_size=3 * LONGEST_TEXT), st.integers(0, 4_000_000_000_000_000), st.integers(0))
def test_any_text_makes_a_small_readable_payload(text: str, at: int, seq: int) -> None:
    anomaly = events.Anomaly(at=at, interaction_id=IN, what=text)
    ((where, payload, _),) = Announcer("main")(anomaly, seq)
    assert where.count("/") == 5
    assert len(payload) < 8 * LONGEST_TEXT
    assert not re.search(rb"[\x00-\x1f]", payload), "control characters must be escaped"
    read = msgspec.json.decode(payload, type=Envelope)
    data: dict[str, Any] = msgspec.json.decode(read.data)
    expected = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    assert data["what"] == expected
    assert (read.at - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(microseconds=1) == at


def test_an_envelope_tells_nothing_it_was_not_given() -> None:
    keys = msgspec.json.decode(envelope(site="main", seq=0, at=AT, event="engine.status", data={}))
    assert list(keys) == ["id", "seq", "at", "event", "version", "site", "data"]


def test_the_page_is_fresh() -> None:
    page = Path(__file__).parents[2] / "docs" / "topics.md"
    assert page.read_text(encoding="utf-8") == topics_page(), "run: python -m engine.bus.page > docs/topics.md"
