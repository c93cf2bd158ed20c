"""The strict writer and the tolerant reader, on bytes that Asterisk sends and bytes that an attacker would."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ami.codec import (
    MAX_ACTION_HEADERS,
    MAX_LINE,
    MAX_MESSAGE,
    Action,
    Anomaly,
    Decoder,
    Header,
    Message,
    encode,
)
from engine.errors import AmiHeaderMissing, AmiUnencodable

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def read(raw: bytes, greeting: bytes = GREETING) -> list[Message]:
    return Decoder().feed(greeting + raw)


def headers_of(raw: bytes) -> list[tuple[Header, ...]]:
    return [message.headers for message in read(raw)]


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_message_keeps_order_and_ignores_case() -> None:
    (message,) = read(b"Event: Newchannel\r\nChannel: PJSIP/a-1\r\nUniqueid: 1.2\r\n\r\n")
    assert message.headers == (("Event", "Newchannel"), ("Channel", "PJSIP/a-1"), ("Uniqueid", "1.2"))
    assert message["uniqueID"] == "1.2"
    assert message.event == "Newchannel"
    assert "channel" in message
    assert not message.is_response


def test_a_missing_header_raises_and_an_empty_one_does_not() -> None:
    (message,) = read(b"Event: Newchannel\r\nAccountCode: \r\n\r\n")
    assert message["AccountCode"] == ""
    assert message.get("Channel", "none") == "none"
    with pytest.raises(AmiHeaderMissing, match="Event: Newchannel: the header Channel is missing"):
        message["Channel"]


def test_an_event_with_a_response_header_is_an_event() -> None:
    (message,) = read(b"Event: OriginateResponse\r\nActionID: a1\r\nResponse: Failure\r\n\r\n")
    assert message.event == "OriginateResponse"
    assert not message.is_response
    assert message.success


@pytest.mark.parametrize(
    "end",
    [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"\r\r\n\r\r\n"],
    ids=repr,
)
def test_every_way_asterisk_ends_a_message_is_read(end: bytes) -> None:
    """CoreShowChannelMap ends with CR LF LF (asterisk issue 761), PAMI and chan-dongle saw lone and triple ends."""
    raw = b"Event: A\r\nX: 1" + end + b"Event: B\r\nX: 2" + end
    assert headers_of(raw) == [(("Event", "A"), ("X", "1")), (("Event", "B"), ("X", "2"))]


def test_no_contacts_found_is_one_response() -> None:
    """res_pjsip sends a line end inside the message's text."""
    raw = b"Response: Error\r\nActionID: 7\r\nMessage: No Contacts found\n\r\n\r\nEvent: A\r\n\r\n"
    first, second = read(raw)
    assert first["Message"] == "No Contacts found"
    assert not first.success
    assert second.event == "A"


def test_two_messages_run_together_are_one_that_says_so() -> None:
    """Where an end is missing, a second `Event:` line must not begin a message: a caller could write such a line."""
    decoder = Decoder()
    (message,) = decoder.feed(GREETING + b"Event: Newstate\r\nUniqueid: 1.1\r\nEvent: Hangup\r\nUniqueid: 1.2\r\n\r\n")
    assert (message.event, message["Uniqueid"]) == ("Newstate", "1.1")
    assert message.repeated == ("event", "uniqueid")
    assert decoder.anomalies[Anomaly.REPEATED_HEADER] == 2


def test_command_output_keeps_every_line() -> None:
    raw = b"Response: Success\r\nMessage: Command output follows\r\nOutput: a: b\r\nOutput: \r\nOutput: c\r\n\r\n"
    (message,) = read(raw)
    assert message.get_all("output") == ("a: b", "", "c")
    assert message.repeated == ()


def test_raw_output_of_old_asterisk_is_read_as_output() -> None:
    (message,) = read(
        b"Response: Follows\r\nPrivilege: Command\r\nActionID: 1\r\nNo such\nline\n--END COMMAND--\r\n\r\n"
    )
    assert message.success
    assert message.get_all("Output") == ("No such", "line", "--END COMMAND--")


def test_bytes_that_are_not_utf8_are_read_as_latin1_line_by_line() -> None:
    decoder = Decoder()
    name = "张伟".encode()
    (message,) = decoder.feed(GREETING + b"Event: A\r\nLatin: M\xfcller\r\nName: " + name + b"\r\n\r\n")
    assert message["Latin"] == "Müller"
    assert message["Name"] == "张伟"
    assert decoder.anomalies == {Anomaly.NOT_UTF8: 1}


def test_without_a_greeting_the_first_line_is_not_lost() -> None:
    decoder = Decoder()
    (message,) = decoder.feed(b"Response: Error\r\nMessage: Too many sessions\r\n\r\n")
    assert message["Message"] == "Too many sessions"
    assert decoder.greeting == ""
    assert decoder.anomalies[Anomaly.NO_GREETING] == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_an_overlong_line_costs_its_message_only(at_once: bool) -> None:
    decoder = Decoder()
    raw = GREETING + b"Event: A\r\nX: " + b"x" * (MAX_LINE * 3) + b"\r\nY: 1\r\n\r\nEvent: B\r\n\r\n"
    messages = feed_in(decoder, raw, len(raw) if at_once else 1000)
    assert [message.event for message in messages] == ["B"]
    assert decoder.anomalies == {Anomaly.OVERLONG_LINE: 1}


def test_memory_is_bounded_by_one_line_and_one_message() -> None:
    decoder = Decoder()
    decoder.feed(GREETING + b"Event: A\r\n")
    for _ in range(64):
        assert decoder.feed(b"x" * MAX_LINE) == []
    assert len(decoder._tail) <= MAX_LINE
    decoder.feed(b"\r\n\r\n")
    for _ in range(3 * MAX_MESSAGE // 1000):
        decoder.feed(b"Key: " + b"v" * 1000 + b"\r\n")
    assert sum(len(value) for _, value in decoder._headers) <= MAX_MESSAGE
    assert [each.event for each in decoder.feed(b"\r\nEvent: B\r\n\r\n")] == ["B"]
    assert decoder.anomalies[Anomaly.OVERLONG_MESSAGE] == 1


def test_rubbish_is_counted_and_reading_goes_on() -> None:
    decoder = Decoder()
    messages = decoder.feed(GREETING + b"\x00\xff\r\n\r\nKey: value\r\n\r\nEvent: A\r\nno colon\r\nX: 1\r\n\r\n")
    assert [message.headers for message in messages] == [(("Event", "A"), ("X", "1"))]
    assert decoder.anomalies[Anomaly.ORPHAN] == 2
    assert decoder.anomalies[Anomaly.NO_COLON] == 2


def test_a_caller_who_writes_lines_cannot_begin_or_end_a_call() -> None:
    """CallerIDNum is printed raw; an INVITE may carry %0d%0a. What is forged is dropped or marked, never believed."""
    evil = b"1\r\nUniqueid: 9.9\r\nEvent: Hangup"
    raw = b"Event: Newchannel\r\nChannel: PJSIP/t-1\r\nCallerIDNum: " + evil + b"\r\nUniqueid: 1.1\r\n\r\n"
    (message,) = read(raw)
    assert message.event == "Newchannel"
    assert message.repeated == ("event", "uniqueid")

    whole = b"1\r\n\r\nEvent: Hangup\r\nChannel: PJSIP/v-1\r\nUniqueid: 9.9"
    raw = b"Event: Newchannel\r\nChannel: PJSIP/t-1\r\nCallerIDNum: " + whole + b"\r\nUniqueid: 1.1\r\n\r\n"
    cut, forged = read(raw)
    with pytest.raises(AmiHeaderMissing):
        cut["Uniqueid"]
    assert forged.repeated == ("uniqueid",)


@pytest.mark.parametrize("name", ["EVENT", "event", "Event ", "response", "rEsponse"])
def test_a_message_begins_as_asterisk_writes_it(name: str) -> None:
    """An event filter in manager.conf withholds forged events by this very writing."""
    assert read(f"{name}: Hangup\r\nUniqueid: 9.9\r\n\r\n".encode()) == []


def test_what_is_shown_of_a_message_holds_no_number() -> None:
    (message,) = read(b"Event: Newchannel\r\nCallerIDNum: +442071234567\r\n\r\n")
    assert "4207" not in repr(message)
    assert repr(message) == "<Message 'Event: Newchannel' 2 headers>"
    secret = Action("Login", (("Secret", "hunter2"),))
    assert "hunter2" not in repr(secret)


# Reading: properties --------------------------------------------------------------------------------------------------

ENDS = (b"\r", b"\n", b"\r\n", b"\r\n\r\n", b": ", b":", b" ")
WORDS = (b"Event", b"Response", b"Follows", b"ActionID", b"Output", b"Asterisk Call Manager/")
PIECES = st.sampled_from((*ENDS, *WORDS, b"\x00", "张".encode(), "张".encode()[:2], b"\xff", b"a" * 700, b"x"))
WIRE = st.lists(PIECES | st.binary(max_size=8), max_size=60).map(b"".join)


def feed_in(decoder: Decoder, raw: bytes, size: int) -> list[Message]:
    return [message for at in range(0, len(raw), size) for message in decoder.feed(raw[at : at + size])]


@given(WIRE, st.lists(st.integers(0, 4000), max_size=10))
def test_where_bytes_are_cut_changes_nothing(raw: bytes, cuts: list[int]) -> None:
    raw += b"\r\n\r\n"
    whole, pieces, single = Decoder(), Decoder(), Decoder()
    expected = whole.feed(raw)
    marks = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    got = [each for begin, end in pairwise(marks) for each in pieces.feed(raw[begin:end])]
    assert got == expected
    assert feed_in(single, raw, 1) == expected
    assert whole.anomalies == pieces.anomalies == single.anomalies
    assert whole.greeting == pieces.greeting == single.greeting


@given(st.integers(MAX_LINE - 3, MAX_LINE + 3), st.integers(0, 3), st.integers(1, MAX_LINE + 8))
def test_the_limit_of_a_line_does_not_depend_on_the_cut(length: int, returns: int, cut: int) -> None:
    raw = b"Event: A\r\nX: " + b"x" * (length - 3) + b"\r" * returns + b"\n\r\nEvent: B\r\n\r\n"
    whole, pieces = Decoder(), Decoder()
    expected = whole.feed(GREETING + raw)
    got = pieces.feed(GREETING) + feed_in(pieces, raw, cut)
    assert got == expected
    assert expected[-1].event == "B"
    assert whole.anomalies == pieces.anomalies


@given(WIRE)
def test_the_message_after_rubbish_is_read(raw: bytes) -> None:
    decoder = Decoder()
    decoder.feed(raw + b"\r\n\r\n")
    assert decoder.feed(b"Event: A\r\nX: 1\r\n\r\n")[-1].headers == (("Event", "A"), ("X", "1"))


# Writing --------------------------------------------------------------------------------------------------------------


def parse_as_asterisk_does(raw: bytes) -> list[list[tuple[str, str]]]:
    """manager.c get_input and astman_get_header: a line ends at LF or CR LF, an action at an empty line."""
    actions: list[list[tuple[str, str]]] = [[]]
    for line in raw.replace(b"\r\n", b"\n").split(b"\n"):
        if line:
            name, _, value = line.decode().partition(": ")
            actions[-1].append((name, value))
        elif actions[-1]:
            actions.append([])
    return actions[:-1]


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda name: name.lower() != "variable")


@given(st.lists(st.tuples(NAMES, st.text(max_size=300)), max_size=130), st.text(max_size=20), st.text(max_size=20))
def test_what_is_written_is_read_back_as_it_was_or_refused(
    headers: list[tuple[str, str]], name: str, action_id: str
) -> None:
    """No value adds a header, ends an action, or arrives changed."""
    try:
        raw = encode(Action(name, tuple(headers)), action_id)
    except AmiUnencodable:
        return
    identity = [("ActionID", action_id)] if action_id else []
    assert parse_as_asterisk_does(raw) == [[("Action", name), *identity, *headers]]


@given(st.lists(st.tuples(NAMES, st.text(st.characters(min_codepoint=32, codec="utf-8"), max_size=80)), max_size=20))
def test_decoding_gives_back_what_was_encoded(headers: list[tuple[str, str]]) -> None:
    try:
        raw = encode(Action("X", tuple(headers)), "id")
    except AmiUnencodable:  # DEL, the one control character above 31
        return
    (message,) = read(raw.replace(b"Action: X", b"Event: X", 1))
    assert list(message.headers) == [("Event", "X"), ("ActionID", "id"), *headers]


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ((("Channel", "PJSIP/a\r\nAction: Command"),), "Channel"),
        ((("Channel", "PJSIP/a\nX: y"),), "Channel"),
        ((("Channel", "a\rb"),), "Channel"),
        ((("Channel", "a\x00b"),), "Channel"),
        ((("Data", "x" * 995),), "Data"),
        ((("Data", "张" * 332),), "Data"),
        ((("Bad Name", "x"),), "Bad Name"),
        ((("Bad:Name", "x"),), "Bad:Name"),
        ((("", "x"),), ""),
        ((("Data", "\ud800"),), "Data"),
        ((("Variable", "NAME=a,EVIL=b"),), "Variable"),
        ((("Variable", 'NAME="a"'),), "Variable"),
        ((("variable", "NAME=${SHELL(id)}"),), "variable"),
        ((("Variable", "NAME=a b"),), "Variable"),
    ],
)
def test_what_must_not_go_on_the_wire_is_refused_with_its_field(headers: tuple[Header, ...], field: str) -> None:
    with pytest.raises(AmiUnencodable) as refused:
        encode(Action("Originate", headers), "id")
    assert refused.value.where == f"action 'Originate', field {field!r}"
    assert "evil" not in str(refused.value).lower()


def test_too_many_headers_are_refused() -> None:
    fits = tuple(("X", "1") for _ in range(MAX_ACTION_HEADERS - 2))
    assert encode(Action("A", fits), "id")
    with pytest.raises(AmiUnencodable, match="121 headers, at most 120 fit"):
        encode(Action("A", (*fits, ("X", "1"))), "id")


def test_names_in_other_scripts_travel_whole() -> None:
    raw = encode(Action("UserEvent", (("Who", "张伟"),)), "1")
    assert raw == b"Action: UserEvent\r\nActionID: 1\r\nWho: " + "张伟".encode() + b"\r\n\r\n"
