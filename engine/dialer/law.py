"""May this person be called at this moment? Every rule is data: what it says, since when, and where it stands.

Asked when a lead is claimed and again in the moment of dialling; each refusal is kept with its rule, and with the
instant from which nothing forbids the call any more. Calling hours hold at the called person's place: where that may be
in several time zones (an area code that crosses a border, a mobile number), all of them must be within hours.

Local time is the zone's at that instant, so a change to summer time needs no rule of its own. Nothing here gives legal
advice; the defaults are those of the United States (16 CFR 310.4), to be replaced by the rules that bind the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.domain.campaign import LEGAL_RING_S
from engine.domain.flow import OpenSpan
from engine.domain.values import SECOND, Value
from engine.errors import RefusedByRule

EVERY_DAY: Final = (0, 1, 2, 3, 4, 5, 6)
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_MINUTE: Final = 60 * SECOND
_DAY: Final = 1_440 * _MINUTE
_STRIDE: Final = _DAY // 2
"""No zone ever changed its clocks twice within half a day."""
_HORIZON: Final = 60 * _DAY
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Rule(Value):
    """What all rules have: a stable id, the date since which it holds (ISO 8601, empty: unknown) and its source."""

    id: str
    since: str = ""
    source: str = ""


class HoursRule(Rule):
    """Only within these spans of the called person's local week."""

    spans: tuple[OpenSpan, ...] = (OpenSpan(weekdays=EVERY_DAY, start=8 * 60, end=21 * 60),)


class CapRule(Rule):
    """At most `limit` attempts to one number within any `within_s` seconds."""

    limit: int = 3
    within_s: float = 86_400.0


class IntervalRule(Rule):
    """At least `seconds` between two attempts to one number."""

    seconds: float = 3_600.0


class Rules(Value):
    """All that binds a campaign. Every one of `hours`, `caps` and `intervals` must be kept: the strictest wins."""

    hours: tuple[HoursRule, ...] = (
        HoursRule(id="calling-hours", since="1995-12-31", source="16 CFR 310.4(c): 8:00 to 21:00 local time"),
    )
    caps: tuple[CapRule, ...] = (
        CapRule(id="daily-cap", source="ours; Florida 501.616(6), Oklahoma and Maryland: 3 calls in 24 h"),
    )
    intervals: tuple[IntervalRule, ...] = (IntervalRule(id="interval", source="ours"),)
    after_abandoned: tuple[IntervalRule, ...] = ()
    """Counted from the last abandoned call; Ofcom's older text has 72 h unless an agent is kept for it."""
    do_not_call: Rule = Rule(
        id="do-not-call", since="1995-12-31", source="16 CFR 310.4(b)(1)(iii)(A): who asked not to"
    )
    place: Rule = Rule(id="time-zone-unknown", source="ours: without a local time there are no calling hours")

    def look_back_us(self) -> int:
        """How far back attempts to the number must be known for the caps and intervals."""
        spans = [cap.within_s for cap in self.caps]
        spans += [interval.seconds for interval in (*self.intervals, *self.after_abandoned)]
        return round(max(spans, default=0.0) * SECOND)


US_RULES: Final = Rules()


class Called(Value):
    """What is known of the person to be called.

    `zones`: IANA names of the time zones he may be in, at least one. `attempts`: when this number was dialled, UTC µs
    in no order, at least those of `Rules.look_back_us`; quarantined attempts count. `abandoned_at`: when it last was
    abandoned, 0 for never.
    """

    zones: tuple[str, ...]
    do_not_call: bool = False
    attempts: tuple[int, ...] = ()
    abandoned_at: int = 0


class Verdict(Value):
    """`rule` forbids it (its id; empty when allowed) until the instant `until` (UTC µs; 0: for ever, or not known).

    `until` is the first instant at which no rule forbids it, if nothing is dialled before. `says` is for people.
    """

    allowed: bool
    rule: str = ""
    until: int = 0
    says: str = ""


def may_dial(called: Called, rules: Rules, now: int) -> Verdict:
    """Whether the number may be dialled at `now`, and if not, by which rule and until when."""
    if called.do_not_call:
        return _refusal(rules.do_not_call, 0, "on the do-not-call list")
    zones = _zones(called.zones)
    if not zones:
        return _refusal(rules.place, 0, f"no known time zone in {', '.join(called.zones) or 'an empty list'}")
    for hours in rules.hours:
        for zone in zones:
            if not _is_open(hours, zone, now):
                return _refusal(hours, _first_allowed(called, rules, zones, now), _out_of_hours(hours, zone, now))
    for cap in rules.caps:
        if _cap_ends(cap, called.attempts, now) > now:
            text = f"dialled {cap.limit} times within {cap.within_s / 3600:g} h already"
            return _refusal(cap, _first_allowed(called, rules, zones, now), text)
    for interval, since in _intervals(called, rules):
        if since + round(interval.seconds * SECOND) > now:
            text = f"dialled within the last {interval.seconds / 60:g} min"
            return _refusal(interval, _first_allowed(called, rules, zones, now), text)
    return Verdict(allowed=True)


def opening(zones: tuple[str, ...], rules: Rules, now: int) -> tuple[bool, int]:
    """Whether calling hours are open at `now` in all of `zones`, and when that changes (UTC µs).

    For a group of leads, before it is claimed, and for a lead's `not_after`. The instant is 0 for closed hours that do
    not open within 60 days, or in a zone that is not known; hours that stay open change at the end of these 60 days.
    """
    known = _zones(zones)
    if not known:
        return False, 0
    pairs = [(hours, zone) for hours in rules.hours for zone in known]
    if not all(_is_open(hours, zone, now) for hours, zone in pairs):
        only_hours = Rules(hours=rules.hours, caps=(), intervals=())
        return False, _first_allowed(Called(zones=zones), only_hours, known, now)
    return True, min((_next(hours, zone, now, wanted=False) for hours, zone in pairs), default=now + _HORIZON)


def check_ring_time(ring_s: float, where: str = "ring_s") -> None:
    """Refuse a campaign that would let a telephone ring for less than 15 s.

    Raises:
        RefusedByRule: `ring_s` is shorter than `LEGAL_RING_S`, or no number.
    """
    if not ring_s >= LEGAL_RING_S:
        raise RefusedByRule(
            f"{ring_s:g} s is too short: an unanswered call must ring 15 s or four times (16 CFR 310.4(b)(4)(ii))",
            where=where,
            mend=f"Use {LEGAL_RING_S:g} or more.",
        )


def _refusal(rule: Rule, until: int, text: str) -> Verdict:
    return Verdict(allowed=False, rule=rule.id, until=until, says=f"{text} ({rule.source})" if rule.source else text)


def _out_of_hours(hours: HoursRule, zone: ZoneInfo, now: int) -> str:
    local = (_EPOCH + timedelta(microseconds=now)).astimezone(zone)
    spans = ", ".join(
        f"{_days(span.weekdays)}{span.start // 60:02}:{span.start % 60:02}-{span.end // 60:02}:{span.end % 60:02}"
        for span in hours.spans
    )
    return f"it is {DAYS[local.weekday()]} {local:%H:%M} in {zone.key}; calls are allowed {spans or 'never'}"


def _days(weekdays: tuple[int, ...]) -> str:
    return "" if len(set(weekdays)) == 7 else "/".join(DAYS[day] for day in weekdays) + " "


# --- when it is allowed again ----------------------------------------------------------------------------------------


def _first_allowed(called: Called, rules: Rules, zones: list[ZoneInfo], now: int) -> int:
    """The first instant from `now` on at which no rule forbids it; 0 when there is none within 60 days.

    Each rule alone tells when it allows the call next. Going to the latest of these until none moves it any further is
    exact: no rule allows an instant that was passed over.
    """
    at, moved = now, -1
    while at != moved and at <= now + _HORIZON:
        moved = at
        for cap in rules.caps:
            at = max(at, _cap_ends(cap, called.attempts, at))
        for interval, since in _intervals(called, rules):
            at = max(at, since + round(interval.seconds * SECOND))
        for hours in rules.hours:
            for zone in zones:
                at = _next(hours, zone, at, wanted=True)
    return at if at <= now + _HORIZON else 0


def _cap_ends(cap: CapRule, attempts: tuple[int, ...], now: int) -> int:
    """When the cap allows one more, at `now` at the earliest: the `limit`-th latest attempt must be old enough."""
    if cap.limit <= 0:
        return now + 2 * _HORIZON
    latest = sorted(attempts, reverse=True)
    return max(now, latest[cap.limit - 1] + round(cap.within_s * SECOND)) if len(latest) >= cap.limit else now


def _intervals(called: Called, rules: Rules) -> list[tuple[IntervalRule, int]]:
    """Each interval that runs, with its beginning."""
    found = [(interval, max(called.attempts)) for interval in rules.intervals] if called.attempts else []
    if called.abandoned_at:
        found += [(interval, called.abandoned_at) for interval in rules.after_abandoned]
    return found


# --- local time ------------------------------------------------------------------------------------------------------


def _zones(names: Iterable[str]) -> list[ZoneInfo]:
    """The zones of these names; none at all when one of them is unknown, for it might be the strictest."""
    try:
        return [ZoneInfo(name) for name in names]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return []


def _offset(zone: tzinfo, now: int) -> int:
    """Local time less UTC at `now`, µs."""
    shift = (_EPOCH + timedelta(microseconds=now)).astimezone(zone).utcoffset()
    return shift // timedelta(microseconds=1) if shift is not None else 0


def _open_locally(hours: HoursRule, local: int) -> bool:
    """Whether a local time is within hours; `local` is µs since 1970-01-01 00:00 on the zone's own clock."""
    day, rest = divmod(local, _DAY)
    weekday = (day + 3) % 7  # 1970 began on a Thursday
    return any(weekday in span.weekdays and span.start * _MINUTE <= rest < span.end * _MINUTE for span in hours.spans)


def _is_open(hours: HoursRule, zone: ZoneInfo, now: int) -> bool:
    return _open_locally(hours, now + _offset(zone, now))


def _next(hours: HoursRule, zone: ZoneInfo, now: int, *, wanted: bool) -> int:
    """The first instant from `now` on at which these hours are open (`wanted`) or closed; beyond the horizon if never.

    Between two changes of its clocks a zone's local time runs as UTC does, so only the edges of the spans and the
    changes themselves need to be looked at. A change is found by halving, to the second: zones change at whole ones.
    """
    at = now
    while at <= now + _HORIZON:
        offset = _offset(zone, at)
        if _open_locally(hours, at + offset) is wanted:
            return at
        following = _next_edge(hours, at + offset) - offset
        at = following if _offset(zone, following) == offset else _change(zone, at, following)
    return at


def _next_edge(hours: HoursRule, local: int) -> int:
    """The next local time after `local` at which a span may begin or end, or half a day later if that comes first."""
    midnight = local - local % _DAY
    edges = [midnight + minute * _MINUTE for span in hours.spans for minute in (span.start, span.end)]
    edges += [midnight + _DAY, local + _STRIDE]
    return min(edge for edge in edges if edge > local)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The first whole second after `before` with the offset of `after`."""
    old, low, high = _offset(zone, before), before // SECOND, -(-after // SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle * SECOND) == old:
            low = middle
        else:
            high = middle
    return high * SECOND
