"""The scenario file: what a simulated day is like. TOML; `docs/simulation.md` describes every key.

Read strictly: an unknown key is refused with its path, for a misspelt key that is passed over would be simulated as its
default, and the figures believed.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import msgspec

from engine.domain.values import Value
from engine.errors import ConfigError, NotFound
from engine.simulation.distributions import (
    Constant,
    Distribution,
    Exponential,
    Lognormal,
    Mixture,
    Uniform,
    flaw,
)
from engine.simulation.series import Points

MOST_AGENTS = 2_000
LEAST_PRIOR = 0.01
"""What a pacing is told where nobody answers at first and the file says nothing else."""


class Agents(Value):
    """Who is at work: `count` is steps of (minute, logged-in agents)."""

    count: tuple[tuple[float, int], ...]


class Detection(Value):
    """How well machines are told from people; see `Calls.amd`."""

    false_positive: float = 0.0
    false_negative: float = 0.0
    seconds: float = 0.0


class Calls(Value):
    """What becomes of dials. Rates are shares of all dials, except `fast_fail_rate`: of those nobody answers.

    `amd`: with `seconds` 0 a machine is recognised as it answers; else agents are joined first, and the verdict follows
    so many seconds after the answer.
    """

    answer_rate: Points
    talk_s: Distribution
    wrap_s: Distribution
    machine_rate: float = 0.0
    machine_s: Distribution = Uniform(low=18, high=24)
    amd: Detection = Detection()
    fast_fail_rate: float = 0.0
    ring_s: Distribution = Lognormal(mean=11, sd=5, max=25)
    no_answer_s: float = 25.0


class Limits(Value):
    """What trunk and law allow; 0 lines or calls per second: no limit."""

    lines: int = 0
    calls_per_second: float = 0.0
    abandon_cap: float = 0.03
    connect_deadline_s: float = 2.0


class Inbound(Value):
    """Callers for the same agents: a Poisson stream of so many erlangs, times a factor in bursts."""

    erlangs: float = 0.0
    talk_s: Distribution = Exponential(mean=180)
    bursts: tuple[tuple[float, float, float], ...] = ()
    service_level: tuple[float, float] = (0.8, 20.0)


class Carrier(Value):
    """What goes wrong on the way: answers held back for a while, and events that never arrive."""

    stalls: tuple[tuple[float, float], ...] = ()
    event_loss: float = 0.0


class Campaign(Value):
    """One campaign of the scenario: its name, its calls, and what its pacing is told of them before the first dial."""

    name: str
    calls: Calls
    prior_answer_rate: float


class Scenario(Value):
    """A whole scenario. `campaigns` is never empty."""

    name: str
    hours: float
    agents: Agents
    campaigns: tuple[Campaign, ...]
    warmup_minutes: float = 30.0
    limits: Limits = Limits()
    inbound: Inbound | None = None
    carrier: Carrier = Carrier()

    @property
    def most_agents(self) -> int:
        """How many agents there are at the fullest hour."""
        return max(count for _, count in self.agents.count)


class _File(Value):
    """The file's own layout."""

    name: str
    hours: float
    agents: Agents
    calls: Calls
    warmup_minutes: float = 30.0
    limits: Limits = Limits()
    inbound: Inbound | None = None
    carrier: Carrier = Carrier()
    prior_answer_rate: float | None = None


def load(path: Path) -> Scenario:
    """Read a scenario file.

    :raises NotFound: there is no such file.
    :raises ConfigError: it is no TOML, or a key or value is wrong; `where` names the file and the key's path.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as missing:
        raise NotFound("there is no such scenario file", where=str(path), mend="Check the path.") from missing
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigError(f"the file cannot be read: {unreadable}", where=str(path), mend="Check it.") from unreadable
    return parse(text, str(path))


def parse(text: str, where: str = "scenario") -> Scenario:
    """Read a scenario from TOML; `where` names it in errors.

    :raises ConfigError: see `load`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ConfigError(f"no TOML: {broken}", where=where, mend="Mend the line; see docs/simulation.md.") from broken
    carrier = raw.get("carrier")
    if isinstance(carrier, dict) and "prior_answer_rate" in carrier:
        # written at the file's end it belongs to the last section by TOML's rules, which nobody means
        raw.setdefault("prior_answer_rate", carrier.pop("prior_answer_rate"))
    given = raw.pop("campaigns", [])
    whole = cast("_File", _convert(raw, _File, "", where))
    campaigns = _campaigns(raw, given, whole, where)
    # type checkers are shown a plain class where msgspec has a Struct (engine.domain.values)
    fields = {
        name: getattr(whole, name) for name in _File.__annotations__ if name not in ("calls", "prior_answer_rate")
    }
    scenario = Scenario(campaigns=campaigns, **fields)
    _check(scenario, where)
    return scenario


def _campaigns(raw: dict[str, Any], given: Any, whole: _File, where: str) -> tuple[Campaign, ...]:
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise _wrong(where, "campaigns", "must be tables", "Begin each campaign with [[campaigns]].")
    if not given:
        return (_campaign(whole.name, whole.calls, whole.prior_answer_rate),)
    campaigns = []
    for index, table in enumerate(given):
        path = f"campaigns[{index}]"
        own = dict(table)
        name = own.pop("name", f"{whole.name}-{index + 1}")
        prior = own.pop("prior_answer_rate", whole.prior_answer_rate)
        if not isinstance(name, str) or not (prior is None or isinstance(prior, int | float)):
            raise _wrong(where, path, "name must be a text and prior_answer_rate a number", "Mend them.")
        calls = cast("Calls", _convert({**raw["calls"], **own}, Calls, path, where))
        campaigns.append(_campaign(name, calls, prior))
    if len({each.name for each in campaigns}) < len(campaigns):
        raise _wrong(where, "campaigns", "two campaigns have one name", "Give each its own name.")
    return tuple(campaigns)


def _campaign(name: str, calls: Calls, prior: float | None) -> Campaign:
    first = calls.answer_rate[0][1] if calls.answer_rate else 0.0
    return Campaign(name=name, calls=calls, prior_answer_rate=max(first, LEAST_PRIOR) if prior is None else prior)


def _convert(raw: dict[str, Any], kind: type, path: str, where: str) -> Any:
    try:
        return msgspec.convert(_named_mixtures(raw), kind)
    except msgspec.ValidationError as refused:
        what, _, place = str(refused).partition(" - at `$")
        place = (path + place.rstrip("`")).lstrip(".")
        mend = "Mend the value; docs/simulation.md describes every key."
        if "unknown field" in what:
            field = what.split("`")[1]
            place, what = f"{place}.{field}".lstrip("."), "there is no such key"
            near = get_close_matches(field, _KEYS, 1)
            mend = f"Did you mean {near[0]}?" if near else "Take it out; docs/simulation.md describes every key."
        elif "missing required field" in what:
            field = what.split("`")[1]
            place, what, mend = f"{place}.{field}".lstrip("."), "this key is missing", "Add it; see docs/simulation.md."
        elif "Invalid value" in what and "dist" in place:
            mend = "Known are lognormal, exponential, constant, uniform and mixture."
        elif place.rpartition(".")[2] in _STEPS:
            mend = _STEPS[place.rpartition(".")[2]]
        raise _wrong(where, place, what[:1].lower() + what[1:], mend) from refused


_STEPS = {
    "count": "Write [[0, 30]]: from minute 0 on, 30 agents.",
    "answer_rate": "Write [[0, 0.3]]: from minute 0 on, 0.3 of the dials.",
    "stalls": "Write [[120, 15]]: at minute 120, for 15 seconds.",
    "bursts": "Write [[60, 10, 2.5]]: from minute 60 on, for 10 minutes, 2.5 times as many.",
    "service_level": "Write [0.8, 20]: 80 % within 20 seconds.",
}


def _named_mixtures(value: Any) -> Any:
    """`{mixture = [...]}` says enough: `dist = "mixture"` need not be written."""
    if isinstance(value, dict):
        named = {key: _named_mixtures(each) for key, each in value.items()}
        return {"dist": "mixture", **named} if "mixture" in named else named
    return [_named_mixtures(each) for each in value] if isinstance(value, list) else value


def _wrong(where: str, path: str, what: str, mend: str) -> ConfigError:
    return ConfigError(what, where=f"{where}: {path}" if path else where, mend=mend)


def _fields(*kinds: type) -> list[str]:
    return [name for kind in kinds for name in kind.__annotations__]


_KEYS = [
    *_fields(_File, Agents, Calls, Detection, Limits, Inbound, Carrier),
    *_fields(Lognormal, Exponential, Constant, Uniform, Mixture),
    "campaigns",
]


# --- values ----------------------------------------------------------------------------------------------------------


def _check(scenario: Scenario, where: str) -> None:
    def need(true: bool, path: str, what: str, mend: str = "Mend the value.") -> None:
        if not true:
            raise _wrong(where, path, what, mend)

    need(0 < scenario.hours <= 24, "hours", "must be above 0 and at most 24")
    need(0 <= scenario.warmup_minutes < scenario.hours * 60, "warmup_minutes", "must be shorter than the day")
    count = scenario.agents.count
    need(bool(count) and count[0][0] == 0, "agents.count", "must begin at minute 0", "Write [[0, 30]].")
    need(_rising(count), "agents.count", "minutes must rise")
    need(all(0 <= each <= MOST_AGENTS for _, each in count), "agents.count", f"must be 0 to {MOST_AGENTS} agents")
    need(scenario.most_agents > 0, "agents.count", "somebody must be at work")
    single = len(scenario.campaigns) == 1
    for index, campaign in enumerate(scenario.campaigns):
        path = "calls" if single else f"campaigns[{index}]"
        _check_calls(campaign.calls, path, need)
        need(0 < campaign.prior_answer_rate <= 1, f"{path}.prior_answer_rate", "must be above 0 and at most 1")
    limits = scenario.limits
    need(limits.lines >= 0, "limits.lines", "must not be below 0")
    need(limits.calls_per_second >= 0, "limits.calls_per_second", "must not be below 0")
    need(0 < limits.abandon_cap < 1, "limits.abandon_cap", "must be between 0 and 1", "Write 0.03 for 3 %.")
    need(0.5 <= limits.connect_deadline_s <= 30, "limits.connect_deadline_s", "must be between 0.5 and 30")
    if scenario.inbound is not None:
        _check_inbound(scenario.inbound, need)
    stalls = scenario.carrier.stalls
    need(
        all(minute >= 0 and seconds > 0 for minute, seconds in stalls),
        "carrier.stalls",
        "must be [[minute, seconds], ...]",
    )
    need(0 <= scenario.carrier.event_loss < 1, "carrier.event_loss", "must be from 0 up to 1")


def _check_calls(calls: Calls, path: str, need: Any) -> None:
    rates = calls.answer_rate
    need(bool(rates) and rates[0][0] == 0 and _rising(rates), f"{path}.answer_rate", "minutes must rise from 0")
    for name in ("machine_rate", "fast_fail_rate"):
        need(0 <= getattr(calls, name) <= 1, f"{path}.{name}", "must be from 0 to 1")
    most = 1 - calls.machine_rate
    need(
        all(0 <= rate <= most + 1e-9 for _, rate in rates),
        f"{path}.answer_rate",
        f"must be from 0 to {most:g}, for machine_rate is {calls.machine_rate:g}",
    )
    for name in ("false_positive", "false_negative"):
        need(0 <= getattr(calls.amd, name) <= 1, f"{path}.amd.{name}", "must be from 0 to 1")
    need(0 <= calls.amd.seconds <= 60, f"{path}.amd.seconds", "must be from 0 to 60")
    need(0 < calls.no_answer_s <= 120, f"{path}.no_answer_s", "must be above 0 and at most 120")
    for name in ("machine_s", "ring_s", "talk_s", "wrap_s"):
        wrong = flaw(getattr(calls, name))
        need(not wrong, f"{path}.{name}", wrong)


def _check_inbound(inbound: Inbound, need: Any) -> None:
    need(inbound.erlangs >= 0, "inbound.erlangs", "must not be below 0")
    wrong = flaw(inbound.talk_s)
    need(not wrong, "inbound.talk_s", wrong)
    good = all(minute >= 0 and minutes > 0 and factor > 0 for minute, minutes, factor in inbound.bursts)
    need(good, "inbound.bursts", "must be [[minute, minutes, factor], ...], minutes and factor above 0")
    share, seconds = inbound.service_level
    need(0 < share < 1 and seconds > 0, "inbound.service_level", "must be [share below 1, seconds above 0]")


def _rising(points: tuple[tuple[float, Any], ...]) -> bool:
    return all(before[0] < after[0] for before, after in pairwise(points))
