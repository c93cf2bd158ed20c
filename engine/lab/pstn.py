"""The simulated public telephone network: a second Asterisk with people who call and agents' phones.

People speak in tones: a caller sounds 1300 Hz, an agent 1850 Hz, and each notes when it hears the other. What they
noted stands in the network's own CEL (`truth`), which the site under test cannot influence.
"""

import asyncio
import itertools
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, Self

from engine.errors import AsteriskUnreachable, NotFound
from engine.lab.instance import Instance
from engine.lab.loopback import free_port, rtp_block
from engine.lab.tree import AsteriskTree
from engine.lab.truth import Test, Truth, read
from engine.lab.wire import Wire

Script = Literal["patient", "impatient", "silent", "at_once"]
Manner = Literal["answer", "never", "busy"]

TRUNK_HOST: Final = "127.0.0.2"
"""Address that the network's calls come from: the site tells trunk from phones by it."""
DESK_HOST: Final = "127.0.0.3"
_SECRET: Final = "network-lab"


class Pstn:
    """`async with Pstn(...)` runs the network until the block ends."""

    def __init__(self, tree: AsteriskTree, *, site_port: int, desks: Mapping[str, str], name: str = "pstn") -> None:
        """Prepare the network.

        Args:
            tree: the Asterisk installation.
            site_port: SIP port of the site under test, on 127.0.0.1.
            desks: agent code -> password of that agent's phone at the site.
            name: of the instance and its folder.
        """
        self.trunk_port = free_port(socket.SOCK_DGRAM, TRUNK_HOST)
        self.desk_port = free_port(socket.SOCK_DGRAM, DESK_HOST)
        self._ami_port = free_port()
        self._site = f"sip:127.0.0.1:{site_port}"
        self._desks = dict(desks)
        self.instance = Instance(tree, name, self._files())
        self._serial = itertools.count(1)
        self._stack = AsyncExitStack()
        self.wire = Wire(self._ami_port, _SECRET)

    def desk_contact(self, code: str) -> str:
        """SIP URI at which the site rings this agent's phone."""
        return f"sip:desk{code}@{DESK_HOST}:{self.desk_port}"

    async def __aenter__(self) -> Self:
        """Start it with an empty log.

        Raises:
            SetupFailed: it does not boot.
        """
        self.instance.cel.unlink(missing_ok=True)
        await self.instance.start()
        self._stack.push_async_callback(self.instance.stop)
        await self._stack.enter_async_context(self.wire)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang everybody up and end."""
        await self._stack.aclose()

    async def place(
        self,
        number_from: str,
        number_to: str,
        script: Script = "patient",
        *,
        digits: str = "",
        delay: float = 1.0,
        talk: float = 5.0,
        wait: float = 300.0,
        listen: Path | None = None,
    ) -> str:
        """Somebody calls the site.

        Args:
            number_from: the caller's number, E.164.
            number_to: the number dialled, E.164.
            script: what kind of person it is.
            digits: keys pressed after `delay` seconds; `w` in it is a pause of half a second.
            delay: seconds between answer and digits.
            talk: seconds from hearing the agent to hanging up.
            wait: patience in seconds, before the answer and again after it.
            listen: file stem (host path inside the instance's recordings) for what the caller hears; `.wav` is added.

        Returns:
            The call's id: the uniqueid of its leg here.
        """
        call_id = f"call-{next(self._serial)}"
        variables: dict[str, float | str] = {"P_DELAY": delay, "P_DIGITS": digits, "P_TALK": talk, "P_WAIT": wait}
        if listen is not None:
            variables["P_LISTEN"] = self.instance.seen(listen)
        await self._originate(f"PJSIP/{number_to}@site", call_id, script, number_from, wait, variables)
        return call_id

    async def agent_login(self, code: str, pin: str, *, digits: str | None = None, delay: float = 1.0) -> str:
        """The agent's phone dials *45 and gives code and PIN, each ended by `#`; it stays as a nailed-up desk.

        Returns:
            The id of the phone's leg.
        """
        call_id = f"desk-{code}-{next(self._serial)}"
        keys = f"{code}#ww{pin}#" if digits is None else digits
        await self.agent_dials(code, "*45", call_id=call_id, digits=keys, delay=delay)
        return call_id

    async def agent_dials(
        self, code: str, dialled: str, *, call_id: str = "", digits: str = "", delay: float = 1.0
    ) -> str:
        """The agent's phone dials a feature code (or anything else) and presses `digits`.

        Raises:
            NotFound: there is no such desk.
        """
        if code not in self._desks:
            raise NotFound(f"no desk {code}", where="desks", mend=f"one of {', '.join(self._desks)}")
        call_id = call_id or f"desk-{code}-{next(self._serial)}"
        variables: dict[str, float | str] = {"P_DELAY": delay, "P_DIGITS": digits}
        await self._originate(f"PJSIP/{dialled}@phone-{code}", call_id, "desk_login", f"desk{code}", 30.0, variables)
        return call_id

    async def desk(
        self, code: str, manner: Manner = "answer", *, ring: float = 1.0, listen: Path | None = None
    ) -> None:
        """How this phone behaves from now on when the site rings it."""
        heard = self.instance.seen(listen) if listen is not None else ""
        for name, value in {"": manner, "_RING": str(ring), "_LISTEN": heard}.items():
            await self._send("Setvar", Variable=f"DESK_{code}{name}", Value=value)

    async def units(self, *, ring_s: float, talk_s: float) -> None:
        """How long one step of RR and TT in the numbers of `engine.lab.called` is, from now on."""
        for name, value in (("RING_UNIT", ring_s), ("TALK_UNIT", talk_s)):
            await self._send("Setvar", Variable=name, Value=str(value))

    async def listen_at(self, number: str, stem: Path) -> None:
        """Keep what is heard at this number as `stem`.wav, inside the instance's recordings (host path)."""
        await self._send("Setvar", Variable=f"LISTEN_{number.removeprefix('+')}", Value=self.instance.seen(stem))

    async def hang_up(self, call_id: str) -> None:
        """The person hangs up now; nothing happens if the call is over."""
        leg = self.truth().call(call_id)
        if leg is not None and leg.ended is None:
            await self.wire.send("Hangup", Channel=leg.channel)

    def truth(self) -> Truth:
        """What the network saw so far."""
        return read(self.instance.cel)

    async def until_truth(self, test: Test, timeout_s: float = 20.0) -> Truth:
        """The first truth that passes `test`, read anew every 100 ms.

        Raises:
            TimeoutError: none did in time; the message holds the last one.
        """
        seen = self.truth()
        try:
            async with asyncio.timeout(timeout_s):
                while not test(seen):
                    await asyncio.sleep(0.1)
                    seen = self.truth()
        except TimeoutError:
            raise TimeoutError(f"not so within {timeout_s} s: {seen}") from None
        return seen

    async def _originate(
        self, channel: str, call_id: str, script: str, caller: str, wait: float, variables: Mapping[str, float | str]
    ) -> None:
        await self._send(
            "Originate",
            Channel=channel,
            ChannelId=call_id,
            Context="people",
            Exten=script,
            Priority="1",
            CallerID=f"<{caller}>",
            Timeout=str(int(wait * 1000)),
            Async="true",
            Variable=[f"{name}={value}" for name, value in variables.items()],
        )

    async def _send(self, action: str, **headers: str | list[str]) -> None:
        answer = await self.wire.send(action, **headers)
        if answer.get("Response") != "Success":
            raise AsteriskUnreachable(answer.get("Message", "refused"), where=f"simulated network, {action}")

    def _files(self) -> dict[str, str]:
        fixed = {
            entry.name: entry.read_text()
            for entry in files("engine.lab").joinpath("network").iterdir()
            if entry.name.endswith(".conf")
        }
        low, high = rtp_block()
        rights = "read = system,call,reporting,user,dtmf\nwrite = originate,call,reporting,user"
        return {
            **fixed,
            "generated_rtp.conf": f"rtpstart = {low}\nrtpend = {high}\n",
            "generated_manager.conf": f"port = {self._ami_port}\n\n[callwright]\nsecret = {_SECRET}\n{rights}\n",
            "generated_pjsip.conf": "\n".join([self._lines(), *(self._desk_lines(code) for code in self._desks)]),
        }

    def _lines(self) -> str:
        return (
            f"[trunk]\ntype = transport\nprotocol = udp\nbind = {TRUNK_HOST}:{self.trunk_port}\n"
            f"[desks]\ntype = transport\nprotocol = udp\nbind = {DESK_HOST}:{self.desk_port}\n"
            f"[site](leg)\ntransport = trunk\naors = site\n"
            f"[site]\ntype = aor\ncontact = {self._site}\n"
            f"[from-site](leg)\n[from-site]\ntype = identify\nendpoint = from-site\nmatch = 127.0.0.1\n"
        )

    def _desk_lines(self, code: str) -> str:
        return (
            f"[phone-{code}](leg)\ntransport = desks\naors = phone-{code}\n"
            f"outbound_auth = phone-{code}\nfrom_user = agent-{code}\n"
            f"[phone-{code}]\ntype = aor\ncontact = {self._site}\n"
            f"[phone-{code}]\ntype = auth\nauth_type = userpass\n"
            f"username = agent-{code}\npassword = {self._desks[code]}\n"
        )
