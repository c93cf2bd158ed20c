"""Settings: the only reader of the environment and of TOML files. Everything below receives plain values.

Order, later wins: defaults, the file (`--config`, else `CALLWRIGHT_CONFIG`, else `callwright.toml` in the working
directory, else `/etc/callwright/callwright.toml`), the environment (`CALLWRIGHT__ASTERISK__AMI_PORT=5039`).
An unknown key is refused, with the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from engine.errors import ConfigError

ENV_PREFIX = "CALLWRIGHT__"
NEARLY_OURS = "CALLWRIGHT_"
"""A setting written with one underscore too few would otherwise be passed over in silence."""
SYSTEM_FILE = Path("/etc/callwright/callwright.toml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(_Section):
    """Who and where we are. `region` (ISO 3166) reads national numbers; `number` is the site's own, in E.164."""

    name: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    region: str = Field(default="GB", pattern=r"^[A-Z]{2}$")
    number: str = ""
    timezone: str = "UTC"
    language: str = "en"

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
            ip_network(network)
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

    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    format: str = Field(default="auto", pattern="^(auto|json|text)$")


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
        raise ConfigError(
            first["msg"].removeprefix("Value error, "), where=f"{where}, {key}", mend="see `callwright config show`"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), mend="check the path and its rights"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not TOML: {error}", where=str(path), mend="mend the line it names") from None


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
