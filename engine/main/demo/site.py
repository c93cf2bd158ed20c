"""The two Asterisks of a demo (or a test) and the settings of an engine between them."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from engine.asterisk.render import AgentEndpoint, AsteriskPlan, TrunkEndpoint, render
from engine.domain.policy import AgentProfile
from engine.lab.instance import Instance
from engine.lab.loopback import free_port, rtp_block
from engine.lab.prompts import speak_all
from engine.lab.pstn import TRUNK_HOST, Pstn
from engine.lab.tree import provision
from engine.settings import Asterisk, Log, Mqtt, Paths, Settings, Site, Store

ROOT = Path(__file__).resolve().parents[3]
Say = Callable[[str], None]


class DemoSite:
    """`async with DemoSite(...)`: Asterisk and the network run until the block ends; `settings` fit an engine to them.

    `name` is that of the instances and of the data folder below `var/`, which is emptied first.
    """

    def __init__(
        self,
        name: str,
        agents: Iterable[AgentProfile],
        say: Say = print,
        *,
        rescue_after_s: int = 30,
        store_url: str = "",
        mqtt: Mqtt | None = None,
        log_level: str = "warning",
    ) -> None:
        self.name = name
        self.data = ROOT / "var" / name
        self._say = say
        self._stack = AsyncExitStack()
        tree = provision(ROOT / ".asterisk", say)
        sounds = speak_all(ROOT / ".asterisk" / "prompts", say)
        self.phones = {agent.endpoint.removeprefix("agent-"): secrets.token_hex(10) for agent in agents}
        sip, ami, agi = free_port(socket.SOCK_DGRAM), free_port(), free_port()
        self.pstn = Pstn(tree, site_port=sip, desks=self.phones, name=f"{name}-pstn")
        ami_secret, agi_secret = secrets.token_hex(16), secrets.token_hex(16)
        home = Instance(tree, name, {})
        self.plan = AsteriskPlan(
            ami_port=ami,
            ami_secret=ami_secret,
            agi_host="127.0.0.1",
            agi_port=agi,
            agi_secret=agi_secret,
            sip_port=sip,
            sip_host="127.0.0.1",
            rtp_ports=rtp_block(),
            recordings_dir=home.seen(home.recordings),
            rescue_spool_dir=home.seen(home.rescue_spool),
            rescue_after_s=rescue_after_s,
            agents=tuple(
                AgentEndpoint(code=code, password=password, contact=self.pstn.desk_contact(code))
                for code, password in self.phones.items()
            ),
            trunks=(TrunkEndpoint(name="pstn", host=TRUNK_HOST, port=self.pstn.trunk_port),),
        )
        rescue = (ROOT / "dialplans" / "agi" / "rescue.py").read_text(encoding="utf-8")
        self.asterisk = Instance(tree, name, render(self.plan), agi={"rescue.py": rescue}, sounds=sounds)
        self.settings = Settings(
            site=Site(name="demo", region="GB"),
            paths=Paths(data=self.data, flows=ROOT / "ivr_flows"),
            asterisk=Asterisk(
                ami_port=ami,
                ami_secret=SecretStr(ami_secret),
                agi_port=agi,
                agi_secret=SecretStr(agi_secret),
                sip_port=sip,
                sounds=self.asterisk.sounds.parent,
                recordings=self.asterisk.recordings,
                rescue_spool=self.asterisk.rescue_spool,
                cel=self.asterisk.cel,
            ),
            store=Store(url=store_url),
            mqtt=mqtt or Mqtt(embedded=True),
            log=Log(level=log_level),
        )

    async def __aenter__(self) -> Self:
        """Start both.

        Raises:
            SetupFailed: one does not boot.
        """
        shutil.rmtree(self.data, ignore_errors=True)
        for folder in (self.data.parent, self.data):
            folder.mkdir(mode=0o700, exist_ok=True)
        _forget_old_demos(self.data.parent)
        spoken = self.data.parent / "prompts"  # one cache for all demos: the second one starts in seconds
        spoken.mkdir(mode=0o700, exist_ok=True)
        (self.data / "prompts").symlink_to(spoken)
        self._stack.callback(self.asterisk.remove)
        self._stack.callback(self.pstn.instance.remove)
        self._say("Starting Asterisk ...")
        await self.asterisk.start()
        self._stack.push_async_callback(self.asterisk.stop)
        self._say("Starting the simulated telephone network ...")
        await self._stack.enter_async_context(self.pstn)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop both and remove their folders."""
        await self._stack.aclose()


def _forget_old_demos(folder: Path) -> None:
    """Keep the data of running demos and of the last one that ended, for a look with `explain` and `replay`."""
    over = [path for path in folder.glob("demo[0-9]*") if not Path(f"/proc/{path.name.removeprefix('demo')}").exists()]
    for path in sorted(over, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(path, ignore_errors=True)
