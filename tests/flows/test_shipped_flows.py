"""The flows that come with Callwright: sound, and every node can be walked to by answers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.flow import CollectDigits, Enqueue, Hours, Menu, Notice
from engine.domain.values import AskOutcome
from engine.flows.interpreter import Heard, Input, QueueLeft, Step, WantAsk, WantHangUp, WantQueue, begin, resume
from engine.flows.parser import Checked, check

FLOWS = Path(__file__).parents[2] / "ivr_flows"
NOON = 1_795_348_800_000_000
MENU_CHARACTERS = {"en": 60, "zh": 16}  # some four seconds of speech


def load(name: str) -> Checked:
    return check((FLOWS / name).read_text(encoding="utf-8"), name)


def answers(step: Step) -> list[Input]:
    """Everything that can come of a want."""
    if isinstance(step.want, WantQueue):
        return [QueueLeft(reason="timeout"), QueueLeft(reason="closed"), QueueLeft(reason="agent-left")]
    if isinstance(step.want, WantHangUp) or step.want.collect is None:
        return [Heard(outcome=AskOutcome.PLAYED)]
    collect = step.want.collect
    choices = [*collect.options, *(pattern.name for pattern in collect.patterns)]
    answered = (Heard(outcome=AskOutcome.ANSWERED, choice=each) for each in choices)
    return [*answered, Heard(outcome=AskOutcome.SILENCE)]


@pytest.mark.parametrize("name", sorted(path.name for path in FLOWS.glob("*.yaml")))
def test_every_node_is_walked_to(name: str) -> None:
    checked = load(name)
    assert checked.warnings == ()
    first = begin(checked.flow, NOON)
    met = set(first.entered)
    seen: set[str] = set()
    ahead = [first]
    while ahead:
        step = ahead.pop()
        if repr(step.state) in seen or isinstance(step.want, WantHangUp):
            continue
        seen.add(repr(step.state))
        for answer in answers(step):
            following = resume(checked.flow, step.state, answer, NOON)
            met.update(following.entered)
            ahead.append(following)
    assert met == set(checked.flow.nodes)


@pytest.mark.parametrize("name", sorted(path.name for path in FLOWS.glob("*.yaml")))
def test_the_demo_can_rely_on_it(name: str) -> None:
    flow = load(name).flow
    assert flow.name == name.removesuffix(".yaml")
    assert isinstance(flow.nodes["office"], Hours)
    assert begin(flow, 0).state.node == "welcome"  # open always, also at the epoch
    assert any(isinstance(node, Notice) for node in flow.nodes.values())
    menu = flow.nodes["menu"]
    assert isinstance(menu, Menu)
    assert sum(len(prompt.text) for prompt in menu.prompts) <= MENU_CHARACTERS[flow.language]
    for node in flow.nodes.values():
        if isinstance(node, Menu | CollectDigits):
            assert node.otherwise


@pytest.mark.parametrize(
    ("name", "queues"), [("main-en.yaml", {"1": "sales", "2": "support"}), ("main-zh.yaml", {"2": "wealth"})]
)
def test_one_key_leads_to_a_queue(name: str, queues: dict[str, str]) -> None:
    flow = load(name).flow
    for key, queue in queues.items():
        step = begin(flow, NOON)
        while isinstance(step.want, WantAsk):
            collect = step.want.collect
            chosen = collect is not None and key in collect.options
            heard = Heard(outcome=AskOutcome.ANSWERED, choice=key) if chosen else Heard(outcome=AskOutcome.PLAYED)
            step = resume(flow, step.state, heard, NOON)
        assert isinstance(step.want, WantQueue)
        assert step.want.node.queue == queue


def test_the_queues_are_the_demos() -> None:
    queues = {
        str(node.queue)
        for name in ("main-en.yaml", "main-zh.yaml")
        for node in load(name).flow.nodes.values()
        if isinstance(node, Enqueue)
    }
    assert queues == {"sales", "support", "cards", "wealth"}
