"""A simulated campaign is decided by the floor that runs live: its facts, kept as a journal, are read, checked,
replayed and restored by what a live engine starts and verifies itself with, and cause the same commands.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from engine.domain.commands import AnyCommand, Dial
from engine.domain.facts import AnyFact
from engine.floor import Deadline, Floor
from engine.main import belief
from engine.runtime.loop import take
from engine.simulation.pacings import OURS, rule
from engine.simulation.run import floor_for
from engine.simulation.world import World
from engine.store.journal import Journal, read_journal, verify_journal
from tests.simulation.studio import scenario

SNAPSHOT_EVERY = 2_000
TWENTY_MINUTES = scenario(hours=1 / 3, warmup=0)
"""Of ten agents."""


class Kept:
    """A floor whose commands are kept, and whose state is written beside the journal now and then, as live."""

    def __init__(self, floor: Floor, journal: Journal) -> None:
        self.floor = floor
        self.commands: list[tuple[AnyCommand, ...]] = []
        self._journal = journal

    def handle(self, fact: AnyFact, now: int) -> tuple[AnyCommand, ...]:
        commands = self.floor.handle(fact, now)
        self.commands.append(commands)
        if self._journal.last_seq % SNAPSHOT_EVERY == 0:
            self._journal.flush()
            self._journal.snapshot(self._journal.last_seq, self.floor.snapshot())
        return commands

    def deadline(self) -> Deadline | None:
        return self.floor.deadline()


def kept(folder: Path, pacing: str) -> Kept:
    """Play the twenty minutes and keep their journal."""
    chosen = rule(pacing)
    journal = Journal.open(folder, seed="simulated", engine="simulation")
    core = Kept(floor_for(chosen), journal)
    World(core, TWENTY_MINUTES, seed=1, mode=chosen.mode, record=journal.append).play()
    journal.close()
    return core


@pytest.mark.parametrize("pacing", OURS)
def test_a_simulations_journal_is_a_live_one(tmp_path: Path, pacing: str) -> None:
    core = kept(tmp_path, pacing)
    assert sum(isinstance(each, Dial) for commands in core.commands for each in commands) > 100
    assert verify_journal(tmp_path) == []

    live = Floor()
    assert [take(live, each.fact, each.now) for each in read_journal(tmp_path)] == core.commands

    report = belief.replay(tmp_path)
    assert report.ok
    assert report.facts == len(core.commands)
    assert report.snapshots_compared == len(core.commands) // SNAPSHOT_EVERY > 0
    assert report.state_sha256 == sha256(core.floor.snapshot()).hexdigest()

    restored = belief.restore(tmp_path)
    assert restored.snapshot_seq > 0
    assert restored.floor.snapshot() == core.floor.snapshot()
