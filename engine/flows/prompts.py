"""Prompts of a flow file: a text to be spoken (or read), or the name of a recording."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from engine.domain.values import Prompt
from engine.flows.fields import Fields
from engine.flows.problems import quoted
from engine.flows.strict_yaml import Items, Table, Text, Tree

LANGUAGES: Final = ("en", "zh")
MAX_TEXT: Final = 1_000
MAX_PROMPTS: Final = 20

_EXAMPLE = '"Welcome."'
_FILE = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_NEVER_SPOKEN = ("Cc", "Cs")


def read_prompts(fields: Fields, key: str, language: str, *, needed: bool = True) -> tuple[Prompt, ...]:
    """The prompts under a key: a text, `{text: …}`, `{file: …}`, or a list of these. `language` is the flow's."""
    value = fields.need(key, _EXAMPLE) if needed else fields.get(key)
    if value is None:
        return ()
    values = value.values if isinstance(value, Items) else (value,)
    if needed and not values:
        fields.error(value.mark, f"{quoted(key)} has no prompt", f"write `{key}: {_EXAMPLE}`")
    if len(values) > MAX_PROMPTS:
        fields.error(value.mark, f"{len(values)} prompts in a row, more than {MAX_PROMPTS}", "join their texts")
    prompts = (_prompt(fields, key, each, language) for each in values)
    return tuple(prompt for prompt in prompts if prompt is not None)


def _prompt(fields: Fields, key: str, value: Tree, language: str) -> Prompt | None:
    if isinstance(value, Text):
        text = _spoken(fields, value)
        return Prompt(text=text, language=language) if text else None
    if isinstance(value, Table):
        return _long_form(Fields(f"{fields.owner}: {key}", value, fields.problems), language)
    fields.error(value.mark, "a list within a list of prompts", f"write `{key}: [{_EXAMPLE}, {{file: goodbye}}]`")
    return None


def _long_form(fields: Fields, language: str) -> Prompt | None:
    language = fields.one_of("language", LANGUAGES, language)
    text = fields.word(fields.get("text"), "text", _EXAMPLE)
    file = fields.word(fields.get("file"), "file", "goodbye")
    fields.finish()
    if (text is None) == (file is None):
        fields.error(
            fields.mark, "a prompt has either `text` or `file`", f"write `text: {_EXAMPLE}` or `file: goodbye`"
        )
        return None
    if text is not None:
        spoken = _spoken(fields, text)
        return Prompt(text=spoken, language=language) if spoken else None
    if file is not None and not _FILE.fullmatch(file.value):
        fields.error(
            file.mark,
            f"{quoted(file.value)} cannot name a recording",
            "write its name below the sounds folder, without an ending: `file: bank/welcome`",
        )
        return None
    return Prompt(file=file.value if file is not None else "", language=language)


def _spoken(fields: Fields, text: Text) -> str:
    """The words of a text, on one line; '' when they cannot be spoken, which is noted."""
    words = " ".join(text.value.split())
    if any(unicodedata.category(character) in _NEVER_SPOKEN for character in words):
        fields.error(text.mark, "a control character in a prompt", "remove it")
        return ""
    if len(words) > MAX_TEXT:
        fields.error(text.mark, f"a prompt of {len(words)} characters, more than {MAX_TEXT}", "say less, or split it")
        return ""
    if not any(character.isalnum() for character in words):
        fields.error(text.mark, "a prompt without a word", f"write what to say, e.g. {_EXAMPLE}")
        return ""
    return words
