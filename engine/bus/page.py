"""docs/topics.md, written from the table of routes. Pure.

`python -m engine.bus.page > docs/topics.md` writes it anew; a test holds that it is fresh.
"""

from __future__ import annotations

import sys
from typing import Final, cast

import msgspec

from engine.bus.topics import LONGEST_TEXT, ROUTES, VERSION, Route, topics
from engine.domain import events
from engine.domain.values import InteractionId, QueueId

_EXAMPLE: Final = events.InteractionQueued(
    at=1_767_225_600_250_000, interaction_id=InteractionId("in_01KDVD3H7T"), queue_id=QueueId("support"), priority=3
)

_HEAD: Final = f"""\
# MQTT topics

<!-- Written by `python -m engine.bus.page`; do not edit. -->

Every topic begins with `callwright/v{VERSION}/<site>/`. Topics hold ids only, made of letters, digits, `_`, `.` and
`-`: never a name or a number of a person. Everything is published with QoS 1. The engine reads nothing from MQTT but
its own status.

## The envelope

Every payload is one JSON object, at most a few kilobytes (texts are cut at {LONGEST_TEXT} characters):

| Key | Meaning |
|---|---|
| `id` | names this message; delivery is *at least once*, so throw away an id that you have seen |
| `seq` | position in the engine's journal, growing; 0 for what is not in the journal |
| `at` | when it happened, ISO 8601, UTC |
| `event` | what happened, as in the tables below |
| `version` | {VERSION}; new keys may come within a version, none is renamed or removed |
| `site` | which installation |
| `expires` | optional: when the message is no longer worth acting on (MQTT 3.1.1 has no expiry of its own) |
| `reply_to` | optional: the topic on which an answer is expected |
| `data` | the event's own fields; one that has its default value is left out, except `channel` |

Persons: `caller`, `caller_name` and a call-back's `number` are opaque tokens. Resolving one takes the HTTP API and the
right to do so. Names ending in `_us` are durations in microseconds; `arrived_us` and names ending in `_at` are UTC
microseconds since 1970.
"""

_STATES: Final = """\
## State: retained, latest value

| Topic | `event` | `data` |
|---|---|---|
| `engine/status` | `engine.status` | `state` (`online`, `offline`), `client_id` |
| `agent/<agent_id>/state` | `agent.state` | `agent_id`, `state`, `since`, `reason`, `mode` |
| `queue/<queue_id>/state` | `queue.state` | `queue_id`, `waiting`, `offered`, `oldest_since` (null: nobody) |

`engine/status` is also the last will: the broker itself says `offline` when the engine is gone (its `at` is then the
time at which the engine connected). While it says `offline`, the other states are what was true last. States do not
queue up: after an outage only the latest is sent. An empty payload means that the agent or queue was removed.
"""

_EVENTS: Final = """\
## Events: in order, none lost

Events wait in an outbox in the database while the broker is away, and then come in order. Compare `id`, not arrival.
"""


def topics_page() -> str:
    """The whole of docs/topics.md."""
    rows = [_row(event, route) for event, route in ROUTES.items()]
    table = "\n".join(["| Topic | `event` | When | `data` |", "|---|---|---|---|", *rows])
    return f"{_HEAD}\n{_STATES}\n{_EVENTS}\n{table}\n\n{_REST}\n{_example()}"


_REST: Final = """\
An anomaly that belongs to no interaction goes to `engine/anomaly`. An event whose id cannot be part of a topic is
announced on `engine/refused` (`event`, `reason`) instead.
"""


def _row(event: type[events.Event], route: Route) -> str:
    what = (event.__doc__ or "").split("\n")[0]
    hidden = {"at"} | route.withheld
    fields_of = msgspec.structs.fields(cast("type[msgspec.Struct]", event))  # type checkers do not see the base
    names = [field.encode_name for field in fields_of if field.encode_name not in hidden]
    fields = ", ".join(f"`{name}`" for name in names)
    return f"| `{route.kind}/<{route.subject}>/{route.verb}` | `{route.name}` | {what} | {fields} |"


def _example() -> str:
    message = topics(_EXAMPLE, 4711, "main")[0]
    shown = msgspec.json.format(message.payload, indent=2).decode()
    return f"## An example\n\nOn `{message.topic}`:\n\n```json\n{shown}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(topics_page())
