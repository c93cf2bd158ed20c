"""What `campaign check` says: the pre-flight of the dialler, with what the ledger, the hours and the list tell beside.

Everything is reckoned with what was seen, as far as there is enough of it, and the finding `basis` says which is which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from engine.dialer import law, preflight
from engine.dialer.clopper_pearson import largest_drops
from engine.dialer.preflight import Finding, Forecast, Level, Means, set_command, tightest
from engine.domain.campaign import Budget, CampaignPolicy, Mode, Tally, Window
from engine.main import calling_hours
from engine.main.moments import moment
from engine.store.campaign_figures import ENOUGH_TALKS
from engine.store.campaigns import CampaignTerms
from engine.store.forecast import LEAST_ATTEMPTS, LEAST_WORKED_US

_WEEKS: Final = {Window.ROLLING_30_DAYS: 30 / 7, Window.BLOCK_30_DAYS: 30 / 7, Window.CALENDAR_MONTH: 31 / 7}


class Seen(NamedTuple):
    """What the ledger knows: attempts that ended, those of them a person answered, and the sums of each budget."""

    attempts: int
    answers: int
    tallies: tuple[Tally, ...]


def look(policy: CampaignPolicy, terms: CampaignTerms, means: Means, seen: Seen, now: int) -> tuple[Finding, ...]:
    """Everything worth saying about a campaign at an instant (UTC µs), errors first."""
    found = [*preflight.look(policy, means), *_hours(policy, terms), *_closed_now(terms, now)]
    found += [*_too_much_hoped(policy, terms, means, seen)]
    if policy.mode is Mode.PREDICTIVE:
        found += _budget_now(policy, terms, seen)
    found += [*_nobody_answers(policy, seen), *_basis(policy, means, seen)]
    order = list(Level)
    return tuple(sorted(found, key=lambda finding: order.index(finding.level)))


def with_facts(means: Means, seen: Seen) -> Means:
    """The means with the answer rate of the ledger once that is worth more than a belief."""
    if means.answer_rate is None and seen.attempts >= LEAST_ATTEMPTS and seen.answers:
        return msgspec.structs.replace(means, answer_rate=seen.answers / seen.attempts)  # type: ignore[type-var]
    return means


# --- hours -----------------------------------------------------------------------------------------------------------


def hours_in_vain(terms: CampaignTerms) -> Iterator[str]:
    """The hours that were asked for and in which nobody may be called, each with the rules that forbid them."""
    rules = terms.rules.hours
    for rule, lost in calling_hours.in_vain(rules):
        others = " and ".join(
            f"{calling_hours.said(other.spans)} ({other.source or other.id})" for other in rules if other is not rule
        )
        whole = " Nothing is ever dialled." if calling_hours.never(rules) else ""
        yield (
            f"hours {calling_hours.said(rule.spans)}: nobody is called {calling_hours.said(lost)},"
            f" for calls are allowed only {others}.{whole}"
        )


def _hours(policy: CampaignPolicy, terms: CampaignTerms) -> Iterator[Finding]:
    if calling_hours.never(terms.rules.hours):
        told = "; ".join(hours_in_vain(terms)) or "no time of the week is within all calling hours"
        yield Finding(level=Level.ERROR, code="no-hours", what=told, mend=set_command(policy, "--hours 'mon-fri 9-20'"))
        return
    for told in hours_in_vain(terms):
        yield Finding(
            level=Level.WARNING, code="hours-in-vain", what=told, mend=set_command(policy, "--hours 'mon-fri 9-20'")
        )


def _closed_now(terms: CampaignTerms, now: int) -> Iterator[Finding]:
    """Said for the campaign's own time zone: where else its leads live, other hours hold."""
    if not terms.timezone:
        return
    is_open, opens = law.opening((terms.timezone,), terms.rules, now)
    if not is_open and opens:
        here, then = (moment(us).astimezone(ZoneInfo(terms.timezone)) for us in (now, opens))
        yield Finding(
            level=Level.ADVICE,
            code="closed-now",
            what=f"it is {here:%a %H:%M} in {terms.timezone}: people there may be called from {then:%a %H:%M} on",
            mend="",
        )


# --- the forecast of answers -----------------------------------------------------------------------------------------


def _too_much_hoped(policy: CampaignPolicy, terms: CampaignTerms, means: Means, seen: Seen) -> Iterator[Finding]:
    """A forecast is a promise that the governor spends: one that cannot come true lets too many be abandoned."""
    if not policy.forecast_answers:
        return
    limits = [(seen.answers + means.waiting, f"{seen.answers} have answered and {means.waiting} leads wait")]
    hoped = preflight.forecast(policy, means)
    shortest = _shortest(policy, terms, means)
    if hoped is not None and shortest is not None:
        hours, window = shortest
        per_hour, by = _answers_per_hour(policy, means, hoped)
        limits.append(
            (seen.answers + round(hours * per_hour), f"{by} can do {per_hour:.0f} an hour, {hours:.0f} hours {window}")
        )
    most, why = min(limits)
    if policy.forecast_answers > most:
        yield Finding(
            level=Level.WARNING,
            code="forecast-too-high",
            what=f"{policy.forecast_answers} live answers are forecast, but hardly more than {most} can come ({why});"
            " the budget is spent on them in advance, so too many may be abandoned",
            mend=set_command(policy, f"--forecast-answers {most}")
            + ", or 0 to have it forecast from --schedule and the list",
        )


def _shortest(policy: CampaignPolicy, terms: CampaignTerms, means: Means) -> tuple[float, str] | None:
    """Calling hours within the shortest of the budgets' windows; None where all are as long as the run."""
    days = calling_hours.open_minutes(means.hours, terms.schedule)
    spans = [
        (max(days) / 60 if budget.window is Window.DAY else sum(days) * _WEEKS[budget.window] / 60, budget.window)
        for budget in policy.budgets
        if budget.window is not Window.RUN
    ]
    return min(((hours, f"in {window}") for hours, window in spans), default=None)


def _answers_per_hour(policy: CampaignPolicy, means: Means, hoped: Forecast) -> tuple[float, str]:
    """The most live answers an hour that agents, lines and calls per second can do, and which of them is tightest."""
    most = hoped.predictive * hoped.agents * 3600 / hoped.handle_s
    limits = [(most, hoped.crew)]
    trunks = [means.trunks[trunk] for trunk in policy.trunks if trunk in means.trunks]
    lines = tightest(policy.lines, [trunk.lines for trunk in trunks])
    if lines and hoped.lines:
        limits.append((most * lines / hoped.lines, f"{lines:g} lines"))
    pace = tightest(policy.calls_per_second, [trunk.calls_per_second for trunk in trunks])
    if pace:
        limits.append((pace * 3600 * hoped.answer_rate, f"{pace:g} calls per second"))
    return min(limits)


def _budget_now(policy: CampaignPolicy, terms: CampaignTerms, seen: Seen) -> Iterator[Finding]:
    """What the governor counts on at this moment, or why it bears nothing yet."""
    for budget, tally in zip(policy.budgets, seen.tallies, strict=True):
        if not 0.0 < budget.cap < 1.0:
            continue
        counted = tally.answers + 4 * tally.forecast // 5
        bears = largest_drops(counted, budget.cap)
        if bears >= 1:
            source = "as given by --forecast-answers" if policy.forecast_answers else "by --schedule and the list"
            yield Finding(
                level=Level.ADVICE,
                code="budget",
                what=f"budget {budget.window}: {tally.drops} abandoned of {bears} that {counted} live answers bear"
                f" ({tally.answers} so far, and 80 % of {tally.forecast} still expected, {source})",
                mend="",
            )
            continue
        yield Finding(
            level=Level.ADVICE, code="no-forecast", what=_bears_nothing(budget, counted), mend=_prove(policy, terms)
        )
        return


def _bears_nothing(budget: Budget, counted: int) -> str:
    first = next((str(n) for n in range(1, 10**6) if largest_drops(n, budget.cap) >= 1), "more than a million")
    return (
        f"budget {budget.window}: one abandoned call needs {first} live answers as proof of {budget.cap:.1%}, and"
        f" {counted} can be counted on now; until then at most one call per free agent, as in progressive mode"
    )


def _prove(policy: CampaignPolicy, terms: CampaignTerms) -> str:
    given = set_command(policy, "--forecast-answers N") + " if you know how many will answer"
    if policy.forecast_answers:
        return set_command(policy, "--forecast-answers N") + " with a larger N, if so many will really answer"
    learnt = f"after {LEAST_WORKED_US // 60_000_000} scheduled minutes and {LEAST_ATTEMPTS} attempts of a day"
    if terms.schedule:
        return f"nothing to do: its --schedule is used {learnt}; or {given}"
    return set_command(policy, "--schedule 'mon-fri 9-17'") + f": used {learnt}; or {given}"


# --- what it rests on ------------------------------------------------------------------------------------------------


def _nobody_answers(policy: CampaignPolicy, seen: Seen) -> Iterator[Finding]:
    if seen.attempts >= LEAST_ATTEMPTS and not seen.answers:
        yield Finding(
            level=Level.WARNING,
            code="nobody-answers",
            what=f"{seen.attempts} attempts ended and no person answered one of them",
            mend=f"`callwright campaign report {policy.id}` says how they ended; try one of the numbers by hand",
        )


def _basis(policy: CampaignPolicy, means: Means, seen: Seen) -> Iterator[Finding]:
    hoped = preflight.forecast(policy, means)
    if hoped is None or policy.mode is Mode.AGENTLESS:
        return
    who = "signed in" if means.signed_in else "with nailed-up legs, whether signed in or not"
    if means.answer_rate:
        rate = f"measured: {seen.answers} of {seen.attempts} attempts"
    else:
        few = f"{seen.attempts} attempts ended, {LEAST_ATTEMPTS} are needed"
        rate = f"assumed, from --answer-rate: {'nobody answered yet' if seen.attempts >= LEAST_ATTEMPTS else few}"
    handling = "measured over the latest talks" if means.handle_s else f"assumed: fewer than {ENOUGH_TALKS} talks yet"
    yield Finding(
        level=Level.ADVICE,
        code="basis",
        what=f"reckoned with {hoped.crew} ({who}), {hoped.answer_rate:.0%} answered ({rate}),"
        f" {hoped.handle_s:.0f} s of talk and wrap-up ({handling})",
        mend="",
    )
