"""`explain` for a caller about whom nothing was decided: where he is, and what has to happen first."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.facts import ControlGained
from engine.domain.interaction import InteractionState
from engine.domain.values import LegId
from engine.errors import NotFound
from engine.main import belief
from tests.main.hall import Call, Hall


async def refusal(hall: Hall, call: Call) -> NotFound:
    """What is said of this caller."""
    await hall.on_disk()
    with pytest.raises(NotFound) as refused:
        belief.explain(hall.settings.paths.journal, call.id)
    assert refused.value.where == call.id
    return refused.value


async def test_a_caller_in_the_flow_is_told_of_with_state_and_node(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        call = await hall.dial()
        assert (await refusal(hall, call)).what == "it is arrived, and no agent has been looked for yet"
        hall.engine.loop.put(ControlGained(leg=LegId(call.leg.uniqueid), script="flow"))
        await hall.until(lambda: call.state is InteractionState.IN_FLOW)
        told = await refusal(hall, call)
        assert told.what == "it is in-flow at node choose of flow main, and no agent has been looked for yet"
        assert "as soon as the flow puts the caller into a queue" in told.mend


async def test_a_caller_for_whom_nobody_is_free_is_told_of_with_his_queue(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        call = await hall.call_in()
        told = await refusal(hall, call)
        assert told.what == "it is waiting in queue sales, and no agent who fits has been free yet"
        assert "callwright queue show sales" in told.mend
        await call.hang_up()
        await hall.ended(call)
        told = await refusal(hall, call)
        assert told.what == "it is over, and no agent was ever chosen for it"
        assert f"callwright interaction show {call.id}" in told.mend
