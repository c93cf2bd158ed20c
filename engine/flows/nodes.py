"""The nine kinds of node, each read from a table whose first word (its *verb*) says what it does.

docs/flows.md shows each with every key. One function a verb; the verb's value is the node's main thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from engine.domain.flow import (
    AnyNode,
    CollectDigits,
    Enqueue,
    HangUpNode,
    Hours,
    Menu,
    Notice,
    OpenSpan,
    Say,
    SetVariables,
    Switch,
)
from engine.domain.policy import PRIORITY_LIMIT, SkillNeed
from engine.domain.values import DigitPattern, QueueId
from engine.flows.digits import MAX_DIGITS, parse_shape
from engine.flows.fields import NAME, NAME_RULE, Fields
from engine.flows.hours import EXAMPLE, parse_span
from engine.flows.problems import quoted
from engine.flows.prompts import read_prompts
from engine.flows.steering import LEVELS, PRIORITY, SKILL
from engine.flows.strict_yaml import Items, Table, Text, Tree

_MAX_TRIES = 10
_MAX_WAIT_S = 60.0
_MAX_VALUE = 100
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _say(fields: Fields, language: str, line: int) -> AnyNode:
    return Say(line=line, prompts=read_prompts(fields, "say", language), next=fields.arrow("next"))


def _notice(fields: Fields, language: str, line: int) -> AnyNode:
    key = fields.word(fields.get("refuse_key"), "refuse_key", "9")
    return Notice(
        line=line,
        prompts=read_prompts(fields, "notice", language),
        next=fields.arrow("next"),
        refuse_key=key.value if key is not None and fields.phone_key(key, "key to refuse with") else "",
        wait_s=fields.seconds("wait_s", 2.0, 0.1, _MAX_WAIT_S),
    )


def _menu(fields: Fields, language: str, line: int) -> AnyNode:
    options: dict[str, str] = {}
    table = fields.table("options", "{1: NODE, 2: NODE}")
    for key, value in table.entries.items():
        found = fields.word(value, f"options: {key}", "NODE")
        if fields.phone_key(Text(key, table.marks[key]), "key for an option") and found is not None:
            options[key] = fields.target(found)
    return Menu(
        line=line,
        prompts=read_prompts(fields, "menu", language),
        options=options,
        otherwise=fields.arrow("otherwise"),
        tries=fields.count("tries", 3, 1, _MAX_TRIES),
        wait_s=fields.seconds("wait_s", 6.0, 0.1, _MAX_WAIT_S),
        save=_save(fields, needed=False),
        sorry=read_prompts(fields, "sorry", language, needed=False),
    )


def _collect(fields: Fields, language: str, line: int) -> AnyNode:
    patterns, longest = _patterns(fields)
    default = longest or 20
    most = fields.count("max_digits", default, 1, MAX_DIGITS)
    if most < longest:
        fields.error(
            fields.mark_of("max_digits"),
            f"a pattern needs {longest} digits, but no more than {most} are taken",
            f"write `max_digits: {longest}`",
        )
    return CollectDigits(
        line=line,
        prompts=read_prompts(fields, "collect", language),
        patterns=patterns,
        next=fields.arrow("next"),
        otherwise=fields.arrow("otherwise"),
        max_digits=most,
        tries=fields.count("tries", 3, 1, _MAX_TRIES),
        wait_s=fields.seconds("wait_s", 8.0, 0.1, _MAX_WAIT_S),
        save=_save(fields),
        sorry=read_prompts(fields, "sorry", language, needed=False),
    )


def _save(fields: Fields, *, needed: bool = True) -> str:
    name = fields.name("save", default=None if needed else "", example="account")
    if name == PRIORITY:
        fields.error(
            fields.mark_of("save"), f"`{PRIORITY}` steers the queue; no answer is kept in it", "use another name"
        )
    return name


def _patterns(fields: Fields) -> tuple[tuple[DigitPattern, ...], int]:
    """The patterns, and the most digits any of them takes (0 when one is a regular expression)."""
    patterns: list[DigitPattern] = []
    longest: list[int] = []
    table = fields.table("patterns", "{account: 8 digits}")
    for name, value in table.entries.items():
        if not NAME.fullmatch(name):
            fields.error(value.mark, f"{quoted(name)} cannot name a pattern", NAME_RULE)
        found = fields.word(value, f"patterns: {name}", "8 digits")
        try:
            shape = parse_shape(found.value if found is not None else "1 digit")
        except ValueError as error:
            fields.error(
                value.mark,
                f"the pattern {quoted(name)} cannot be used: {error}",
                "write `8 digits`, `16-19 digits`, or a simple regular expression such as '[1-9][0-9]{5,7}'",
            )
            continue
        patterns.append(DigitPattern(name=name, regex=shape.regex))
        longest.append(shape.most)
    return tuple(patterns), max(longest) if longest and all(longest) else 0


def _hours(fields: Fields, _language: str, line: int) -> AnyNode:
    spans: list[OpenSpan] = []
    for each in _texts(fields, "hours", EXAMPLE, fields.need("hours", EXAMPLE)):
        try:
            spans.extend(parse_span(each.value))
        except ValueError as error:
            fields.error(each.mark, f"{quoted(each.value)} are no hours: {error}", f"write `{EXAMPLE}`")
    return Hours(
        line=line,
        timezone=_timezone(fields),
        spans=tuple(spans),
        open=fields.arrow("open"),
        closed=fields.arrow("closed"),
        holidays=tuple(_holiday(fields, each) for each in _texts(fields, "holidays", "[2026-12-25]")),
    )


def _texts(fields: Fields, key: str, example: str, value: Tree | None = None) -> list[Text]:
    """One text or a list of texts under a key."""
    value = value if value is not None else fields.get(key)
    values = value.values if isinstance(value, Items) else (value,)
    texts = (fields.word(each, key, example) for each in values)
    return [text for text in texts if text is not None]


def _timezone(fields: Fields) -> str:
    found = fields.word(fields.need("timezone", "Europe/London"), "timezone", "Europe/London")
    if found is None:
        return "UTC"
    if not _known_timezone(found.value):
        mend = fields.problems.guess(found.value, _all_timezones(), "use an IANA name such as Asia/Shanghai")
        fields.error(found.mark, f"there is no time zone {quoted(found.value)}", mend)
    return found.value


@cache
def _all_timezones() -> frozenset[str]:  # read from the disk, some 50 ms: only when a name is wrong, and once
    return frozenset(available_timezones())


def _known_timezone(name: str) -> bool:
    try:
        return len(name) <= 64 and ZoneInfo(name).key == name
    except (KeyError, ValueError, OSError):  # unknown; not a name (`../etc`); a directory such as `Europe`
        return False


def _holiday(fields: Fields, text: Text) -> str:
    try:
        if not _DATE.fullmatch(text.value):
            raise ValueError
        date.fromisoformat(text.value)
    except ValueError:
        fields.error(text.mark, f"{quoted(text.value)} is no date", "write year-month-day, e.g. 2026-12-25")
    return text.value


def _set(fields: Fields, _language: str, line: int) -> AnyNode:
    values: dict[str, str] = {}
    table = fields.table("set", "{priority: 5}")
    for name, value in table.entries.items():
        found = fields.word(value, f"set: {name}", "5")
        if found is None:
            continue
        skill = name.startswith(SKILL)
        if not NAME.fullmatch(name.removeprefix(SKILL)):
            fields.error(table.marks[name], f"{quoted(name)} cannot name a variable", NAME_RULE)
        if name == PRIORITY:
            fields.whole(found, name, 0, -PRIORITY_LIMIT, PRIORITY_LIMIT)
        elif skill:
            fields.whole(found, name, 1, *LEVELS)
        elif len(found.value) > _MAX_VALUE or not found.value.isprintable():
            fields.error(found.mark, "the value is too long or not printable", f"use up to {_MAX_VALUE} characters")
        values[name] = found.value
    return SetVariables(line=line, values=values, next=fields.arrow("next"))


def _switch(fields: Fields, _language: str, line: int) -> AnyNode:
    cases: dict[str, str] = {}
    table = fields.table("cases", "{VALUE: NODE}")
    for value, target in table.entries.items():
        found = fields.word(target, f"cases: {value}", "NODE")
        if found is not None:
            cases[value] = fields.target(found)
    variable = fields.word(fields.need("switch", "VARIABLE"), "switch", "VARIABLE")
    return Switch(
        line=line,
        variable=variable.value if variable is not None else "",
        cases=cases,
        otherwise=fields.arrow("otherwise"),
    )


def _queue(fields: Fields, _language: str, line: int) -> AnyNode:
    return Enqueue(
        line=line,
        queue=QueueId(fields.name("queue", example="sales")),
        on_timeout=fields.arrow("on_timeout"),
        on_closed=fields.arrow("on_closed"),
        after=fields.arrow("after", needed=False),
        priority=fields.count("priority", 0, -PRIORITY_LIMIT, PRIORITY_LIMIT),
        needs=_needs(fields),
    )


def _needs(fields: Fields) -> tuple[SkillNeed, ...]:
    value = fields.get("needs")
    if not isinstance(value, Table):
        wanted = {text.value: (text, 1) for text in _texts(fields, "needs", "{english: 5}", value)}
    else:
        wanted = {}
        for skill, each in value.entries.items():
            level = fields.word(each, f"needs: {skill}", "5")
            if level is not None:
                at = Text(skill, value.marks[skill])
                wanted[skill] = (at, fields.whole(level, f"needs: {skill}", 1, *LEVELS))
    for skill, (text, _) in wanted.items():
        if not NAME.fullmatch(skill):
            fields.error(text.mark, f"{quoted(skill)} cannot name a skill", NAME_RULE)
    return tuple(SkillNeed(skill=skill, level=level) for skill, (_, level) in wanted.items())


def _hangup(fields: Fields, language: str, line: int) -> AnyNode:
    return HangUpNode(line=line, prompts=read_prompts(fields, "hangup", language, needed=False))


VERBS: Final[dict[str, Callable[[Fields, str, int], AnyNode]]] = {
    "say": _say,
    "notice": _notice,
    "menu": _menu,
    "collect": _collect,
    "hours": _hours,
    "set": _set,
    "switch": _switch,
    "queue": _queue,
    "hangup": _hangup,
}


def read_node(fields: Fields, language: str, line: int) -> AnyNode | None:
    """Read one node. None, with the reason noted, when it says not (or twice) what it does."""
    verbs = [key for key in fields.names() if key in VERBS]
    if len(verbs) != 1:
        _wrong_verb(fields, verbs)
        return None
    node = VERBS[verbs[0]](fields, language, line)
    fields.finish()
    return node


def _wrong_verb(fields: Fields, verbs: list[str]) -> None:
    if verbs:
        both = " and ".join(quoted(verb) for verb in verbs)
        fields.error(fields.mark, f"it has {both}, but does one thing", "make a node of each and join them by `next`")
        return
    near = {fields.problems.nearest(key, VERBS): key for key in fields.names()[:20]}
    near.pop("", None)
    guess = "; ".join(f"did you mean {quoted(verb)} by {quoted(key)}?" for verb, key in near.items())
    fields.error(fields.mark, "it does not say what it does", guess or f"give it one of {', '.join(VERBS)}")
