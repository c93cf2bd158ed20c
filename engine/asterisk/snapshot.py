"""The whole truth of one Asterisk, for a resync and for `verify`. Pure: list items in, values out."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ami.codec import Message
from engine.asterisk.channels import CALLER_CONTEXTS, DIAL, INBOUND, NOT_DIALLED_IN, OUR_CONTEXTS
from engine.domain.facts import SeenLeg
from engine.domain.values import LegId

_PLACES = {
    ("callwright-call", "hold"): "hold",
    ("callwright-call", "flow"): "flow",
    ("callwright-call", "after"): "after",
    ("callwright-agents", "idle"): "idle",
    ("callwright-agents", "ondemand"): "ringed",
    (DIAL, "answered"): "answered",
    (DIAL, "over"): "over",
}


def place_of(row: Message) -> str:
    """Where in our dialplan the channel is; its context where we have no word for it.

    A person we call is `dialling` until he answers, then `answered` (and waiting), in a `talk`, or hears the `message`;
    `over` is the moment between talk and hang-up.
    """
    context = row.get("Context")
    if is_dialling(row):
        return "dialling"
    if context == DIAL:
        return "talk" if row.get("BridgeId") else _PLACES.get((DIAL, row.get("Exten")), "message")
    return _PLACES.get((context, row.get("Exten")), context)


def is_ours(row: Message) -> bool:
    """Whether the channel is in one of our contexts."""
    return row.get("Context") in OUR_CONTEXTS


def is_dialling(row: Message) -> bool:
    """Whether the channel is one that we call and that has not been answered yet."""
    return row.get("Context") == INBOUND and row.get("Exten") == NOT_DIALLED_IN


def is_caller(row: Message) -> bool:
    """Whether the channel is a caller's."""
    return row.get("Context") in CALLER_CONTEXTS and not is_dialling(row)


def seen_legs(rows: Iterable[Message]) -> tuple[SeenLeg, ...]:
    """CoreShowChannels items as the floor sees them."""
    return tuple(
        SeenLeg(
            leg=LegId(row.get("Uniqueid")),
            place=_place(row),
            bridge=row.get("BridgeId"),
            up=row.get("ChannelStateDesc") == "Up",
        )
        for row in rows
        if is_ours(row)
    )


def _place(row: Message) -> str:
    return place_of(row) if row.get("ChannelStateDesc") == "Up" or is_caller(row) or is_dialling(row) else "ringing"
