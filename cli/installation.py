"""Files of ours in Asterisk's configuration folder: compared, installed whole, taken away again.

A manifest beside them holds the digest of each file as we wrote it. So a file that is not in it, or differs from it, is
somebody else's: it is replaced only on demand, and what was there before our first file of that name stays as NAME.bak.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.errors import ConfigError

MANIFEST: Final = "callwright-manifest.json"
_SECRET: Final = re.compile(r"(?im)^(?P<key>\s*(?:secret|password|CW_AGI_SECRET)\s*=\s*)\S+")
RELOADED: Final = ("core reload",)
RELOAD_WITHIN_S: Final = 20
Kind = Literal["new", "changed", "same", "foreign", "removed", "restored"]


@dataclass(frozen=True)
class Change:
    """What becomes of one file. `before` is None where there is none, `after` where there will be none."""

    name: str
    kind: Kind
    before: str | None
    after: str | None


class Installation:
    """Our files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def compare(self, files: Mapping[str, str]) -> list[Change]:
        """What installing these files would do; a file of ours that is no longer wanted is removed.

        Raises:
            ConfigError: the folder is not there.
        """
        if not self._folder.is_dir():
            raise ConfigError(
                "there is no such folder", where=str(self._folder), mend="install Asterisk, or set asterisk.config"
            )
        ours = self._manifest()
        changes = [self._compared(name, text, ours) for name, text in files.items()]
        gone = sorted(name for name in ours if name not in files and (self._folder / name).exists())
        return changes + [Change(name, "removed", self._read(name), None) for name in gone]

    def _compared(self, name: str, text: str, ours: Mapping[str, str]) -> Change:
        before = self._read(name)
        if before is None:
            return Change(name, "new", None, text)
        if before == text:
            return Change(name, "same", before, text)
        kind: Kind = "changed" if ours.get(name) == digest(before) else "foreign"
        return Change(name, kind, before, text)

    def install(self, changes: Iterable[Change]) -> None:
        """Do it: each file whole or not at all; originals that are not ours are kept as NAME.bak."""
        ours = self._manifest()
        for change in changes:
            path = self._folder / change.name
            if change.after is None:
                path.unlink(missing_ok=True)
                ours.pop(change.name, None)
                continue
            if change.kind == "foreign" or (change.kind == "same" and change.name not in ours):
                shutil.copy2(path, self._backup(change.name))
            if change.kind != "same":
                write_private(path, change.after, like=self._folder)
            ours[change.name] = digest(change.after)
        write_private(self._folder / MANIFEST, json.dumps(ours, indent=2, sort_keys=True) + "\n", like=self._folder)

    def remove(self) -> list[Change]:
        """Take our files away and put back what was there before; an edited one is left and told as foreign."""
        changes = []
        for name, known in sorted(self._manifest().items()):
            before = self._read(name)
            if before is None:
                continue
            if digest(before) != known:
                changes.append(Change(name, "foreign", before, before))
                continue
            backup = self._backup(name)
            if backup.exists():
                changes.append(Change(name, "restored", before, backup.read_text(encoding="utf-8", errors="replace")))
                backup.replace(self._folder / name)
            else:
                changes.append(Change(name, "removed", before, None))
                (self._folder / name).unlink()
        (self._folder / MANIFEST).unlink(missing_ok=True)
        return changes

    def _backup(self, name: str) -> Path:
        return self._folder / f"{name}.bak"

    def _read(self, name: str) -> str | None:
        path = self._folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None

    def _manifest(self) -> dict[str, str]:
        path = self._folder / MANIFEST
        if not path.exists():
            return {}
        try:
            known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ConfigError(
                "is not JSON", where=str(path), mend="restore it, or remove it and use --replace"
            ) from None
        return known


def digest(text: str) -> str:
    """What tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_private(path: Path, text: str, *, like: Path | None = None) -> None:
    """Write a file whole or not at all. It belongs to the owner and group of `like`, where we may say so."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    mode = 0o600 if like is None else 0o640
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if like is not None:
        give(draft, like)
    draft.replace(path)


def give(path: Path, like: Path) -> None:
    """Give a file the owner and group of another, where we may."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def hidden(text: str) -> str:
    """A configuration file without its secrets."""
    return _SECRET.sub(r"\g<key>(secret)", text)


def differences(changes: Iterable[Change]) -> str:
    """What would change, as a diff without secrets."""
    parts: list[str] = []
    for change in changes:
        if change.kind == "same":
            continue
        before, after = ((hidden(text or "")).splitlines(keepends=True) for text in (change.before, change.after))
        parts += difflib.unified_diff(before, after, f"{change.name} (now)", f"{change.name} (then)", n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in parts)


def reload_asterisk() -> str:
    """Have a running Asterisk read its configuration anew, over its control socket; what went wrong, or ""."""
    program = shutil.which("asterisk")
    if program is None:
        return "there is no program `asterisk` here; run `asterisk -rx 'core reload'` where it is"
    for command in RELOADED:
        try:
            run = subprocess.run(
                [program, "-rx", command], capture_output=True, text=True, timeout=RELOAD_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"`{command}` was not answered in {RELOAD_WITHIN_S} s"
        if run.returncode:
            return (
                (run.stderr or run.stdout).strip().splitlines()[-1]
                if (run.stderr or run.stdout).strip()
                else "it failed"
            )
    return ""
