"""The board of retained states, compared with a simple model over random histories."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.board import StateBoard
from engine.domain import events
from engine.domain.agent import AgentState
from engine.domain.interaction import Ending
from engine.domain.values import AgentId, InteractionId, QueueId
from engine.errors import ConfigError
from tests.bus.peers import data_of

AT = 1_767_225_600_000_000
SUPPORT = "callwright/v1/main/queue/support/state"

agents = st.sampled_from([AgentId("anna"), AgentId("bo")])
interactions = st.sampled_from([InteractionId(f"in_{number}") for number in range(5)])
queues = st.sampled_from([QueueId("support"), QueueId("sales")])
history = st.lists(
    st.one_of(
        st.builds(
            events.AgentMoved,
            at=st.just(AT),
            agent_id=agents,
            old=st.sampled_from(AgentState),
            new=st.sampled_from(AgentState),
        ),
        st.builds(events.InteractionQueued, at=st.just(AT), interaction_id=interactions, queue_id=queues),
        st.builds(
            events.InteractionLeftQueue,
            at=st.just(AT),
            interaction_id=interactions,
            queue_id=queues,
            how=st.just(Ending.ABANDONED),
            waited_us=st.just(1),
        ),
        st.builds(
            events.InteractionEnded, at=st.just(AT), interaction_id=interactions, ending=st.just(Ending.ABANDONED)
        ),
    ),
    max_size=40,
)


def queued(number: int, since: int = AT) -> events.InteractionQueued:
    return events.InteractionQueued(at=since, interaction_id=InteractionId(f"in_{number}"), queue_id=QueueId("support"))


@given(history)
def test_the_board_says_what_a_simple_model_says(happened: list[events.AnyEvent]) -> None:
    board = StateBoard("main")
    agent_states: dict[str, str] = {}
    places: dict[str, str] = {}
    shown: dict[str, bytes] = {}
    for seq, event in enumerate(happened, 1):
        board.apply(event, seq)
        if isinstance(event, events.AgentMoved):
            agent_states[event.agent_id] = event.new.value
        elif isinstance(event, events.InteractionQueued):
            places[str(event.interaction_id)] = event.queue_id
        else:
            places.pop(str(event.interaction_id), None)
        shown |= {message.topic: message.payload for message in board.take_changed()}
    assert board.take_changed() == []
    everything = {message.topic: message.payload for message in board.current()}
    assert everything == shown, "the changes one by one and the whole at once must say the same"
    states = {
        data_of(payload)["agent_id"]: data_of(payload)["state"]
        for where, payload in shown.items()
        if "/agent/" in where
    }
    assert states == agent_states
    counts = {
        data_of(payload)["queue_id"]: data_of(payload)["waiting"]
        for where, payload in shown.items()
        if "/queue/" in where
    }
    assert {queue: count for queue, count in counts.items() if count} == Counter(places.values())


def test_an_offer_and_its_failure_keep_the_original_time() -> None:
    board = StateBoard("main")
    board.apply(queued(1), 1)
    board.apply(queued(2, AT + 5_000_000), 2)
    offer = events.InteractionOffered(
        at=AT + 6_000_000,
        interaction_id=InteractionId("in_1"),
        queue_id=QueueId("support"),
        agent_id=AgentId("anna"),
        considered=1,
        waited_us=6_000_000,
    )
    board.apply(offer, 3)
    (message,) = board.take_changed()
    assert (message.topic, message.retained, message.qos) == (SUPPORT, True, 1)
    data = data_of(message.payload)
    assert (data["waiting"], data["offered"], data["oldest_since"]) == (1, 1, "2026-01-01T00:00:00Z")
    failed = events.OfferFailed(
        at=AT + 9_000_000,
        interaction_id=InteractionId("in_1"),
        queue_id=QueueId("support"),
        agent_id=AgentId("anna"),
        reason="ring-no-answer",
    )
    board.apply(failed, 4)
    data = data_of(board.take_changed()[0].payload)
    assert (data["waiting"], data["offered"], data["oldest_since"]) == (2, 0, "2026-01-01T00:00:00Z")


def test_an_empty_queue_is_shown_and_a_removed_one_is_cleared() -> None:
    board = StateBoard("main")
    board.open_queue(QueueId("support"), AT)
    assert data_of(board.take_changed()[0].payload)["oldest_since"] is None
    board.open_queue(QueueId("support"), AT + 1)
    assert board.take_changed() == []
    board.forget_queue(QueueId("support"))
    board.forget_agent(AgentId("nobody"))
    assert [(message.topic, message.payload, message.retained) for message in board.take_changed()] == [
        (SUPPORT, b"", True)
    ]
    assert board.current() == []


def test_only_who_and_what_is_defined_is_kept() -> None:
    board = StateBoard("main")
    for agent in ("anna", "ben"):
        board.seat(AgentId(agent), AgentState.AVAILABLE, AT)
    for queue in ("sales", "support"):
        board.open_queue(QueueId(queue), AT)
    board.take_changed()
    board.keep_only({AgentId("anna")}, {QueueId("sales")})
    assert {(message.topic, message.payload) for message in board.take_changed()} == {
        ("callwright/v1/main/agent/ben/state", b""),
        (SUPPORT, b""),
    }
    assert board.knows_agent(AgentId("anna"))
    assert not board.knows_agent(AgentId("ben"))


def test_ids_that_fit_no_topic_are_passed_over_and_a_bad_site_is_refused() -> None:
    board = StateBoard("main")
    board.seat(AgentId("a/#"), AgentState.AVAILABLE, AT)
    board.seat(AgentId("anna"), AgentState.AVAILABLE, AT)
    assert [message.topic for message in board.current()] == ["callwright/v1/main/agent/anna/state"]
    with pytest.raises(ConfigError):
        StateBoard("a/b")
