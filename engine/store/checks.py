"""What a definition must be before it is stored. Every refusal names the field and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import NamedTuple
from zoneinfo import available_timezones

import phonenumbers

from engine.acd import definitions
from engine.dialer.law import Rules, check_ring_time
from engine.domain import alphabets
from engine.domain.alphabets import Alphabet
from engine.domain.attempt import Outcome
from engine.domain.campaign import CampaignPolicy
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.errors import ConfigError
from engine.flows.fields import NAME, NAME_RULE
from engine.store.campaigns import CampaignTerms
from engine.store.regions import known_region

_MUSIC = Alphabet(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"), "a class of Asterisk's musiconhold.conf")
_LANGUAGE = Alphabet(re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}"), "a language tag such as en or zh-CN")
_FLOW = Alphabet(NAME, NAME_RULE.removeprefix("use "))
_DIGIT = Alphabet(re.compile(r"[0-9*#]"), "one key of a telephone")
_OFFSET = re.compile(r"(?:GMT|UTC|Z)?\s*[+-]\s*\d", re.IGNORECASE)
_PIN = re.compile(r"[0-9]{4,8}")
LONGEST_NAME = 100
MOST_LINES = 10_000
LONGEST_RING_S = 120.0
MOST_DIALS = 1_000
"""A cap beyond this is none."""
LONGEST_RULE_S = 366 * 86_400.0
MOST_BUDGETS = 20
"""Each is read from the ledger every two seconds, and in one statement: SQLite takes no more than 500 parts."""
LEAST_CAP = 0.0001
"""A smaller one bears its first abandoned call after more live answers than a campaign ever has; 0 bears none."""
DAY_MIN = 24 * 60
MOST_SPANS = 200
"""More spans of hours than any week needs; going through them costs everybody's time."""
NAMELESS = "nameless"
"""What stands for the id of a rule that has none."""
LISTED = 12
"""So many names a refusal tells of those that are there."""


def check_id(kind: str, id_: str) -> None:
    """Refuse an id that could not be part of a topic, a file name, a flow or Asterisk's configuration.

    :raises ConfigError: it does not fit `alphabets.ID`.
    """
    _check_text(id_, alphabets.ID, f"{kind}.id")


def check_name(kind: str, id_: str, name: str) -> None:
    """Refuse a name that is empty, too long or holds control characters.

    :raises ConfigError: see above.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigError(
            "the name is empty, too long or holds control characters",
            where=f"{kind} {id_}.name",
            mend=f"Give it 1 to {LONGEST_NAME} characters.",
        )


def check_pin(pin: str) -> None:
    """Refuse what cannot be a PIN.

    :raises ConfigError: it is not 4 to 8 digits. The text never shows the PIN.
    """
    if not _PIN.fullmatch(pin):
        raise ConfigError("a PIN is 4 to 8 digits", where="agent.pin", mend="Choose 4 to 8 digits; it is dialled.")


def check_agent(agent: AgentProfile, skills: Collection[str]) -> None:
    """Refuse an agent who could not work.

    :raises ConfigError: id, name, endpoint, a skill or its level cannot be used.
    """
    check_id("agent", agent.id)
    check_name("agent", agent.id, agent.name)
    where = f"agent {agent.id}.endpoint"
    _check_text(agent.endpoint, alphabets.ENDPOINT, where)
    if agent.endpoint.startswith(alphabets.AGENT_ENDPOINT):
        _check_text(agent.endpoint.removeprefix(alphabets.AGENT_ENDPOINT), alphabets.ID, where)
    definitions.check_agent(agent)
    for skill in agent.skills:
        check_known("skill", skill, skills, f"agent {agent.id}.skills")


def check_queue(queue: QueuePolicy, skills: Collection[str]) -> None:
    """Refuse a queue that could not route: what the ACD refuses, and names that nothing bears.

    :raises ConfigError: id, name, music, language, a step, a skill or a time cannot be used.
    """
    check_id("queue", queue.id)
    check_name("queue", queue.id, queue.name)
    _check_text(queue.music, _MUSIC, f"queue {queue.id}.music")
    _check_text(queue.language, _LANGUAGE, f"queue {queue.id}.language")
    definitions.check_queue(queue)
    for number, step in enumerate(queue.steps, start=1):
        for need in step.needs:
            check_known("skill", need.skill, skills, f"queue {queue.id}, step {number}")


def check_trunk(trunk: TrunkPolicy) -> None:
    """Refuse a trunk that Asterisk could not be told of.

    :raises ConfigError: id, host, port or user name cannot be used.
    """
    check_id("trunk", trunk.id)
    _check_text(trunk.host, alphabets.HOST, f"trunk {trunk.id}.host")
    if trunk.username:
        _check_text(trunk.username, alphabets.USERNAME, f"trunk {trunk.id}.username")
    if not 1 <= trunk.port <= 65_535:
        raise ConfigError(f"{trunk.port} is no port", where=f"trunk {trunk.id}.port", mend="Use 1 to 65535.")
    _check_range(trunk.lines, 0, MOST_LINES, f"trunk {trunk.id}.lines")
    _check_range(trunk.calls_per_second, 0, MOST_LINES, f"trunk {trunk.id}.calls_per_second")


def check_trunk_secret(trunk_id: str, secret: str) -> None:
    """Refuse a carrier's password that could not stand in Asterisk's configuration; none at all is no fault.

    :raises ConfigError: it does not fit `alphabets.PASSWORD`. The text never shows it.
    """
    if secret and not alphabets.PASSWORD.allows(secret):
        raise ConfigError(
            "the password holds what Asterisk's configuration cannot",
            where=f"trunk {trunk_id}.secret",
            mend=f"Use {alphabets.PASSWORD.words}.",
        )


def e164(number: str, where: str = "number.e164") -> str:
    """Return a number in E.164, e.g. `+33123456789` for `+33 1 23 45 67 89`. Errors name the place `where`.

    :raises ConfigError: it is no international number, or has too few or too many digits for its country.
    """
    mend = "Write it with + and the country code, e.g. +33 1 23 45 67 89."
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException as wrong:
        raise ConfigError(f"{number!r} is no international number", where=where, mend=mend) from wrong
    if not phonenumbers.is_possible_number(parsed) or parsed.extension:
        raise ConfigError(f"{number!r} cannot be a number of its country", where=where, mend=mend)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def check_campaign(campaign: CampaignPolicy) -> None:
    """Refuse a campaign that could not dial, or not lawfully. Whether queue and trunks are there is asked elsewhere.

    :raises ConfigError: id, name, caller id, seller, digit, a time, a rate or a budget cannot be used.
    :raises RefusedByRule: it would let telephones ring for less than the law wants.
    """
    where = f"campaign {campaign.id}"
    check_id("campaign", campaign.id)
    check_name("campaign", campaign.id, campaign.name)
    if campaign.seller:
        check_name("campaign", campaign.id, campaign.seller)
    if campaign.caller_id and e164(campaign.caller_id, f"{where}.caller_id") != campaign.caller_id:
        raise ConfigError("this is not E.164", where=f"{where}.caller_id", mend="Write it as +33123456789.")
    _check_text(campaign.opt_out_digit, _DIGIT, f"{where}.opt_out_digit")
    check_ring_time(campaign.ring_s, f"{where}.ring_s")
    _check_range(campaign.ring_s, 0, LONGEST_RING_S, f"{where}.ring_s")
    _check_range(campaign.ratio, 1, 10, f"{where}.ratio")
    _check_range(campaign.lines, 0, MOST_LINES, f"{where}.lines")
    _check_range(campaign.calls_per_second, 0, MOST_LINES, f"{where}.calls_per_second")
    _check_range(campaign.connect_limit_s, 0.5, 2.0, f"{where}.connect_limit_s")
    _check_range(campaign.answer_rate, 0.001, 1, f"{where}.answer_rate")
    _check_range(campaign.forecast_answers, 0, 10**9, f"{where}.forecast_answers")
    _check_range(campaign.preview_s, 0, 3_600, f"{where}.preview_s")
    if campaign.wrap_up_s is not None:
        _check_range(campaign.wrap_up_s, 0, 3_600, f"{where}.wrap_up_s")
    _check_range(len(campaign.budgets), 0, MOST_BUDGETS, f"{where}.budgets")
    for budget in campaign.budgets:
        if not (budget.cap == 0 or LEAST_CAP <= budget.cap <= 1):  # so written, it also refuses what is no number
            mend = f"It is a share: 0.03 for 3 %. Use {LEAST_CAP:g} to 1, or 0 for nobody."
            raise ConfigError(f"the cap {budget.cap:g} cannot be used", where=f"{where}.budgets", mend=mend)


def check_terms(campaign_id: str, terms: CampaignTerms) -> None:
    """Refuse terms under which nobody could be called, or that no clock could keep.

    :raises ConfigError: the time zone, the region, a delay or the number of attempts cannot be used.
    """
    where = f"campaign {campaign_id}"
    if _OFFSET.match(terms.timezone) and terms.timezone not in available_timezones():
        raise ConfigError(
            f"{terms.timezone!r} is a distance from Greenwich, and the clocks of a place change",
            where=f"{where}.timezone",
            mend="Name the place, e.g. Europe/Paris or Asia/Shanghai.",
        )
    if terms.timezone:
        check_known("time zone", terms.timezone, available_timezones(), f"{where}.timezone", "Use an IANA name.")
    known_region(terms.region, f"{where}.region")
    _check_range(terms.max_attempts, 1, 100, f"{where}.max_attempts")
    _check_range(len(terms.schedule), 0, MOST_SPANS, f"{where}.schedule")
    for span in terms.schedule:
        _check_range(span.start, 0, DAY_MIN, f"{where}.schedule")
        _check_range(span.end, 0, DAY_MIN, f"{where}.schedule")
        if not _are_days(span.weekdays):
            raise ConfigError(
                f"{list(span.weekdays)[:LISTED]} are no days", where=f"{where}.schedule", mend="Use 0 (Monday) to 6."
            )
    if fault := rule_fault(terms.rules):
        raise ConfigError(fault.what, where=f"{where}.rules.{fault.rule_id}", mend=fault.mend)
    for outcome, seconds in terms.retry_s.items():
        check_known("outcome", outcome, [each.value for each in Outcome], f"{where}.retry_s", "Use one that is known.")
        _check_range(seconds, 0, LONGEST_RULE_S, f"{where}.retry_s")


class RuleFault(NamedTuple):
    """A rule that no clock could keep: its id, what is wrong with it, and what to write instead."""

    rule_id: str
    what: str
    mend: str


def rule_fault(rules: Rules) -> RuleFault | None:
    """Return the first rule with a value that cannot be used, if there is one.

    Asked when terms are set, and once more before a dial: terms of an older version or of a restored backup may hold
    anything, and one campaign's must not cost the others their dials.
    """
    named = (*rules.hours, *rules.caps, *rules.intervals, *rules.after_abandoned, rules.do_not_call, rules.place)
    if not all(rule.id for rule in named):  # what a nameless one refuses would look allowed
        return RuleFault(NAMELESS, "a rule has no id", "Give each rule an id, e.g. calling-hours.")
    for cap in rules.caps:
        if not 0 <= cap.limit <= MOST_DIALS:
            return RuleFault(cap.id, f"{cap.limit} calls are no limit", f"Use 0 to {MOST_DIALS}.")
        if not 0 <= cap.within_s <= LONGEST_RULE_S:
            return RuleFault(cap.id, f"{cap.within_s:g} s are no span of a limit", f"Use 0 to {LONGEST_RULE_S:g} s.")
    for interval in (*rules.intervals, *rules.after_abandoned):
        if not 0 <= interval.seconds <= LONGEST_RULE_S:
            return RuleFault(interval.id, f"{interval.seconds:g} s are no interval", f"Use 0 to {LONGEST_RULE_S:g} s.")
    for hours in rules.hours:
        if len(hours.spans) > MOST_SPANS:
            return RuleFault(hours.id, f"{len(hours.spans)} spans are too many", f"Use {MOST_SPANS} at most.")
        for span in hours.spans:
            minutes = min(span.start, span.end) >= 0 and max(span.start, span.end) <= DAY_MIN
            if not minutes or not _are_days(span.weekdays):
                what = f"{span.start} to {span.end} min on days {list(span.weekdays)[:LISTED]} are no hours"
                return RuleFault(hours.id, what, f"Use minutes of a day, 0 to {DAY_MIN}, and days 0 (Monday) to 6.")
    return None


def _are_days(weekdays: tuple[int, ...]) -> bool:
    return len(weekdays) <= 7 and set(weekdays) <= set(range(7))


def check_number(number: NumberPolicy) -> None:
    """Refuse an inbound number whose flow has no name that a flow could have.

    :raises ConfigError: see above.
    """
    _check_text(number.flow, _FLOW, f"number {number.e164}.flow")


def check_flow(number: NumberPolicy, flows: Collection[str]) -> None:
    """Refuse an inbound number whose callers would be refused, as its flow is none of `flows`.

    The store itself cannot know: flows are files, and the floor's own.

    :raises ConfigError: see above.
    """
    check_number(number)
    otherwise = "Put its file into paths.flows, or use `callwright flow activate FILE` at a running engine."
    check_known("flow", number.flow, flows, f"number {number.e164}.flow", otherwise)


def check_known(kind: str, name: str, known: Collection[str], where: str, otherwise: str = "Add it first.") -> None:
    """Refuse a name that nothing of its kind bears.

    :raises ConfigError: it is not among `known`; the mend tells the nearest and what there is, or else `otherwise`.
    """
    if name in known:
        return
    near = get_close_matches(name[:LONGEST_NAME], known, n=1)
    names = ", ".join(sorted(known)[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
    mends = (f"Did you mean {near[0]}?" if near else otherwise, f"Known: {names}." if known else "There is none yet.")
    raise ConfigError(f"there is no {kind} {name!r}", where=where, mend=" ".join(mends))


def _check_range(value: float, least: float, most: float, where: str) -> None:
    if not least <= value <= most:  # so written, it also refuses what is no number
        raise ConfigError(f"{value:g} cannot be used", where=where, mend=f"Use {least:g} to {most:g}.")


def _check_text(text: str, alphabet: Alphabet, where: str) -> None:
    if not alphabet.allows(text):
        raise ConfigError(f"{text!r} cannot stand here", where=where, mend=f"Use {alphabet.words}.")
