"""What Asterisk's manager answers to each action, over the tiny Asterisk of `ami_model`. Pure.

One function an action; each returns the frames of its answer, the response first. Events that follow are told by the
model itself. Order, header names and texts were compared with a real 22.10.1, which prints `(null)` for what is unset.
"""

from collections.abc import Callable
from typing import Final

from engine.ami.codec import Message
from engine.errors import AmiHeaderMissing
from engine.testing.ami_model import AsteriskModel, Headers

Answer = list[Headers]


def answer(model: AsteriskModel, action: Message) -> Answer:
    """The frames that answer an action, each with its ActionID; an error for what Asterisk would refuse."""
    name = action.get("Action").lower()
    act = _ACTIONS.get(name)
    if act is None:
        frames = _error(f"Invalid/unknown command: {name}. Use Action: ListCommands to show available commands.")
    else:
        try:
            frames = act(model, action)
        except KeyError:
            frames = _error("No such channel")
        except AmiHeaderMissing as missing:
            frames = _error(missing.what)
    return [_identified(frame, action.get("ActionID")) for frame in frames]


def _identified(frame: Headers, action_id: str) -> Headers:
    return [frame[0], ("ActionID", action_id), *frame[1:]] if action_id else frame


def _success(text: str, *more: tuple[str, str]) -> Answer:
    return [[("Response", "Success"), ("Message", text), *more]]


def _error(text: str) -> Answer:
    return [[("Response", "Error"), ("Message", text)]]


def _list(text: str, items: list[Headers], complete: str) -> Answer:
    """manager.c astman_send_listack and astman_send_list_complete."""
    return [
        [("Response", "Success"), ("EventList", "start"), ("Message", text)],
        *items,
        [("Event", complete), ("EventList", "Complete"), ("ListItems", str(len(items)))],
    ]


def _ping(_: AsteriskModel, __: Message) -> Answer:
    return [[("Response", "Success"), ("Ping", "Pong"), ("Timestamp", "1700000000.000000")]]


def _originate(_: AsteriskModel, action: Message) -> Answer:
    if action.get("Async").lower() != "true":
        return _error("this peer wants Async: true, as a synchronous Originate blocks the connection")
    for name in ("Channel", "Context", "Exten"):
        if not action.get(name):
            return _error(f"{name} not specified")
    return _success("Originate successfully queued")


def _bridge(model: AsteriskModel, action: Message) -> Answer:
    legs = [model.leg_beginning(action[field]) for field in ("Channel1", "Channel2")]
    if legs[0] is None or legs[1] is None:
        field = "Channel2" if legs[0] else "Channel1"
        return _error(f"{field} does not exist: {action[field]}")
    model.join(legs[0], legs[1])
    return _success("Channels have been bridged")


def _hangup(model: AsteriskModel, action: Message) -> Answer:
    leg = model.leg(action["Channel"])
    model.hangup(leg.uniqueid, int(action.get("Cause", "16")))
    return _success("Channel Hungup")


def _redirect(model: AsteriskModel, action: Message) -> Answer:
    model.redirect(model.leg(action["Channel"]), action["Context"], action["Exten"])
    return _success("Redirect successful")


def _setvar(model: AsteriskModel, action: Message) -> Answer:
    model.leg(action["Channel"]).variables[action["Variable"]] = action["Value"]
    return _success("Variable Set")


def _getvar(model: AsteriskModel, action: Message) -> Answer:
    name = action["Variable"]
    value = model.leg(action["Channel"]).variables.get(name, "")
    return [[("Response", "Success"), ("Variable", name), ("Value", value)]]


def _channels(model: AsteriskModel, _: Message) -> Answer:
    items: list[Headers] = [
        [
            ("Event", "CoreShowChannel"),
            *leg.headers(),
            ("Application", "AppDial2" if not leg.bridge else ""),
            ("ApplicationData", ""),
            ("Duration", "00:00:01"),
            ("BridgeId", leg.bridge),
        ]
        for leg in model.legs.values()
    ]
    return _list("Channels will follow", items, "CoreShowChannelsComplete")


def _status(model: AsteriskModel, action: Message) -> Answer:
    names = [name for name in action.get("Variables").split(",") if name]
    items: list[Headers] = [
        [
            ("Event", "Status"),
            ("Privilege", "Call"),
            *leg.headers(),
            ("Type", "PJSIP"),
            ("DNID", leg.dnid),
            ("BridgeID", leg.bridge),
            ("Seconds", "1"),
            *(("Variable", f"{name}={leg.variables.get(name, '(null)')}") for name in names),
        ]
        for leg in model.legs.values()
    ]
    return _list("Channel status will follow", items, "StatusComplete")


def _bridges(model: AsteriskModel, _: Message) -> Answer:
    items: list[Headers] = [[("Event", "BridgeListItem"), *each.headers()] for each in model.bridges.values()]
    return _list("Bridge listing will follow", items, "BridgeListComplete")


def _bridge_info(model: AsteriskModel, action: Message) -> Answer:
    bridge = model.bridges.get(action["BridgeUniqueid"])
    if bridge is None:
        return _error("Specified BridgeUniqueid not found")
    items: list[Headers] = [[("Event", "BridgeInfoChannel"), *model.legs[each].headers()] for each in bridge.legs]
    return _list("Bridge channel listing will follow", items, "BridgeInfoComplete")


def _devices(model: AsteriskModel, _: Message) -> Answer:
    items: list[Headers] = [
        [("Event", "DeviceStateChange"), ("Device", device), ("State", state)]
        for device, state in model.devices.items()
    ]
    return _list("Device State Changes will follow", items, "DeviceStateListComplete")


def _contacts(_: AsteriskModel, __: Message) -> Answer:
    """Needs right `system`, which the engine's manager user does not have."""
    return _error("Permission denied")


def _user_event(model: AsteriskModel, action: Message) -> Answer:
    model.announce(action)
    return _success("Event Sent")


def _core_status(model: AsteriskModel, _: Message) -> Answer:
    calls = str(len(model.legs))
    return [[("Response", "Success"), ("CoreStartupTime", f"{model.started:.0f}"), ("CoreCurrentCalls", calls)]]


def _core_settings(_: AsteriskModel, __: Message) -> Answer:
    return [[("Response", "Success"), ("AMIversion", "11.0.0"), ("AsteriskVersion", "22.10.1")]]


def _mute(model: AsteriskModel, action: Message) -> Answer:
    model.leg(action["Channel"]).variables["MixMonitorMute"] = action["State"]
    return [[("Response", "Success")]]


_ACTIONS: Final[dict[str, Callable[[AsteriskModel, Message], Answer]]] = {
    "ping": _ping,
    "originate": _originate,
    "bridge": _bridge,
    "hangup": _hangup,
    "redirect": _redirect,
    "setvar": _setvar,
    "getvar": _getvar,
    "coreshowchannels": _channels,
    "status": _status,
    "bridgelist": _bridges,
    "bridgeinfo": _bridge_info,
    "devicestatelist": _devices,
    "pjsipshowcontacts": _contacts,
    "corestatus": _core_status,
    "coresettings": _core_settings,
    "userevent": _user_event,
    "mixmonitormute": _mute,
}
