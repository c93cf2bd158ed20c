"""One running Asterisk with a complete configuration of its own.

Everything of an instance lives in one folder: etc, data, db, spool, run, log, recordings, rescue. Several instances
run from one tree; each has its own ports. The engine's process reads and writes the folder directly (host paths).
"""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.lab.tree import AsteriskTree, SetupFailed, module_folder

_STOCK: Final = ("stasis", "features", "indications", "confbridge", "amd", "pjproject", "codecs", "udptl", "ccss")
"""Configuration taken over as the package ships it."""
_PARTS: Final = (
    "etc",
    "data",
    "lib",
    "db",
    "spool",
    "run",
    "log/cel-custom",
    "recordings",
    "rescue",
    "lib/keys",
    "cache",
)
BOOT_S: Final = 60.0


class Instance:
    """An Asterisk that can be started, asked, stopped and killed."""

    def __init__(
        self,
        tree: AsteriskTree,
        name: str,
        files: Mapping[str, str],
        *,
        agi: Mapping[str, str] | None = None,
        sounds: Path | None = None,
    ) -> None:
        """Prepare an instance; nothing runs yet.

        Args:
            tree: the installation it runs from.
            name: also the name of its folder; letters, digits, hyphen.
            files: configuration file name -> text, all but asterisk.conf.
            agi: script name -> text, for `AGI(name)`.
            sounds: folder copied to where Asterisk knows it as the sound prefix `callwright/`.
        """
        self.tree = tree
        self.name = name
        self.home = tree.home / name
        self._files = dict(files)
        self._agi = dict(agi or {})
        self._sounds = sounds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def recordings(self) -> Path:
        """Host path of the recordings folder."""
        return self.home / "recordings"

    @property
    def rescue_spool(self) -> Path:
        """Host path of the folder the rescue script writes to."""
        return self.home / "rescue"

    @property
    def sounds(self) -> Path:
        """Host path of the folder that Asterisk knows as the sound prefix `callwright/`."""
        return self.home / "data" / "sounds" / "callwright"

    @property
    def cel(self) -> Path:
        """Host path of Asterisk's own record of every leg: one JSON object a line."""
        return self.home / "log" / "cel-custom" / "callwright.jsonl"

    @property
    def pid(self) -> int:
        """Process id; 0 while it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else 0

    def seen(self, path: Path) -> str:
        """A host path of this instance as Asterisk sees it."""
        return self.tree.inside(path)

    async def start(self) -> None:
        """Write the configuration, start, and wait until fully booted.

        Raises:
            SetupFailed: it did not boot; the end of its log is in the message.
        """
        self.reap_stale()
        self.write()
        words = ["asterisk", "-f", "-C", self.seen(self.home / "etc" / "asterisk.conf")]
        if self.tree.user:
            words[2:2] = ["-U", self.tree.user, "-G", self.tree.user]
        console = (self.home / "log" / "console").open("wb")
        with console:
            self._process = await asyncio.create_subprocess_exec(
                *self.tree.command(*words), stdin=asyncio.subprocess.DEVNULL, stdout=console, stderr=console
            )
        (self.home / "pid").write_text(str(self._process.pid))
        try:
            async with asyncio.timeout(BOOT_S):
                await self._booted()
        except TimeoutError:
            await self.kill()
            raise self._failed("did not boot within a minute") from None

    async def _booted(self) -> None:
        socket = self.home / "run" / "asterisk.ctl"
        while not socket.exists() or "fully booted" not in await self.cli("core waitfullybooted"):
            if self.pid == 0:
                raise self._failed("ended while starting")
            await asyncio.sleep(0.05)

    def _failed(self, how: str) -> SetupFailed:
        logs = (self.home / "log" / "messages", self.home / "log" / "console")
        tail = "\n".join("\n".join(log.read_text(errors="replace").splitlines()[-8:]) for log in logs if log.exists())
        return SetupFailed(f"Asterisk instance {self.name} {how}:\n{tail}", where=str(self.home), mend="mend it, retry")

    async def cli(self, command: str) -> str:
        """What `asterisk -rx COMMAND` prints; empty while Asterisk cannot be reached."""
        config = self.seen(self.home / "etc" / "asterisk.conf")
        run = await asyncio.create_subprocess_exec(
            *self.tree.command("asterisk", "-C", config, "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        text, _ = await run.communicate()
        return text.decode(errors="replace") if run.returncode == 0 else ""

    async def stop(self) -> None:
        """End it in order; after ten seconds by force."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """`kill -9`: no farewell, all its calls are lost."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._process = None
        (self.home / "pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder with all it holds; the instance must be stopped."""
        shutil.rmtree(self.home, ignore_errors=True)

    def reap_stale(self) -> None:
        """End an Asterisk that an earlier, killed run left behind in this very folder."""
        note = self.home / "pid"
        if not note.exists():
            return
        with suppress(ValueError, OSError):
            pid = int(note.read_text())
            ours = self.seen(self.home / "etc" / "asterisk.conf").encode()
            if ours in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        note.unlink(missing_ok=True)

    def write(self) -> None:
        """Lay the folder out: configuration anew, data linked to the installation's; recordings and spool are kept."""
        for part in _PARTS:
            (self.home / part).mkdir(parents=True, exist_ok=True)
        for stale in (self.home / "run").iterdir():
            stale.unlink()
        etc = self.home / "etc"
        for old in etc.glob("*.conf"):
            old.unlink()
        for stock in _STOCK:
            shipped = self.tree.root / "etc/asterisk" / f"{stock}.conf"
            if shipped.exists():
                shutil.copyfile(shipped, etc / f"{stock}.conf")
        for file, text in {**self._files, "asterisk.conf": self._main()}.items():
            (etc / file).write_text(text)
        self._link_data()
        for script, text in self._agi.items():
            path = self.home / "data" / "agi-bin" / script
            # The unpacked tree has pyst2 of its own; a system's Python need not.
            python = sys.executable if self.tree.how == "direct" else "/usr/bin/env python3"
            path.write_text(re.sub(r"\A#!.*python3$", f"#!{python}", text, count=1, flags=re.MULTILINE))
            path.chmod(0o755)
        self._own()

    def _main(self) -> str:
        place = {
            "astetcdir": "etc",
            "astvarlibdir": "lib",
            "astdbdir": "db",
            "astkeydir": "lib",
            "astcachedir": "cache",
            "astdatadir": "data",
            "astagidir": "data/agi-bin",
            "astspooldir": "spool",
            "astrundir": "run",
            "astlogdir": "log",
        }
        lines = [f"{key} => {self.seen(self.home / part)}" for key, part in place.items()]
        lines.append(f"astmoddir => {self.tree.inside(module_folder(self.tree.root))}")
        options = f"systemname = {self.name}\nlive_dangerously = no\nhideconnect = yes\n"
        return "[directories]\n" + "\n".join(lines) + f"\n\n[options]\n{options}"

    def _link_data(self) -> None:
        shipped = next(
            p for p in ("usr/share/asterisk", "var/lib/asterisk") if (self.tree.root / p / "sounds").exists()
        )
        data = self.home / "data"
        real = ("sounds", "agi-bin")  # made before the rest is linked, so that they become folders of our own
        for folder in real:
            (data / folder).mkdir(exist_ok=True)
        for folder in ("", *real):
            for entry in (self.tree.root / shipped / folder).iterdir():
                link = data / folder / entry.name
                if not link.is_symlink() and not link.exists():
                    link.symlink_to(Path("/") / shipped / folder / entry.name)
        self.sounds.mkdir(exist_ok=True)
        if self._sounds is not None:
            shutil.copytree(self._sounds, self.sounds, dirs_exist_ok=True)

    def _own(self) -> None:
        """Give the folder to Asterisk's account; the sounds stay ours, it only reads them."""
        if not self.tree.user:
            return
        uid, gid = self._account()
        for path in [self.home, *self.home.rglob("*")]:
            os.chown(path, uid, gid, follow_symlinks=False)

    def _account(self) -> tuple[int, int]:
        for line in (self.tree.root / "etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == self.tree.user:
                return int(fields[2]), int(fields[3])
        raise SetupFailed(f"the account {self.tree.user} is missing", where="etc/passwd", mend="unpack the tree anew")
