"""docs/flows.md cannot rot: its examples are one sound flow, and it names every verb, key and word there is."""

from __future__ import annotations

import re
from pathlib import Path

from engine.domain.values import Channel
from engine.flows.interpreter import Context
from engine.flows.nodes import VERBS
from engine.flows.parser import check

PAGE = (Path(__file__).parents[2] / "docs" / "flows.md").read_text(encoding="utf-8")


def test_the_examples_are_one_sound_flow() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    checked = check("\n".join(blocks), "docs/flows.md")
    assert checked.warnings == ()
    assert {type(node).__name__ for node in checked.flow.nodes.values()} == {
        "CollectDigits", "Enqueue", "HangUpNode", "Hours", "Menu", "Notice", "Say", "SetVariables", "Switch",
    }  # fmt: skip


def test_every_verb_has_a_heading() -> None:
    assert set(re.findall(r"^### (\w+):", PAGE, re.MULTILINE)) == set(VERBS)


def test_every_word_a_switch_knows_is_named() -> None:
    for word in (*Context.__annotations__, *Channel):
        assert re.search(rf"\b{word}\b", PAGE), word
