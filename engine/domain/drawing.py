"""The state tables as Mermaid diagrams, and the page docs/states.md that shows them with their prose.

The page is made by `python -m engine.domain.drawing > docs/states.md`; a test tells when it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from types import ModuleType
from typing import TypeVar

from engine.domain import agent, attempt, interaction
from engine.domain.agent import AgentState
from engine.domain.attempt import AttemptState, Outcome
from engine.domain.interaction import Ending, InteractionState

_HEAD = """# States

Drawn from the tables in `engine/domain` by `python -m engine.domain.drawing > docs/states.md`: edit the tables, not
this page. An arrow that is not drawn cannot be taken: the floor raises `BrokenInvariant` before it changes anything.
"""


State = TypeVar("State", bound=StrEnum)


def mermaid(table: Mapping[State, frozenset[State]], start: State, ends: frozenset[State] = frozenset()) -> str:
    """A state diagram of `table`, ending in a line feed. Arrows stand in the order of the enum, whatever the table's.

    `start` gets the arrow from the initial dot; the states of `ends` an arrow to the final one.
    """
    states = list(type(start))
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in states if state.value != state.name]
    lines.append(f"    [*] --> {start.name}")
    for state in states:
        lines += [f"    {state.name} --> {target.name}" for target in states if target in table[state]]
    lines += [f"    {state.name} --> [*]" for state in states if state in ends]
    return "\n".join(lines) + "\n"


def states_page() -> str:
    """The whole page, in Markdown."""
    over = frozenset({InteractionState.ENDED})
    parts = [
        _HEAD,
        _section("Interaction", interaction, mermaid(interaction.TRANSITIONS, InteractionState.ARRIVED, over)),
        _listed("Endings", Ending),
        _section("Agent", agent, mermaid(agent.TRANSITIONS, AgentState.OFFLINE)),
        _section(
            "Attempt",
            attempt,
            mermaid(attempt.TRANSITIONS, AttemptState.DIALLING, frozenset({AttemptState.ENDED})),
        ),
        _listed("Outcomes", Outcome),
    ]
    return "\n".join(parts)


def _section(title: str, module: ModuleType, diagram: str) -> str:
    return f"## {title}\n\n{(module.__doc__ or '').strip()}\n\n```mermaid\n{diagram}```\n"


def _listed(title: str, values: type[StrEnum]) -> str:
    listed = "\n".join(f"- `{value.value}`" for value in values)
    return f"### {title}\n\n{(values.__doc__ or '').strip()}\n\n{listed}\n"


if __name__ == "__main__":
    sys.stdout.write(states_page())
