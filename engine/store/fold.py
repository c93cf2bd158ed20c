"""Events folded into rows of the fact tables. No database here: a batch of events in, a list of changes out.

A batch is folded in memory first: a phase that begins and ends in one batch is one INSERT. What began in an earlier
batch is closed by an UPDATE that finds the open row by its key. So the same tables result however the events are cut
into batches, and nothing must be read before it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.domain.agent import AgentState
from engine.domain.campaign import CampaignState
from engine.domain.events import (
    AgentMoved,
    AnyEvent,
    AttemptEnded,
    CallbackPromised,
    CampaignMoved,
    InteractionAnswered,
    InteractionArrived,
    InteractionEnded,
    InteractionLeftQueue,
    InteractionMoved,
    InteractionOffered,
    InteractionQueued,
    OfferFailed,
    PersonOptedOut,
    TrunkMoved,
)
from engine.domain.interaction import InteractionState
from engine.store.tables import (
    AgentSpan,
    CampaignSpan,
    Conversation,
    Participant,
    RescueCallback,
    Row,
    Segment,
    Session,
    TrunkSpan,
)

POSITIONS_PER_FACT = 1_000_000

Columns = dict[str, Any]


class Update(NamedTuple):
    """An UPDATE of one shape: rows of `row` found by `key`, with `columns` changed. `key` goes as `key_<name>`."""

    row: type[Row]
    key: tuple[str, ...]
    columns: tuple[str, ...]


class Changes:
    """What a batch of events changes in rows of earlier batches, and which rows it adds."""

    def __init__(self) -> None:
        self._inserts: dict[type[Row], list[Columns]] = {}
        self._conversations: dict[str, Columns] = {}
        self._arrived: dict[str, Columns] = {}
        self._participants: set[tuple[str, str, str]] = set()
        self._open: dict[tuple[type[Row], tuple[str, ...]], Columns] = {}
        self._closings: dict[tuple[type[Row], tuple[str, ...]], tuple[tuple[str, ...], Columns]] = {}
        self._endings: dict[tuple[type[Row], tuple[str, ...]], tuple[tuple[str, ...], Columns]] = {}
        self.ended: list[AttemptEnded] = []
        """Attempts whose outcome is known: what follows from it must be read before it is written."""
        self.moved: list[CampaignMoved] = []
        self.opted_out: list[PersonOptedOut] = []

    def updates(self) -> dict[Update, list[Columns]]:
        """Return the updates, first to be executed first, and all of them before the inserts."""
        shaped: dict[Update, list[Columns]] = {}
        for id_, columns in self._conversations.items():
            shaped.setdefault(Update(Conversation, ("id",), tuple(columns)), []).append({"key_id": id_} | columns)
        # The endings of whole conversations come last: they close only what no closing of its own closes.
        for (row, key), (names, columns) in (*self._closings.items(), *self._endings.items()):
            keyed = {f"key_{name}": value for name, value in zip(names, key, strict=True)}
            shaped.setdefault(Update(row, names, tuple(columns)), []).append(keyed | columns)
        return shaped

    def inserts(self) -> dict[type[Row], list[Columns]]:
        """Return the rows to add; one that is there already stays as it is."""
        return self._inserts

    def insert(self, row: type[Row], columns: Columns) -> None:
        """Add a row."""
        self._inserts.setdefault(row, []).append(columns)

    def begin(self, row: type[Row], key: tuple[str, ...], columns: Columns) -> None:
        """Add a row that a later `close` with the same key ends."""
        self.insert(row, columns)
        self._open[row, key] = columns

    def close(self, row: type[Row], names: tuple[str, ...], key: tuple[str, ...], columns: Columns) -> None:
        """End the open row of this key, wherever it is; nothing if there is none. `names` are the key's columns."""
        begun = self._open.pop((row, key), None)
        if begun is not None:
            begun.update(columns)
        else:
            # At most one row of a key is open in the database, so only the first closing can mean it.
            self._closings.setdefault((row, key), (names, columns))

    def close_all(self, row: type[Row], conversation_id: str, columns: Columns) -> None:
        """End every open row of a conversation that is over."""
        for open_row, key in [each for each in self._open if each[0] is row and each[1][0] == conversation_id]:
            self._open.pop((open_row, key)).update(columns)
        self._endings.setdefault((row, (conversation_id,)), (("conversation_id",), columns))

    def arrive(self, columns: Columns) -> None:
        """Add a conversation."""
        self._arrived[columns["id"]] = columns
        self.insert(Conversation, columns)

    def change(self, conversation_id: str, columns: Columns) -> None:
        """Change a conversation."""
        if conversation_id in self._arrived:
            self._arrived[conversation_id].update(columns)
        else:
            self._conversations.setdefault(conversation_id, {}).update(columns)

    def join(self, conversation_id: str, purpose: str, who: str, at: int) -> None:
        """Add a participant; one that is there already stays as he is."""
        if (conversation_id, purpose, who) not in self._participants:
            self._participants.add((conversation_id, purpose, who))
            columns = {"conversation_id": conversation_id, "purpose": purpose, "who": who, "joined_us": at}
            self.insert(Participant, columns)


def fold(batch: Sequence[tuple[int, Sequence[AnyEvent]]]) -> Changes:
    """Return what events change. `batch` is (journal number of the fact that caused them, events), in order."""
    changes = Changes()
    for seq, events in batch:
        for count, event in enumerate(events):
            step = _STEPS.get(type(event))
            if step is not None:
                step(changes, event, seq * POSITIONS_PER_FACT + count * 10)
    return changes


def _begin_segment(changes: Changes, event: AnyEvent, position: int, phase: str, who: str, **more: object) -> None:
    columns: Columns = {
        "conversation_id": event.interaction_id,
        "position": position,
        "phase": phase,
        "who": who,
        "queue_id": None,
        "agent_id": None,
        "start_us": event.at,
        "end_us": None,
        "how": "",
        "waited_us": None,
        "agent_was_free": False,
    }
    changes.begin(Segment, (str(event.interaction_id), phase), columns | more)


def _close_segment(changes: Changes, event: AnyEvent, phase: str, how: str, **more: object) -> None:
    columns = {"end_us": event.at, "how": how} | more
    changes.close(Segment, ("conversation_id", "phase"), (str(event.interaction_id), phase), columns)


def _begin_session(
    changes: Changes, event: AnyEvent, position: int, purpose: str, who: str, leg: str, **more: object
) -> None:
    columns: Columns = {
        "conversation_id": event.interaction_id,
        "position": position,
        "purpose": purpose,
        "who": who,
        "channel": event.channel.value,
        "leg": leg,
        "start_us": event.at,
        "end_us": None,
        "recording": "",
    }
    changes.begin(Session, (str(event.interaction_id), purpose), columns | more)


def _close_session(changes: Changes, event: AnyEvent, purpose: str) -> None:
    changes.close(Session, ("conversation_id", "purpose"), (str(event.interaction_id), purpose), {"end_us": event.at})


def _arrived(changes: Changes, event: InteractionArrived, position: int) -> None:
    id_ = str(event.interaction_id)
    changes.arrive(
        {
            "id": id_,
            "channel": event.channel.value,
            "unit": event.unit,
            "customer_id": event.customer_id,
            "case_id": event.case_id,
            "number": event.number,
            "flow": event.flow,
            "caller": event.caller,
            "caller_name": event.caller_name,
            "state": InteractionState.ARRIVED.value,
            "arrived_us": event.at,
            "ended_us": None,
            "ending": None,
            "cause": None,
            "talk_us": 0,
            "wrap_up_us": 0,
            "campaign_id": event.campaign_id,
            "attempt_id": event.attempt_id,
        }
    )
    changes.join(id_, "customer", event.customer_id or "", event.at)
    if event.leg is not None:
        _begin_session(changes, event, position, "customer", event.customer_id or "", event.leg)


def _moved(changes: Changes, event: InteractionMoved, position: int) -> None:
    id_ = str(event.interaction_id)
    changes.change(id_, {"state": event.new.value})
    how = event.reason or event.new.value
    if event.old is InteractionState.IN_FLOW:
        _close_segment(changes, event, "flow", how)
    elif event.old is InteractionState.TALKING:
        _close_segment(changes, event, "talk", how)
        _close_session(changes, event, "agent")
    elif event.old is InteractionState.WRAP_UP:
        _close_segment(changes, event, "wrap-up", how)
    if event.new is InteractionState.IN_FLOW:
        changes.join(id_, "flow", event.node, event.at)
        _begin_segment(changes, event, position, "flow", event.node)
    elif event.new is InteractionState.WRAP_UP:
        _close_session(changes, event, "customer")
        who = event.agent_id or ""
        changes.join(id_, "agent", who, event.at)
        _begin_segment(changes, event, position, "wrap-up", who, agent_id=event.agent_id, queue_id=event.queue_id)


def _queued(changes: Changes, event: InteractionQueued, position: int) -> None:
    changes.join(str(event.interaction_id), "queue", event.queue_id, event.at)
    _begin_segment(changes, event, position, "queue", event.queue_id, queue_id=event.queue_id)


def _offered(changes: Changes, event: InteractionOffered, position: int) -> None:
    changes.join(str(event.interaction_id), "agent", event.agent_id, event.at)
    _begin_segment(changes, event, position, "ring", event.agent_id, agent_id=event.agent_id, queue_id=event.queue_id)


def _offer_failed(changes: Changes, event: OfferFailed, _position: int) -> None:
    _close_segment(changes, event, "ring", event.reason or "no-answer")


def _answered(changes: Changes, event: InteractionAnswered, position: int) -> None:
    about = {"waited_us": event.waited_us, "agent_was_free": event.agent_was_free}
    _close_segment(changes, event, "ring", "answered")
    _close_segment(changes, event, "queue", "answered", agent_id=event.agent_id, **about)
    changes.join(str(event.interaction_id), "agent", event.agent_id, event.at)
    _begin_segment(changes, event, position, "talk", event.agent_id, agent_id=event.agent_id, queue_id=event.queue_id)
    if event.agent_leg is not None:
        _begin_session(
            changes, event, position + 1, "agent", event.agent_id, event.agent_leg, recording=event.recording
        )


def _left_queue(changes: Changes, event: InteractionLeftQueue, _position: int) -> None:
    _close_segment(changes, event, "ring", event.how.value)
    _close_segment(changes, event, "queue", event.how.value, waited_us=event.waited_us)


def _ended(changes: Changes, event: InteractionEnded, _position: int) -> None:
    columns = {
        "state": InteractionState.ENDED.value,
        "ended_us": event.at,
        "ending": event.ending.value,
        "cause": event.cause,
        "talk_us": event.talk_us,
        "wrap_up_us": event.wrap_up_us,
    }
    id_ = str(event.interaction_id)
    changes.change(id_, columns)
    # A phase that nothing else closed (Asterisk vanished) ends here, so that no row stays open for ever.
    changes.close_all(Segment, id_, {"end_us": event.at, "how": event.ending.value})
    changes.close_all(Session, id_, {"end_us": event.at})


def _agent_moved(changes: Changes, event: AgentMoved, position: int) -> None:
    changes.close(AgentSpan, ("agent_id",), (event.agent_id,), {"end_us": event.at})
    if event.new is not AgentState.OFFLINE:
        columns = {
            "agent_id": event.agent_id,
            "start_us": event.at,
            "position": position,
            "state": event.new.value,
            "reason": event.reason,
            "end_us": None,
        }
        changes.begin(AgentSpan, (event.agent_id,), columns)


def _promised(changes: Changes, event: CallbackPromised, _position: int) -> None:
    changes.close(RescueCallback, ("id",), (event.spool_id,), {"promised_us": event.at})


def _attempt_ended(changes: Changes, event: AttemptEnded, _position: int) -> None:
    changes.ended.append(event)


def _opted_out(changes: Changes, event: PersonOptedOut, _position: int) -> None:
    changes.opted_out.append(event)


def _campaign_moved(changes: Changes, event: CampaignMoved, position: int) -> None:
    changes.moved.append(event)
    columns = {"campaign_id": event.campaign_id, "state": event.new.value, "reason": event.reason}
    _next_span(changes, CampaignSpan, event, position, columns, ended=event.new is CampaignState.STOPPED)


def _trunk_moved(changes: Changes, event: TrunkMoved, position: int) -> None:
    columns = {"trunk_id": event.trunk_id, "state": event.state, "reason": event.reason}
    _next_span(changes, TrunkSpan, event, position, columns, ended=event.state == "closed")


def _next_span(
    changes: Changes, row: type[Row], event: AnyEvent, position: int, columns: Columns, *, ended: bool
) -> None:
    [name, *_] = columns
    changes.close(row, (name,), (columns[name],), {"end_us": event.at})
    if not ended:
        changes.begin(row, (columns[name],), columns | {"start_us": event.at, "position": position, "end_us": None})


_STEPS: dict[type, Callable[[Changes, Any, int], None]] = {
    InteractionArrived: _arrived,
    InteractionMoved: _moved,
    InteractionQueued: _queued,
    InteractionOffered: _offered,
    OfferFailed: _offer_failed,
    InteractionAnswered: _answered,
    InteractionLeftQueue: _left_queue,
    InteractionEnded: _ended,
    AgentMoved: _agent_moved,
    CallbackPromised: _promised,
    AttemptEnded: _attempt_ended,
    PersonOptedOut: _opted_out,
    CampaignMoved: _campaign_moved,
    TrunkMoved: _trunk_moved,
}
