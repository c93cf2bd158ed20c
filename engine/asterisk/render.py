"""Asterisk's configuration files, from a plan: what an operator installs and what the lab starts.

The texts under `asterisk-config/` and `dialplans/` are fixed and readable as they stand; what differs between sites
goes into a handful of generated `callwright_*.conf` files that the fixed ones include. So a value of the plan never
lands in the middle of a fixed text, and each value is checked against the alphabet of its place before it is written.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.domain import alphabets
from engine.domain.alphabets import Alphabet
from engine.errors import ConfigError

_ROOT: Final = Path(__file__).resolve().parents[2]
FIXED: Final = (_ROOT / "asterisk-config", _ROOT / "dialplans")
"""Folders of the fixed texts."""

_SECRET: Final = Alphabet(re.compile(r"[A-Za-z0-9_-]{8,128}"), "8 to 128 letters, digits, _ and -")
_PATH: Final = Alphabet(
    re.compile(r"/[A-Za-z0-9_./+-]{1,200}"), "an absolute path of letters, digits, /, _, ., + and -"
)
_CONTACT: Final = Alphabet(re.compile(r"sips?:[A-Za-z0-9_.+@:;=-]{1,200}"), "a SIP URI such as sip:1001@192.0.2.1:5060")
_E164: Final = Alphabet(re.compile(r"\+[1-9][0-9]{4,14}"), "a number in E.164 such as +442079460001")


class AgentEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's phone. `code` is what the agent dials and the phone's user name is `agent-<code>`."""

    code: str
    password: str
    contact: str = ""
    """Fixed SIP URI of the phone; empty when the phone registers."""


class TrunkEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the public telephone network, known by the address its calls come from."""

    name: str
    host: str
    port: int = 5060
    username: str = ""
    password: str = ""
    """For carriers that ask for a password on calls from us; both or neither."""


class AsteriskPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two sites. Paths are as Asterisk sees them (inside its tree or container)."""

    ami_port: int
    ami_secret: str
    agi_host: str
    agi_port: int
    agi_secret: str
    sip_port: int
    sip_host: str = "0.0.0.0"  # noqa: S104 - a telephone server listens to its network; the lab passes loopback
    rtp_ports: tuple[int, int] = (10_000, 20_000)
    recordings_dir: str
    rescue_spool_dir: str
    rescue_after_s: int = 30
    """Seconds without an answer from the engine before the rescue script takes over."""
    agents: tuple[AgentEndpoint, ...] = ()
    trunks: tuple[TrunkEndpoint, ...] = ()
    language: Literal["en", "zh"] = "en"
    """Language of the fallback prompts, unless the engine sets CW_LANGUAGE on the call."""
    site_number: str = ""
    """The site's own number in E.164, shown on calls that have no better one; empty if there is none."""


def render(plan: AsteriskPlan) -> dict[str, str]:
    """File name -> text of every configuration file but asterisk.conf.

    Raises:
        ConfigError: a value cannot stand in its place (field and alphabet are named); nothing is rendered then.
    """
    return {**_fixed(), **_generated(plan)}


def _fixed() -> dict[str, str]:
    texts = {path.name: path.read_text() for folder in FIXED for path in sorted(folder.glob("*.conf"))}
    if "extensions.conf" not in texts or "callwright_call.conf" not in texts:
        raise ConfigError(
            "the configuration texts are missing",
            where=str(FIXED[0]),
            mend="install Callwright from its source folder, or reinstall it",
        )
    return texts


def _generated(plan: AsteriskPlan) -> dict[str, str]:
    low, high = plan.rtp_ports
    if not 1024 <= low < high <= 65_535:
        raise ConfigError(f"{low}-{high} is no port range", where="rtp_ports", mend="give two ports, low then high")
    port = {name: _port(name, getattr(plan, name)) for name in ("ami_port", "agi_port", "sip_port")}
    manager = {"secret": _checked("ami_secret", plan.ami_secret, _SECRET)}
    return {
        "callwright_rtp.conf": _pairs({"rtpstart": str(low), "rtpend": str(high)}),
        "callwright_manager_port.conf": _pairs({"port": port["ami_port"]}),
        "callwright_manager.conf": _section("callwright", manager, template="callwright-rights"),
        "callwright_globals.conf": _globals(plan, port["agi_port"]),
        "callwright_pjsip.conf": "\n".join(_pjsip(plan, port["sip_port"])),
    }


def _globals(plan: AsteriskPlan, agi_port: str) -> str:
    number = _checked("site_number", plan.site_number, _E164) if plan.site_number else ""
    if not 1 <= plan.rescue_after_s <= 600:
        raise ConfigError(f"{plan.rescue_after_s} is not within 1 to 600", where="rescue_after_s")
    return _pairs(
        {
            "CW_AGI_HOST": _checked("agi_host", plan.agi_host, alphabets.HOST),
            "CW_AGI_PORT": agi_port,
            "CW_AGI_SECRET": _checked("agi_secret", plan.agi_secret, _SECRET),
            "CW_RECORDINGS": _checked("recordings_dir", plan.recordings_dir, _PATH),
            "CW_RESCUE_SPOOL": _checked("rescue_spool_dir", plan.rescue_spool_dir, _PATH),
            "CW_RESCUE_AFTER_S": str(plan.rescue_after_s),
            "CW_LANGUAGE": plan.language,
            # Read by res_agi: a caller who hangs up while the engine is frozen must not stay as a ghost channel.
            "AGIEXITONHANGUP": "yes",
            "CW_SITE_NUMBER": number,
        }
    )


def _pjsip(plan: AsteriskPlan, sip_port: str) -> Iterable[str]:
    bind = f"{_address('sip_host', plan.sip_host)}:{sip_port}"
    yield _section("callwright-udp", {"type": "transport", "protocol": "udp", "bind": bind})
    _unique("trunks", (trunk.name for trunk in plan.trunks))
    _unique("agents", (agent.code for agent in plan.agents))
    for trunk in plan.trunks:
        yield from _trunk(trunk)
    for agent in plan.agents:
        yield from _agent(agent)


def _trunk(trunk: TrunkEndpoint) -> Iterable[str]:
    where = f"trunks[{trunk.name}]"
    name = "trunk-" + _checked(f"{where}.name", trunk.name, alphabets.ID)
    host = _checked(f"{where}.host", trunk.host, alphabets.HOST)
    endpoint = {"aors": name}
    if trunk.username or trunk.password:
        if not (trunk.username and trunk.password):
            missing = "user name" if trunk.password else "password"
            mend = f"see `callwright trunk set {trunk.name} --username` and `callwright trunk secret {trunk.name}`"
            raise ConfigError(f"it has no {missing}, and needs both or neither", where=where, mend=mend)
        auth = {
            "type": "auth",
            "auth_type": "userpass",
            "username": _checked(f"{where}.username", trunk.username, alphabets.USERNAME),
            "password": _checked(f"{where}.password", trunk.password, alphabets.PASSWORD),
        }
        yield _section(f"{name}-auth", auth)
        endpoint["outbound_auth"] = f"{name}-auth"
    yield _section(name, endpoint, template="callwright-trunk")
    contact = f"sip:{host}:{_port(f'{where}.port', trunk.port)}"
    yield _section(name, {"contact": contact}, template="callwright-trunk-aor")
    yield _section(f"{name}-from", {"endpoint": name, "match": host}, template="callwright-trunk-identify")


def _agent(agent: AgentEndpoint) -> Iterable[str]:
    where = f"agents[{agent.code}]"
    name = alphabets.AGENT_ENDPOINT + _checked(f"{where}.code", agent.code, alphabets.ID)
    password = _checked(f"{where}.password", agent.password, _SECRET)
    contact = {"contact": _checked(f"{where}.contact", agent.contact, _CONTACT)} if agent.contact else {}
    yield _section(name, {"auth": name, "aors": name}, template="callwright-agent")
    yield _section(name, {"username": name, "password": password}, template="callwright-agent-auth")
    yield _section(name, contact, template="callwright-agent-aor")


def _section(name: str, pairs: Mapping[str, str], *, template: str = "") -> str:
    return f"[{name}]{f'({template})' if template else ''}\n{_pairs(pairs)}"


def _pairs(pairs: Mapping[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in pairs.items())


def _checked(where: str, value: str, alphabet: Alphabet) -> str:
    if not alphabet.allows(value):
        shown = "this value" if alphabet in (_SECRET, alphabets.PASSWORD) else repr(value)
        raise ConfigError(f"{shown} cannot stand here", where=where, mend=f"use {alphabet.words}")
    return value


def _port(where: str, port: int) -> str:
    if not 1 <= port <= 65_535:
        raise ConfigError(f"{port} is no port", where=where, mend="give a number from 1 to 65535")
    return str(port)


def _address(where: str, host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as broken:
        raise ConfigError(f"{host!r} is no IP address", where=where, mend="give an address, not a name") from broken
    return f"[{address}]" if address.version == 6 else str(address)


def _unique(where: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{name!r} stands there twice", where=where, mend="give each its own name")
        seen.add(name)
