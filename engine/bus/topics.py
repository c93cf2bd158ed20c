"""Which topic an event goes to, and the envelope around it. Pure: no clock, no socket.

A topic is made of ids only, never of what a caller said or dialled: `+`, `#` and `/` would change who receives it
(OASIS MQTT 3.1.1, sections 4.7 and 3.3.2). Ids are therefore checked here, once, for everybody.

Persons: tokens stay tokens, and numbers are left out, ours included (`Route.withheld`). Whoever may know more asks the
HTTP API with the ids.

Duplicates: delivery is at least once. The envelope's `id` is computed from its content, so a message that comes again,
even from a projection done again after a crash, carries the same id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from engine.domain import events
from engine.domain.values import Value
from engine.errors import BrokenInvariant, ConfigError, UsageError

VERSION: Final = 1
"""Version of topics and envelope. New keys may appear within a version; none is renamed or removed."""
LONGEST_TEXT: Final = 512
"""Characters of any one text in `data`; the rest is cut and replaced by an ellipsis, so a payload stays small."""

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALREADY_TOLD: Final = frozenset({"event", "at"})  # fields of an event that the envelope itself carries
_encode = msgspec.json.Encoder(order="deterministic").encode


class Message(NamedTuple):
    """One MQTT message. An empty retained payload clears the topic (MQTT 3.1.1, 3.3.1.3)."""

    topic: str
    payload: bytes
    retained: bool = False
    qos: int = 1


class Envelope(Value):
    """What every payload looks like. `data` is described per event in docs/topics.md.

    `id` names this message: throw away an id you have seen. `seq` is the position in the journal, 0 for what is not in
    it. MQTT 3.1.1 knows neither expiry nor reply topic, so both are in here: `expires` is when the message stops being
    worth acting on, `reply_to` where an answer is expected.
    """

    id: str
    seq: int
    at: datetime
    event: str
    version: int
    site: str
    expires: datetime | None = None
    reply_to: str | None = None
    data: msgspec.Raw


class Route(Value):
    """Where one kind of event goes: `<kind>/<the event's field `subject`>/<verb>`. `withheld` fields are never sent."""

    kind: str
    subject: str
    verb: str
    withheld: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The envelope's `event`, e.g. `interaction.queued`."""
        return f"{self.kind}.{self.verb}"


def _interaction(verb: str, *withheld: str) -> Route:
    return Route(kind="interaction", subject="interaction_id", verb=verb, withheld=frozenset(withheld))


ROUTES: Final[Mapping[type[events.Event], Route]] = {
    events.InteractionArrived: _interaction("arrived", "number"),
    events.InteractionQueued: _interaction("queued"),
    events.InteractionOffered: _interaction("offered"),
    events.OfferFailed: _interaction("offer-failed"),
    events.InteractionAnswered: _interaction("answered", "recording"),  # a path on our disk is nobody's business
    events.InteractionLeftQueue: _interaction("left-queue"),
    events.InteractionEnded: _interaction("ended"),
    events.AgentMoved: Route(kind="agent", subject="agent_id", verb="moved"),
    events.FlowStepped: _interaction("flow-stepped"),
    events.CallbackPromised: _interaction("callback-promised"),
    events.CampaignMoved: Route(kind="campaign", subject="campaign_id", verb="moved"),
    events.CampaignPaced: Route(kind="campaign", subject="campaign_id", verb="paced"),
    events.LeadPreviewed: Route(kind="agent", subject="agent_id", verb="previews"),
    events.AttemptEnded: Route(kind="attempt", subject="attempt_id", verb="ended"),
    events.PersonOptedOut: Route(kind="attempt", subject="attempt_id", verb="opted-out"),
    events.TrunkMoved: Route(kind="trunk", subject="trunk_id", verb="moved"),
    events.Anomaly: _interaction("anomaly"),
}
"""The one table. A test holds that every event of the domain is in it, or in `UNSPOKEN`."""

UNSPOKEN: Final = frozenset({events.InteractionMoved, events.AttemptBegun})
"""Not announced, as another event tells it: each arrow of an interaction has one of its own (arrived, queued, offered,
answered, left-queue, ended), and an attempt's end says when it was dialled.

They would be seven messages more for each call."""


def iso(at: int) -> datetime:
    """UTC microseconds as a time that msgspec writes as ISO 8601."""
    return _EPOCH + timedelta(microseconds=at)


def checked_id(text: str, *, what: str) -> str:
    """Return `text` if it may stand in a topic.

    :raises UsageError: it is empty, longer than 128, or holds anything but ASCII letters, digits, `_`, `.`, `-`.
    """
    if _ID.fullmatch(text):
        return text
    raise UsageError(
        f"{what} {shortened(ascii(text), 80)} cannot be part of an MQTT topic",
        where=f"bus: {what}",
        mend="use 1 to 128 letters, digits, '_', '.' or '-'",
    )


def site_prefix(site: str) -> str:
    """`callwright/v1/<site>`, the first three levels of every topic.

    :raises ConfigError: the site's name cannot be part of a topic.
    """
    try:
        return f"callwright/v{VERSION}/{checked_id(site, what='site')}"
    except UsageError as bad:
        raise ConfigError(bad.what, where="site.name", mend=bad.mend) from None


def topic(site: str, kind: str, subject: str, leaf: str) -> str:
    """`callwright/v1/<site>/<kind>/<subject>/<leaf>`; without a subject `<kind>/<leaf>`.

    :raises UsageError: the subject cannot be part of a topic; ConfigError: the site cannot.
    """
    middle = f"{kind}/{checked_id(subject, what=f'{kind} id')}" if subject else kind
    return f"{site_prefix(site)}/{middle}/{leaf}"


def status_topic(site: str) -> str:
    """The retained topic that says whether the engine is connected; also the last will's."""
    return topic(site, "engine", "", "status")


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text, cut to `longest` characters with an ellipsis at the end if need be."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def envelope(*, site: str, seq: int, at: int, event: str, data: Mapping[str, object]) -> bytes:
    """Wrap `data` (JSON-ready) as JSON bytes. `at` in UTC microseconds. The same content has the same id."""
    body = _encode({key: shortened(value) if isinstance(value, str) else value for key, value in data.items()})
    digest = blake2b(f"{site}\n{seq}\n{at}\n{event}\n".encode() + body, digest_size=12).hexdigest()
    return _encode(
        Envelope(
            id=f"evt_{digest}",
            seq=seq,
            at=iso(at),
            event=event,
            version=VERSION,
            site=site,
            data=msgspec.Raw(body),
        )
    )


def topics(event: events.AnyEvent, seq: int, site: str) -> list[Message]:
    """The messages that make one event known. `seq` is the journal position of the fact behind it.

    An event of no interaction (some anomalies) goes to `engine/<verb>`. State topics are not made here but by
    `engine.bus.board`, because a state is not worth queueing.

    :raises UsageError: an id cannot be part of a topic; ConfigError: the site cannot.
    :raises BrokenInvariant: the event has no route.
    """
    route = _route(event)
    subject = str(getattr(event, route.subject) or "")
    kind = route.kind if subject else "engine"
    where = topic(site, kind, subject, route.verb)
    payload = envelope(site=site, seq=seq, at=event.at, event=f"{kind}.{route.verb}", data=_data(event, route))
    return [Message(where, payload)]


class Announcer:
    """`topics` for the store's projector: `announcer(event, seq)` gives (topic, payload, retained) rows.

    Never raises for what is in an event: one bad id must not stop the projection. Such an event is announced on
    `engine/refused` instead, with the reason.

    :raises ConfigError: when made, for a site that cannot be part of a topic.
    """

    def __init__(self, site: str) -> None:
        site_prefix(site)
        self.site = site

    def __call__(self, event: events.AnyEvent, seq: int) -> list[tuple[str, bytes, bool]]:
        if type(event) in UNSPOKEN:
            return []
        try:
            messages = topics(event, seq, self.site)
        except UsageError as refusal:
            messages = [self._refusal(event, seq, refusal)]
        return [(message.topic, message.payload, message.retained) for message in messages]

    def _refusal(self, event: events.AnyEvent, seq: int, refusal: UsageError) -> Message:
        data = {"event": _route(event).name, "reason": str(refusal)}
        payload = envelope(site=self.site, seq=seq, at=event.at, event="engine.refused", data=data)
        return Message(topic(self.site, "engine", "", "refused"), payload)


def _route(event: events.AnyEvent) -> Route:
    try:
        return ROUTES[type(event)]
    except KeyError:
        raise BrokenInvariant(f"{type(event).__name__} has no route", where="engine/bus/topics.py ROUTES") from None


def _data(event: events.AnyEvent, route: Route) -> dict[str, object]:
    """The event's fields as JSON-ready values, without what is told elsewhere or withheld; `channel` always."""
    hidden = _ALREADY_TOLD | route.withheld
    fields: dict[str, object] = msgspec.to_builtins(event)
    shown = {name: value for name, value in fields.items() if name not in hidden}
    return {"channel": event.channel.value} | shown
