"""A tiny Asterisk: legs, bridges and what its manager interface says about them. Pure; `ami_peer` puts it on a socket.

It does what Asterisk 22 does where the engine can see it, in the order and with the header names of
main/manager_channels.c, manager_bridges.c and manager.c, and plays the part of our dialplan after a leg answers or
leaves a bridge (contexts `callwright-agents` idle and ondemand, `callwright-dial` answered and message). It is not a
copy of Asterisk: no media, no dialplan, no timers.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from engine.ami.codec import Header, Message

STATES: Final = {0: "Down", 3: "Dialing", 4: "Ring", 5: "Ringing", 6: "Up"}  # main/channel.c ast_state2str
CAUSES: Final = {  # main/channel.c `causes`; the number is Q.850
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    19: "User alerting, no answer",
    21: "Call Rejected",
    34: "Circuit/channel congestion",
}
REASONS: Final = {16: 1, 17: 0, 19: 3, 34: 8}  # OriginateResponse: cause -> reason (busy gives 0: seen, not documented)

Headers = list[Header]


class Leg(msgspec.Struct):
    """One channel."""

    uniqueid: str
    name: str
    number: str  # CallerIDNum, raw as Asterisk prints it
    caller_name: str
    context: str
    exten: str
    linkedid: str
    dnid: str = ""
    state: int = 0
    bridge: str = ""
    variables: dict[str, str] = {}
    action_id: str = ""  # of the Originate that made it, until that is answered for
    goes_to: tuple[str, str] = ("", "")  # context and exten of an originated trunk leg, once it is answered

    def headers(self) -> Headers:
        """The channel snapshot as every channel event carries it."""
        return [
            ("Channel", self.name),
            ("ChannelState", str(self.state)),
            ("ChannelStateDesc", STATES[self.state]),
            ("CallerIDNum", self.number or "<unknown>"),
            ("CallerIDName", self.caller_name or "<unknown>"),
            ("ConnectedLineNum", "<unknown>"),
            ("ConnectedLineName", "<unknown>"),
            ("Language", "en"),
            ("AccountCode", ""),
            ("Context", self.context),
            ("Exten", self.exten),
            ("Priority", "1"),
            ("Uniqueid", self.uniqueid),
            ("Linkedid", self.linkedid),
        ]


class Bridge(msgspec.Struct):
    """Two legs (or one, while the other leaves) that hear each other."""

    uniqueid: str
    legs: list[str]

    def headers(self) -> Headers:
        """The bridge snapshot as every bridge event carries it."""
        return [
            ("BridgeUniqueid", self.uniqueid),
            ("BridgeType", "basic"),
            ("BridgeTechnology", "simple_bridge"),
            ("BridgeCreator", "<unknown>"),
            ("BridgeName", "<unknown>"),
            ("BridgeNumChannels", str(len(self.legs))),
            ("BridgeVideoSourceMode", "none"),
        ]


class AsteriskModel:
    """Legs and bridges; every change is told to `tell(headers)` as an event, in Asterisk's order."""

    def __init__(self, tell: Callable[[Headers], None], clock: Callable[[], float]) -> None:
        self.legs: dict[str, Leg] = {}
        self.bridges: dict[str, Bridge] = {}
        self.devices: dict[str, str] = {}  # device -> state, e.g. PJSIP/agent1 -> NOT_INUSE
        self.endpoints: set[str] | None = None  # trunks that can be dialled; None: every one
        self.started = clock()
        self._tell = tell
        self._clock = clock
        self._counter = 0

    # What people and phones do ------------------------------------------------------------------------------------

    def call_in(self, number: str, caller: str, caller_name: str, context: str) -> Leg:
        """Somebody calls: a leg in state Ring at the dialled number."""
        self._counter += 1
        uniqueid = f"{int(self.started)}.{self._counter}"
        leg = self._new(uniqueid, f"PJSIP/trunk-{self._counter:08x}", caller, caller_name, context, number)
        leg.state = 4
        self._event("Newchannel", "call,all", leg.headers())
        return leg

    def ring(self, uniqueid: str) -> None:
        """The phone of an originated leg rings."""
        self._state(self.leg(uniqueid), 5)

    def answer(self, uniqueid: str) -> None:
        """A leg is answered; an originated one is then in our dialplan."""
        leg = self.leg(uniqueid)
        if leg.state == 6:
            return
        self._state(leg, 6)
        if leg.action_id:
            self._originated(leg, 4)
            if leg.goes_to[0]:
                leg.context, leg.exten = leg.goes_to
            self._dialplan(leg)

    def sound(self, uniqueid: str) -> None:
        """Sound comes from a leg that rings, before it is answered (main/dial.c; only its Dest headers matter)."""
        dest = [(f"Dest{name}", value) for name, value in self.leg(uniqueid).headers()]
        self._event("DialState", "call,all", [*dest, ("DialStatus", "PROGRESS")])

    def hangup(self, uniqueid: str, cause: int = 16, sip: int = 0) -> None:
        """A leg ends, by whoever's wish; the other leg of its bridge goes on in the dialplan. `sip`: final status."""
        leg = self.leg(uniqueid)
        other = self._leave(leg)
        del self.legs[uniqueid]
        if leg.action_id:
            self._originated(leg, REASONS.get(cause, 1))  # 22.10.1 says this before the Hangup
        extra = [("Cause", str(cause)), ("Cause-txt", CAUSES.get(cause, "Unknown"))]
        extra += [("TechCause", str(sip))] if sip else []
        self._event("Hangup", "call,all", leg.headers() + extra)
        if other is not None:
            self._unbridged(other)

    def user_event(self, uniqueid: str, phase: str) -> None:
        """The dialplan's `UserEvent(Callwright,Phase: …)` on a leg."""
        leg = self.leg(uniqueid)
        self._event("UserEvent", "user,all", [*leg.headers(), ("UserEvent", "Callwright"), ("Phase", phase)])

    def digit(self, uniqueid: str, digit: str) -> None:
        """A key was pressed and let go."""
        extra = [("Digit", digit), ("DurationMs", "100"), ("Direction", "Received")]
        self._event("DTMFEnd", "dtmf,all", self.leg(uniqueid).headers() + extra)

    def device(self, device: str, state: str) -> None:
        """A phone's state changes, e.g. UNAVAILABLE, NOT_INUSE, INUSE, RINGING."""
        self.devices[device] = state
        self._event("DeviceStateChange", "call,all", [("Device", device), ("State", state)])

    def contact(self, endpoint: str, uri: str, *, reachable: bool) -> None:
        """A phone registers or goes away."""
        status = "Reachable" if reachable else "Removed"
        extra = [("URI", uri), ("ContactStatus", status), ("AOR", endpoint), ("EndpointName", endpoint)]
        self._event("ContactStatus", "system,all", extra)

    def crash(self) -> None:
        """Everything is gone without a word; Asterisk begins anew."""
        self.legs.clear()
        self.bridges.clear()
        self.started = self._clock()

    # What the engine's actions do ---------------------------------------------------------------------------------

    def leg(self, key: str) -> Leg:
        """A live leg by uniqueid or channel name. Raises KeyError."""
        return self.legs[key] if key in self.legs else self.legs[self._by_name(key)]

    def leg_beginning(self, key: str) -> Leg | None:
        """As AMI Bridge looks for one: a leg whose name, else one whose uniqueid, begins with `key`.

        Which of several is Asterisk's choice; the newest shows a mistake soonest.
        """
        legs = [*reversed(self.legs.values())]
        named = (leg for leg in legs if leg.name.lower().startswith(key.lower()))
        numbered = (leg for leg in legs if leg.uniqueid.lower().startswith(key.lower()))
        return next(named, None) or next(numbered, None)

    def originate(self, action: Message) -> Leg | None:
        """Dial; None where the ChannelId is in use (then only the failed OriginateResponse is heard)."""
        self._counter += 1
        uniqueid = action.get("ChannelId") or f"{int(self.started)}.{self._counter}"
        channel = action["Channel"]
        number_at, _, trunk = channel.partition("@")
        name = f"{f'PJSIP/{trunk}' if trunk else number_at}-{self._counter:08x}"
        number = action.get("CallerID").partition("<")[2].rstrip(">")
        unknown = bool(trunk) and self.endpoints is not None and trunk not in self.endpoints
        if uniqueid in self.legs or unknown:
            ghost = Leg("<null>", channel, number, "", action.get("Context"), action.get("Exten"), uniqueid)
            ghost.action_id = action["ActionID"]
            self._originated(ghost, 0)
            return None
        place = (action.get("Context"), action.get("Exten"))
        at_first = ("callwright-inbound", "s") if trunk else place  # a trunk's leg is in its endpoint's context
        leg = self._new(uniqueid, name, number, "", *at_first)
        leg.goes_to = place if trunk else ("", "")
        leg.action_id = action["ActionID"]
        leg.variables.update(value.partition("=")[::2] for value in action.get_all("Variable"))
        self._event("Newchannel", "call,all", leg.headers())
        return leg

    def announce(self, action: Message) -> None:
        """AMI UserEvent: said to all, without a channel, with the action's own ActionID."""
        headers = [each for each in action.headers if each[0].lower() not in {"action", "userevent"}]
        self._event("UserEvent", "user,all", [("UserEvent", action["UserEvent"]), *headers])

    def join(self, first: Leg, second: Leg) -> None:
        """AMI Bridge: both leave where they are and hear each other."""
        for leg in (first, second):
            other = self._leave(leg)
            if other is not None and other is not first and other is not second:
                self._unbridged(other)
        self._counter += 1
        bridge = Bridge(f"bridge-{self._counter}", [])
        self.bridges[bridge.uniqueid] = bridge
        self._event("BridgeCreate", "call,all", bridge.headers())
        for leg in (first, second):
            leg.bridge = bridge.uniqueid
            bridge.legs.append(leg.uniqueid)
            self._event("BridgeEnter", "call,all", bridge.headers() + leg.headers())
        oldest = next(each.linkedid for each in self.legs.values() if each in (first, second))
        first.linkedid = second.linkedid = oldest

    def redirect(self, leg: Leg, context: str, exten: str) -> None:
        """AMI Redirect: out of any bridge, on at another place of the dialplan."""
        other = self._leave(leg)
        leg.context, leg.exten = context, exten
        self._dialplan(leg)
        if other is not None:
            self._unbridged(other)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _new(self, uniqueid: str, name: str, number: str, caller_name: str, context: str, exten: str) -> Leg:
        leg = Leg(uniqueid, name, number, caller_name, context, exten, uniqueid, dnid=exten)
        self.legs[uniqueid] = leg
        return leg

    def _by_name(self, name: str) -> str:
        for leg in self.legs.values():
            if leg.name == name:
                return leg.uniqueid
        raise KeyError(name)

    def _state(self, leg: Leg, state: int) -> None:
        leg.state = state
        self._event("Newstate", "call,all", leg.headers())

    def _leave(self, leg: Leg) -> Leg | None:
        """Take a leg out of its bridge; the bridge ends, so the leg that was left alone is given back."""
        bridge = self.bridges.pop(leg.bridge, None)
        if bridge is None:
            return None
        alone: Leg | None = None
        leaving = [leg.uniqueid, *(uniqueid for uniqueid in bridge.legs if uniqueid != leg.uniqueid)]
        for uniqueid in leaving:
            bridge.legs.remove(uniqueid)
            each = self.legs[uniqueid]
            each.bridge = ""
            alone = each if each is not leg else alone
            self._event("BridgeLeave", "call,all", bridge.headers() + each.headers())
        self._event("BridgeDestroy", "call,all", bridge.headers())
        return alone

    def _unbridged(self, leg: Leg) -> None:
        """A leg whose partner went goes on in the dialplan."""
        if (leg.context, leg.exten) == ("callwright-agents", "ondemand") or leg.context == "callwright-dial":
            self.hangup(leg.uniqueid)
        else:
            self._dialplan(leg)

    def _dialplan(self, leg: Leg) -> None:
        """What our dialplan says on a leg that (again) runs in it."""
        phase = {"idle": "idle", "ondemand": "ringed"}.get(leg.exten, "")
        if leg.context == "callwright-agents" and phase and leg.state == 6:
            self.user_event(leg.uniqueid, phase)
        if leg.context == "callwright-dial":
            self.user_event(leg.uniqueid, "answered")
            if leg.exten == "message":
                self.user_event(leg.uniqueid, "message")

    def _originated(self, leg: Leg, reason: int) -> None:
        """The event OriginateResponse, which comes once for each Originate."""
        headers = [
            ("ActionID", leg.action_id),
            ("Response", "Success" if reason == 4 else "Failure"),
            ("Channel", leg.name),
            ("Context", leg.context),
            ("Exten", leg.exten),
            ("Application", ""),
            ("Data", ""),
            ("Reason", str(reason)),
            ("Uniqueid", leg.uniqueid),
            ("CallerIDNum", leg.number or "<unknown>"),
            ("CallerIDName", leg.caller_name or "<unknown>"),
        ]
        leg.action_id = ""
        self._event("OriginateResponse", "call,all", headers)

    def _event(self, name: str, privilege: str, headers: Iterable[Header]) -> None:
        """Tell an event with the headers that Asterisk (timestampevents=yes) puts first."""
        first = [("Event", name), ("Privilege", privilege), ("Timestamp", f"{self._clock():.6f}")]
        self._tell([*first, *headers])
