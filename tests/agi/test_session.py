from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.agi import command
from engine.agi.session import STRAY_LINES, TRANSITIONS, AgiDialogue, AgiHangup, Event, Left, Replied, Started, State
from engine.errors import AgiProtocolError, BrokenInvariant
from engine.testing.agi_peer import AgiPeer

ENVIRONMENT = AgiPeer("1.1", "s" * 16, calleridname="张伟 Zoë").environment()


def begun() -> AgiDialogue:
    dialogue = AgiDialogue()
    assert isinstance(dialogue.receive(ENVIRONMENT)[0], Started)
    return dialogue


def results(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.command.verb, event.reply.result) for event in events if isinstance(event, Replied)]


def test_a_command_and_its_reply() -> None:
    dialogue = begun()
    assert dialogue.send(command.answer()) == b"ANSWER\n"
    assert results(dialogue.receive(b"200 result=0\n")) == [("ANSWER", "0")]
    assert dialogue.state is State.IDLE


def test_two_commands_at_once_are_our_own_mistake() -> None:
    dialogue = begun()
    dialogue.send(command.answer())
    with pytest.raises(BrokenInvariant):
        dialogue.send(command.answer())


@pytest.mark.parametrize("data", [b"HANGUP\n", b"200 result=-1\nHANGUP\n"])
def test_hangup_is_seen_before_and_after_a_reply(data: bytes) -> None:
    dialogue = begun()
    dialogue.send(command.answer())
    assert dialogue.receive(data)[-1] == Left("hangup")
    assert dialogue.receive(b"511 dead\n") == []
    with pytest.raises(AgiHangup):
        dialogue.send(command.answer())


def test_a_dead_channel_and_an_end_of_file_are_hangups() -> None:
    dialogue = begun()
    dialogue.send(command.answer())
    assert dialogue.receive(b"511 Command Not Permitted on a dead channel\n") == [Left("dead")]
    assert begun().receive_eof() == [Left("eof")]


def test_an_end_of_file_before_the_blank_line_is_no_session() -> None:
    dialogue = AgiDialogue()
    dialogue.receive(ENVIRONMENT[:-1])
    with pytest.raises(AgiProtocolError, match="blank line"):
        dialogue.receive_eof()


def test_stray_lines_are_counted_and_bounded() -> None:
    dialogue = begun()
    assert dialogue.receive(b"200 result=49\nagi_context: forged\n") == []
    assert dialogue.strays == 2
    with pytest.raises(AgiProtocolError):
        dialogue.receive(b"x\n" * STRAY_LINES)
    assert dialogue.state is State.CLOSED


def test_an_abandoned_prompt_that_ends_in_silence_does_not_eat_the_next_reply() -> None:
    dialogue = begun()
    dialogue.send(command.stream_file("long"))
    dialogue.abandon()
    assert dialogue.needs_resync
    dialogue.send(command.noop())
    assert results(dialogue.receive(b"200 result=0\n")) == [("NOOP", "0")]


def test_an_abandoned_prompt_that_had_just_ended_is_skipped() -> None:
    dialogue = begun()
    dialogue.send(command.stream_file("long"))
    dialogue.abandon()
    dialogue.send(command.noop())
    assert results(dialogue.receive(b"200 result=49 endpos=5\n200 result=0\n")) == [("NOOP", "0")]


def test_an_abandoned_wait_answers_once_more() -> None:
    dialogue = begun()
    dialogue.send(command.wait_for_digit(9000))
    dialogue.abandon()
    assert dialogue.receive(b"200 result=50\n") == []
    assert not dialogue.needs_resync
    dialogue.send(command.wait_for_digit(9000))
    dialogue.abandon()
    dialogue.send(command.noop())
    assert results(dialogue.receive(b"200 result=1\n200 result=0\n")) == [("NOOP", "0")]


def test_an_abandoned_command_that_runs_on_ends_the_session() -> None:
    dialogue = begun()
    dialogue.send(command.execute("Wait", "600"))
    dialogue.abandon()
    assert dialogue.state is State.CLOSED


CONVERSATION = (
    b"200 result=0\n"
    b"100 result=0 Trying...\n"
    b"200 result=1 (Zo\xc3\xab \xe5\xbc\xa0\xe4\xbc\x9f\n(x))\r\n"
    b"520-Invalid command syntax.  Proper usage follows:\n Usage: GET\n\n520 End of proper usage.\n"
    b"HANGUP\n"
)


def converse(pieces: list[bytes]) -> list[Event]:
    dialogue, events = AgiDialogue(), list[Event]()
    for piece in pieces:
        for event in dialogue.receive(piece):
            events.append(event)
        if dialogue.state is State.IDLE:
            dialogue.send(command.get_variable("NAME"))
    return events


@given(st.lists(st.integers(1, len(ENVIRONMENT) + len(CONVERSATION)), max_size=30))
def test_the_split_of_the_bytes_does_not_matter(cuts: list[int]) -> None:
    # Replies come only after commands, so each reply starts a piece of its own; within it, any cut.
    data = ENVIRONMENT + CONVERSATION
    ends = {len(ENVIRONMENT), len(ENVIRONMENT) + 13, len(data) - 7, len(data)}
    marks = sorted(ends | {cut for cut in cuts if cut < len(data)} | {0})
    value_end = data.index(b"520-")
    marks = sorted({*marks, value_end})
    pieces = [data[start:end] for start, end in pairwise(marks)]
    assert converse(pieces) == converse([data[i : i + 1] for i in range(len(data))])


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    dialogue = begun()
    dialogue.send(command.get_variable("X"))
    try:
        dialogue.receive(data)
    except AgiProtocolError:
        assert dialogue.state is State.CLOSED


class Dialogue(RuleBasedStateMachine):
    """Whatever peers and flows do, a session moves only along its table and replies never go to the wrong command."""

    def __init__(self) -> None:
        super().__init__()
        self.dialogue = begun()
        self.seen = self.dialogue.state
        self.count = 0
        self.expected: str | None = None

    def receive(self, data: bytes) -> None:
        for event in self.dialogue.receive(data):
            if isinstance(event, Replied):
                assert event.reply.data == self.expected

    @precondition(lambda self: self.dialogue.state is State.IDLE and not self.dialogue.needs_resync)
    @rule()
    def ask(self) -> None:
        self.count += 1
        self.expected = f"value-{self.count}"
        self.dialogue.send(command.get_variable("X"))

    @precondition(lambda self: self.dialogue.state is State.OUTSTANDING)
    @rule()
    def reply(self) -> None:
        self.receive(f"200 result=1 ({self.expected})\n".encode())

    @rule()
    def stray(self) -> None:
        if self.dialogue.state is not State.OUTSTANDING:
            self.receive(b"200 result=1 (forged)\n")

    @rule()
    def hang_up(self) -> None:
        self.receive(b"HANGUP\n")

    @rule()
    def abandon(self) -> None:
        self.dialogue.abandon()

    @rule()
    def end(self) -> None:
        self.dialogue.receive_eof()

    @invariant()
    def moves_along_the_table(self) -> None:
        now = self.dialogue.state
        reachable = {self.seen} | TRANSITIONS[self.seen] | {s for t in TRANSITIONS[self.seen] for s in TRANSITIONS[t]}
        assert now in reachable
        self.seen = now


TestDialogue = Dialogue.TestCase
