"""The typed actions: what they put on the wire, and what they refuse."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ami import action
from engine.ami.codec import Action, encode
from engine.errors import AmiUnencodable


def dial(**changes: Any) -> Action:
    values: dict[str, Any] = {
        "channel": "PJSIP/+442071234567@trunk",
        "channel_id": "attempt_01H.1",
        "context": "callwright-agents",
        "exten": "ondemand",
        "timeout_ms": 20_000,
    }
    return action.originate(**(values | changes))


def test_originate_is_asynchronous_and_carries_its_id_twice() -> None:
    """A synchronous Originate blocks the connection; a live ChannelId is refused by Asterisk: never dialled twice."""
    wanted = dial(caller_number="+4420", caller_name="张伟", variables={"CW_LEG": "leg_1"}, early_media=True)
    assert encode(wanted).decode().split("\r\n") == [
        "Action: Originate",
        "ActionID: attempt_01H.1",
        "Channel: PJSIP/+442071234567@trunk",
        "ChannelId: attempt_01H.1",
        "Context: callwright-agents",
        "Exten: ondemand",
        "Priority: 1",
        "Timeout: 20000",
        "Async: true",
        'CallerID: "张伟" <+4420>',
        "EarlyMedia: true",
        "Variable: CW_LEG=leg_1",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("built", "lines"),
    [
        (action.ping(), []),
        (action.logoff(), []),
        (action.events("system,call"), ["EventMask: system,call"]),
        (
            action.bridge("PJSIP/b-1", "PJSIP/a-1", tone="Channel2"),
            ["Channel1: PJSIP/b-1", "Channel2: PJSIP/a-1", "Tone: Channel2"],
        ),
        (action.hangup("1.1", cause=17), ["Channel: 1.1", "Cause: 17"]),
        (action.setvar("1.1", "MUTEAUDIO(in)", "on"), ["Channel: 1.1", "Variable: MUTEAUDIO(in)", "Value: on"]),
        (action.getvar("1.1", "CW_NEXT"), ["Channel: 1.1", "Variable: CW_NEXT"]),
        (action.mixmonitor_mute("1.1", on=True), ["Channel: 1.1", "Direction: both", "State: 1"]),
        (action.user_event("Callwright", {"Phase": "x"}), ["UserEvent: Callwright", "Phase: x"]),
        (action.status(("CW_A", "CW_B")), ["Variables: CW_A,CW_B"]),
        (action.status(), []),
        (action.bridge_info("b-1"), ["BridgeUniqueid: b-1"]),
        (
            action.redirect("1.1", context="callwright-call", exten="hold"),
            ["Channel: 1.1", "Context: callwright-call", "Exten: hold", "Priority: 1"],
        ),
        (action.login("u", "s", events=False), ["Username: u", "Secret: s", "Events: off"]),
    ],
    ids=lambda value: value.name if isinstance(value, Action) else "",
)
def test_each_action_says_what_asterisk_reads(built: Action, lines: list[str]) -> None:
    assert encode(built).decode() == "\r\n".join([f"Action: {built.name}", *lines, "", ""])


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: dial(channel="PJSIP/a&PJSIP/b"), "Channel"),
        (lambda: dial(channel="no-technology"), "Channel"),
        (lambda: dial(channel_id="a" * 150), "ChannelId"),
        (lambda: dial(channel_id=""), "ChannelId"),
        (lambda: dial(context="default,s,1"), "Context"),
        (lambda: dial(exten="${SHELL(id)}"), "Exten"),
        (lambda: dial(timeout_ms=0), "Timeout"),
        (lambda: dial(caller_number="12 34"), "CallerID"),
        (lambda: dial(caller_name='x" <999>'), "CallerID"),
        (lambda: dial(variables={"A": "1,B=2"}), "Variable"),
        (lambda: dial(variables={"A,B": "1"}), "Variable"),
        (lambda: dial(other_channel_id="a b"), "OtherChannelId"),
        (lambda: action.hangup("1.1", cause=200), "Cause"),
        (lambda: action.hangup("*"), "Channel"),
        (lambda: action.bridge("PJSIP/a-1", "1700000000.1"), "Channel2"),
        (lambda: action.setvar("1.1", "SHELL(id;)", "x"), "Variable"),
        (lambda: action.setvar("1.1", "A", "x,y"), "Value"),
        (lambda: action.status(("a,b",)), "Variables"),
        (lambda: action.user_event("Callwright", {"Phase": "a\r\nb"}), "Phase"),
        (lambda: action.events("on\r\n"), "EventMask"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field_and_without_its_value(
    build: Callable[[], Action], field: str
) -> None:
    with pytest.raises(AmiUnencodable) as refused:
        build()
    assert refused.value.where.endswith(f"field {field!r}")
    assert "SHELL" not in str(refused.value)


@given(st.text(max_size=40))
def test_a_variable_holds_its_whole_value_or_is_refused(value: str) -> None:
    """Asterisk splits `Variable:` at commas and reads quotes, brackets and backslashes as syntax."""
    try:
        built = dial(variables={"CW_LEG": value})
    except AmiUnencodable:
        strange = any(not (each.isascii() and (each.isalnum() or each in "_.+-")) for each in value)
        assert strange or ".." in value  # a path must not climb
    else:
        assert encode(built).decode().count("Variable: ") == 1
        assert f"Variable: CW_LEG={value}\r\n" in encode(built).decode()


@given(st.text(max_size=60), st.text(max_size=30))
def test_a_caller_name_never_leaves_its_quotes(name: str, number: str) -> None:
    try:
        raw = encode(dial(caller_name=name, caller_number=number))
    except AmiUnencodable:
        return
    lines = [line for line in raw.decode().split("\r\n") if line.startswith("CallerID: ")]
    assert lines == ([f'CallerID: "{name}" <{number}>'] if name or number else [])
    assert raw.decode().count('"') in {0, 2}
