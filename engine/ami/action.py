"""The actions the engine sends, one function each. Pure; every value is checked here or by `codec.encode`.

Only what the engine's manager user may do is here: rights `originate,call,reporting,user` (design, section 5). Calls
start in a context of our dialplan, never in an application: an application's arguments could reach a shell.
Header names are those of Asterisk 22, main/manager.c and the file named beside each action.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from engine.ami.codec import Action, Header
from engine.errors import AmiUnencodable

MAX_UNIQUEID: Final = 149  # characters of a ChannelId (channel.h AST_MAX_PUBLIC_UNIQUEID)

_CHANNEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}/[A-Za-z0-9_.+@:/;()<>-]{1,200}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_EXTEN: Final = re.compile(r"\+?[A-Za-z0-9*#_-]{1,80}")
_UNIQUEID: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_UNIQUEID}}}")
_NUMBER: Final = re.compile(r"\+?[0-9*#]{0,20}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.+-]{0,200}")
_SET_AT_START: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.+*#/-]{0,200}")
"""For an Originate: an id, a number, a key, the name of a sound. No comma, at which Asterisk would split it."""
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}(\([a-z]{0,16}\))?")
_DISPLAY_NAME: Final = re.compile(r"""[^"<>\\\x00-\x1f\x7f]{0,80}""")


def login(username: str, secret: str, *, events: bool) -> Action:
    """Sign in. `events=False` asks for none, as the connection that carries actions does."""
    return Action("Login", (("Username", username), ("Secret", secret), ("Events", "on" if events else "off")))


def logoff() -> Action:
    """Sign out; Asterisk answers Goodbye and closes."""
    return Action("Logoff")


def ping() -> Action:
    """Ask for a Pong."""
    return Action("Ping")


def events(mask: str) -> Action:
    """Choose the classes of events this connection gets, e.g. `on`, `off`, `system,call,user`."""
    return Action("Events", (("EventMask", _checked("Events", "EventMask", mask, re.compile(r"[a-z]+(,[a-z]+)*"))),))


def originate(
    *,
    channel: str,
    channel_id: str,
    context: str,
    exten: str,
    timeout_ms: int,
    caller_number: str = "",
    caller_name: str = "",
    variables: Mapping[str, str] | None = None,
    early_media: bool = False,
    other_channel_id: str = "",
) -> Action:
    """Call `channel`; when it answers it goes to priority 1 of `exten` in `context`.

    Always asynchronous: a synchronous Originate blocks the whole connection until the phone is answered or not.
    `channel_id` becomes the leg's Uniqueid *and* the ActionID, so the later OriginateResponse event names the attempt;
    a Local channel's second half gets `other_channel_id`. Asterisk refuses an id that is in use: never dialled twice.
    Raises `AmiUnencodable`, which names the field.
    """
    name = "Originate"
    if timeout_ms <= 0:
        raise AmiUnencodable("must be above 0 ms", where="action 'Originate', field 'Timeout'")
    headers: list[Header] = [
        ("Channel", _checked(name, "Channel", channel, _CHANNEL)),
        ("ChannelId", _checked(name, "ChannelId", channel_id, _UNIQUEID)),
        ("Context", _checked(name, "Context", context, _NAME)),
        ("Exten", _checked(name, "Exten", exten, _EXTEN)),
        ("Priority", "1"),
        ("Timeout", str(timeout_ms)),
        ("Async", "true"),
    ]
    if other_channel_id:
        headers.append(("OtherChannelId", _checked(name, "OtherChannelId", other_channel_id, _UNIQUEID)))
    if caller_number or caller_name:
        number = _checked(name, "CallerID", caller_number, _NUMBER)
        display = _checked(name, "CallerID", caller_name, _DISPLAY_NAME)
        headers.append(("CallerID", f'"{display}" <{number}>'))
    if early_media:
        headers.append(("EarlyMedia", "true"))
    headers += [("Variable", _variable(name, key, value)) for key, value in (variables or {}).items()]
    return Action(name, tuple(headers), action_id=channel_id)


def bridge(channel1: str, channel2: str, *, tone: Literal["no", "Channel1", "Channel2", "Both"] = "no") -> Action:
    """Join two live legs; `tone` beeps at that side. When one hangs up the other goes on in its dialplan.

    Both are whole channel names. This one action of Asterisk takes the first channel whose name, or else whose
    uniqueid, only *begins* with what it is given (main/features.c, ast_channel_get_by_name_prefix): told `1700000000.1`
    it may join `1700000000.15`, a stranger's call. Names end in eight digits and cannot begin one another.
    """
    pair = tuple(
        (field, _checked("Bridge", field, name, _CHANNEL))
        for field, name in (("Channel1", channel1), ("Channel2", channel2))
    )
    return Action("Bridge", (*pair, ("Tone", tone)))


def redirect(channel: str, *, context: str, exten: str) -> Action:
    """Send a leg to priority 1 of `exten` in `context`, out of any bridge."""
    return Action(
        "Redirect",
        (
            ("Channel", _leg("Redirect", "Channel", channel)),
            ("Context", _checked("Redirect", "Context", context, _NAME)),
            ("Exten", _checked("Redirect", "Exten", exten, _EXTEN)),
            ("Priority", "1"),
        ),
    )


def hangup(channel: str, *, cause: int = 16) -> Action:
    """End one leg, by name or uniqueid. `cause` is a Q.850 number (16: normal clearing)."""
    if not 0 <= cause <= 127:
        raise AmiUnencodable(f"{cause} is no Q.850 cause", where="action 'Hangup', field 'Cause'", mend="use 0 to 127")
    return Action("Hangup", (("Channel", _leg("Hangup", "Channel", channel)), ("Cause", str(cause))))


def setvar(channel: str, name: str, value: str) -> Action:
    """Set a channel variable, or a function such as `MUTEAUDIO(in)`; only an opaque value travels."""
    return Action(
        "Setvar",
        (
            ("Channel", _leg("Setvar", "Channel", channel)),
            ("Variable", _checked("Setvar", "Variable", name, _VARIABLE_NAME)),
            ("Value", _checked("Setvar", "Value", value, _VALUE)),
        ),
    )


def getvar(channel: str, name: str) -> Action:
    """Read a channel variable; the answer's `Value` holds it."""
    variable = _checked("Getvar", "Variable", name, _VARIABLE_NAME)
    return Action("Getvar", (("Channel", _leg("Getvar", "Channel", channel)), ("Variable", variable)))


def mixmonitor_mute(channel: str, *, on: bool, direction: Literal["read", "write", "both"] = "both") -> Action:
    """Silence the recording of a leg without ending it (apps/app_mixmonitor.c; needs only right `call`)."""
    leg = _leg("MixMonitorMute", "Channel", channel)
    return Action("MixMonitorMute", (("Channel", leg), ("Direction", direction), ("State", "1" if on else "0")))


def user_event(name: str, headers: Mapping[str, str]) -> Action:
    """Send a UserEvent to every connection that listens; values are opaque ids and words."""
    pairs = tuple((key, _checked("UserEvent", key, value, _VALUE)) for key, value in headers.items())
    return Action("UserEvent", (("UserEvent", _checked("UserEvent", "UserEvent", name, _NAME)), *pairs))


def core_status() -> Action:
    """Asterisk's start and reload times, calls now: a changed start time means a restart."""
    return Action("CoreStatus")


def core_settings() -> Action:
    """Asterisk's version and limits."""
    return Action("CoreSettings")


def core_show_channels() -> Action:
    """A list: one CoreShowChannel event for each live leg."""
    return Action("CoreShowChannels")


def status(variables: tuple[str, ...] = ()) -> Action:
    """A list: one Status event for each live leg, with the named channel variables as `Variable: name=value`.

    A variable that is not set reads `name=(null)`.
    """
    if not variables:
        return Action("Status")
    names = tuple(_checked("Status", "Variables", name, _VARIABLE_NAME) for name in variables)
    return Action("Status", (("Variables", ",".join(names)),))


def bridge_list() -> Action:
    """A list: one BridgeListItem event for each bridge (main/manager_bridges.c)."""
    return Action("BridgeList")


def bridge_info(bridge_id: str) -> Action:
    """A list: one BridgeInfoChannel event for each leg in a bridge."""
    return Action("BridgeInfo", (("BridgeUniqueid", _checked("BridgeInfo", "BridgeUniqueid", bridge_id, _UNIQUEID)),))


def device_state_list() -> Action:
    """A list: one DeviceStateChange event for each known device (res/res_manager_devicestate.c).

    The phones' states come from here and from DeviceStateChange events: PJSIPShowContacts needs right `system`.
    """
    return Action("DeviceStateList")


def _leg(action: str, field: str, value: str) -> str:
    """A live leg by channel name (`PJSIP/trunk-00000001`) or by uniqueid (`1700000000.12`, `attempt_01H…`)."""
    if _CHANNEL.fullmatch(value) or _UNIQUEID.fullmatch(value):
        return value
    raise _unfit(action, field, value)


def _variable(action: str, name: str, value: str) -> str:
    return f"{_checked(action, 'Variable', name, _VARIABLE_NAME)}={_checked(action, 'Variable', value, _SET_AT_START)}"


def _checked(action: str, field: str, value: str, form: re.Pattern[str]) -> str:
    if form.fullmatch(value):
        return value
    raise _unfit(action, field, value)


def _unfit(action: str, field: str, value: str) -> AmiUnencodable:
    """The value itself is not repeated: it may be a telephone number, and errors reach log files."""
    what = f"{len(value)} characters that do not fit this field" if value else "an empty value does not fit this field"
    return AmiUnencodable(what, where=f"action {action!r}, field {field!r}", mend="see engine/ami/action.py")
