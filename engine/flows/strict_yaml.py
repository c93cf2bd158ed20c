"""YAML without its surprises: a tree of tables, lists and texts, each with its place in the file.

Read from PyYAML's *events*, never through a constructor: there is no object to build, so no tag can run code
(CVE-2020-14343), no alias can grow (billion laughs) and no word turns into a number, a date or `False` behind the
author's back ("no", 012 and 09:30 stay what was written).
Refused: aliases, anchors, tags, duplicate keys, a second document, nesting deeper than 32, more than 1 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

import yaml

from engine.flows.problems import Mark, Problems, quoted

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32

_TOP = Mark(1, 1)
_CONTAINER = (yaml.MappingStartEvent, yaml.SequenceStartEvent)


class _PythonLoader(yaml.SafeLoader):
    """The loader where PyYAML was built without libyaml; about twenty times slower, same events."""


_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", _PythonLoader)


class Text(NamedTuple):
    """A scalar, exactly as written. `given` is False for a key without a value (`hangup:`)."""

    value: str
    mark: Mark
    given: bool = True


class Items(NamedTuple):
    """A list."""

    values: tuple[Tree, ...]
    mark: Mark


class Table(NamedTuple):
    """A mapping, in the order of the file. `marks` are the places of the keys."""

    entries: dict[str, Tree]
    marks: dict[str, Mark]
    mark: Mark


Tree = Text | Items | Table


class _Unreadable(Exception):  # never leaves this module
    """Nothing that follows can be trusted; the reason is already among the problems."""


def read(text: str, problems: Problems) -> Tree | None:
    """The tree of a text; None, with the reason among `problems`, where there is none to be had. Never raises."""
    if not _acceptable(text, problems):
        return None
    try:
        return _Reader(text, problems).document()
    except _Unreadable:
        return None
    except yaml.MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        mark = Mark(found.line + 1, found.column + 1) if found else _TOP
        problems.error(mark, f"this is not YAML: {error.problem or error.context}", _syntax_mend(error.problem or ""))
    except yaml.YAMLError as error:  # the reader's: a character that YAML forbids
        position = getattr(error, "position", 0)
        problems.error(
            _mark_at(text, position), "a character that cannot stand in YAML", "remove it, or write it as \\x…"
        )
    return None


def _acceptable(text: str, problems: Problems) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        problems.error(_mark_at(text, error.start), "half of a surrogate pair", "save the file as UTF-8")
        return False
    if size > MAX_BYTES:
        problems.error(_TOP, f"the file has {size:,} bytes, more than {MAX_BYTES:,}", "split it into several flows")
        return False
    return True


def _syntax_mend(problem: str) -> str:
    if "mapping values" in problem:
        return "put a text that holds a colon into quotes, and keep the indentation of a list of keys equal"
    if "\\t" in problem or "cannot start any token" in problem:
        return "indent with spaces, not tabs; put a text that starts with a special character into quotes"
    return "look at this line and the one above it for a missing quote, bracket, colon or space"


def _mark_at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _mark(event: yaml.Event) -> Mark:
    at = event.start_mark
    return Mark(at.line + 1, at.column + 1) if at is not None else _TOP


class _Reader:
    """Turns events into a tree. Recursion is bounded by MAX_DEPTH, checked before each descent."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        self._problems = problems

    def document(self) -> Tree | None:
        """The one document of the stream."""
        tree: Tree | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    self._refuse(event, "a second document starts here", "keep one flow in one file; remove the `---`")
                tree = self._value(next(self._events), depth=1)
        if tree is None:
            self._problems.error(_TOP, "the file is empty", "start with `flow: NAME`")
        return tree

    def _refuse(self, event: yaml.Event, what: str, mend: str) -> NoReturn:
        self._problems.error(_mark(event), what, mend)
        raise _Unreadable

    def _value(self, event: yaml.Event, depth: int) -> Tree:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"an alias, *{event.anchor}", "write the value out: anchors and aliases are not read")
        if depth > MAX_DEPTH and isinstance(event, _CONTAINER):
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "a flow needs five at most: flatten it")
        self._plain_only(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._table(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(event, depth)
        if not isinstance(event, yaml.ScalarEvent):  # nothing else starts a value, says the YAML grammar
            self._refuse(event, "something that is no value", "remove it")
        return Text(event.value, _mark(event), given=bool(event.value or event.style))

    def _plain_only(self, event: yaml.Event) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self._problems.error(_mark(event), "an anchor", "remove the &name: anchors and aliases are not read")
        if tag is not None:
            self._problems.error(_mark(event), f"a tag, {quoted(str(tag))}", "remove the !tag: every value is a text")

    def _items(self, start: yaml.Event, depth: int) -> Items:
        values: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return Items(tuple(values), _mark(start))

    def _table(self, start: yaml.Event, depth: int) -> Table:
        table = Table({}, {}, _mark(start))
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "a key that is no plain word", "write `key: value`, with a word as the key")
            self._plain_only(event)
            key, mark = event.value, _mark(event)
            value = self._value(next(self._events), depth + 1)
            if key in table.entries:
                first = table.marks[key].line
                self._problems.error(
                    mark, f"the key {quoted(key)} stands twice", f"remove one; the first is in line {first}"
                )
                continue
            table.entries[key] = value
            table.marks[key] = mark
        return table
