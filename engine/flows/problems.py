"""The list that grows while a flow file is read: faults, warnings, and guesses at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import NamedTuple

from engine.flows.errors import FlowError

_WORD_SHOWN = 60
_COMPARISONS = 12_000  # a guess costs about 20 µs for each candidate; a hostile file must not buy minutes with them


class Mark(NamedTuple):
    """A place in the file; both count from 1."""

    line: int
    column: int


class FlowWarning(NamedTuple):
    """What is odd but harmless: the flow can be used."""

    file: str
    line: int
    column: int
    what: str
    mend: str


def quoted(word: str) -> str:
    """A word of the file as a message shows it: in backquotes, printable, at most 60 characters."""
    clipped = word if len(word) <= _WORD_SHOWN else word[: _WORD_SHOWN - 1] + "…"
    return "`" + "".join(c if c.isprintable() else "�" for c in clipped) + "`"


class Problems:
    """Collects what is wrong with one file, so that its author hears everything at once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.errors: list[FlowError] = []
        self.warnings: list[FlowWarning] = []
        self._comparisons_left = _COMPARISONS

    def error(self, mark: Mark, what: str, mend: str) -> None:
        """Note a fault that keeps the flow from being used."""
        self.errors.append(FlowError(what, file=self.source, line=mark.line, column=mark.column, mend=mend))

    def warn(self, mark: Mark, what: str, mend: str) -> None:
        """Note something odd."""
        self.warnings.append(FlowWarning(self.source, mark.line, mark.column, what, mend))

    def nearest(self, word: str, candidates: Collection[str]) -> str:
        """The candidate most like `word`, or '' when none is near (or the file has used up its guesses)."""
        if not word or len(word) > _WORD_SHOWN or len(candidates) > self._comparisons_left:
            return ""
        self._comparisons_left -= len(candidates)
        near = difflib.get_close_matches(word.lower(), sorted(candidates), n=1, cutoff=0.6)
        return near[0] if near else ""

    def guess(self, word: str, candidates: Collection[str], otherwise: str) -> str:
        """A mend: 'did you mean `x`?' where something is near, else `otherwise`."""
        near = self.nearest(word, candidates)
        return f"did you mean {quoted(near)}?" if near else otherwise

    def in_file_order(self) -> list[FlowError]:
        """Every fault, from the top of the file to its end."""
        return sorted(self.errors, key=lambda error: (error.line, error.column))
