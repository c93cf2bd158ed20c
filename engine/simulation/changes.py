"""What is to be otherwise than it was recorded: `--set agents=+5 --set cap=0.02`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches

from engine.domain.values import Value
from engine.errors import UsageError
from engine.simulation.scenario import MOST_AGENTS, Limits

_LIMITS = {
    "cap": ("abandon_cap", 0.0001, 0.9999),
    "lines": ("lines", 0, 100_000),
    "calls_per_second": ("calls_per_second", 0, 10_000),
    "connect_limit_s": ("connect_deadline_s", 0.5, 30),
}
"""Name → field of `Limits`, least and most."""
KEYS = ("agents", *_LIMITS)


class Changes(Value):
    """`agents`: so many instead, or (`more`) so many more than there were; `limits`: fields of `Limits`."""

    agents: int | None = None
    more: bool = False
    limits: dict[str, float] = {}

    def staffed(self, steps: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
        """The steps as they are to be; where nobody was at work nobody is.

        :raises UsageError: nobody is left, or more are there than can be played.
        """
        if self.agents is None:
            return steps
        base = self.agents if self.more else 0
        changed = tuple(
            (minute, max(0, base + count if self.more else self.agents) if count else 0) for minute, count in steps
        )
        if not 0 < max(count for _, count in changed) <= MOST_AGENTS:
            mend = f"From 1 to {MOST_AGENTS} agents must be at work."
            raise UsageError("so many agents cannot be played", where="--set agents", mend=mend)
        return changed

    def limited(self, limits: Limits) -> Limits:
        """The limits as they are to be."""
        fields: dict[str, float] = {name: getattr(limits, name) for name in Limits.__annotations__} | self.limits
        return Limits(
            lines=round(fields["lines"]),
            calls_per_second=fields["calls_per_second"],
            abandon_cap=fields["abandon_cap"],
            connect_deadline_s=fields["connect_deadline_s"],
        )


def parse_changes(given: Iterable[str]) -> Changes:
    """Read `key=value` texts; of agents a value with a sign is how many more or fewer.

    :raises UsageError: there is no such key, or the value makes no sense.
    """
    agents, more = None, False
    limits: dict[str, float] = {}
    for text in given:
        key, _, value = text.partition("=")
        if key == "agents":
            agents, more = round(_number(key, value, -MOST_AGENTS, MOST_AGENTS, whole=True)), value[:1] in "+-"
        elif key in _LIMITS:
            field, least, most = _LIMITS[key]
            limits[field] = _number(key, value, least, most, whole=field == "lines")
        else:
            near = get_close_matches(key, KEYS, 1)
            mend = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(KEYS)}, as in agents=+5."
            raise UsageError(f"there is no setting {key}", where="--set", mend=mend)
    return Changes(agents=agents, more=more, limits=limits)


def _number(key: str, value: str, least: float, most: float, *, whole: bool) -> float:
    try:
        number = float(int(value) if whole else float(value))
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise UsageError(
            f"{value!r} makes no sense", where=f"--set {key}", mend=f"Give {kind} from {least:g} to {most:g}."
        )
    return number
