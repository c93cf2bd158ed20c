"""A usable Asterisk: the system's own, or one unpacked under `.asterisk/tree` from the machine's package mirror.

Measured: unpacking takes about 30 s and 400 MB. A second call reads a stamp and returns at once.
"""

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.errors import CallwrightError
from engine.lab import sources

OLDEST: Final = 20
"""Oldest Asterisk release that is used when the system has one."""
SUITE: Final = "forky"
"""Debian suite with Asterisk 22.10.1; bookworm and trixie have none."""
PACKAGES: Final = (
    "asterisk",
    "asterisk-core-sounds-en",
    "asterisk-moh-opsound-wav",
    "sip-tester",
    "python3",
    "python3-six",
)
NEEDED: Final = (
    "app_celgenuserevent",
    "app_mixmonitor",
    "app_senddtmf",
    "app_userevent",
    "cel_custom",
    "chan_pjsip",
    "func_channel",
    "res_agi",
    "res_cdrel_custom",  # CEL as JSON lines: only in recent releases
    "res_musiconhold",
    "res_tonedetect",
)
"""Modules without which an installed Asterisk is passed over."""
ROOM: Final = 1_500_000_000
"""Bytes of free disk wanted before unpacking."""
_LAYOUT: Final = "3"
"""Raise it when what is unpacked changes: older trees are then made anew."""

_ENTER: Final = 'mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
"""Not root: device files cannot be unpacked, so the machine's own are shown inside; exec keeps the process id."""

Say = Callable[[str], None]


class SetupFailed(CallwrightError):
    """Something the set-up needs is not there; the message says how to mend it."""

    error_id = "setup"


class AsteriskTree(msgspec.Struct, frozen=True, kw_only=True):
    """One Asterisk installation and the way to run a program in it."""

    root: Path
    """Its file system root: `/` for the system's own."""
    home: Path
    """Folder (host path, within `root`) under which instances live."""
    how: Literal["direct", "chroot", "unshare"]
    version: str
    user: str = ""
    """Account inside the tree that Asterisk changes to; empty to stay who we are."""

    def inside(self, path: Path) -> str:
        """A host path as seen inside the tree.

        Raises:
            ValueError: `path` is not within the tree.
        """
        return str(Path("/") / path.resolve().relative_to(self.root.resolve()))

    def command(self, *words: str) -> list[str]:
        """The argument list that runs `words` inside the tree."""
        if self.how == "direct":
            return list(words)
        if self.how == "chroot":
            return ["chroot", str(self.root), *words]
        namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ENTER]
        return [*namespace, str(self.root), *words]


def provision(root: Path, say: Say = print) -> AsteriskTree:
    """Find the system's Asterisk (20 or newer) or unpack one below `root`; `say` gets progress in plain words.

    Raises:
        SetupFailed: no disk, no network, a tool or a right is missing; with the mend.
    """
    root = root.resolve()
    system = _system(root, say)
    if system is not None:
        return system
    tree, stamp = root / "tree", root / "tree.json"
    known = _stamped(stamp, tree)
    if known is None:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a demo and a test started together unpack once
            known = _stamped(stamp, tree) or _unpack(root, tree, stamp, say)
    return _plain(tree, known.version)


class _AsUnpacked(msgspec.Struct, frozen=True):
    layout: str
    version: str


def _plain(tree: Path, version: str) -> AsteriskTree:
    root = os.geteuid() == 0
    return AsteriskTree(
        root=tree,
        home=tree / "srv" / "callwright",
        how="chroot" if root else "unshare",
        version=version,
        user="asterisk" if root else "",
    )


def _stamped(stamp: Path, tree: Path) -> _AsUnpacked | None:
    if not stamp.is_file() or not (tree / "usr/sbin/asterisk").exists():
        return None
    try:
        known = msgspec.json.decode(stamp.read_bytes(), type=_AsUnpacked)
    except msgspec.MsgspecError:
        return None
    return known if known.layout == _LAYOUT else None


def _version(command: Sequence[str]) -> str | None:
    """`22.10.1` out of `Asterisk 22.10.1+dfsg...`; None when the program cannot be run."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"Asterisk (?:certified[/-])?([0-9][0-9.]*)", run.stdout)
    return found[1].rstrip(".") if found else None


def _system(root: Path, say: Say) -> AsteriskTree | None:
    binary = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    version = _version([binary, "-V"]) if binary else None
    if version is None or int(version.split(".", 1)[0]) < OLDEST:
        return None
    modules = module_folder(Path("/"))
    missing = [name for name in NEEDED if not (modules / f"{name}.so").exists()]
    if missing:
        say(f"The installed Asterisk {version} lacks {', '.join(missing)}: another one is unpacked beside it.")
        return None
    return AsteriskTree(root=Path("/"), home=root / "run", how="direct", version=version)


def module_folder(root: Path) -> Path:
    """Where the installation below `root` keeps its modules (Debian: one folder per architecture)."""
    found = sorted((root / "usr/lib").glob("*/asterisk/modules"))
    return found[0] if found else root / "usr/lib/asterisk/modules"


def _unpack(root: Path, tree: Path, stamp: Path, say: Say) -> _AsUnpacked:
    free = shutil.disk_usage(root).free
    if free < ROOM:
        raise SetupFailed(
            f"{free // 1_000_000} MB of disk are free, {ROOM // 1_000_000} MB are needed",
            where=str(root),
            mend="free some room, or install Asterisk 20 or newer with your system's own tools",
        )
    _need_mmdebstrap(say)
    archive = _archive()
    making = root / "tree.making"
    _remove(making)
    say(f"Unpacking Asterisk (Debian {SUITE}) into {tree}: about 30 s and 400 MB ...")
    if os.geteuid() == 0:
        _run_showing(_mmdebstrap("root", making, archive), say)
    else:
        _unpack_as_user(making, archive, say)
    _finish(making)
    _remove(tree)
    making.rename(tree)
    known = _AsUnpacked(layout=_LAYOUT, version=_version(_plain(tree, "").command("asterisk", "-V")) or "")
    if not known.version:
        raise SetupFailed("the unpacked Asterisk does not start", where=str(tree), mend=f"remove {tree} and retry")
    stamp.write_bytes(msgspec.json.encode(known))
    say(f"Asterisk {known.version} is unpacked.")
    return known


def _mmdebstrap(mode: str, target: Path, archive: sources.Archive) -> list[str]:
    options = [f"--mode={mode}", "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"']
    return ["mmdebstrap", *options, f"--include={','.join(PACKAGES)}", SUITE, str(target), archive.uri]


def _unpack_as_user(making: Path, archive: sources.Archive, say: Say) -> None:
    """By way of a tar file: unpacked directly, the files would belong to subordinate ids and not to this user."""
    _need_namespaces()
    packed = making.with_suffix(".tar")
    try:
        _run_showing(_mmdebstrap("unshare", packed, archive), say)
        making.mkdir()
        _run_showing(["tar", "-xf", str(packed), "-C", str(making), "--no-same-owner", "--exclude=./dev/*"], say)
    finally:
        packed.unlink(missing_ok=True)


def _archive() -> sources.Archive:
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    codename = next((line[17:].strip('"') for line in release.splitlines() if line.startswith("VERSION_CODENAME=")), "")
    archive = sources.base(sources.read(), codename) if "debian" in release.lower() else None
    if archive is None:
        raise SetupFailed(
            "no Debian package mirror is named in this machine's apt sources",
            where=str(sources.APT),
            mend="run on Debian, or install Asterisk 20 or newer with your system's own tools",
        )
    return archive


def _need_mmdebstrap(say: Say) -> None:
    if shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed(
            "the program mmdebstrap is missing", where="PATH", mend="run: sudo apt-get install mmdebstrap"
        )
    say("Installing mmdebstrap (apt-get) ...")
    _run_showing(["apt-get", "install", "-y", "--no-install-recommends", "mmdebstrap"], say)


def _need_namespaces() -> None:
    probe = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        raise SetupFailed(
            "you are not root and this kernel gives you no user namespace",
            where="unshare --user",
            mend="run once as root (sudo make setup), or install Asterisk 20 or newer",
        )


def _run_showing(command: Sequence[str], say: Say) -> None:
    """Run a long command, passing its progress on.

    Raises:
        SetupFailed: it failed; its last lines are in the message.
    """
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1) as run:
        for line in run.stdout or ():
            text = line.strip()
            tail = [*tail[-5:], text]
            if text.startswith("I: ") and ":" not in text[3:]:
                say("  " + text[3:])
    if run.returncode != 0:
        network = any(word in " ".join(tail) for word in ("resolve", "connect", "Failed to fetch", "timed out"))
        raise SetupFailed(
            f"{command[0]} failed: " + " | ".join(tail),
            where=command[0],
            mend="check the network and apt sources (apt-get update), then retry" if network else "mend it and retry",
        )


def _finish(tree: Path) -> None:
    """Make the tree fit for use: names without a name server, pyst2 for the rescue script, a home for instances."""
    hosts = tree / "etc" / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
    resolv = tree / "etc" / "resolv.conf"
    # A name server that is not there costs every call 5 to 15 s in PJSIP's distributor threads.
    resolv.unlink(missing_ok=True)
    resolv.write_text("")
    _copy_pyst2(tree / "usr/lib/python3/dist-packages")
    (tree / "srv" / "callwright").mkdir(parents=True, exist_ok=True)


def _copy_pyst2(target: Path) -> None:
    spec = find_spec("asterisk")
    if spec is None or spec.origin is None:
        raise SetupFailed("the Python package pyst2 is missing", where=sys.prefix, mend="run make setup")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(Path(spec.origin).parent, target / "asterisk", dirs_exist_ok=True)


def _remove(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)
