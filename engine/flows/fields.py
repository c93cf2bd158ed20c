"""Typed access to the keys of one table. A wrong value is noted and a harmless one returned, so reading goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from engine.flows.problems import Mark, Problems, quoted
from engine.flows.strict_yaml import Items, Table, Text, Tree

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NAME_RULE = "use 1 to 64 letters, digits, - and _, starting with a letter or digit"
KEYS = "0123456789*#"
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Arrow(NamedTuple):
    """Where to go, and where the file says so."""

    target: str
    mark: Mark


class Fields:
    """The keys of one table. Each is asked for by name; `finish` reports the ones that nobody asked for.

    `owner` names the table in messages ("node `menu`"); `nodes` are the names that an arrow may lead to.
    """

    def __init__(self, owner: str, table: Table, problems: Problems, nodes: Collection[str] = ()) -> None:
        self.owner = owner
        self.mark = table.mark
        self.problems = problems
        self._table = table
        self._nodes = nodes
        self._known: set[str] = set()

    def names(self) -> list[str]:
        """Every key the table has, in order."""
        return list(self._table.entries)

    def mark_of(self, key: str) -> Mark:
        """Where a key's value stands, or the table when there is none."""
        value = self._table.entries.get(key)
        return value.mark if value is not None else self.mark

    def error(self, mark: Mark, what: str, mend: str) -> None:
        """Note a fault of this table."""
        self.problems.error(mark, f"{self.owner}: {what}", mend)

    def get(self, key: str) -> Tree | None:
        """The value of a key; None when it is absent or empty."""
        self._known.add(key)
        value = self._table.entries.get(key)
        return None if isinstance(value, Text) and not value.given else value

    def need(self, key: str, example: str) -> Tree | None:
        """The value of a key that must be there."""
        value = self.get(key)
        if value is None:
            mark = self._table.marks.get(key, self.mark)
            self.error(mark, f"{quoted(key)} is missing", f"write `{key}: {example}`")
        return value

    def word(self, value: Tree | None, key: str, example: str) -> Text | None:
        """A value that must be one text."""
        if value is None or isinstance(value, Text):
            return value
        kind = "list" if isinstance(value, Items) else "table"
        self.error(value.mark, f"{quoted(key)} is a {kind}", f"write one word, `{key}: {example}`")
        return None

    def table(self, key: str, example: str) -> Table:
        """A table that must be there, with at least one key; an empty one, after a note, where it is not."""
        value = self.need(key, example)
        if isinstance(value, Table) and value.entries:
            return value
        if value is not None:
            self.error(value.mark, f"{quoted(key)} is no table of `name: value`", f"write `{key}: {example}`")
        return Table({}, {}, self.mark)

    def name(self, key: str, default: str | None = None, example: str = "NAME") -> str:
        """An identifier; must be there when `default` is None."""
        found = self.word(self.need(key, example) if default is None else self.get(key), key, example)
        if found is None:
            return default or ""
        if not NAME.fullmatch(found.value):
            self.error(found.mark, f"{quoted(found.value)} cannot be the {key}", NAME_RULE)
        return found.value

    def one_of(self, key: str, choices: Collection[str], default: str) -> str:
        """One word out of a few."""
        found = self.word(self.get(key), key, default)
        if found is None:
            return default
        if found.value not in choices:
            mend = self.problems.guess(found.value, choices, f"use one of {', '.join(choices)}")
            self.error(found.mark, f"{quoted(found.value)} cannot be the {key}", mend)
            return default
        return found.value

    def phone_key(self, text: Text, what: str) -> bool:
        """Whether a text is one key of a telephone; notes it when not."""
        fits = len(text.value) == 1 and text.value in KEYS
        if not fits:
            self.error(text.mark, f"{quoted(text.value)} is no {what}", "use one of 0-9, '*' and '#' (in quotes)")
        return fits

    def seconds(self, key: str, default: float, low: float, high: float) -> float:
        """A time in seconds within limits."""
        found = self.word(self.get(key), key, f"{default:g}")
        if found is None:
            return default
        if not _NUMBER.fullmatch(found.value) or not low <= float(found.value) <= high:
            self.error(
                found.mark,
                f"{quoted(found.value)} cannot be `{key}`",
                f"write a number of seconds from {low:g} to {high:g}",
            )
            return default
        return float(found.value)

    def count(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number within limits."""
        found = self.word(self.get(key), key, str(default))
        return default if found is None else self.whole(found, key, default, low, high)

    def whole(self, text: Text, key: str, default: int, low: int, high: int) -> int:
        """A text read as a whole number within limits."""
        if not _INTEGER.fullmatch(text.value) or not low <= int(text.value) <= high:
            self.error(
                text.mark,
                f"{quoted(text.value)} cannot be {quoted(key)}",
                f"write a whole number from {low} to {high}",
            )
            return default
        return int(text.value)

    def arrow(self, key: str, *, needed: bool = True) -> str:
        """The name of the node that a key leads to. '' where it is absent and need not be there."""
        value = self.need(key, "NODE") if needed else self.get(key)
        found = self.word(value, key, "NODE")
        return self.target(found) if found is not None else ""

    def target(self, text: Text) -> str:
        """A text that must name a node."""
        if text.value not in self._nodes:
            mend = self.problems.guess(text.value, self._nodes, "add a node of that name, or name another")
            self.error(text.mark, f"there is no node {quoted(text.value)}", mend)
        return text.value

    def finish(self, also: Iterable[str] = ()) -> None:
        """Report keys that nobody asked for."""
        known = self._known | set(also)
        for key, mark in self._table.marks.items():
            if key not in known:
                mend = self.problems.guess(key, known, f"known keys: {', '.join(sorted(known))}")
                self.error(mark, f"the key {quoted(key)} is not known", mend)
