"""AMI Bridge takes any channel whose id begins with the one it is given: nobody may be joined to a stranger by that."""

from __future__ import annotations

from pathlib import Path

from engine.domain.facts import AgentSignedIn
from engine.domain.values import AgentId, LegMode
from tests.main.hall import NAILED, Hall

CALLERS = 12
"""The first id, `….1`, begins those of the tenth and the two after him."""


async def test_who_waits_longest_is_joined_and_not_one_whose_id_begins_alike(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        calls = [await hall.call_in() for _ in range(CALLERS)]
        first, *others = calls
        assert any(other.leg.uniqueid.startswith(first.leg.uniqueid) for other in others)
        hall.engine.loop.put(AgentSignedIn(agent_id=AgentId(NAILED), mode=LegMode.NAILED_UP, by="test"))
        await hall.talk(first)
        assert first.bridged
        assert not any(other.bridged for other in others)
