"""Facts, events and commands: complete unions, readable again from JSON, silent about people."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from engine.domain import commands, events, facts
from engine.domain.commands import AnyCommand, Command
from engine.domain.events import AnyEvent, Event
from engine.domain.facts import AnyFact, CallArrived, Fact, LegEnded
from engine.domain.values import Channel, InteractionId, LegId, Token, Value
from engine.floor import Floor
from engine.floor.floor import _ROUTES
from tests.floor.hall import NAILED, RUNG, Hall

UNIONS: list[tuple[Any, type[Value]]] = [(AnyFact, Fact), (AnyEvent, Event), (AnyCommand, Command)]


@pytest.mark.parametrize(("union", "base"), UNIONS)
def test_every_word_is_in_its_union_and_explains_itself(union: Any, base: type[Value]) -> None:
    assert set(get_args(union)) == set(base.__subclasses__())
    assert all(word.__doc__ and word.__doc__ != base.__doc__ for word in get_args(union))


@pytest.mark.parametrize("base", [Fact, Event])
def test_interaction_channel_customer_and_case_are_on_every_fact_and_event(base: type[Value]) -> None:
    for word in base.__subclasses__():
        assert {"at", "interaction_id", "channel", "customer_id", "case_id"} <= set(word.__annotations__) | set(
            base.__annotations__
        )


def test_the_floor_takes_every_fact() -> None:
    assert set(_ROUTES) == set(get_args(AnyFact))


def test_what_happened_in_a_busy_hall_reads_back_from_json() -> None:
    hall = Hall()
    hall.talking(NAILED).hang_up()
    hall.talking(RUNG).hang_up()
    hall.wait(60)
    for fact, _ in hall.told:
        assert facts.DECODER.decode(facts.ENCODER.encode(fact)) == fact
    for event in hall.events:
        assert events.DECODER.decode(events.ENCODER.encode(event)) == event
    decoder: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(commands.AnyCommand)
    for command in hall.log:
        assert decoder.decode(msgspec.json.encode(command)) == command


def test_an_older_journal_without_the_newer_fields_is_read() -> None:
    fact = facts.DECODER.decode(b'{"fact":"LegEnded","leg":"c1"}')
    assert fact == LegEnded(leg=LegId("c1"), cause=16, lost=False, at=0, channel=Channel.VOICE)


def test_an_unknown_field_or_fact_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        facts.DECODER.decode(b'{"fact":"LegEnded","leg":"c1","colour":"red"}')
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        facts.DECODER.decode(b'{"fact":"LegPainted","leg":"c1"}')


def test_values_cannot_be_changed() -> None:
    fact = LegEnded(leg=LegId("c1"))
    with pytest.raises(AttributeError, match="immutable"):
        fact.cause = 17  # type: ignore[misc]


def test_a_person_is_only_a_token_in_all_that_the_floor_says_and_keeps() -> None:
    """The number that is ours is no secret; who called is."""
    floor = Floor()
    arrived = CallArrived(
        interaction_id=InteractionId("ia"), leg=LegId("c1"), number="+4930100", caller=Token("tok"), at=1
    )
    said = [msgspec.json.encode(command) for command in floor.handle(arrived, 1)]
    assert said
    assert b'"caller":"tok"' in b"".join(said)
    assert b'"caller":"tok"' in floor.snapshot()
