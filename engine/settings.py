"""Settings: the only reader of the environment and of TOML files. Everything below receives plain values.

Order, later wins: defaults, the file (`--config`, else `CALLWRIGHT_CONFIG`, else `callwright.toml` in the working
directory, else `/etc/callwright/callwright.toml`), the environment (`CALLWRIGHT__ASTERISK__AMI_PORT=5039`).
An unknown key is refused, with the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from engine.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ENV_PREFIX = "CALLWRIGHT__"
NEARLY_OURS = "CALLWRIGHT_"
"""A setting written with one underscore too few would otherwise be passed over in silence."""
SYSTEM_FILE = Path("/etc/callwright/callwright.toml")
AGI_SECRET_CHARACTERS: Final = 16
"""As `engine.agi.server` demands; said again, since the watch must not carry the whole engine in its memory."""
HIDDEN: Final = "(set)"
"""What stands in the place of a secret wherever settings are shown; never a secret itself."""
REGIONS_MEANT: Final = {"UK": "GB", "EL": "GR"}
"""Codes that people use and ISO 3166 does not."""
MEND: Final = "change it; `callwright config check` looks again"

_SITE_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,30}$"
_LEVEL: Final = "^(debug|info|warning|error)$"
_FORMAT: Final = "^(auto|json|text)$"
_PATTERNS: Final = {
    _SITE_NAME: "use 1 to 31 small letters, digits and -, a letter or digit first",
    _LEVEL: "use debug, info, warning or error",
    _FORMAT: "use auto, json or text",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(_Section):
    """Who and where we are. `region` (ISO 3166) reads national numbers; `number` is the site's own, in E.164."""

    name: str = Field(default="main", pattern=_SITE_NAME)
    region: str = "GB"
    number: str = ""
    timezone: str = "UTC"
    language: str = "en"

    @field_validator("region")
    @classmethod
    def _known_region(cls, code: str) -> str:
        from phonenumbers import SUPPORTED_REGIONS  # here: it takes its time, and most run with a region once read

        if code in SUPPORTED_REGIONS:
            return code
        upper = code.strip().upper()
        meant = REGIONS_MEANT.get(upper, upper)
        near = [meant] if meant in SUPPORTED_REGIONS else difflib.get_close_matches(upper, SUPPORTED_REGIONS, n=1)
        raise ValueError(f"no such region {code}; " + (f"did you mean {near[0]}?" if near else "use its ISO 3166 code"))

    @field_validator("number")
    @classmethod
    def _in_e164(cls, number: str) -> str:
        if number and not re.fullmatch(r"\+[1-9][0-9]{4,14}", number):
            raise ValueError(f"{number} is no number in E.164; write + and the country code, e.g. +442079460001")
        return number

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no such time zone {name}; use a name such as Europe/London or Asia/Shanghai") from None
        return name


class Paths(_Section):
    """Where the engine keeps its own files: journal, keys, socket, prompt cache."""

    data: Path = Path("var")
    flows: Path = Path("ivr_flows")

    @property
    def socket(self) -> Path:
        """The Unix socket of the HTTP API."""
        return self.data / "callwright.sock"

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.data / "journal"


class Asterisk(_Section):
    """The Asterisk node. Folders are as the engine sees them; `*_inside` as Asterisk sees the same."""

    host: str = "127.0.0.1"
    ami_port: int = Field(default=5038, ge=1, le=65535)
    ami_user: str = "callwright"
    ami_secret: SecretStr = SecretStr("")
    agi_bind: str = "127.0.0.1"
    agi_port: int = Field(default=4573, ge=0, le=65535)
    agi_secret: SecretStr = SecretStr("")
    agi_allow: tuple[str, ...] = ("127.0.0.0/8",)
    sip_port: int = Field(default=5060, ge=1, le=65535)
    sounds: Path = Path("/var/lib/asterisk/sounds")
    recordings: Path = Path("/var/spool/asterisk/callwright/recordings")
    recordings_inside: str = "/var/spool/asterisk/callwright/recordings"
    rescue_spool: Path = Path("/var/spool/asterisk/callwright/rescue")
    rescue_spool_inside: str = "/var/spool/asterisk/callwright/rescue"
    config: Path = Path("/etc/asterisk")
    cel: Path = Path("/var/log/asterisk/cel-custom/callwright.jsonl")

    @field_validator("agi_allow")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError as wrong:
                raise ValueError(f"{wrong}; write networks such as 127.0.0.0/8 or 10.1.0.0/16") from None
        return networks


class Store(_Section):
    """The database. Empty `url`: SQLite in the data folder."""

    url: str = ""


class Recording(_Section):
    """When the disk of the recordings is too full to begin another one: the calls go on, unrecorded, with an alarm."""

    min_free_mb: int = Field(default=1000, ge=0)
    min_free_percent: float = Field(default=5.0, ge=0, le=100)


class Mqtt(_Section):
    """The broker. Empty `host`: no MQTT, or the embedded broker with `embedded`.

    Off loopback it needs TLS (`ca_file`), or `plain_text` said aloud, as on a network of containers.
    """

    host: str = ""
    port: int = Field(default=1883, ge=0, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = ""
    plain_text: bool = False
    embedded: bool = False

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told anything."""
        return self.embedded or bool(self.host)


class Log(_Section):
    """What is logged. JSON to standard error unless it is a terminal."""

    level: str = Field(default="info", pattern=_LEVEL)
    format: str = Field(default="auto", pattern=_FORMAT)


class Settings(BaseSettings):
    """All settings of one engine."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    site: Site = Site()
    paths: Paths = Paths()
    asterisk: Asterisk = Asterisk()
    store: Store = Store()
    recording: Recording = Recording()
    mqtt: Mqtt = Mqtt()
    log: Log = Log()

    @property
    def database_url(self) -> str:
        """The database, SQLite in the data folder by default."""
        return self.store.url or f"sqlite:///{(self.paths.data / 'callwright.db').absolute()}"


def find_file(given: Path | None = None) -> Path | None:
    """The settings file that holds here, or None."""
    if given is not None:
        return given
    named = os.environ.get("CALLWRIGHT_CONFIG")
    if named:
        return Path(named)
    local = Path("callwright.toml")
    return next((path for path in (local, SYSTEM_FILE) if path.is_file()), None)


def load(given: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: the file cannot be read, a key is unknown (with the nearest one) or a value makes no sense.
    """
    path = find_file(given)
    values = _read(path) if path is not None else {}
    where = str(path) if path is not None else "settings"
    _refuse_unknown(values, Settings, where, "")
    _refuse_unknown_environment()
    try:
        return Settings(**_with_environment(values))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what, _, mend = _in_words(first).partition("; ")
        raise ConfigError(what, where=f"{where}, {key}", mend=mend or MEND) from None


def refuse_unfit(settings: Settings) -> None:
    """Refuse settings that can be read, but that no engine could serve with. It touches nothing.

    `serve` asks this before it makes a file, `callwright config check` asks the same.

    Raises:
        ConfigError: a secret is missing, too short, or not a secret at all. The text never shows it.
    """
    asterisk = settings.asterisk
    for key, secret, least in (
        ("ami_secret", asterisk.ami_secret.get_secret_value(), 1),
        ("agi_secret", asterisk.agi_secret.get_secret_value(), AGI_SECRET_CHARACTERS),
    ):
        if not secret:
            what = "is not set"
        elif secret == HIDDEN:
            what = f"{HIDDEN} stands for a secret that is not shown; it is none itself"
        elif len(secret) < least:
            what = f"has {len(secret)} characters, {least} or more are needed"
        else:
            continue
        mend = f"put one of 16 or more letters and digits into [asterisk] as {key}, e.g. from `openssl rand -hex 16`"
        raise ConfigError(what, where=f"asterisk.{key}", mend=f"{mend}; then run `callwright asterisk apply`")


def _in_words(fault: ErrorDetails) -> str:
    """What pydantic found, in our words: what is wrong, and after a semicolon what to do."""
    limits = fault.get("ctx", {})
    given = fault["input"]
    match fault["type"]:
        case "int_parsing" | "int_type" | "int_from_float":
            return "is no whole number; write digits only, without quotes"
        case "float_parsing" | "float_type":
            return "is no number; write digits only, without quotes"
        case "bool_parsing" | "bool_type":
            return "is neither true nor false; write true or false, without quotes"
        case "string_type" | "path_type":
            return "is no text; write it in quotes"
        case "tuple_type" | "list_type":
            return 'is no list; write ["...", "..."]'
        case "greater_than_equal":
            return f"{given} is too small; use {limits['ge']} or more"
        case "less_than_equal":
            return f"{given} is too large; use {limits['le']} or less"
        case "string_pattern_mismatch":
            return f"{given!r} cannot stand here; {_PATTERNS.get(limits['pattern'], 'see docs/quick-start.md')}"
    return fault["msg"].removeprefix("Value error, ")


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        return tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), mend="check the path and its rights"
        ) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", where=f"{path}:{line}", mend="save the file as UTF-8") from None
    except RecursionError:
        raise ConfigError("is not TOML: too many brackets", where=str(path), mend="close each bracket") from None
    except ValueError as error:
        raise _no_toml(str(error), path) from None


def _no_toml(why: str, path: Path) -> ConfigError:
    place = re.search(r" \(at line (\d+), column (\d+)\)$", why)
    if place is not None:
        where = f"{path}:{place[1]}:{place[2]}"
        return ConfigError(f"is not TOML: {why[: place.start()]}", where=where, mend="mend that line")
    why = why.removesuffix(" (at end of document)")
    return ConfigError(f"is not TOML: {why}", where=str(path), mend="is a quote or a bracket open at its end?")


def _refuse_unknown(values: dict[str, Any], model: type[BaseModel], where: str, prefix: str) -> None:
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            raise _unknown(f"{prefix}{key}", [f"{prefix}{known}" for known in model.model_fields], where)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if not isinstance(value, dict):
                raise ConfigError(f"{key} is a section, not a value", where=where, mend=f"write [{key}]")
            _refuse_unknown(value, inner, where, f"{prefix}{key}.")


def _refuse_unknown_environment() -> None:
    known = {
        f"{ENV_PREFIX}{section}__{key}".upper()
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }
    for name in map(str.upper, os.environ):
        nearly = name.startswith(NEARLY_OURS) and name.replace("__", "_") in {key.replace("__", "_") for key in known}
        if (name.startswith(ENV_PREFIX) or nearly) and name not in known:
            raise _unknown(name, sorted(known), "environment")


def _unknown(key: str, known: list[str], where: str) -> ConfigError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return ConfigError(f"unknown key {key}", where=where, mend=f"did you mean {near[0]}?" if near else "remove it")


def _with_environment(values: dict[str, Any]) -> dict[str, Any]:
    """The environment laid over the file: init values would otherwise win."""
    merged = {section: dict(keys) for section, keys in values.items()}
    for section, keys in EnvSettingsSource(Settings)().items():
        merged.setdefault(section, {}).update(keys)
    return merged
