from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agi.codec import (
    COMMAND_BYTES,
    ENVIRONMENT_BYTES,
    ENVIRONMENT_LINES,
    AgiRequest,
    EnvironmentReader,
    LineReader,
    Reply,
    ReplyReader,
    encode,
    read_environment,
)
from engine.errors import AgiCommandInvalid, AgiProtocolError
from engine.testing.agi_peer import AgiPeer, split_words

PRINTABLE = st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=60)


def environment(data: bytes) -> AgiRequest:
    reader, lines = EnvironmentReader(), LineReader(ENVIRONMENT_BYTES, "test")
    for line in lines.feed(data):
        request = reader.add(line)
        if request is not None:
            return request
    raise AssertionError("no blank line")


def replies(data: bytes, *, expects_value: bool = False) -> list[Reply]:
    reader, lines = ReplyReader(), LineReader(65536, "test")
    found = (reader.add(line, expects_value=expects_value) for line in lines.feed(data))
    return [reply for reply in found if reply is not None]


# --- environment


def test_an_environment_is_read_into_a_typed_request() -> None:
    peer = AgiPeer("17.4", "s" * 16, args=("node-3", "a b"), callerid="+33123", calleridname="张伟", extension="100")
    assert environment(peer.environment()) == AgiRequest(
        script="flow",
        uniqueid="17.4",
        channel="PJSIP/line-00000001",
        context="inbound",
        extension="100",
        priority=1,
        callerid="+33123",
        calleridname="张伟",
        language="en",
        args=("s" * 16, "node-3", "a b"),
    )


def test_latin_1_and_carriage_returns_are_tolerated() -> None:
    request = environment(b"agi_uniqueid: 1.1\r\nagi_channel: PJSIP/a\r\nagi_calleridname: Zo\xeb\r\n\r\n")
    assert (request.uniqueid, request.calleridname) == ("1.1", "Zoë")


@pytest.mark.parametrize("number", ["unknown", "12;rm", "<script>", "1" * 33, "١٢٣"])
def test_a_caller_number_that_is_none_reads_as_empty(number: str) -> None:
    assert environment(AgiPeer("1.1", "", callerid=number).environment()).callerid == ""


def test_forged_lines_change_neither_the_channel_nor_the_arguments() -> None:
    forged = "100\nagi_uniqueid: 9.9\nagi_channel: Local/x\nagi_arg_1: guess\nagi_arg_2: admin\nagi_arg_3: more"
    request = environment(AgiPeer("1.1", "secret", args=("menu",), callerid=forged).environment())
    assert (request.uniqueid, request.channel) == ("1.1", "PJSIP/line-00000001")
    assert request.args == ("secret", "menu")
    assert {"agi_uniqueid", "agi_channel", "agi_arg_1", "agi_arg_2"} <= set(request.repeated)


def test_a_forged_blank_line_ends_the_environment_without_its_secret() -> None:
    assert environment(AgiPeer("1.1", "secret", callerid="1\n\n200 result=49").environment()).args == ()


@pytest.mark.parametrize("missing", ["agi_uniqueid", "agi_channel"])
def test_an_environment_without_a_channel_is_refused(missing: str) -> None:
    lines = [line for line in ("agi_uniqueid: 1", "agi_channel: c") if not line.startswith(missing)]
    with pytest.raises(AgiProtocolError, match=missing):
        read_environment(lines)


def test_environments_are_bounded_in_lines_and_bytes() -> None:
    many = b"".join(b"agi_x%d: 1\n" % n for n in range(ENVIRONMENT_LINES + 1))
    long = b"".join(b"agi_y: %s\n" % (b"v" * 1000) for _ in range(9))
    for data in (many, long, b"x" * (ENVIRONMENT_BYTES + 1)):
        with pytest.raises(AgiProtocolError):
            environment(data)


def test_a_request_does_not_show_its_caller() -> None:
    request = environment(AgiPeer("1.1", "", callerid="+4912345", calleridname="Weber").environment())
    assert "12345" not in repr(request)
    assert "Weber" not in repr(request)


@given(
    st.dictionaries(
        st.sampled_from(["agi_uniqueid", "agi_channel", "agi_callerid", "agi_priority", "agi_x"]), PRINTABLE
    )
)
def test_any_environment_reads_or_is_refused_by_name(values: dict[str, str]) -> None:
    lines = [f"{name}: {value}" for name, value in values.items()]
    if all(values.get(name, "").strip() for name in ("agi_uniqueid", "agi_channel")):
        assert read_environment(lines).uniqueid == values["agi_uniqueid"].strip()
    else:
        with pytest.raises(AgiProtocolError, match="agi_"):
            read_environment(lines)


# --- commands


@given(st.lists(PRINTABLE, max_size=8))
def test_asterisk_splits_a_command_into_exactly_the_words_given(values: list[str]) -> None:
    try:
        line = encode("EXEC", [("value", value) for value in values])
    except AgiCommandInvalid:
        assert sum(len(value.encode()) for value in values) * 2 > COMMAND_BYTES / 2
        return
    assert line.count(b"\n") == 1
    assert split_words(line.decode().removesuffix("\n")) == ["EXEC", *values]


@given(
    st.text(max_size=20), st.characters(categories=["Cc", "Cs"], exclude_characters="\x80\x81"), st.text(max_size=20)
)
def test_control_characters_and_lone_surrogates_are_refused_by_field(before: str, bad: str, after: str) -> None:
    if "\x80" <= bad <= "\x9f":
        return  # two bytes in UTF-8, no control to Asterisk
    with pytest.raises(AgiCommandInvalid, match="greeting"):
        encode("STREAM FILE", [("greeting", before + bad + after)])


def test_a_command_longer_than_asterisk_reads_is_refused() -> None:
    assert len(encode("X", [("value", "v" * (COMMAND_BYTES - 5))])) == COMMAND_BYTES
    with pytest.raises(AgiCommandInvalid, match="bytes long"):
        encode("X", [("value", "v" * (COMMAND_BYTES - 4))])


# --- replies


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"200 result=0\n", Reply(code=200, result="0", text="result=0")),
        (b"200 result=-1 endpos=0\n", Reply(code=200, result="-1", endpos=0, text="result=-1 endpos=0")),
        (b"200 result=49 endpos=800\r\n", Reply(code=200, result="49", endpos=800, text="result=49 endpos=800")),
        (b"200 result= (timeout)\n", Reply(code=200, result="", data="timeout", text="result= (timeout)")),
        (b"200 result=1 ()\n", Reply(code=200, result="1", data="", text="result=1 ()")),
        (b"200 result=1 (a) (b))\n", Reply(code=200, result="1", data="a) (b)", text="result=1 (a) (b))")),
        (b"510 Invalid or unknown command\n", Reply(code=510, text="Invalid or unknown command")),
    ],
)
def test_replies(line: bytes, expected: Reply) -> None:
    assert replies(line) == [expected]


def test_trying_is_no_reply() -> None:
    assert [reply.result for reply in replies(b"100 result=0 Trying...\n200 result=5\n")] == ["5"]


def test_a_usage_error_runs_to_its_last_line() -> None:
    usage = b"520-Invalid command syntax.  Proper usage follows:\n Usage: X\n\n200 result=1\n520 End of proper usage.\n"
    data = usage + b"200 result=0\n"
    assert [(reply.code, reply.result) for reply in replies(data)] == [(520, ""), (200, "0")]


def test_a_usage_error_without_end_is_refused() -> None:
    with pytest.raises(AgiProtocolError, match="lines"):
        replies(b"520-Invalid\n" + b" more\n" * 200)


def test_a_value_may_run_over_lines() -> None:
    assert replies(b"200 result=1 (one\ntwo)\n", expects_value=True)[0].data == "one\ntwo"


@pytest.mark.parametrize("garbage", [b"hello\n", b"20\n", b"2000 x\n", b"\xff\xfe\n", b"-1\n", b"000 x\n"])
def test_what_is_no_reply_is_refused(garbage: bytes) -> None:
    with pytest.raises(AgiProtocolError, match="not a reply"):
        replies(garbage)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reply_reader_otherwise_than_by_its_error(data: bytes) -> None:
    with suppress(AgiProtocolError):
        assert all(100 <= reply.code <= 999 for reply in replies(data))


@pytest.mark.parametrize(("result", "digit"), [("48", "0"), ("35", "#"), ("42", "*"), ("0", ""), ("1", ""), ("-1", "")])
def test_digits_are_ascii_numbers(result: str, digit: str) -> None:
    assert Reply(code=200, result=result).digit == digit
