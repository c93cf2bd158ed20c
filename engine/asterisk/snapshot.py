"""The whole truth of one Asterisk, for a resync and for `verify`. Pure: list items in, values out."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ami.codec import Message
from engine.asterisk.channels import INBOUND, OUR_CONTEXTS
from engine.domain.facts import SeenLeg
from engine.domain.values import LegId

_PLACES = {
    ("callwright-call", "hold"): "hold",
    ("callwright-call", "flow"): "flow",
    ("callwright-call", "after"): "after",
    ("callwright-agents", "idle"): "idle",
    ("callwright-agents", "ondemand"): "ringed",
}


def place_of(row: Message) -> str:
    """Where in our dialplan the channel is; its context where we have no word for it."""
    context = row.get("Context")
    return _PLACES.get((context, row.get("Exten")), context)


def is_ours(row: Message) -> bool:
    """Whether the channel is in one of our contexts."""
    return row.get("Context") in OUR_CONTEXTS


def is_caller(row: Message) -> bool:
    """Whether the channel is a caller's."""
    return row.get("Context") in (INBOUND, "callwright-call", "callwright-rescue")


def seen_legs(rows: Iterable[Message]) -> tuple[SeenLeg, ...]:
    """CoreShowChannels items as the floor sees them."""
    return tuple(
        SeenLeg(
            leg=LegId(row.get("Uniqueid")),
            place=place_of(row) if row.get("ChannelStateDesc") == "Up" or is_caller(row) else "ringing",
            bridge=row.get("BridgeId"),
            up=row.get("ChannelStateDesc") == "Up",
        )
        for row in rows
        if is_ours(row)
    )
