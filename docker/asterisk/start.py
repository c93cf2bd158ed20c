"""Starts Asterisk in its container: writes its configuration from the environment, then becomes Asterisk.

/etc/asterisk belongs to this container and is written anew at every start. Phones and trunks are the engine's: it
writes `callwright_pjsip.conf` into the shared folder (`callwright asterisk apply`), and Asterisk reads it there. What
is yours, `callwright_*_custom.conf`, lies in the shared folder too and is touched by nobody.

Environment (the names are the engine's own where it has the same setting):
    CALLWRIGHT__ASTERISK__AMI_SECRET, CALLWRIGHT__ASTERISK__AGI_SECRET   needed; letters, digits, - and _, 8 or more
    CALLWRIGHT__ASTERISK__AMI_PORT (5038), CALLWRIGHT__ASTERISK__AGI_PORT (4573), CALLWRIGHT__ASTERISK__SIP_PORT (5060)
    CALLWRIGHT__SITE__LANGUAGE (en), CALLWRIGHT__SITE__NUMBER (none)
    AGI_HOST (127.0.0.1)         where the engine is: the containers share one network, so loopback
    RTP_PORTS (10000-10199)      media ports; publish the same range
    RESCUE_AFTER_S (30)          seconds without an engine before the rescue script takes over
    EXTERNAL_ADDRESS (none)      address under which phones and carriers reach us, when it is not our own
    LOCAL_NETWORKS (none)        with it: networks where our own address is right, e.g. 192.168.0.0/16
"""

import hashlib
import ipaddress
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

HOME: Final = Path("/usr/share/callwright")
ETC: Final = Path("/etc/asterisk")
SHARED: Final = Path("/var/lib/callwright/shared")
"""What the engine sees as well: asterisk (phones and trunks), sounds, agi-bin."""
SPOOL: Final = Path("/var/spool/asterisk/callwright")
LOG: Final = Path("/var/log/asterisk")
STOCK: Final = ("stasis", "features", "indications", "confbridge", "amd", "pjproject", "codecs", "udptl", "ccss")
"""Configuration taken over as Debian ships it."""
PHONES: Final = "callwright_pjsip.conf"
MANIFEST: Final = "callwright-manifest.json"
"""Which files of a folder are Callwright's own, and their digests: `cli/installation.py`."""
SETTINGS: Final = "CALLWRIGHT__ASTERISK__"

sys.path.insert(0, str(HOME))

from engine.asterisk.render import AsteriskPlan, render  # noqa: E402 - the path above is where it lies in the image
from engine.errors import ConfigError  # noqa: E402


def plan_from(env: Mapping[str, str]) -> AsteriskPlan:
    """The plan that the environment describes.

    Raises:
        ConfigError: a variable is missing or makes no sense; it is named.
    """
    low, high = _ports(env.get("RTP_PORTS", "10000-10199"))
    language = env.get("CALLWRIGHT__SITE__LANGUAGE", "en")
    return AsteriskPlan(
        ami_port=_number(env, SETTINGS + "AMI_PORT", 5038),
        ami_secret=_needed(env, SETTINGS + "AMI_SECRET"),
        agi_host=env.get("AGI_HOST", "127.0.0.1"),
        agi_port=_number(env, SETTINGS + "AGI_PORT", 4573),
        agi_secret=_needed(env, SETTINGS + "AGI_SECRET"),
        sip_port=_number(env, SETTINGS + "SIP_PORT", 5060),
        rtp_ports=(low, high),
        recordings_dir=str(SPOOL / "recordings"),
        rescue_spool_dir=str(SPOOL / "rescue"),
        rescue_after_s=_number(env, "RESCUE_AFTER_S", 30),
        language="zh" if language.startswith("zh") else "en",
        site_number=env.get("CALLWRIGHT__SITE__NUMBER", ""),
    )


def _needed(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigError("is not set", where=name, mend="put it into the container's env_file (docker/make-secrets)")
    return value


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise ConfigError(f"{text!r} is no number", where=name, mend=f"write digits, such as {default}")
    return int(text)


def _ports(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{4,5})-([0-9]{4,5})", text)
    if found is None:
        raise ConfigError(f"{text!r} is no range of ports", where="RTP_PORTS", mend="write e.g. 10000-10199")
    return int(found[1]), int(found[2])


def nat(env: Mapping[str, str]) -> str:
    """Lines added to the SIP transport behind a translated address; empty without one.

    Raises:
        ConfigError: no address or no network.
    """
    outside = env.get("EXTERNAL_ADDRESS", "")
    if not outside:
        return ""
    address = _checked("EXTERNAL_ADDRESS", outside, ipaddress.ip_address)
    networks = re.split(r"[ ,]+", env.get("LOCAL_NETWORKS", "").strip(" ,"))
    lines = ["[callwright-udp](+)", f"external_signaling_address = {address}", f"external_media_address = {address}"]
    lines += [f"local_net = {_checked('LOCAL_NETWORKS', each, ipaddress.ip_network)}" for each in networks if each]
    return "\n".join(lines) + "\n"


def _checked(name: str, text: str, kind: Callable[[str], object]) -> str:
    try:
        return str(kind(text))
    except ValueError as wrong:
        raise ConfigError(str(wrong), where=name, mend="write it in numbers, such as 203.0.113.5") from None


def main_file() -> str:
    """asterisk.conf: where everything lies in the image.

    Raises:
        ConfigError: the image holds no Asterisk modules.
    """
    modules = next(iter(sorted(Path("/usr/lib").glob("*/asterisk/modules"))), None)
    if modules is None:
        raise ConfigError("Asterisk's modules are missing", where="/usr/lib", mend="build the image anew")
    folders = {
        "astetcdir": ETC,
        "astmoddir": modules,
        "astvarlibdir": "/var/lib/asterisk",
        "astdbdir": "/var/lib/asterisk",
        "astkeydir": "/var/lib/asterisk",
        "astcachedir": "/var/cache/asterisk",
        "astdatadir": HOME / "data",
        "astagidir": HOME / "data" / "agi-bin",
        "astspooldir": "/var/spool/asterisk",
        "astrundir": "/run/asterisk",
        "astlogdir": LOG,
    }
    lines = [f"{name} => {path}" for name, path in folders.items()]
    return "[directories]\n" + "\n".join(lines) + "\n\n[options]\nlive_dangerously = no\nhideconnect = yes\n"


def lay_out(env: Mapping[str, str]) -> None:
    """Write the configuration and fill the shared folders; nothing is written when a value is wrong.

    Raises:
        ConfigError: a value is wrong.
        OSError: a folder cannot be written.
    """
    files = {**render(plan_from(env)), "asterisk.conf": main_file()}
    # Containers are read through their output: the few warnings go there as well.
    files["logger.conf"] += "console => warning,error\n"
    files["pjsip.conf"] += nat(env)
    for name in STOCK:
        shipped = HOME / "stock" / f"{name}.conf"
        if shipped.exists():
            files.setdefault(f"{name}.conf", shipped.read_text(encoding="utf-8"))
    phones = files.pop(PHONES)
    shared = [SHARED / name for name in ("asterisk", "sounds", "agi-bin")]
    for folder in (*shared, SPOOL / "recordings", SPOOL / "rescue", LOG / "cel-custom"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(ETC / name, text)
        for theirs in re.findall(r"(?m)^#tryinclude (callwright_\w+_custom\.conf)", text):
            _link(ETC / theirs, SHARED / "asterisk" / theirs)
    _first_phones(SHARED / "asterisk", phones)
    _link(ETC / PHONES, SHARED / "asterisk" / PHONES)
    _fill_sounds()


def _first_phones(folder: Path, text: str) -> None:
    """Until the engine has written its own: SIP without phones, marked as ours, so that the engine may replace it."""
    if (folder / PHONES).exists():
        return
    _write(folder / PHONES, text)
    if not (folder / MANIFEST).exists():
        _write(folder / MANIFEST, json.dumps({PHONES: hashlib.sha256(text.encode()).hexdigest()}) + "\n")


def _write(path: Path, text: str) -> None:
    making = path.with_name(f".{path.name}.making")
    making.write_text(text, encoding="utf-8")
    making.chmod(0o640)
    making.replace(path)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _fill_sounds() -> None:
    """Asterisk's sounds, our prompts and the rescue script, where both see them. A recording of yours is kept."""
    for source, target in (
        (Path("/usr/share/asterisk/sounds"), SHARED / "sounds"),
        (HOME / "prompts", SHARED / "sounds" / "callwright"),
    ):
        for path in sorted(source.rglob("*")):
            place = target / path.relative_to(source)
            if path.is_file() and not path.is_symlink() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    english = SHARED / "sounds" / "en"
    if not english.is_symlink() and not english.exists():
        english.symlink_to("en_US_f_Allison")
    rescue = SHARED / "agi-bin" / "rescue.py"
    shutil.copyfile(HOME / "dialplans" / "agi" / "rescue.py", rescue)
    rescue.chmod(0o755)


def main() -> int:
    """Become Asterisk; return only when something is wrong."""
    os.umask(0o007)
    try:
        lay_out(os.environ)
    except ConfigError as wrong:
        print(f"Error: {wrong}", file=sys.stderr)
        return 2
    except OSError as wrong:
        print(f"Error: {wrong}; the folder must be writable for user {os.getuid()}", file=sys.stderr)
        return 1
    else:
        os.execvp("asterisk", ["asterisk", "-f", "-C", str(ETC / "asterisk.conf"), *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
