"""The page of state diagrams is drawn from the tables, and it is fresh."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from engine.domain import agent, attempt, interaction
from engine.domain.drawing import mermaid, states_page

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


class Light(StrEnum):
    RED = "red"
    GREEN = "bright-green"


def test_a_table_is_drawn_with_its_beginning_and_its_end() -> None:
    table = {Light.RED: frozenset({Light.GREEN}), Light.GREEN: frozenset[Light]()}
    assert mermaid(table, Light.RED, frozenset({Light.GREEN})) == (
        "stateDiagram-v2\n"
        '    state "red" as RED\n'
        '    state "bright-green" as GREEN\n'
        "    [*] --> RED\n"
        "    RED --> GREEN\n"
        "    GREEN --> [*]\n"
    )


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == states_page(), "run: python -m engine.domain.drawing > docs/states.md"


def test_the_page_shows_every_arrow_and_no_other() -> None:
    arrows = [
        arrow for arrow in re.findall(r"^    (\S+) --> (\S+)$", states_page(), re.MULTILINE) if "[*]" not in arrow
    ]
    tables = (interaction.TRANSITIONS, agent.TRANSITIONS, attempt.TRANSITIONS)
    assert sorted(arrows) == sorted(
        (state.name, target.name) for table in tables for state, targets in table.items() for target in targets
    )
