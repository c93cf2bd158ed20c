"""One Asterisk that can do both: our dialplan with the engine, and a plain dialplan with app_queue and app_agent_pool.

Callers and phones are sipp. Both sides use the same trunk settings, codecs, prompts, phones and event log (CEL); what
the plain side needs is added by the files that belong to the operator, so our side is what `callwright asterisk apply`
writes.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import SecretStr

from engine.asterisk.channels import is_shell
from engine.asterisk.render import AgentEndpoint, AsteriskPlan, TrunkEndpoint, render
from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed
from engine.domain.values import AgentId, LegMode, QueueId
from engine.lab.instance import Instance
from engine.lab.loopback import free_port
from engine.lab.prompts import speak, speak_all
from engine.lab.tree import provision
from engine.lab.wire import Wire
from engine.settings import Asterisk, Mqtt, Paths, Settings, Site, Store
from engine.store.database import open_database
from engine.store.definitions import Definitions, SkillDefinition
from engine.store.schema import upgrade_database

ROOT: Final = Path(__file__).resolve().parents[2]
PHONES: Final = "127.0.0.3"
TRUNKS: Final = {"ours": "127.0.0.2", "plain": "127.0.0.4"}
"""Address that the callers of each side come from: Asterisk tells by it which dialplan they reach."""
NUMBERS: Final = {LegMode.ON_DEMAND: "+442079460001", LegMode.NAILED_UP: "+442079460002"}
RTP: Final = (24_000, 31_999)
WATCHER: Final = "bench-watcher"
SKILL: Final = "sales"
_PROMPTS: Final = {
    "bench-notice": "Welcome to Callwright.",
    "bench-menu": "For sales, press 1. For support, press 2. To hear this again, press 3.",
}
_FLOW: Final = """
flow: bench
language: en
start: welcome
nodes:
  welcome: { say: { file: callwright/bench-notice }, next: menu }
  menu:
    menu: { file: callwright/bench-menu }
    options: { 1: sales }
    otherwise: bye
  sales: { queue: sales, on_timeout: bye, on_closed: bye }
  bye: { hangup: Good-bye. }
"""
_PLAIN: Final = """
[bench-plain]
exten => _[+0-9].,1,Answer()
 same => n,Playback(callwright/bench-notice)
 same => n,Read(CHOICE,callwright/bench-menu,1,,1,6)
 same => n,GotoIf($["${CHOICE}" = "1"]?sales)
 same => n,Hangup(16)
 same => n(sales),Queue(queue-${EXTEN:-1})
 same => n,Hangup(16)

[bench-pool]
exten => _X.,1,AgentRequest(${EXTEN})
 same => n,Hangup(16)

[bench-login]
exten => _X.,1,AgentLogin(${EXTEN},s)
 same => n,Hangup(16)
"""
_QUEUE: Final = (
    "strategy = leastrecent\nringinuse = no\nautofill = yes\ntimeout = 15\nretry = 1\nwrapuptime = 0\n"
    "joinempty = yes\nleavewhenempty = no\nannounce-frequency = 0\nannounce-position = no\nmusicclass = default\n"
)
Say = Callable[[str], None]


class BenchSite:
    """`async with BenchSite(...)`: Asterisk runs until the block ends. `codes` are the agents on both sides."""

    wire: Wire
    """A manager connection of the benchmark's own, without events."""

    def __init__(self, name: str, agents: int, home: Path, say: Say = print) -> None:
        self.tree = provision(ROOT / ".asterisk", say)
        self.codes = [str(1001 + n) for n in range(agents)]
        self.home = home
        self.sip, self.phones, self.callers = (free_port(socket.SOCK_DGRAM) for _ in range(3))
        self._ami = free_port()
        bare = Instance(self.tree, name, {})
        self._plan = AsteriskPlan(
            ami_port=self._ami,
            ami_secret="bench-engine-secret",
            agi_host="127.0.0.1",
            agi_port=free_port(),
            agi_secret="bench-agi-secret-1",
            sip_port=self.sip,
            sip_host="127.0.0.1",
            rtp_ports=RTP,
            recordings_dir=bare.seen(bare.recordings),
            rescue_spool_dir=bare.seen(bare.rescue_spool),
            rescue_after_s=120,
            agents=tuple(
                AgentEndpoint(code=code, password="bench-phone", contact=f"sip:{code}@{PHONES}:{self.phones}")
                for code in self.codes
            ),
            trunks=(TrunkEndpoint(name="ours", host=TRUNKS["ours"], port=self.callers),),
        )
        self.asterisk = Instance(self.tree, name, self._files(), sounds=speak_all(ROOT / ".asterisk" / "prompts"))

    async def __aenter__(self) -> Self:
        await self.asterisk.start()
        for name, text in _PROMPTS.items():
            speak(text, "en", self.asterisk.sounds / f"{name}.wav")
        await asyncio.to_thread(_sound, self.folder / "sound.al")
        self.wire = Wire(self._ami, WATCHER, user=WATCHER)
        await self.wire.__aenter__()
        await self.wire.send("Events", EventMask="off")
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.wire.__aexit__()
        await self.asterisk.stop()
        self.asterisk.remove()

    @property
    def folder(self) -> Path:
        """A folder that programs inside Asterisk's tree see too."""
        folder = self.asterisk.home / "bench"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def settings(self) -> Settings:
        """Of an engine on this Asterisk: journal, SQLite, embedded MQTT broker."""
        return Settings(
            site=Site(name="bench", region="GB"),
            paths=Paths(data=self.home / "data", flows=self.home / "flows"),
            asterisk=Asterisk(
                ami_port=self._ami,
                ami_secret=SecretStr(self._plan.ami_secret),
                agi_port=self._plan.agi_port,
                agi_secret=SecretStr(self._plan.agi_secret),
                sip_port=self.sip,
                sounds=self.asterisk.sounds.parent,
                recordings=self.asterisk.recordings,
                rescue_spool=self.asterisk.rescue_spool,
                cel=self.asterisk.cel,
            ),
            store=Store(),
            mqtt=Mqtt(embedded=True),
        )

    async def define(self, mode: LegMode) -> None:
        """Write flow, queue, agents and number for the engine's first start."""
        (self.home / "flows").mkdir()
        (self.home / "flows" / "bench.yaml").write_text(_FLOW)
        (self.home / "data").mkdir(mode=0o700)
        database = open_database(self.settings.database_url)
        try:
            await upgrade_database(database)
            defined = Definitions(database)
            await defined.skills.add(SkillDefinition(id=SKILL, name="Sales"))
            await defined.queues.add(queue_policy())
            for code in self.codes:
                await defined.agents.add(profile(code, mode))
            await defined.numbers.add(NumberPolicy(e164=NUMBERS[mode], flow="bench"))
        finally:
            await database.close()

    async def clear(self) -> None:
        """Hang everybody up and wait until Asterisk holds no call."""
        await self.asterisk.cli("channel request hangup all")
        async with asyncio.timeout(60):
            while await self._calls():  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def _calls(self) -> list[str]:
        channels = (await self.asterisk.cli("core show channels concise")).splitlines()
        return [channel for channel in channels if channel and not is_shell(channel)]

    def _files(self) -> dict[str, str]:
        files = render(self._plan)
        modules = files["modules.conf"]
        for module in ("app_queue", "app_agent_pool"):
            modules = modules.replace(f"noload = {module}.so\n", "")
        return {
            **files,
            "modules.conf": modules,
            # sipp's phones do not answer OPTIONS.
            "pjsip.conf": files["pjsip.conf"].replace("qualify_frequency = 10", "qualify_frequency = 0"),
            "cel.conf": files["cel.conf"].replace("USER_DEFINED", "USER_DEFINED,APP_START,APP_END\napps = queue,agi"),
            # Asterisk cuts long lines short, and the peers of a pool's holding bridge are all its agents.
            "cel_custom.conf": files["cel_custom.conf"].replace(",Peer", ""),
            "callwright_pjsip_custom.conf": _plain_trunk(),
            "callwright_extensions_custom.conf": _PLAIN,
            "callwright_manager_custom.conf": f"[{WATCHER}]\nsecret = {WATCHER}\nread = call\nwrite = call,originate\n",
            "queues.conf": self._queues(),
            "agents.conf": "[general]\n" + "".join(f"[{code}]\n" for code in self.codes),
        }

    def _queues(self) -> str:
        rung = "".join(f"member => PJSIP/agent-{code}\n" for code in self.codes)
        nailed = "".join(f"member => Local/{code}@bench-pool,0,{code},Agent:{code}\n" for code in self.codes)
        last = {mode: number[-1] for mode, number in NUMBERS.items()}
        return (
            f"[general]\npersistentmembers = no\n[queue-{last[LegMode.ON_DEMAND]}]\n{_QUEUE}{rung}"
            f"[queue-{last[LegMode.NAILED_UP]}]\n{_QUEUE}{nailed}"
        )


def _sound(file: Path) -> None:
    """Ten seconds of G.711 A-law, without a header, for the phones."""
    tone = ["sox", "-n", "-r", "8000", "-c", "1", "-t", "al", str(file)]
    subprocess.run([*tone, "synth", "10", "sine", "440", "vol", "0.3"], check=True)


def _plain_trunk() -> str:
    return (
        "[trunk-plain](callwright-trunk)\naors = trunk-plain\ncontext = bench-plain\n"
        f"[trunk-plain](callwright-trunk-aor)\ncontact = sip:{TRUNKS['plain']}\n"
        f"[trunk-plain-from](callwright-trunk-identify)\nendpoint = trunk-plain\nmatch = {TRUNKS['plain']}\n"
    )


def queue_policy() -> QueuePolicy:
    """The queue of the benchmarks: nobody wraps up, nothing is announced or recorded, as on the plain side."""
    return QueuePolicy(
        id=QueueId("sales"),
        name="Sales",
        steps=(RoutingStep(needs=(SkillNeed(skill=SKILL),)),),
        wrap_up_s=0.0,
        max_wait_s=3600.0,
        announce_position=False,
        record=False,
    )


def profile(code: str, mode: LegMode) -> AgentProfile:
    """One of the agents, all alike."""
    return AgentProfile(id=AgentId(code), name=f"Agent {code}", endpoint=f"agent-{code}", skills={SKILL: 5}, mode=mode)
