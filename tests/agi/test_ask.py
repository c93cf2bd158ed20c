import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.agi.ask import DRAINED_KEYS, Asked, Asking, Collect, Reason
from engine.agi.codec import Reply
from engine.agi.command import Command
from engine.errors import AgiCommandInvalid

ALL = "0123456789*#"


def play(asking: Asking, keys: str) -> tuple[Asked, list[Command]]:
    """Answer each command with the next key ("." is none); the answer, and the commands given."""
    typed = iter(keys)
    given_out: list[Command] = []
    step = asking.start()
    while isinstance(step, Command):
        given_out.append(step)
        key = next(typed, ".")
        step = asking.answered(Reply(code=200, result="0" if key == "." else str(ord(key))))
    return step, given_out


def asked(keys: str, collect: Collect | None, prompts: tuple[str, ...] = ()) -> tuple[str, Reason, bool]:
    answer, _ = play(Asking(prompts, ALL, collect), keys)
    return answer.digits, answer.reason, answer.enough


PIN = Collect(max_digits=4, min_digits=2)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("1234#", ("1234", Reason.COMPLETE, True)),
        ("1234.", ("1234", Reason.COMPLETE, True)),
        ("12#", ("12", Reason.TERMINATOR, True)),
        ("1#", ("1", Reason.TERMINATOR, False)),
        ("#", ("", Reason.TERMINATOR, False)),
        ("", ("", Reason.TIMEOUT, False)),
        ("12.", ("12", Reason.TIMEOUT, True)),
        ("1.", ("1", Reason.TIMEOUT, False)),
        ("12345#", ("1234", Reason.TOO_MANY, False)),
        ("1234567.", ("1234", Reason.TOO_MANY, False)),
    ],
)
def test_collecting(keys: str, expected: tuple[str, Reason, bool]) -> None:
    assert asked(keys, PIN) == expected


def test_a_menu_answers_at_once() -> None:
    answer, commands = play(Asking(["menu"], ALL, Collect(max_digits=1)), ".1")
    assert (answer.digits, answer.reason) == ("1", Reason.COMPLETE)
    assert [command.verb for command in commands] == ["STREAM FILE", "WAIT FOR DIGIT"]


def test_a_key_during_a_prompt_stops_the_others_and_is_the_first_digit() -> None:
    answer, commands = play(Asking(["a", "b", "c"], ALL, PIN), ".12#")
    assert (answer.digits, answer.reason) == ("12", Reason.TERMINATOR)
    assert [command.arguments[0] for command in commands] == ["a", "b", "3000", "3000"]


def test_the_terminator_during_a_prompt_ends_it() -> None:
    assert asked("#", PIN, ("a", "b")) == ("", Reason.TERMINATOR, False)


def test_prompts_without_collection() -> None:
    assert asked("..", None, ("a", "b")) == ("", Reason.PLAYED, True)
    assert asked(".5", None, ("a", "b", "c")) == ("5", Reason.COMPLETE, True)
    assert asked("", None) == ("", Reason.PLAYED, True)


def test_the_first_digit_has_its_own_timeout() -> None:
    _, commands = play(Asking([], "", Collect(max_digits=2, first_ms=7000, between_ms=2000, overrun_ms=400)), "12.")
    assert [command.arguments[0] for command in commands] == ["7000", "2000", "400"]


def test_an_endless_typist_is_not_drained_for_ever() -> None:
    answer, commands = play(Asking([], "", PIN), "1" * 500)
    assert answer.reason is Reason.TOO_MANY
    assert len(commands) == 4 + DRAINED_KEYS


@given(st.text("0123456789*#.", max_size=80), st.integers(0, 3), st.integers(1, 8), st.booleans())
def test_every_caller_gets_an_answer_within_the_limits(keys: str, prompts: int, most: int, ends: bool) -> None:
    collect = Collect(max_digits=most, min_digits=0, terminator="#" if ends else "")
    answer, commands = play(Asking(["p"] * prompts, ALL, collect), keys)
    assert len(answer.digits) <= most
    assert not ends or "#" not in answer.digits
    assert answer.digits in keys.replace(".", "")
    assert len(commands) <= prompts + most + DRAINED_KEYS + 1


@pytest.mark.parametrize(
    "wrong", [{"max_digits": 0}, {"max_digits": 2, "min_digits": 3}, {"terminator": "##"}, {"first_ms": 0}]
)
def test_what_cannot_be_collected_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(AgiCommandInvalid):
        Collect(**wrong)  # type: ignore[arg-type]


def test_digits_do_not_show() -> None:
    assert "1234" not in repr(play(Asking([], "", PIN), "1234#")[0])
