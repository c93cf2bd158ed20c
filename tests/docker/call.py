"""One call through the two images, as a program: `python -m tests.docker.call ASTERISK_IMAGE ENGINE_IMAGE FOLDER`.

It wants a network and process numbers of its own (`unshare --net --pid`): the containers use the network they are
started in, and the ports are those of a real installation. It ends with one JSON object.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from engine.lab.pstn import TRUNK_HOST, Pstn
from engine.lab.tree import provision

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNT: Final = 4573
PIN: Final = "2468"
SECRETS: Final = {
    "CALLWRIGHT__ASTERISK__AMI_SECRET": "image-test-ami-secret",
    "CALLWRIGHT__ASTERISK__AGI_SECRET": "image-test-agi-secret",
}
DEFINITIONS: Final = (
    ("db", "upgrade"),
    ("skill", "add", "sales"),
    ("skill", "add", "support"),
    ("queue", "add", "sales", "--need", "sales=1"),
    ("queue", "add", "support", "--need", "support=1"),
    ("agent", "add", "1001", "--name", "Ada", "--skill", "sales=5", "--skill", "support=5", "--mode", "nailed-up"),
    ("number", "add", "+442079460001", "--flow", "main-en"),
)


class Container:
    """A container made from an image by buildah, with the volumes that compose.yaml gives it."""

    def __init__(self, image: str, folder: Path, env: dict[str, str]) -> None:
        self._name = subprocess.run(
            ["buildah", "from", image], check=True, capture_output=True, text=True
        ).stdout.strip()
        volumes = {
            "shared": "/var/lib/callwright/shared",
            "spool": "/var/spool/asterisk/callwright",
            "log": "/var/log/asterisk",
            "data": "/var/lib/callwright/data",
        }
        self._options = ["--isolation", "chroot", "--user", f"{ACCOUNT}:{ACCOUNT}"]
        for part, place in volumes.items():
            self._options += ["--volume", f"{folder / part}:{place}"]
        for file in ("hosts", "resolv.conf"):
            self._options += ["--volume", f"{folder / file}:/etc/{file}:ro"]
        for key, value in env.items():
            self._options += ["--env", f"{key}={value}"]

    def command(self, *words: str) -> list[str]:
        """The argument list that runs `words` in the container."""
        return ["buildah", "run", *self._options, self._name, "--", *words]

    def run(self, *words: str, text: str = "") -> str:
        """Run a command to its end; its standard output.

        Raises:
            RuntimeError: it failed.
        """
        run = subprocess.run(self.command(*words), input=text, capture_output=True, text=True, timeout=60, check=False)
        if run.returncode:
            raise RuntimeError(f"{' '.join(words)}: exit {run.returncode}\n{run.stdout}{run.stderr}")
        return run.stdout

    def remove(self) -> None:
        """Take it away."""
        subprocess.run(["buildah", "rm", self._name], check=False, capture_output=True)


def lay_out(folder: Path) -> None:
    """The volumes, as Docker would make them: owned by the images' account."""
    for part in ("shared", "spool", "log", "data"):
        (folder / part).mkdir(mode=0o770)
        os.chown(folder / part, ACCOUNT, ACCOUNT)
    (folder / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n", encoding="utf-8")
    (folder / "resolv.conf").write_text("", encoding="utf-8")  # no name server here: a look-up would only wait


@contextlib.asynccontextmanager
async def running(command: Sequence[str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that runs until the block ends."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(40):
                await process.wait()
        except TimeoutError:
            process.kill()


async def until_well(container: Container, process: asyncio.subprocess.Process, *check: str) -> None:
    """Wait until the container's own health check says yes.

    Raises:
        RuntimeError: the program ended instead.
        TimeoutError: it never did.
    """
    async with asyncio.timeout(90):
        while True:
            probe = await asyncio.create_subprocess_exec(
                *container.command(*check), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if await probe.wait() == 0:
                return
            if process.returncode is not None:
                raise RuntimeError(f"ended with {process.returncode}")
            await asyncio.sleep(0.5)


async def call(asterisk: Container, engine: Container, folder: Path) -> dict[str, Any]:
    """Set up as the quick start says, sign an agent in by telephone, place one call, look at what became of it."""
    start = asterisk.command("python3", "-B", "/usr/share/callwright/start.py")
    async with running(start, folder / "asterisk.log") as pbx:
        await until_well(asterisk, pbx, "sh", "/usr/share/callwright/healthcheck.sh")
        define(engine)
        phones = json.loads((folder / "data" / "phones.json").read_text(encoding="utf-8"))
        pstn = Pstn(provision(ROOT / ".asterisk"), site_port=5060, desks=phones, name=f"images{folder.name}-pstn")
        engine.run("callwright", "trunk", "add", "pstn", "--host", TRUNK_HOST, "--port", str(pstn.trunk_port))
        engine.run("callwright", "asterisk", "apply")
        asterisk.run("asterisk", "-rx", "core reload")
        async with running(engine.command("callwright", "serve"), folder / "engine.log") as served:
            await until_well(engine, served, "python3", "/opt/callwright/docker/engine/healthcheck.py")
            try:
                return await conversation(pstn, engine)
            finally:
                pstn.instance.remove()


def define(engine: Container) -> None:
    """What an operator types, but for the trunk; phones have their passwords afterwards."""
    for words in DEFINITIONS:
        engine.run("callwright", *words)
    engine.run("callwright", "agent", "pin", "1001", text=f"{PIN}\n")
    engine.run("callwright", "asterisk", "apply")


async def conversation(pstn: Pstn, engine: Container) -> dict[str, Any]:
    """The agent signs in, a caller presses 1 and talks; then the figures."""
    async with pstn:
        await pstn.agent_login("1001", PIN)
        async with asyncio.timeout(40):
            while _shown(engine, "agent", "show", "1001")["state"] != "available":  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.5)
        await pstn.place("+447400000001", "+442079460001", digits="1", delay=6.5, talk=3.0)
        truth = await pstn.until_truth(lambda seen: bool(seen.talked()), timeout_s=60)
        verified = _shown(engine, "verify")
        calls = _shown(engine, "interaction", "list")["items"]
        return {"talked": len(truth.talked()), "verify": verified["ok"], "interactions": len(calls)}


def _shown(engine: Container, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.run("callwright", *words, "--json"))
    return found


def main(asterisk_image: str, engine_image: str, folder: Path) -> None:
    """Print what became of the call; on any error the programs' output as well."""
    lay_out(folder)
    asterisk = Container(asterisk_image, folder, {**SECRETS, "RTP_PORTS": "10000-10199"})
    engine = Container(engine_image, folder, {**SECRETS, "CALLWRIGHT__MQTT__EMBEDDED": "true"})
    try:
        print(json.dumps(asyncio.run(call(asterisk, engine, folder))))
    except BaseException:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}", file=sys.stderr)
        raise
    finally:
        asterisk.remove()
        engine.remove()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
