"""The floor as the journal tells it: restored at start, replayed for proof, traced for an explanation.

The same `take` runs the facts here and live, so what comes out is what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ulid import ULID

from engine.acd.matching import Decision
from engine.domain.commands import AnyCommand, Publish
from engine.domain.events import AnyEvent, InteractionEnded
from engine.domain.values import SECOND, Value
from engine.errors import NotFound
from engine.floor import Floor, called
from engine.runtime.loop import take
from engine.store.journal import read_journal, seq_before
from engine.store.lines import read_header, segment_paths
from engine.store.snapshots import nearest_snapshot

PROGRESS_EVERY = 1000
MINTED_BEFORE = 60 * SECOND
"""By how much the clock that ids are made by may be ahead of the journal's, without a second search."""
_LAST = 2**62


class Restored(NamedTuple):
    """A floor, the last fact it has seen, and the snapshot that it began with (0: none)."""

    floor: Floor
    seq: int
    snapshot_seq: int = 0


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
        raise NotFound(
            "there is no journal here",
            where=str(directory),
            mend="give the folder that `serve` writes, or its settings",
        )
    return read_header(paths[0]).seed


def restore(directory: Path, on_events: OnEvents | None = None, after: int = 0, upto: int = _LAST) -> Restored:
    """The floor after fact `upto` of the journal, or its last; from the nearest snapshot where there is one.

    Events of facts after `after` are handed to `on_events`: whatever was told the journal but not the fact tables. They
    are recomputed, so the replay then begins with a snapshot no later than `after`.

    Raises:
        JournalBroken: a line does not fit to the one before.
    """
    if not segment_paths(directory):
        return Restored(Floor(), 0)
    start = nearest_snapshot(directory, seed_of(directory), upto if on_events is None else min(after, upto))
    floor, begin = (Floor.restore(start[1]), start[0]) if start is not None else (Floor(), 0)
    seq = begin
    for record in read_journal(directory, begin + 1):
        if record.seq > upto:
            break
        commands = take(floor, record.fact, record.now)
        seq = record.seq
        if on_events is not None and seq > after:
            events = _events(commands)
            if events:
                on_events(seq, events)
    return Restored(floor, seq, begin)


def replay(directory: Path, progress: Callable[[int], None] = lambda _seq: None) -> ReplayReport:
    """Run the whole journal from its first line and compare with every sound snapshot on the way.

    `progress` is called with the number of the last fact, every thousand facts.

    Raises:
        NotFound: there is no journal in this folder.
        JournalBroken: a line does not fit to the one before.
    """
    seed = seed_of(directory)
    to_compare = {path.name for path in directory.glob("floor-*.json")}
    floor, seq, count, events, compared, differs_at = Floor(), 0, 0, 0, 0, 0
    first = last = 0
    for record in read_journal(directory, 1):
        events += len(_events(take(floor, record.fact, record.now)))
        seq, count = record.seq, count + 1
        first, last = first or record.now, record.now
        if count % PROGRESS_EVERY == 0:
            progress(seq)
        if f"floor-{seq:012d}.json" in to_compare:
            found = nearest_snapshot(directory, seed, seq)
            if found is not None and found[0] == seq:
                compared += 1
                if found[1] != floor.snapshot():
                    differs_at = differs_at or seq
    return ReplayReport(
        ok=not differs_at,
        facts=count,
        last_seq=seq,
        events=events,
        snapshots_compared=compared,
        state_sha256=sha256(floor.snapshot()).hexdigest(),
        differs_at=differs_at,
        from_s=first / SECOND,
        to_s=last / SECOND,
    )


def explain(directory: Path, interaction_id: str) -> list[Explanation]:
    """Every decision about this interaction, recomputed with tracing.

    Raises:
        NotFound: the journal knows no decision about it; the text says where the caller is instead.
    """
    if interaction_id.startswith("att_") and "." not in interaction_id:
        interaction_id = called.interaction_id(interaction_id)  # lists of attempts show them so
    seed = seed_of(directory)
    first = _first_mention(directory, interaction_id)
    start = nearest_snapshot(directory, seed, first - 1) if first > 1 else None
    traces: list[Decision] = []
    floor = Floor.restore(start[1], traces.append) if start is not None else Floor(tracer=traces.append)
    found: list[Explanation] = []
    for record in read_journal(directory, (start[0] if start is not None else 0) + 1):
        traces.clear()
        commands = take(floor, record.fact, record.now)
        found.extend(
            Explanation(seq=record.seq, decision=trace) for trace in traces if trace.interaction_id == interaction_id
        )
        if _is_over(commands, interaction_id):
            break
    if not found:
        raise _undecided(floor, interaction_id)
    return found


def _undecided(floor: Floor, interaction_id: str) -> NotFound:
    """Where somebody is for whom no agent was found, by the journal's end."""
    call = floor.interaction(interaction_id)
    if call is None:
        return NotFound(
            "it is over, and no agent was ever chosen for it",
            where=interaction_id,
            mend=f"see `callwright interaction show {interaction_id}`: in the flow, or still waiting, the caller left",
        )
    if call.queue_id is not None:
        return NotFound(
            f"it is {call.state} in queue {call.queue_id}, and no agent who fits has been free yet",
            where=interaction_id,
            mend=f"see `callwright queue show {call.queue_id}` for what is needed, and `callwright agent list`",
        )
    place = f" at node {call.flow.node} of flow {call.flow.flow}" if call.flow is not None else ""
    return NotFound(
        f"it is {call.state}{place}, and no agent has been looked for yet",
        where=interaction_id,
        mend="one is looked for as soon as the flow puts the caller into a queue; ask again then",
    )


def _first_mention(directory: Path, interaction_id: str) -> int:
    """The first fact about it: looked for from where its id says that it began, as a journal may hold years."""
    attempt_id = interaction_id.partition(".")[0]  # where we called, it begins with the answer to its attempt
    begin = seq_before(directory, _minted(attempt_id) - MINTED_BEFORE)
    for start, end in ((begin, _LAST), (1, begin)):  # the second: the machine's clock was moved meanwhile
        for record in read_journal(directory, start) if start < end else ():
            if record.seq >= end:
                break
            fact = record.fact
            if fact.interaction_id == interaction_id or getattr(fact, "attempt_id", None) == attempt_id:
                return record.seq
    if attempt_id != interaction_id:
        what, mend = f"no answer to {attempt_id} is in the journal", "see `callwright lead show LEAD` for how it ended"
    else:
        what, mend = f"{interaction_id} is not in the journal", "see `callwright interaction list`"
    raise NotFound(what, where=str(directory), mend=mend)


def _minted(interaction_id: str) -> int:
    """When an id was made (UTC µs), as its ULID tells; 0 for one that holds none."""
    try:
        return ULID.from_str(interaction_id.partition("_")[2]).milliseconds * 1000
    except ValueError:
        return 0


def _is_over(commands: tuple[AnyCommand, ...], interaction_id: str) -> bool:
    return any(
        isinstance(event, InteractionEnded) and event.interaction_id == interaction_id for event in _events(commands)
    )


def _events(commands: tuple[AnyCommand, ...]) -> list[AnyEvent]:
    return [command.event for command in commands if isinstance(command, Publish)]
