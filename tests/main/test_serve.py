"""`python -m engine.main.serve` as an operator runs it: exit codes, one line for a refusal, signals, two engines."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from pydantic import SecretStr

from engine.domain.facts import DrainStarted
from engine.settings import Asterisk, Mqtt, Paths, Settings, Site
from engine.store.journal import read_journal
from engine.testing.agi_peer import AgiPeer
from engine.testing.ami_peer import AmiPeer
from tests.main.hall import AGI_SECRET, FLOW
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


def toml_of(settings: Settings) -> str:
    """The settings as a file; JSON's texts, numbers and lists are TOML's too."""
    lines = []
    for section, values in settings.model_dump(mode="python").items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(_plain(value))}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


class Served:
    """A serving process over a data folder."""

    def __init__(self, home: Path, sounds: Path, ami: AmiPeer, *, secret: str = "") -> None:
        flows = home / "flows"
        flows.mkdir(exist_ok=True)
        (flows / "main.yaml").write_text(FLOW)
        self.settings = Settings(
            site=Site(name="served"),
            paths=Paths(data=home / "d", flows=flows),
            asterisk=Asterisk(
                ami_port=ami.port,
                ami_secret=SecretStr(secret or ami.secret),
                agi_port=free_port(),
                agi_secret=SecretStr(AGI_SECRET),
                sounds=sounds,
                recordings=home,
                rescue_spool=home,
            ),
            mqtt=Mqtt(),
        )
        self.config = home / "callwright.toml"
        self.config.write_text(toml_of(self.settings))
        self.process: asyncio.subprocess.Process
        self.lines: list[str] = []
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        """Start it behind its watch."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine.main.serve", "--config", str(self.config)),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE_S):
            code = await self.process.wait()
            await self._reading
        return code

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it, however it stands."""
        while self.process.returncode is None:
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await self.process.wait()
        await self.ended()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition on what it said holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)

    async def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET over the Unix socket; (0, {}) while nobody serves there."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.settings.paths.socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
            try:
                answer = await client.get(path)
            except httpx.TransportError:
                return 0, {}
        return answer.status_code, answer.json()

    async def until_ready(self, wanted: int = 200) -> dict[str, Any]:
        """Return what /readyz says once it answers with this status."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status, answer = await self.ask("/readyz")
                if status == wanted:
                    return answer
                assert self.process.returncode is None, self.lines
                await asyncio.sleep(0.05)

    def said(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]


async def test_sigterm_drains_and_ends_with_0(tmp_path: Path, sounds: Path) -> None:
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami) as served:
        await served.until_ready()
        served.process.send_signal(signal.SIGTERM)
        assert await served.ended() == 0
        facts = [record.fact for record in read_journal(served.settings.paths.journal)]
        assert isinstance(facts[-1], DrainStarted)
        assert not served.settings.paths.socket.exists()
        assert all(json.loads(line) for line in served.lines)


async def test_a_second_engine_on_the_same_data_is_refused_in_one_line(tmp_path: Path, sounds: Path) -> None:
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami) as first:
        await first.until_ready()
        pid = (first.settings.paths.data / "engine.pid").read_text()
        async with Served(tmp_path, sounds, ami) as second:
            assert await second.ended() == 4
            [line] = second.lines
            assert "another engine" in json.loads(line)["why"]
        assert (first.settings.paths.data / "engine.pid").read_text() == pid
        await first.until_ready()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [("[mqtt]", "[trunk]", "unknown key trunk"), (AGI_SECRET, "short", "asterisk.agi_secret: has 5 characters")],
)
async def test_settings_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, sounds: Path, old: str, new: str, complaint: str
) -> None:
    async with AmiPeer() as ami:
        refused = Served(tmp_path, sounds, ami)
        refused.config.write_text(refused.config.read_text().replace(old, new))
        async with refused:
            assert await refused.ended() == 2
            [line] = refused.lines
            assert complaint in line


async def test_with_a_wrong_ami_secret_the_engine_runs_and_says_why_once(tmp_path: Path, sounds: Path) -> None:
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami, secret="another-secret") as served:
        await served.until(lambda: bool(served.said("actions: down")))
        [reason] = [why for why in (await served.until_ready(503))["reasons"] if why.startswith("ami: ")]
        assert "Asterisk refused the login" in reason
        assert "asterisk.ami_secret" in reason
        await asyncio.sleep(2)  # a few more attempts
        assert len(served.said("events: down, Asterisk refused the login")) == 1
        assert len(served.said("actions: down, Asterisk refused the login")) == 1


async def test_a_second_sigterm_ends_at_once_though_a_caller_is_being_asked(tmp_path: Path, sounds: Path) -> None:
    async with AmiPeer() as ami, Served(tmp_path, sounds, ami) as served:
        await served.until_ready()
        leg = ami.call_in("+442079460001", "+447700900123")
        patient = asyncio.Event()
        asked = asyncio.Event()

        async def pace() -> None:
            asked.set()
            await patient.wait()

        peer = AgiPeer(uniqueid=leg.uniqueid, secret=AGI_SECRET, context="callwright-call", pace=pace)
        line = asyncio.create_task(peer.call("127.0.0.1", served.settings.asterisk.agi_port))
        async with asyncio.timeout(PATIENCE_S):
            await asked.wait()
        served.process.send_signal(signal.SIGTERM)
        await served.until(lambda: bool(served.said("stopping: callers")))
        assert served.process.returncode is None
        began = asyncio.get_running_loop().time()
        served.process.send_signal(signal.SIGTERM)
        assert await served.ended() in (0, 1)
        assert asyncio.get_running_loop().time() - began < 8
        patient.set()
        await asyncio.gather(line, return_exceptions=True)
