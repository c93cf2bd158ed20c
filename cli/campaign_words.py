"""A campaign's definition in words: what `campaign show` says of it, and what `campaign set` changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cli.output import Record, words

_AGAIN: Final = "calls again after "
_UNITS: Final = ((86_400, "days"), (3_600, "h"), (60, "min"))


def changed(before: Record, after: Record) -> list[str]:
    """What is different now, a line for each thing: `ring time: 25 s → 30 s`."""
    old, new = dict(terms(before)), dict(terms(after))
    longer = _outlasted(after)
    return [
        f"{title}: {old.get(title, 'none')} → {new.get(title, 'none')}{longer.get(title, '')}"
        for title in dict.fromkeys((*new, *old))
        if old.get(title) != new.get(title)
    ]


def terms(campaign: Record) -> Iterator[tuple[str, str]]:
    """Everything that people define of a campaign, by what they call it."""
    for field, (title, told) in _TOLD.items():
        yield title, told(campaign[field])
    rules = campaign["rules"]
    for rule in rules["hours"]:
        yield _titled("hours", rule, "calling-hours"), spans(rule["spans"])
    for rule in rules["caps"]:
        yield _titled("dials of one number", rule, "daily-cap"), cap(rule)
    for rule in rules["intervals"]:
        yield _titled("between two dials of one number", rule, "interval"), duration(rule["seconds"])
    for rule in rules["after_abandoned"]:
        yield _titled("after an abandoned call", rule, ""), duration(rule["seconds"])
    for outcome, seconds in retries(campaign).items():
        yield _AGAIN + outcome, duration(seconds) if seconds else "never"


def described(campaign: Record) -> list[tuple[str, str]]:
    """Title and text of the lines about hours, schedule, caps, retries and limits."""
    return [
        ("hours", _hours(campaign)),
        ("schedule", _schedule(campaign)),
        ("one number", _one_number(campaign["rules"])),
        ("one lead", _one_lead(campaign)),
        ("limits", _limits(campaign)),
        (
            "expects",
            f"{share(campaign['answer_rate'])} answered; live answers {_forecast(campaign['forecast_answers'])}",
        ),
    ]


def duration(seconds: float) -> str:
    """`20 s`, `15 min`, `2 h`, `3 days`: the largest unit in which it is a whole number."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = round(seconds / size)
            return "1 day" if unit == "days" and count == 1 else f"{count} {unit}"
    return f"{seconds:g} s"


def share(ratio: float) -> str:
    """A ratio as people write it, nothing rounded off: `2.5%`."""
    return f"{100 * ratio:.6g}%"


def cap(rule: Record) -> str:
    """How often a number may be dialled."""
    within = "24 h" if rule["within_s"] == 86_400 else duration(rule["within_s"])
    return f"at most {rule['limit']} in {within}"


def retries(campaign: Record) -> dict[str, float]:
    """Seconds until a lead is called again, by outcome; 0 where that ends it."""
    from engine.store.campaigns import RETRY_S

    found: dict[str, float] = {outcome.value: seconds for outcome, seconds in RETRY_S.items()}
    found.update(campaign["retry_s"])
    return found


def spans(found: Sequence[Record]) -> str:
    """Times of a week: `Mon-Fri 09:00-20:00, Sat 10:30-18:00`."""
    import msgspec

    from engine.domain.flow import OpenSpan
    from engine.main.calling_hours import said

    return said(msgspec.convert(found, tuple[OpenSpan, ...])) if found else "none"


def hours_in_vain(campaign: Record) -> list[str]:
    """The hours that were asked for and in which nobody may be called, with the rule that forbids them."""
    import msgspec

    from engine.dialer.law import Rules
    from engine.main import campaign_check
    from engine.store.campaigns import CampaignTerms

    rules = msgspec.convert(campaign["rules"], Rules)
    return list(campaign_check.hours_in_vain(CampaignTerms(rules=rules)))


def _titled(title: str, rule: Record, usual: str) -> str:
    return title if rule["id"] == usual else f"{title} ({rule['id']})"


def _hours(campaign: Record) -> str:
    rules = sorted(campaign["rules"]["hours"], key=lambda rule: rule["source"] != "ours")
    told = [
        spans(rule["spans"]) + (f" ({rule['source'] or rule['id']})" if rule["source"] != "ours" else "")
        for rule in rules
    ]
    zone = campaign["timezone"]
    unknown = f"{zone} where the number does not tell" if zone else "who cannot be placed is not called"
    return f"{', and within '.join(told) or 'any time'}; on the called person's clock ({unknown})"


def _schedule(campaign: Record) -> str:
    if not campaign["schedule"]:
        return "none"
    return f"{spans(campaign['schedule'])} in {campaign['timezone'] or 'UTC'}; used for the forecast, it starts nothing"


def _one_number(rules: Record) -> str:
    told = [f"{cap(rule)}" for rule in rules["caps"]]
    told += [f"{duration(rule['seconds'])} between two dials" for rule in rules["intervals"]]
    told += [f"{duration(rule['seconds'])} after an abandoned call" for rule in rules["after_abandoned"]]
    return ", ".join(told) or "as often as wanted"


def _least(campaign: Record) -> float:
    """Seconds that must pass between two dials of one number, whatever the first came to."""
    return max((rule["seconds"] for rule in campaign["rules"]["intervals"]), default=0.0)


def _outlasted(campaign: Record) -> dict[str, str]:
    """The delays that change nothing, as the interval is longer, each with words that say so."""
    least = _least(campaign)
    told = f" (in effect {duration(least)}, by --interval-s)"
    return {_AGAIN + outcome: told for outcome, seconds in retries(campaign).items() if 0 < seconds < least}


def _one_lead(campaign: Record) -> str:
    least = _least(campaign)
    again = ", ".join(f"{outcome} {duration(max(each, least))}" for outcome, each in retries(campaign).items() if each)
    return f"at most {campaign['max_attempts']} dials; again after {again}; every other outcome ends it"


def _limits(campaign: Record) -> str:
    return (
        f"lines: {_limit(campaign['lines'])}; calls per second: {_limit(campaign['calls_per_second'])};"
        f" rings {duration(campaign['ring_s'])}; an agent within {duration(campaign['connect_limit_s'])}"
    )


def _limit(value: float) -> str:
    return f"{value:g}" if value else "those of the trunks"


def _budgets(found: Sequence[Record]) -> str:
    return (
        "; ".join(
            f"at most {share(each['cap'])} per {each['window']}{' of the seller' if each['of_seller'] else ''}"
            for each in found
        )
        or "none: never more calls than free agents"
    )


def _message(prompt: Record) -> str:
    return f'"{prompt["text"]}"' if prompt["text"] else words(prompt["file"])


def _forecast(count: int) -> str:
    return f"{count} to come" if count else "by schedule and list"


_TOLD: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "name": ("name", words),
    "queue_id": ("queue", words),
    "mode": ("mode", words),
    "seller": ("seller", words),
    "caller_id": ("caller id", words),
    "trunks": ("trunks", lambda ids: ", ".join(ids) or "none"),
    "ratio": ("lines per free agent (power)", lambda ratio: f"{ratio:g}"),
    "lines": ("lines", _limit),
    "calls_per_second": ("calls per second", _limit),
    "ring_s": ("ring time", duration),
    "connect_limit_s": ("an agent within", duration),
    "budgets": ("abandoned", _budgets),
    "answer_rate": ("expected answer rate", share),
    "forecast_answers": ("expected live answers", _forecast),
    "preview_s": ("preview", duration),
    "wrap_up_s": ("wrap-up", lambda seconds: "the queue's" if seconds is None else duration(seconds)),
    "message": ("message", _message),
    "opt_out_digit": ("opt-out key", words),
    "unit": ("unit", words),
    "timezone": ("time zone", words),
    "region": ("region", words),
    "max_attempts": ("dials of one lead", lambda count: f"at most {count}"),
    "schedule": ("schedule", spans),
}
"""Field → what people call it, and how its value is told."""
