"""`explain` for a caller about whom nothing was decided: where he is, and what has to happen first."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.facts import ControlGained
from engine.domain.interaction import InteractionState
from engine.domain.values import SECOND, LegId
from engine.errors import JournalBroken, NotFound
from engine.main import belief
from engine.store.lines import segment_paths
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


async def test_only_the_callers_own_time_is_read_of_a_long_journal(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what was before he came, which may be years, and not what came after he had gone."""
    monkeypatch.setattr(belief, "MINTED_BEFORE", 0)
    async with Hall(tmp_path, sounds, snapshot_every=5) as hall:
        journal = hall.settings.paths.journal

        async def next_segment() -> None:
            known = hall.engine._snapshot_seq
            await hall.until(lambda: hall.engine._snapshot_seq > known)
            await hall.on_disk()

        before = await hall.call_in()
        await next_segment()
        await hall.call_in()  # a segment begins with the first fact after a snapshot: not with his, for once
        call = await hall.call_in()
        await call.hang_up()
        await hall.ended(call)
        await next_segment()
        after = await hall.call_in()
        await hall.on_disk()
        first, *_, last = segment_paths(journal)
        for path in (first, last):
            path.write_bytes(path.read_bytes().replace(b'"now":', b'"nov":', 3))
        assert (await refusal(hall, call)).what == "it is over, and no agent was ever chosen for it"
        for other in (before, after):
            with pytest.raises(JournalBroken):
                belief.explain(journal, other.id)


async def test_an_id_from_a_clock_that_was_ahead_is_found_all_the_same(
    tmp_path: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belief, "MINTED_BEFORE", -3600 * SECOND)
    async with Hall(tmp_path, sounds, snapshot_every=5) as hall:
        call = await hall.call_in()
        await hall.until(lambda: hall.engine._snapshot_seq > 0)
        await hall.call_in()
        assert (await refusal(hall, call)).what.startswith("it is waiting in queue sales")
        for nobody in ("ix_none", "01", "", f"ix_{'Z' * 26}"):
            with pytest.raises(NotFound, match="not in the journal"):
                belief.explain(hall.settings.paths.journal, nobody)
