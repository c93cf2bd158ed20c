"""What AMI tells of channels, as facts. Pure: messages in, facts out.

The table keeps what the engine needs to know of each live channel: who it is for admission of FastAGI sessions, and a
short memory of the dead, so that a late snapshot cannot raise them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from engine.ami.codec import Message
from engine.asterisk.called import SIGNS_OF_LIFE, Called, number_in
from engine.asterisk.numbers import Numbering
from engine.domain.campaign import AttemptId
from engine.domain.facts import (
    AgentLegIdled,
    AgentPhoneChanged,
    AnyFact,
    AttemptAnswered,
    CallArrived,
    DialFailed,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegJoined,
    LegLeft,
    MessageStarted,
    OptedOut,
    RingFailed,
)
from engine.domain.values import SECOND, AgentId, InteractionId, LegId, Token
from engine.errors import NotFound

INBOUND: Final = "callwright-inbound"
CALLER_CONTEXTS: Final = frozenset({INBOUND, "callwright-call", "callwright-rescue"})
AGENT_CONTEXTS: Final = frozenset({"callwright-phones", "callwright-phone", "callwright-agents"})
DIAL: Final = "callwright-dial"
OUR_CONTEXTS: Final = CALLER_CONTEXTS | AGENT_CONTEXTS | {DIAL}
NOT_DIALLED_IN: Final = "s"
"""The extension of a leg that we call, until it is answered: Asterisk puts it at `s` in its endpoint's context, and a
trunk's is INBOUND. Nobody can call in to it, as nothing there matches (callwright_inbound.conf)."""
TOMBSTONES: Final = 5_000
_PHASES: Final = {"hold": LegHeld, "idle": AgentLegIdled, "ringed": LegAnswered}
_CALLED_PHASES: Final[dict[str, type[AttemptAnswered | MessageStarted | OptedOut]]] = {
    "answered": AttemptAnswered,
    "abandoned": MessageStarted,
    "opted-out": OptedOut,
}
_UNREACHABLE: Final = frozenset({"UNAVAILABLE", "INVALID"})


class Known(msgspec.Struct):
    """A live channel. `ours` when a fact about it may interest the floor."""

    leg: LegId
    channel: str
    context: str
    number: str = ""
    bridge: str = ""
    rung_agent: AgentId | None = None
    called: Called | None = None


class Minting(msgspec.Struct, frozen=True):
    """Where ids and tokens come from: chance and the vault are of the edge, not of the core."""

    interaction_id: Callable[[], InteractionId]
    token: Callable[[str, str], Token]
    agent_of_endpoint: Callable[[str], AgentId | None]
    interaction_of: Callable[[LegId], InteractionId | None]


class Channels:
    """Every live channel of one Asterisk that concerns us."""

    def __init__(self, numbering: Numbering, minting: Minting, node: str = "main") -> None:
        self.known: dict[LegId, Known] = {}
        self.forged = 0
        self._dead: OrderedDict[LegId, None] = OrderedDict()
        self._numbering = numbering
        self._minting = minting
        self._node = node
        self._readers: dict[str, Callable[[Message], list[AnyFact]]] = {
            "Newchannel": self._new_channel,
            "UserEvent": self._user_event,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "Hangup": self._hangup,
            "Rename": self._rename,
            "OriginateResponse": self._originate_response,
            "DeviceStateChange": self.device_state,
            "DialState": self._dial_state,
        }

    def expect(self, leg: LegId, agent_id: AgentId) -> None:
        """We are about to ring an agent with this channel id."""
        self.known[leg] = Known(leg=leg, channel="", context="callwright-agents", rung_agent=agent_id)

    def expect_called(self, attempt_id: AttemptId, ring_s: float) -> None:
        """We are about to dial with this channel id, and give up after so many seconds."""
        leg = LegId(attempt_id)
        self.known[leg] = Known(leg=leg, channel="", context=DIAL, called=Called(round(ring_s * SECOND)))

    def forget(self, leg: LegId) -> None:
        """Nothing will be heard of this leg."""
        self.known.pop(leg, None)

    def adopt(self, leg: LegId, row: Message) -> None:
        """A channel of ours that a snapshot shows and no event told of, or not yet."""
        expected = self.known.get(leg)
        self.known[leg] = Known(
            leg=leg,
            channel=row.get("Channel"),
            context=row.get("Context"),
            bridge=row.get("BridgeId"),
            rung_agent=expected.rung_agent if expected is not None else None,
            called=expected.called if expected is not None else None,
        )

    def name(self, leg: LegId) -> str:
        """The channel's present name.

        Raises:
            NotFound: no live channel of ours is this leg.
        """
        known = self.known.get(leg)
        if known is None or not known.channel:
            raise NotFound("no live channel is this leg", where=leg, mend="It is gone, or not there yet.")
        return known.channel

    def lacks_name(self, leg: LegId) -> bool:
        """Whether we know of no channel for this leg, though it may be there."""
        known = self.known.get(leg)
        return (known is None or not known.channel) and leg not in self._dead

    def is_dead(self, leg: LegId) -> bool:
        """Whether the channel's end was seen."""
        return leg in self._dead

    def facts(self, message: Message) -> list[AnyFact]:
        """What this event means; an event that means nothing to us gives nothing."""
        if message.repeated:
            self.forged += 1  # Asterisk writes each header of these events once: the second came out of a value
            return []
        reader = self._readers.get(message.event)
        return [] if reader is None else reader(message)

    def arrival(self, leg: LegId, message: Message, dialled: str, at: int) -> list[AnyFact]:
        """A caller's channel, by its Newchannel event or by a snapshot row. `dialled` as it came in from the trunk."""
        number = self._numbering.e164(dialled)
        known = Known(leg=leg, channel=message.get("Channel"), context=INBOUND, number=number)
        self.known[leg] = known
        caller = self._numbering.caller(message.get("CallerIDNum"))
        name = message.get("CallerIDName")
        return [
            CallArrived(
                at=at,
                interaction_id=self._minting.interaction_id(),
                leg=leg,
                number=number,
                caller=self._minting.token("number", caller) if caller else None,
                caller_name=self._minting.token("name", name) if name and name != "<unknown>" else None,
                node=self._node,
            )
        ]

    # --- one reader per event ----------------------------------------------------------------------------------------

    def _new_channel(self, message: Message) -> list[AnyFact]:
        leg = LegId(message.get("Uniqueid"))
        context = message.get("Context")
        known = self.known.get(leg)
        if known is not None:
            known.channel = message.get("Channel")
            if known.called is not None:
                known.called.began = _at(message)
            return []
        if context == INBOUND and message.get("Exten") == NOT_DIALLED_IN:
            self.known[leg] = Known(leg=leg, channel=message.get("Channel"), context=DIAL)
            return []
        if context == INBOUND:
            return self.arrival(leg, message, message.get("Exten"), _at(message))
        if context in AGENT_CONTEXTS:
            self.known[leg] = Known(leg=leg, channel=message.get("Channel"), context=context)
        return []

    def _user_event(self, message: Message) -> list[AnyFact]:
        leg = LegId(message.get("Uniqueid"))
        known = self.known.get(leg)
        if known is not None:
            known.context = message.get("Context", known.context)
        phase = message.get("Phase")
        told = _CALLED_PHASES.get(phase)
        if told is not None:
            return [told(at=_at(message), attempt_id=AttemptId(leg))]
        fact = _PHASES.get(phase)
        if fact is None:
            return []
        return [fact(at=_at(message), leg=leg, interaction_id=self._minting.interaction_of(leg))]

    def _bridge_enter(self, message: Message) -> list[AnyFact]:
        leg = LegId(message.get("Uniqueid"))
        known = self.known.get(leg)
        if known is None:
            return []
        known.bridge = message.get("BridgeUniqueid")
        return [
            LegJoined(at=_at(message), leg=leg, bridge=known.bridge, interaction_id=self._minting.interaction_of(leg))
        ]

    def _bridge_leave(self, message: Message) -> list[AnyFact]:
        leg = LegId(message.get("Uniqueid"))
        known = self.known.get(leg)
        if known is None:
            return []
        known.bridge = ""
        return [
            LegLeft(
                at=_at(message),
                leg=leg,
                bridge=message.get("BridgeUniqueid"),
                interaction_id=self._minting.interaction_of(leg),
            )
        ]

    def _hangup(self, message: Message) -> list[AnyFact]:
        leg = LegId(message.get("Uniqueid"))
        known = self.known.get(leg)
        channel = message.get("Channel")
        if known is None or (known.channel and known.channel != channel and is_shell(channel)):
            return []
        del self.known[leg]
        self.bury(leg)
        at, cause, sip, rang = _at(message), number_in(message, "Cause", 16), 0, None
        if known.called is not None:
            rang = known.called.rang(message) or None
            cause, sip = known.called.end(message, cause, at)
        interaction_id = self._minting.interaction_of(leg)
        return [LegEnded(at=at, leg=leg, cause=cause, sip=sip, rang=rang, interaction_id=interaction_id)]

    def _dial_state(self, message: Message) -> list[AnyFact]:
        """Sound from a called line before it is answered: its network lives, also where it never says ringing."""
        known = self.known.get(LegId(message.get("DestUniqueid")))
        if known is not None and known.called is not None and message.get("DialStatus") in SIGNS_OF_LIFE:
            known.called.alerted = True
        return []

    def bury(self, leg: LegId) -> None:
        """Remember that this channel is gone."""
        self._dead[leg] = None
        if len(self._dead) > TOMBSTONES:
            self._dead.popitem(last=False)

    def _rename(self, message: Message) -> list[AnyFact]:
        known = self.known.get(LegId(message.get("Uniqueid")))
        if known is not None:
            known.channel = message.get("Newname")
        return []

    def _originate_response(self, message: Message) -> list[AnyFact]:
        if message.get("Response") != "Failure":
            return []
        # No channel was made: then the event has no Uniqueid, but the ActionID is the id it would have had.
        leg = LegId(message.get("Uniqueid") if message.get("Uniqueid") in self.known else message.get("ActionID"))
        known = self.known.get(leg)
        if known is None:
            return []
        if known.called is not None and not known.channel:
            why = "Asterisk could not begin the call: is the trunk applied to it?"
            return [DialFailed(attempt_id=AttemptId(leg), reason=why)]  # not forgotten: see Telephony
        return self.ring_failed(leg, known.rung_agent) if known.rung_agent is not None else []

    def dial_failed(self, attempt_id: AttemptId, reason: str) -> list[AnyFact]:
        """Nothing left for the network."""
        self.known.pop(LegId(attempt_id), None)
        return [DialFailed(attempt_id=attempt_id, reason=reason)]

    def ring_failed(self, leg: LegId, agent_id: AgentId, cause: int = 0) -> list[AnyFact]:
        """The phone could not be rung, or nobody answered it."""
        interaction_id = self._minting.interaction_of(leg)
        self.known.pop(leg, None)
        self.bury(leg)
        return [RingFailed(agent_id=agent_id, leg=leg, cause=cause, interaction_id=interaction_id)]

    def device_state(self, message: Message) -> list[AnyFact]:
        """An agent's phone: DeviceStateChange, as event or as list item."""
        agent_id = self._minting.agent_of_endpoint(message.get("Device").removeprefix("PJSIP/"))
        if agent_id is None:
            return []
        reachable = message.get("State") not in _UNREACHABLE
        return [AgentPhoneChanged(at=_at(message), agent_id=agent_id, reachable=reachable)]


def _at(message: Message) -> int:
    """Asterisk's own time of the event in microseconds, 0 if it does not say."""
    stamp = message.get("Timestamp")
    seconds, _, fraction = stamp.partition(".")
    if not seconds.isdigit():
        return 0
    return int(seconds) * 1_000_000 + (int(fraction[:6].ljust(6, "0")) if fraction.isdigit() else 0)


def is_shell(channel: str) -> bool:
    """Whether this name is that of a shell: what AMI Bridge leaves of a channel when it takes it out of its dialplan.

    The call goes on under its own name and id. Its shell should be gone in the same moment, but Asterisk 22 puts it
    back into its list when its thread was quicker (main/channel.c, end of channel_do_masquerade). Then it stays listed
    until Asterisk restarts, without a call, a thread or a way to hang it up. Measured: one in some hundred calls that
    were bridged in the very moment in which they began to wait, at 20 calls a second.
    """
    return channel.startswith("Surrogate/") or channel.endswith("<ZOMBIE>")
