"""What Prometheus is told of a running engine. Cheap: nothing here asks a database or Asterisk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from engine.domain.agent import AgentState
from engine.domain.interaction import Ending, InteractionState
from engine.main import sights
from engine.main.engine import Engine
from engine.runtime.views import LinkView, Reading


def readings(engine: Engine, links: Sequence[LinkView], ended: Mapping[str, int]) -> list[Reading]:
    """Every gauge and counter. Every state is always there, so that a zero is a zero and not an absence."""
    return [*_floor(engine), *_ended(ended), *_work(engine), *_beside(engine), *_links(links)]


def _gauge(name: str, says: str, value: float, **labels: str) -> Reading:
    return Reading(name=f"callwright_{name}", help=says, value=value, labels=labels, counter=False)


def _counter(name: str, says: str, value: float, **labels: str) -> Reading:
    return Reading(name=f"callwright_{name}", help=says, value=value, labels=labels, counter=True)


def _floor(engine: Engine) -> Iterable[Reading]:
    state, now = engine.floor.state, engine.loop.clock.now()
    doing = Counter(agent.state for agent in state.agents.values())
    for each in AgentState:
        yield _gauge("agents", "Agents by state", doing[each], state=each.value)
    standing = Counter(call.state for call in state.interactions.values())
    for stand in InteractionState:
        if stand is not InteractionState.ENDED:
            yield _gauge("interactions", "Live interactions by state", standing[stand], state=stand.value)
    for queue in state.queues.values():
        crowd = sights.crowd(state, queue, now)
        for label in ("waiting", "offered", "talking"):
            says = "Live interactions of a queue by state"
            yield _gauge("queue_interactions", says, getattr(crowd, label), queue=queue.id, state=label)
        yield _gauge("queue_longest_wait_seconds", "Wait of the first in line", crowd.longest_wait_s, queue=queue.id)
        yield _gauge("queue_agents_free", "Agents who could take a call", crowd.agents_free, queue=queue.id)
    yield _gauge("floor_blind", "1 while Asterisk is out of sight", float(state.blind))
    yield _gauge("floor_draining", "1 while the engine stops", float(state.draining))
    yield _gauge("floor_epoch", "Starts of the engine", state.epoch)


def _ended(ended: Mapping[str, int]) -> Iterable[Reading]:
    for ending in Ending:
        says = "Interactions that ended since the engine started"
        yield _counter("interactions_ended", says, ended.get(ending.value, 0), ending=ending.value)


def _work(engine: Engine) -> Iterable[Reading]:
    yield _counter("facts_handled", "Facts handled since the engine started", engine.loop.handled)
    yield _gauge("facts_backlog", "Facts waiting to be handled", engine.loop.backlog)
    yield _counter("facts_dropped", "Facts dropped by a full inbox, and looked up afterwards", engine.loop.dropped)
    yield _gauge("journal_seq", "The journal's last fact", engine.journal.last_seq)
    yield _gauge("journal_durable_seq", "The journal's last fact on disk", engine.journal.durable_seq)
    yield _gauge("store_behind", "1 while too much waits to be written", float(engine.clerk.behind))
    yield _gauge("store_events_waiting", "Events that wait for the database", engine.clerk.waiting)
    yield _gauge("store_let_go", "1 while the journal has to be read again for the tables", float(engine.clerk.let_go))
    yield _gauge("vault_unsaved_tokens", "Tokens that the database does not have yet", engine.vault.unsaved)
    yield _counter("projector_skipped", "Facts that the database refused for good", engine.projector.skipped)
    yield _counter("resyncs", "Comparisons with Asterisk", engine.switch.telephony.resyncs)
    yield _gauge("agi_sessions", "Callers in the engine's hands", engine.switch.agi.live)
    if engine.mqtt is not None:
        yield _counter("mqtt_delivered", "Messages that the broker took", engine.mqtt.delivered)
        yield _counter("mqtt_connects", "Connections to the broker", engine.mqtt.connects)


def _beside(engine: Engine) -> Iterable[Reading]:
    """Recordings, the rescue spool, and calls that came and went unseen."""
    recordings, rescue, missed = engine.recordings, engine.rescue, engine.missed
    if recordings.free_bytes is not None:
        yield _gauge("recordings_free_bytes", "Free space on the recordings' disk", recordings.free_bytes)
    yield _gauge("recordings_disk_low", "1 while calls are not recorded for want of space", float(recordings.disk_low))
    yield _gauge("recordings_unfinished", "Recordings that wait to be finished", recordings.unfinished)
    yield _counter("recordings_finished", "Recordings made stereo", recordings.finished)
    yield _counter("recordings_refused", "Calls not recorded for want of space", recordings.refused)
    yield _counter("recordings_failures", "Times that a recording could not be finished", recordings.failures)
    yield _gauge("rescue_unread", "Lines of the rescue spool that wait for the database", rescue.unread)
    yield _gauge("rescue_trouble", "1 while the rescue spool cannot be imported", float(bool(rescue.trouble)))
    yield _gauge("rescue_bad_lines", "Lines of the rescue spool that cannot be read", rescue.bad_lines)
    yield _counter("rescue_imported", "Callers of the rescue script who were taken over", rescue.imported)
    yield _counter("missed_calls", "Calls that came and went unseen, counted from Asterisk's log", missed.told)
    yield _gauge("missed_calls_trouble", "1 while Asterisk's log cannot be read", float(bool(missed.trouble)))


def _links(links: Sequence[LinkView]) -> Iterable[Reading]:
    for link in links:
        yield _gauge("link_up", "1 while the link is up", float(link.up), link=link.name)
