"""What a definition must be before it is stored. Every refusal names the field and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import phonenumbers

from engine.acd import definitions
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, TrunkPolicy
from engine.errors import ConfigError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# A PJSIP endpoint's name and a host name both end up in Asterisk's configuration: nothing that could begin a new line.
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,253})")
_USERNAME = re.compile(r"[A-Za-z0-9_.@+-]{0,64}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_PIN = re.compile(r"[0-9]{4,8}")
LONGEST_NAME = 100


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
    check_id("agent", agent.id)
    check_name("agent", agent.id, agent.name)
    _check_text(agent.endpoint, _ENDPOINT, f"agent {agent.id}.endpoint", "the name of a PJSIP endpoint")
    definitions.check_agent(agent)
    _check_known(agent.skills, skills, f"agent {agent.id}.skills")


def check_queue(queue: QueuePolicy, skills: Collection[str]) -> None:
    """Refuse a queue that could not route: what the ACD refuses, and names that nothing bears.

    :raises ConfigError: id, name, music, language, a step, a skill or a time cannot be used.
    """
    check_id("queue", queue.id)
    check_name("queue", queue.id, queue.name)
    _check_text(queue.music, _ID, f"queue {queue.id}.music", "the name of a music class")
    _check_text(queue.language, _LANGUAGE, f"queue {queue.id}.language", "a language tag such as en or zh-CN")
    definitions.check_queue(queue)
    for number, step in enumerate(queue.steps, start=1):
        _check_known((need.skill for need in step.needs), skills, f"queue {queue.id}, step {number}")


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


def _check_known(used: Iterable[str], skills: Collection[str], where: str) -> None:
    for skill in used:
        if skill not in skills:
            raise ConfigError(
                f"there is no skill {skill!r}", where=where, mend="Add it first, or use one of `callwright skill list`."
            )


def _check_text(text: str, shape: re.Pattern[str], where: str, what: str) -> None:
    if not shape.fullmatch(text):
        raise ConfigError(f"{text!r} is not {what}", where=where, mend="Use letters, digits and the usual marks.")
