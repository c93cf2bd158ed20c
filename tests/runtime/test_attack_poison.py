"""A bug of ours, met by a fact or a command, costs that fact or command; not the engine, and not each start after."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.domain.commands import AnyCommand, HangUp, Resync
from engine.domain.events import AnyEvent, InteractionArrived
from engine.domain.facts import AnyFact, AsteriskSeen, CallArrived, EngineStarted, HangUpRequested
from engine.domain.values import InteractionId, LegId
from engine.floor import Floor
from engine.floor.state import Timer
from engine.runtime.clock import Clock
from engine.runtime.loop import FloorLoop, take

LEG, CALL = LegId("1700000000.1"), InteractionId("ix_1")


class Kept:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.events: list[AnyEvent] = []

    def append(self, fact: AnyFact, now: int) -> int:
        self.facts.append(fact)
        return len(self.facts)

    def note(self, seq: int, events: Sequence[AnyEvent]) -> None:
        self.events.extend(events)

    async def barrier(self, seq: int) -> None:
        return


class Phones:
    """Telephony that notes commands, and cannot begin those to some legs."""

    def __init__(self, *unfit: LegId) -> None:
        self.started: list[AnyCommand] = []
        self._unfit = unfit

    def start(self, command: AnyCommand) -> None:
        if getattr(command, "leg", None) in self._unfit:
            raise ValueError("a leg's name that no action can carry")
        self.started.append(command)


def poisoned() -> Floor:
    """A floor on which every fact meets a bug: a deadline of a kind that this version does not know."""
    floor = Floor()
    floor.handle(EngineStarted(version="1", epoch=1), 1)
    floor.handle(AsteriskSeen(legs=(), boot="1"), 2)
    floor.handle(CallArrived(leg=LEG, interaction_id=CALL, number="+44"), 3)
    floor.state.timers["unheard-of:ix_1"] = Timer(at=4, kind="unheard-of", subject="ix_1")
    return Floor.restore(floor.snapshot())


def test_the_bug_is_there() -> None:
    with pytest.raises(KeyError):
        poisoned().handle(HangUpRequested(interaction_id=CALL, by="x"), 5)


def test_the_loop_lives_on_and_asterisk_is_compared() -> None:
    kept, phones = Kept(), Phones()
    loop = FloorLoop(poisoned(), Clock(), kept, phones)
    loop.handle(HangUpRequested(interaction_id=CALL, by="x"))
    assert phones.started == [Resync(reason="a fact could not be handled")]
    loop.handle(HangUpRequested(interaction_id=CALL, by="x"))
    assert phones.started[1:] == [HangUp(leg=LEG)]
    assert len(kept.facts) == 2


def test_replay_meets_the_same_bug_and_comes_to_the_same_floor() -> None:
    live, again = poisoned(), poisoned()
    facts = [HangUpRequested(interaction_id=CALL, by="x"), HangUpRequested(interaction_id=CALL, by="y")]
    assert [take(live, fact, 5) for fact in facts] == [take(again, fact, 5) for fact in facts]
    assert live.snapshot() == again.snapshot()


def test_what_a_broken_off_fact_had_caused_is_carried_out() -> None:
    floor = poisoned()
    floor.state.timers["longest-wait:ix_0"] = Timer(at=2, kind="longest-wait", subject="ix_0")
    floor = Floor.restore(floor.snapshot())
    commands = take(floor, AsteriskSeen(legs=(), boot="1"), 5)
    assert [type(command).__name__ for command in commands].count("Publish") >= 1
    assert not any(isinstance(command, Resync) for command in commands)  # or it would ask for itself for ever


def test_a_command_that_cannot_be_begun_costs_no_other() -> None:
    kept, phones = Kept(), Phones(LEG)
    floor = Floor()
    loop = FloorLoop(floor, Clock(), kept, phones)
    loop.handle(EngineStarted(version="1", epoch=1))
    loop.handle(AsteriskSeen(legs=(), boot="1"))
    loop.handle(CallArrived(leg=LEG, interaction_id=CALL, number="+44"))
    loop.handle(HangUpRequested(interaction_id=CALL, by="x"))
    assert phones.started == []
    assert [type(event) for event in kept.events][:1] == [InteractionArrived]
