"""A full inbox: what it drops is found again, and what could not be found again is not dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.domain.agent import AgentState
from engine.domain.facts import AgentSignedIn
from engine.domain.interaction import InteractionState
from engine.domain.values import AgentId, LegMode
from engine.main.console import LiveConsole
from engine.runtime import loop
from tests.main.hall import NAILED, NUMBER, RUNG, Call, Hall


@contextmanager
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if 100,000 facts were waiting."""
    with monkeypatch.context() as patch:
        patch.setattr(loop, "INBOX_LIMIT", 0)
        yield


async def agrees(hall: Hall) -> None:
    """Belief, Asterisk and tables say the same."""
    await hall.on_disk()
    assert (await LiveConsole(hall.engine).verify()).violations == ()


async def test_callers_and_agents_who_come_while_it_is_full(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        with full(monkeypatch):
            hall.engine.loop.put(AgentSignedIn(agent_id=AgentId(RUNG), mode=LegMode.ON_DEMAND, by="test"))
            stays = Call(hall, hall.asterisk.call_in(NUMBER, "+447700900124"))
            leaves = Call(hall, hall.asterisk.call_in(NUMBER, "+447700900125"))
            await hall.until(lambda: stays.interaction is not None and leaves.interaction is not None)
            before = hall.engine.loop.dropped
            await leaves.hang_up()
            await hall.until(lambda: hall.engine.loop.dropped > before)
        await hall.ended(leaves)
        assert hall.agent(RUNG).state is not AgentState.OFFLINE
        await stays.flow("1")
        await stays.hold()
        await hall.talk(stays)
        await agrees(hall)


async def test_a_hang_up_in_the_middle_of_a_talk_is_noticed_afterwards(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        await hall.talk(call)
        waiting = await hall.call_in()
        with full(monkeypatch):
            await call.hang_up()
            await hall.until(lambda: hall.engine.loop.dropped > 0)
        await hall.ended(call)
        await hall.talk(waiting)
        await agrees(hall)


async def test_a_talk_that_fell_apart_unseen_is_mended(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both legs live, but in no bridge: only a comparison from blindness believes a picture that takes away."""
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        await hall.talk(call)
        with full(monkeypatch):
            hall.asterisk.model.redirect(call.leg, "callwright-call", "hold")
            await hall.until(lambda: hall.engine.loop.dropped > 0)
            assert not call.bridged
        await hall.until(lambda: not hall.engine.loop.floor.state.blind)
        await hall.until(lambda: call.state is not InteractionState.TALKING or call.bridged)
        await agrees(hall)
