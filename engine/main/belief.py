"""The floor as the journal tells it: restored at start, replayed for proof, traced for an explanation.

The same `take` runs the facts here and live, so what comes out is what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.acd.matching import Decision
from engine.domain.commands import AnyCommand, Publish
from engine.domain.events import AnyEvent, InteractionOffered
from engine.domain.values import Value
from engine.errors import JournalBroken, NotFound
from engine.floor import Floor
from engine.runtime.loop import take
from engine.store.journal import read_journal
from engine.store.lines import Record, read_header, segment_paths
from engine.store.snapshots import nearest_snapshot


class Restored(NamedTuple):
    """A floor and the last fact it has seen."""

    floor: Floor
    seq: int


class ReplayReport(Value):
    """What a replay found. `ok`: the journal is whole, and every snapshot on the way equals the replayed floor."""

    ok: bool
    facts: int
    last_seq: int
    events: int
    snapshots_compared: int
    state_sha256: str
    differs_at: int = 0
    from_s: float = 0.0
    to_s: float = 0.0


class Explanation(Value):
    """One decision, recomputed: the offer that was made at journal position `seq`."""

    seq: int
    decision: Decision


OnEvents = Callable[[int, list[AnyEvent]], None]


def seed_of(directory: Path) -> str:
    """The seed in the journal's first line.

    Raises:
        NotFound: there is no journal in this folder.
    """
    paths = segment_paths(directory)
    if not paths:
        raise NotFound("there is no journal here", where=str(directory), mend="give the folder that `serve` writes")
    return read_header(paths[0]).seed


def restore(directory: Path, on_events: OnEvents = lambda _seq, _events: None, after: int = 0) -> Restored:
    """The floor after the last fact of the journal; from the nearest snapshot where there is one.

    Events of facts after `after` are handed to `on_events`: whatever was told the journal but not the fact tables.
    """
    if not segment_paths(directory):
        return Restored(Floor(), 0)
    seed = seed_of(directory)
    start = nearest_snapshot(directory, seed, after) if after else nearest_snapshot(directory, seed, 2**62)
    floor, seq = (Floor.restore(start[1]), start[0]) if start is not None else (Floor(), 0)
    for record in _records(directory, seq + 1):
        commands = take(floor, record.fact, record.now)
        seq = record.seq
        if seq > after:
            events = _events(commands)
            if events:
                on_events(seq, events)
    return Restored(floor, seq)


def replay(directory: Path, progress: Callable[[int], None] = lambda _seq: None) -> ReplayReport:
    """Run the whole journal from its first line and compare with every snapshot on the way."""
    import hashlib

    seed = seed_of(directory)
    floor, seq, count, events, compared, differs = Floor(), 0, 0, 0, 0, 0
    first = last = 0
    for record in _records(directory, 1):
        events += len(_events(take(floor, record.fact, record.now)))
        seq, count = record.seq, count + 1
        first, last = first or record.now, record.now
        if count % 1000 == 0:
            progress(seq)
        found = nearest_snapshot(directory, seed, seq) if _may_have_snapshot(directory, seq) else None
        if found is not None and found[0] == seq:
            compared += 1
            if found[1] != floor.snapshot() and not differs:
                differs = seq
    return ReplayReport(
        ok=not differs,
        facts=count,
        last_seq=seq,
        events=events,
        snapshots_compared=compared,
        state_sha256=hashlib.sha256(floor.snapshot()).hexdigest(),
        differs_at=differs,
        from_s=first / 1e6,
        to_s=last / 1e6,
    )


def explain(directory: Path, interaction_id: str) -> list[Explanation]:
    """Every decision about this interaction, recomputed with tracing.

    Raises:
        NotFound: the journal knows no decision about it.
    """
    seed = seed_of(directory)
    first = _first_mention(directory, interaction_id)
    start = nearest_snapshot(directory, seed, first - 1) if first > 1 else None
    traces: list[Decision] = []
    floor = Floor.restore(start[1], traces.append) if start is not None else Floor(tracer=traces.append)
    found: list[Explanation] = []
    for record in _records(directory, (start[0] if start is not None else 0) + 1):
        traces.clear()
        commands = take(floor, record.fact, record.now)
        found.extend(
            Explanation(seq=record.seq, decision=trace) for trace in traces if trace.interaction_id == interaction_id
        )
        if found and _is_over(commands, interaction_id):
            break
    if not found:
        raise NotFound(
            f"no decision about {interaction_id} in the journal",
            where=str(directory),
            mend="see `callwright interaction list`; a caller who left in the flow was never matched",
        )
    return found


def _first_mention(directory: Path, interaction_id: str) -> int:
    for record in _records(directory, 1):
        if record.fact.interaction_id == interaction_id:
            return record.seq
    raise NotFound(f"{interaction_id} is not in the journal", where=str(directory), mend="see `interaction list`")


def _is_over(commands: tuple[AnyCommand, ...], interaction_id: str) -> bool:
    return any(
        type(event).__name__ == "InteractionEnded" and event.interaction_id == interaction_id
        for event in _events(commands)
    )


def _records(directory: Path, from_seq: int) -> Iterator[Record]:
    return read_journal(directory, from_seq)


def _may_have_snapshot(directory: Path, seq: int) -> bool:
    return (directory / f"floor-{seq:012d}.json").exists()


def _events(commands: tuple[AnyCommand, ...]) -> list[AnyEvent]:
    return [command.event for command in commands if isinstance(command, Publish)]


__all__ = [
    "Explanation",
    "InteractionOffered",
    "JournalBroken",
    "ReplayReport",
    "Restored",
    "explain",
    "replay",
    "restore",
]
