"""What the floor itself says to callers, in the languages that ship."""

from engine.domain.values import Prompt

_POSITION = {
    "en": "You are caller number {n}. Please hold, we will be with you soon.",
    "zh": "您前面还有{ahead}位客户，请稍候。",
}
_NEXT = {
    "en": "You are next. Please hold.",
    "zh": "您是下一位，请稍候。",
}
_UNKNOWN_NUMBER = {
    "en": "The number you have dialled is not in service. Goodbye.",
    "zh": "您拨打的号码暂未开通，再见。",
}


def _language(tag: str, texts: dict[str, str]) -> str:
    base = tag.split("-", maxsplit=1)[0].lower()
    return base if base in texts else "en"


def position(language: str, place: int) -> Prompt:
    """The caller's place in the queue, 1 being the next."""
    texts = _NEXT if place <= 1 else _POSITION
    base = _language(language, texts)
    return Prompt(text=texts[base].format(n=place, ahead=place - 1), language=base)


def unknown_number(language: str) -> Prompt:
    """The dialled number leads nowhere."""
    base = _language(language, _UNKNOWN_NUMBER)
    return Prompt(text=_UNKNOWN_NUMBER[base], language=base)


def every(longest_line: int = 20) -> tuple[tuple[str, str], ...]:
    """(text, language) of all that the floor may say to the first `longest_line` callers of a queue."""
    places = [position(language, place) for language in _NEXT for place in range(1, longest_line + 1)]
    unknown = [unknown_number(language) for language in _UNKNOWN_NUMBER]
    return tuple((prompt.text, prompt.language) for prompt in (*places, *unknown))
