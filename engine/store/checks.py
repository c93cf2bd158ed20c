"""What a definition must be before it is stored. Every refusal names the field and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import pairwise

import phonenumbers

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, SkillNeed, TrunkPolicy
from engine.errors import ConfigError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# A PJSIP endpoint's name and a host name both end up in Asterisk's configuration: nothing that could begin a new line.
_ENDPOINT = re.compile(r"[A-Za-z0-9_.@+/-]{1,128}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,253})")
_USERNAME = re.compile(r"[A-Za-z0-9_.@+-]{0,64}")
_PIN = re.compile(r"[0-9]{4,8}")
LONGEST_NAME = 100
LONGEST_WAIT_S = 86_400.0
LEVELS = range(1, 11)


def check_id(kind: str, id_: str) -> None:
    """Refuse an id that could not be part of a topic, a file name or a line of configuration.

    :raises ConfigError: it is not 1 to 64 letters, digits, `_`, `.`, `-`, beginning with a letter or digit.
    """
    if not _ID.fullmatch(id_):
        raise ConfigError(
            f"{id_!r} cannot be an id",
            where=f"{kind}.id",
            mend="Use up to 64 letters, digits, _, . and -, beginning with a letter or digit.",
        )


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
    where = f"agent {agent.id}"
    check_id("agent", agent.id)
    check_name("agent", agent.id, agent.name)
    _check_text(agent.endpoint, _ENDPOINT, f"{where}.endpoint", "the name of a PJSIP endpoint")
    for skill, level in agent.skills.items():
        _check_level(SkillNeed(skill=skill, level=level), skills, f"{where}.skills")


def check_queue(queue: QueuePolicy, skills: Collection[str]) -> None:
    """Refuse a queue that could not route.

    :raises ConfigError: id, name, a step, a skill or a time cannot be used.
    """
    where = f"queue {queue.id}"
    check_id("queue", queue.id)
    check_name("queue", queue.id, queue.name)
    starts = [step.after_s for step in queue.steps]
    if not starts or starts[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts)):
        raise ConfigError(
            "routing steps must begin at 0 and follow one another",
            where=f"{where}.steps",
            mend="Give the first step after_s = 0 and every later one a greater after_s.",
        )
    for index, step in enumerate(queue.steps):
        for need in step.needs:
            _check_level(need, skills, f"{where}.steps[{index}]")
    times = {"ring_s": 1.0, "wrap_up_s": 0.0, "max_wait_s": 1.0, "service_level_s": 0.0, "short_abandon_s": 0.0}
    for name, least in (times | {"announce_every_s": 1.0}).items():
        _check_seconds(getattr(queue, name), least, f"{where}.{name}")


def check_trunk(trunk: TrunkPolicy) -> None:
    """Refuse a trunk that Asterisk could not be told of.

    :raises ConfigError: id, host, port or user name cannot be used.
    """
    check_id("trunk", trunk.id)
    _check_text(trunk.host, _HOST, f"trunk {trunk.id}.host", "a host name or address")
    _check_text(trunk.username, _USERNAME, f"trunk {trunk.id}.username", "a SIP user name")
    if not 1 <= trunk.port <= 65_535:
        raise ConfigError(f"{trunk.port} is no port", where=f"trunk {trunk.id}.port", mend="Use 1 to 65535.")


def e164(number: str) -> str:
    """Return a number in E.164, e.g. `+33123456789` for `+33 1 23 45 67 89`.

    :raises ConfigError: it is no international number, or has too few or too many digits for its country.
    """
    mend = "Write it with + and the country code, e.g. +33 1 23 45 67 89."
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException as wrong:
        raise ConfigError(f"{number!r} is no international number", where="number.e164", mend=mend) from wrong
    if not phonenumbers.is_possible_number(parsed) or parsed.extension:
        raise ConfigError(f"{number!r} cannot be a number of its country", where="number.e164", mend=mend)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def check_number(number: NumberPolicy) -> None:
    """Refuse an inbound number that leads nowhere.

    :raises ConfigError: the flow has no name that a flow could have.
    """
    _check_text(number.flow, _ID, f"number {number.e164}.flow", "a flow's name")


def _check_level(need: SkillNeed, skills: Iterable[str], where: str) -> None:
    if need.skill not in skills:
        raise ConfigError(
            f"there is no skill {need.skill!r}", where=where, mend="Add it first, or use one of `skill list`."
        )
    if need.level not in LEVELS:
        raise ConfigError(f"level {need.level} of {need.skill} is not 1 to 10", where=where, mend="Use 1 to 10.")


def _check_seconds(value: float, least: float, where: str) -> None:
    if not least <= value <= LONGEST_WAIT_S:  # also refuses NaN
        raise ConfigError(f"{value} seconds", where=where, mend=f"Use {least:g} to {LONGEST_WAIT_S:g} seconds.")


def _check_text(text: str, shape: re.Pattern[str], where: str, what: str) -> None:
    if not shape.fullmatch(text):
        raise ConfigError(f"{text!r} is not {what}", where=where, mend="Use letters, digits and the usual marks.")
