from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agi import command
from engine.agi.command import Command
from engine.errors import AgiCommandInvalid
from engine.testing.agi_peer import split_words


def test_commands_as_bytes() -> None:
    assert command.answer().line == b"ANSWER\n"
    assert command.stream_file("callwright/tts/ab", "12#").line == b'STREAM FILE "callwright/tts/ab" "12#"\n'
    assert command.stream_file("hello").line == b'STREAM FILE "hello" ""\n'
    assert command.wait_for_digit(5000).line == b'WAIT FOR DIGIT "5000"\n'
    assert command.set_variable("ENGINE_DONE", 'a "b" \\c').line == b'SET VARIABLE "ENGINE_DONE" "a \\"b\\" \\\\c"\n'
    assert command.execute("StartMusicOnHold", "default").line == b'EXEC "StartMusicOnHold" "default"\n'
    assert command.say_digits("12*").line == b'SAY DIGITS "12*" ""\n'


@pytest.mark.parametrize(
    "build",
    [
        lambda: command.stream_file("../../etc/passwd"),
        lambda: command.stream_file("a&b"),
        lambda: command.stream_file(""),
        lambda: command.stream_file("hello", "x"),
        lambda: command.wait_for_digit(0),
        lambda: command.wait_for_digit(-1),
        lambda: command.set_variable("A B", "x"),
        lambda: command.set_variable("SHELL(rm)", "x"),
        lambda: command.set_variable("A", "x\nHANGUP"),
        lambda: command.get_variable("FILE(/etc/passwd)"),
        lambda: command.execute("System", "rm"),
        lambda: command.execute("Playback", "a,b"),
        lambda: command.execute("Playback", "${SHELL(rm)}"),
        lambda: command.say_digits("1a"),
    ],
)
def test_values_that_could_do_harm_are_refused_with_a_mend(build: Callable[[], Command]) -> None:
    with pytest.raises(AgiCommandInvalid) as refused:
        build()
    assert refused.value.where
    assert refused.value.mend


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=200))
def test_a_variable_arrives_as_it_was(value: str) -> None:
    line = command.set_variable("NAME", value).line
    assert split_words(line.decode().removesuffix("\n")) == ["SET", "VARIABLE", "NAME", value]
