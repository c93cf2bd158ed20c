from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.domain.flow import Enqueue, Flow, FlowState, HangUpNode, SetVariables
from engine.domain.policy import SkillNeed
from engine.domain.values import AskOutcome, Channel, Collect, DigitPattern, Prompt, Token
from engine.errors import BrokenInvariant
from engine.flows.interpreter import (
    FAILURES_LIMIT,
    STEP_LIMIT,
    Context,
    Heard,
    Input,
    QueueLeft,
    Step,
    WantAsk,
    WantHangUp,
    WantQueue,
    begin,
    present,
    resume,
)
from engine.flows.parser import check, parse
from tests.flows.random_flows import flow_texts
from tests.flows.texts import flow_of

NOON = 1_795_348_800_000_000  # Sunday 2026-11-22 12:00 UTC
PLAYED = Heard(outcome=AskOutcome.PLAYED)
SILENCE = Heard(outcome=AskOutcome.SILENCE)
WRONG = Heard(outcome=AskOutcome.INVALID)
FAILED = Heard(outcome=AskOutcome.FAILED)


def pressed(choice: str, digits: str | None = None) -> Heard:
    return Heard(outcome=AskOutcome.ANSWERED, choice=choice, digits=Token(digits) if digits else None)


def walk(flow: Flow, *inputs: Input, context: Context | None = None) -> Step:
    """Begin, give each input in turn, and return the last step."""
    step = begin(flow, NOON, context)
    for each in inputs:
        step = resume(flow, step.state, each, NOON, context)
    return step


def words(step: Step) -> list[str]:
    return [prompt.text for prompt in step.want.prompts] if not isinstance(step.want, WantQueue) else []


MENU = flow_of(
    """
    one:
      menu: Press 1.
      options: {1: two, '#': bye}
      otherwise: three
      sorry: Sorry.
      wait_s: 4
      save: choice
    two: {say: Two., next: one}
    three: {say: Three., next: one}
    """
)

QUEUE = flow_of(
    """
    one: {set: {priority: 2, skill.english: 4, skill.tax: 1}, next: two}
    two:
      queue: sales
      on_timeout: three
      on_closed: bye
      priority: 3
      needs: {english: 2, vip: 1}
    three: {say: Nobody came., next: two}
    """
)


def test_it_begins_at_the_start_and_passes_what_only_decides() -> None:
    flow = flow_of(
        """
        one: {set: {vip: yes}, next: two}
        two: {switch: vip, cases: {yes: three}, otherwise: bye}
        three: {hours: mon-sun 00:00-24:00, timezone: UTC, open: four, closed: bye}
        four: {say: Four., next: bye}
        """
    )
    step = begin(flow, NOON)
    assert step.entered == ("one", "two", "three", "four")
    assert step.want == WantAsk(prompts=(Prompt(text="Four.", language="en"),))
    assert step.state == FlowState(flow="test", version=flow.version, node="four", variables={"vip": "yes"})


@pytest.mark.parametrize(("hour", "node"), [(8, "bye"), (9, "two"), (17, "bye")])
def test_hours_know_only_the_time_given(hour: int, node: str) -> None:
    flow = flow_of("one: {hours: sun 09:00-17:00, timezone: UTC, open: two, closed: bye}\ntwo: {say: Open., next: bye}")
    assert begin(flow, NOON + (hour - 12) * 3_600_000_000).state.node == node


def test_a_menu_asks_for_its_keys() -> None:
    step = begin(MENU, NOON)
    assert isinstance(step.want, WantAsk)
    assert step.want.collect == Collect(max_digits=1, first_digit_s=4.0, terminator="", options=("1", "#"))


def test_a_choice_is_kept_and_followed() -> None:
    step = walk(MENU, pressed("1"))
    assert (step.state.node, step.state.variables, step.entered) == ("two", {"choice": "1"}, ("two",))
    assert walk(MENU, pressed("#")).state.node == "bye"


@pytest.mark.parametrize("wrong", [SILENCE, WRONG, PLAYED, pressed("9"), pressed("")])
def test_a_menu_asks_three_times_with_an_apology(wrong: Heard) -> None:
    second = walk(MENU, wrong)
    assert (second.state.node, second.state.tries, second.entered) == ("one", 1, ())
    assert words(second) == ["Sorry.", "Press 1."]
    assert walk(MENU, wrong, wrong).state.node == "one"
    assert walk(MENU, wrong, wrong, wrong).state.node == "three"


def test_tries_start_anew_at_each_entry() -> None:
    step = walk(MENU, SILENCE, SILENCE, pressed("1"), PLAYED)
    assert (step.state.node, step.state.tries, words(step)) == ("one", 0, ["Press 1."])


def test_an_answer_not_given_does_not_keep_the_old_one() -> None:
    step = walk(MENU, pressed("1"), PLAYED, SILENCE, SILENCE, SILENCE)
    assert step.state.variables == {}


DIGITS = flow_of(
    """
    one:
      collect: Your account.
      patterns: {account: 8 digits, card: 16 digits}
      save: id
      tries: 2
      next: two
      otherwise: bye
    two: {switch: id, cases: {account: three}, otherwise: bye}
    three: {say: Three., next: one}
    """
)


def test_digits_are_tokens_and_their_pattern_a_variable() -> None:
    want = begin(DIGITS, NOON).want
    patterns = (DigitPattern(name="account", regex="[0-9]{8}"), DigitPattern(name="card", regex="[0-9]{16}"))
    assert isinstance(want, WantAsk)
    assert want.collect == Collect(max_digits=16, first_digit_s=8.0, patterns=patterns)
    step = walk(DIGITS, pressed("account", "tok_1"))
    assert step.state.variables == {"id": "account"}
    assert step.state.digits == {"id": Token("tok_1")}
    assert step.entered == ("two", "three")
    assert walk(DIGITS, pressed("card", "tok_1")).state.node == "bye"


def test_digits_not_given_forget_the_old_ones() -> None:
    step = walk(DIGITS, pressed("account", "tok_1"), PLAYED, WRONG, WRONG)
    assert (step.state.node, step.state.variables, step.state.digits) == ("bye", {}, {})


NOTICE = flow_of("one: {notice: Recorded., refuse_key: 9, next: two}\ntwo: {say: Two., next: bye}")


@pytest.mark.parametrize(
    ("heard", "refused"),
    [(pressed("9"), True), (SILENCE, False), (WRONG, False), (PLAYED, False), (FAILED, True)],
)
def test_recording_is_refused_by_key_or_when_nobody_was_told(heard: Heard, refused: bool) -> None:
    step = walk(NOTICE, heard)
    assert (step.state.node, step.state.recording_refused) == ("two", refused)


def test_a_refusal_lasts() -> None:
    again = flow_of("one: {notice: Recorded., refuse_key: 9, next: two}\ntwo: {say: Two., next: one}")
    assert walk(again, pressed("9"), PLAYED, SILENCE).state.recording_refused


def test_a_notice_without_refusal_just_plays() -> None:
    flow = flow_of("one: {notice: Recorded., next: bye}")
    assert begin(flow, NOON).want == WantAsk(prompts=(Prompt(text="Recorded.", language="en"),))


def test_a_queue_is_wanted_with_what_the_variables_add() -> None:
    node = QUEUE.nodes["two"]
    assert isinstance(node, Enqueue)
    step = begin(QUEUE, NOON)
    needs = tuple(SkillNeed(skill=skill, level=level) for skill, level in [("english", 4), ("tax", 1), ("vip", 1)])
    assert step.want == WantQueue(node=node, priority=5, needs=needs)


@pytest.mark.parametrize(("reason", "node"), [("timeout", "three"), ("closed", "bye")])
def test_leaving_the_queue(reason: Literal["timeout", "closed"], node: str) -> None:
    assert walk(QUEUE, QueueLeft(reason=reason)).state.node == node


def test_after_the_agent_left() -> None:
    left = QueueLeft(reason="agent-left")
    assert walk(QUEUE, left).want == WantHangUp()
    flow = flow_of("one: {queue: s, on_timeout: bye, on_closed: bye, after: two}\ntwo: {say: Rate us., next: bye}")
    assert walk(flow, left).state.node == "two"


def test_hanging_up_says_its_words_once() -> None:
    flow = flow_of("one: {say: One., next: bye}")
    step = walk(flow, PLAYED)
    assert step.want == WantHangUp(prompts=(Prompt(text="Good-bye.", language="en"),))
    assert resume(flow, step.state, PLAYED, NOON).want == WantHangUp()


def test_a_failed_prompt_goes_on_as_if_played() -> None:
    flow = flow_of("one: {say: One., next: two}\ntwo: {say: Two., next: bye}")
    assert walk(flow, FAILED).state.node == "two"


def test_a_question_nobody_could_hear_is_not_repeated() -> None:
    assert walk(MENU, FAILED).state.node == "three"
    assert walk(DIGITS, FAILED).state.node == "bye"


def test_prompts_that_fail_on_and_on_end_the_call() -> None:
    flow = flow_of("one: {say: One., next: two}\ntwo: {say: Two., next: one}")
    assert isinstance(walk(flow, *[FAILED] * (FAILURES_LIMIT - 1)).want, WantAsk)
    assert walk(flow, *[FAILED] * FAILURES_LIMIT).want == WantHangUp()
    between = [*[FAILED] * (FAILURES_LIMIT - 1), PLAYED, FAILED]
    assert isinstance(walk(flow, *between).want, WantAsk)


def test_the_context_can_be_asked() -> None:
    flow = flow_of("one: {switch: channel, cases: {voice: bye}, otherwise: two}\ntwo: {say: Hi, next: bye}")
    assert begin(flow, NOON).state.node == "bye"
    assert begin(flow, NOON, Context(channel=Channel.CHAT)).state.node == "two"
    own = flow_of("one: {set: {unit: mine}, next: two}\ntwo: {switch: unit, cases: {mine: bye}, otherwise: one}\n"
                  .replace("otherwise: one", "otherwise: three") + "three: {say: Hi, next: bye}")  # fmt: skip
    assert begin(own, NOON, Context(unit="main")).state.node == "bye"


def test_another_version_starts_again_and_keeps_only_the_refusal() -> None:
    old = walk(NOTICE, pressed("9")).state
    new = flow_of("one: {say: New., next: bye}")
    step = resume(new, old, PLAYED, NOON)
    assert step.entered == ("one",)
    assert step.state == FlowState(flow="test", version=new.version, node="one", recording_refused=True)


def test_present_says_the_want_again() -> None:
    step = walk(MENU, SILENCE)
    assert present(MENU, step.state) == step.want


@pytest.mark.parametrize("flow_and_input", [(MENU, QueueLeft(reason="timeout")), (QUEUE, PLAYED)])
def test_an_answer_to_another_want_is_our_bug(flow_and_input: tuple[Flow, Input]) -> None:
    flow, wrong = flow_and_input
    with pytest.raises(BrokenInvariant, match="does not answer"):
        walk(flow, wrong)


def test_states_and_flows_that_no_parser_made_are_our_bug() -> None:
    with pytest.raises(BrokenInvariant, match="no node gone"):
        present(MENU, FlowState(flow="test", version=MENU.version, node="gone"))
    ring = Flow(
        name="ring", version="0", language="en", start="a", nodes={"a": SetVariables(values={"x": "1"}, next="a")}
    )
    with pytest.raises(BrokenInvariant, match=f"{STEP_LIMIT} nodes"):
        begin(ring, NOON)
    with pytest.raises(BrokenInvariant, match="only decides"):
        present(ring, FlowState(flow="ring", version="0", node="a"))


_REASONS: list[Literal["timeout", "closed", "agent-left"]] = ["timeout", "closed", "agent-left"]
_heard = st.builds(
    Heard,
    outcome=st.sampled_from(AskOutcome),
    choice=st.sampled_from(["", *"0123456789*#", "account", "a", "b", "x"]),
    digits=st.none() | st.just(Token("tok_1")),
)
_left = st.builds(QueueLeft, reason=st.sampled_from(_REASONS))
_now = st.integers(0, 4_102_444_800_000_000)


def _codec_round_trip(state: FlowState) -> FlowState:
    return msgspec.json.decode(msgspec.json.encode(state), type=FlowState)


def _an_answer(data: st.DataObject, step: Step) -> Input:
    return data.draw(_left) if isinstance(step.want, WantQueue) else data.draw(_heard)


@given(flow_texts(), st.data())
def test_any_flow_with_any_answers_always_wants_something(text: str, data: st.DataObject) -> None:
    flow = parse(text, "random.yaml")
    step = begin(flow, data.draw(_now))
    for _ in range(20):
        assert isinstance(step.want, WantAsk | WantQueue | WantHangUp)
        assert set(step.entered) <= set(flow.nodes)
        assert not step.entered or step.entered[-1] == step.state.node
        assert len(step.entered) <= len(flow.nodes)
        assert _codec_round_trip(step.state) == step.state
        answer = _an_answer(data, step)
        if isinstance(flow.nodes[step.state.node], Enqueue) and isinstance(step.want, WantHangUp):
            break  # the agent left, and the flow says no more
        was, now = step.state, data.draw(_now)
        step = resume(flow, was, answer, now)
        assert resume(flow, was, answer, now) == step
        if isinstance(flow.nodes[was.node], HangUpNode):
            assert step.want == WantHangUp()


@given(flow_texts())
def test_a_silent_caller_ends_or_waits_where_the_parser_gave_no_warning(text: str) -> None:
    checked = check(text, "random.yaml")
    assume(not any("presses nothing" in warning.what for warning in checked.warnings))
    step = begin(checked.flow, NOON)
    for _ in range(3 * len(checked.flow.nodes) + 1):
        if not isinstance(step.want, WantAsk):
            return
        step = resume(checked.flow, step.state, SILENCE, NOON)
    pytest.fail("a caller who presses nothing goes round and round")
