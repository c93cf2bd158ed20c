"""Carries the floor's commands to Asterisk, and tells the floor what came of them.

Two AMI links (events, actions) and the FastAGI sessions of one Asterisk node. What to do is always a command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from engine.ami import action as ami
from engine.ami.client import AmiClient, LinkState
from engine.ami.codec import Action, Message
from engine.asterisk import snapshot
from engine.asterisk.channels import Channels, is_shell
from engine.asterisk.dialling import Dialling, Intend, Sounds
from engine.asterisk.sessions import Sessions
from engine.domain.commands import (
    AnyCommand,
    Ask,
    Bridge,
    CheckPin,
    Dial,
    HangUp,
    Redirect,
    Release,
    Resync,
    RingAgent,
    Trace,
)
from engine.domain.facts import (
    AgentPhoneChanged,
    AnyFact,
    AsteriskLost,
    AsteriskSeen,
    AttemptAnswered,
    BridgeFailed,
    ControlLost,
    DialFailed,
    MessageStarted,
    SeenLeg,
)
from engine.domain.values import AgentId, LegId
from engine.errors import AmiLost, AmiRefused, CallwrightError
from engine.runtime.errands import Errands
from engine.runtime.ports import FactSink

log = structlog.get_logger(__name__)
Link = Callable[..., AmiClient]
BRIDGE_S = 10.0
"""Longer than the floor waits for it: not to have been told is no refusal."""
RING_S = 3.0
"""Beyond the ringing itself, and so longer than the floor waits. Asterisk only queues an Originate, but when it is slow
to say so the phone rings all the same: to take that for a failure would pause the agent, and then hang up on him."""
OVERTAKEN_S = 1.0
"""A call that is refused in its first millisecond: the OriginateResponse may come before the channel's own events."""
AGAIN_S = 0.1
"""Least pause between two comparisons: whoever sends what asks for one, again and again, gets ten a second at most. One
that took longer is followed by a pause as long: an Asterisk that is slow is not made slower by being looked at."""


class Outbound(msgspec.Struct, frozen=True):
    """What dialling needs of others: the ledger's INTENT, prompts, and Asterisk's channel event log."""

    intend: Intend
    sounds: Sounds
    record: Path


class _Meanwhile(msgspec.Struct):
    """The legs that events named while a picture was taken: it may lack one that lives, and show one that ended."""

    heard_of: set[LegId] = msgspec.field(default_factory=set)
    told_of: set[LegId] = msgspec.field(default_factory=set)
    """Those the floor was told something of: where it has them is newer than the picture."""
    ended: set[LegId] = msgspec.field(default_factory=set)

    def note(self, message: Message, facts: list[AnyFact]) -> None:
        """An event came, and this is what it meant."""
        leg = LegId(message.get("Uniqueid"))
        self.heard_of.add(leg)
        self.told_of |= {about for fact in facts if (about := getattr(fact, "leg", None)) is not None}
        if any(isinstance(fact, AttemptAnswered | MessageStarted) for fact in facts):
            self.told_of.add(leg)
        if message.event == "Hangup" and not is_shell(message.get("Channel")):
            self.ended.add(leg)  # known to us or not


class Telephony:
    """One Asterisk node. `links` makes the two AMI clients; `sessions` are the callers in our hands."""

    def __init__(
        self,
        links: Link,
        channels: Channels,
        sessions: Sessions,
        sink: FactSink,
        node: str = "main",
        *,
        outbound: Outbound | None = None,
    ) -> None:
        self.channels = channels
        self.sessions = sessions
        self.version = ""
        self._sink = sink
        self._node = node
        self._events = links(name="events", events=True, on_event=self._on_event, on_state=self._on_link)
        self._actions = links(name="actions", events=False, on_event=self._ignore, on_state=self._on_link)
        self._errands = Errands()
        self._resyncing: asyncio.Task[None] | None = None
        self._meanwhile: _Meanwhile | None = None
        self._boot = ""
        self._dialling = (
            Dialling(
                self._actions.send,
                self._sight,
                channels,
                sink,
                outbound.intend,
                outbound.sounds,
                outbound.record,
            )
            if outbound is not None
            else None
        )
        self._wishes = 0
        self._outages = 0
        self.resyncs = 0

    @property
    def up(self) -> bool:
        """Whether both links are up."""
        return self._events.state is LinkState.UP and self._actions.state is LinkState.UP

    def _sight(self) -> int | None:
        """Which stretch of seeing and being heard this is; None while out of sight. Another number: a link was away."""
        return self._outages if self.up else None

    async def run(self) -> None:
        """Keep both links until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._actions.run())

    # --- commands ----------------------------------------------------------------------------------------------------

    def start(self, command: AnyCommand) -> None:
        """Begin to carry out one command."""
        match command:
            case Ask() | Release() | CheckPin():
                if not self.sessions.give(command):
                    self._sink.put(ControlLost(leg=command.leg))
            case Bridge():
                self._errands.begin(self._bridge(command))
            case RingAgent():
                self._errands.begin(self._ring(command))
            case Dial():
                self._errands.begin(self._dial(command))
            case Trace():
                self._errands.begin(self._trace(command))
            case HangUp():
                self._errands.begin(self._quietly("Hangup", lambda: ami.hangup(command.leg, cause=command.cause)))
            case Redirect():
                place = command.place
                self._errands.begin(
                    self._quietly("Redirect", lambda: ami.redirect(command.leg, context="callwright-call", exten=place))
                )
            case Resync():
                self.resync(command.reason)

    async def _bridge(self, command: Bridge) -> None:
        try:
            names = (self.channels.name(command.leg), self.channels.name(command.other))
            await self._actions.send(ami.bridge(*names), timeout=BRIDGE_S)
        except AmiLost as lost:
            log.info("not told whether two were joined; the next comparison shows it", why=lost.what)
        except CallwrightError as failed:
            self._sink.put(
                BridgeFailed(
                    leg=command.leg, other=command.other, reason=str(failed), interaction_id=command.interaction_id
                )
            )

    async def _ring(self, command: RingAgent) -> None:
        self.channels.expect(command.leg, command.agent_id)
        try:
            await self._actions.send(
                ami.originate(
                    channel=f"PJSIP/{command.endpoint}",
                    channel_id=command.leg,
                    context="callwright-agents",
                    exten="idle" if command.nailed_up else "ondemand",
                    timeout_ms=round(command.timeout_s * 1000),
                ),
                timeout=command.timeout_s + RING_S,
            )
        except AmiLost as lost:  # what became of it shows in the comparison that follows, and no agent is to blame
            log.info("not told whether a phone rings", agent_id=command.agent_id, why=lost.what)
            self.channels.known.pop(command.leg, None)
        except CallwrightError as failed:
            log.warning("could not ring", agent_id=command.agent_id, why=failed.what)
            for fact in self.channels.ring_failed(command.leg, command.agent_id):
                self._sink.put(fact)

    async def _dial(self, command: Dial) -> None:
        if self._dialling is None:
            self._sink.put(DialFailed(attempt_id=command.attempt_id, reason="this Asterisk is not set up to dial"))
        elif not await self._dialling.dial(command):
            self.resync("an Originate without an answer")

    async def _trace(self, command: Trace) -> None:
        if self._dialling is not None:
            await self._dialling.trace(command)

    async def _quietly(self, name: str, make: Callable[[], Action]) -> None:
        """An action nobody waits for. Mostly the leg is gone already, and its end was or will be told.

        Else it is the dialplan that ends an agent's leg which nobody joins, and that asks again for a caller.
        """
        try:
            await self._actions.send(make())
        except AmiRefused as refused:
            log.info("action not carried out", action=name, why=refused.what)
        except CallwrightError as failed:
            log.warning("not told whether an action was carried out", action=name, why=failed.what)
            self.resync("an action without an answer")

    # --- events ------------------------------------------------------------------------------------------------------

    def _on_event(self, message: Message) -> None:
        if message.event == "FullyBooted":
            self.resync("fully booted")
            return
        forged = self.channels.forged
        facts = self.channels.facts(message)
        if self.channels.forged > forged:
            self.resync("an event with repeated headers")  # not believed, so what it hid must be looked up
        elif self._meanwhile is not None:
            self._meanwhile.note(message, facts)
        for fact in facts:
            if isinstance(fact, DialFailed):
                asyncio.get_running_loop().call_later(OVERTAKEN_S, self._not_dialled, fact)
            else:
                self._sink.put(fact)

    def _not_dialled(self, fact: DialFailed) -> None:
        """No channel came after all."""
        known = self.channels.known.get(LegId(fact.attempt_id))
        if known is not None and not known.channel:
            for each in self.channels.dial_failed(fact.attempt_id, fact.reason):
                self._sink.put(each)

    def _ignore(self, message: Message) -> None:
        """The action link asked for no events."""

    def _on_link(self, state: LinkState) -> None:
        if state is LinkState.DOWN:
            self._outages += 1
            self._sink.put(AsteriskLost(node=self._node))
        elif state is LinkState.UP and self.up:
            self.resync("link up")

    # --- resync ------------------------------------------------------------------------------------------------------

    def resync(self, reason: str) -> None:
        """Compare with Asterisk soon. Several wishes are one comparison; one under way is followed by another."""
        self._wishes += 1
        if self._resyncing is None or self._resyncing.done():
            self._resyncing = asyncio.get_running_loop().create_task(self._resync(reason))

    async def _resync(self, reason: str) -> None:
        try:
            await self._compare(reason)
        finally:
            self._meanwhile = None

    async def _compare(self, reason: str) -> None:
        clock = asyncio.get_running_loop().time
        while self.up:
            began, wishes, outages = clock(), self._wishes, self._outages
            self._meanwhile = meanwhile = _Meanwhile()
            try:
                status = await self._actions.send(ami.core_status())
                settings = await self._actions.send(ami.core_settings())
                rows = await self._channels()
                devices = await self._actions.collect(ami.device_state_list())
                dialled = await self._dialled() if self._strangers(rows) else {}
            except CallwrightError as failed:
                log.warning("resync failed", why=failed.what)
                await asyncio.sleep(0.5)
                continue
            if self._outages != outages:
                continue  # a link was down meanwhile: what its events would have told of this picture is missing
            self.version = settings.get("AsteriskVersion")
            boot = f"{status.get('CoreStartupDate')} {status.get('CoreStartupTime')}"
            rebooted = bool(self._boot) and boot != self._boot
            self._boot = boot
            self._meanwhile = None
            self._tell(rows, devices, dialled, meanwhile, rebooted=rebooted)
            self.resyncs += 1
            log.info("resync", reason=reason, channels=len(rows), rebooted=rebooted)
            if self._wishes == wishes:
                return
            await asyncio.sleep(max(AGAIN_S, clock() - began))

    def _strangers(self, rows: list[Message]) -> set[LegId]:
        """Callers who arrived while we were away: no Newchannel event told of them."""
        legs = {LegId(row.get("Uniqueid")) for row in rows if snapshot.is_caller(row)}
        return {leg for leg in legs if leg not in self.channels.known and not self.channels.is_dead(leg)}

    async def _dialled(self) -> dict[str, str]:
        """The number each live channel dialled. The list of channels tells only where they are in the plan by now."""
        rows = await self._actions.collect(ami.status())
        return {row.get("Uniqueid"): row.get("DNID") for row in rows}

    def _tell(
        self,
        rows: list[Message],
        devices: list[Message],
        dialled: dict[str, str],
        meanwhile: _Meanwhile,
        *,
        rebooted: bool,
    ) -> None:
        rows = [row for row in rows if row.get("Uniqueid") not in meanwhile.ended]
        strangers = self._strangers(rows)
        for row in rows:
            leg = LegId(row.get("Uniqueid"))
            if leg in strangers:
                for fact in self.channels.arrival(leg, row, dialled.get(leg, ""), 0):
                    self._sink.put(fact)
            elif snapshot.is_ours(row) and self.channels.lacks_name(leg):
                self.channels.adopt(leg, row)
        for device in devices:
            for fact in self.channels.device_state(device):
                self._sink.put(fact)
        legs = {seen.leg: seen for seen in snapshot.seen_legs(rows) if not self.channels.is_dead(seen.leg)}
        unseen = {leg for leg in meanwhile.heard_of if leg in self.channels.known} - legs.keys()
        for leg in meanwhile.told_of | unseen:
            if not self.channels.is_dead(leg):
                legs[leg] = SeenLeg(leg=leg, place="")  # it came or moved while we looked: its events know better
        known = self.channels.known.items()
        for leg in [leg for leg, channel in known if leg not in legs and (channel.channel or rebooted)]:
            del self.channels.known[leg]  # one that we have just asked for has no channel yet and stays
        self._sink.put(AsteriskSeen(node=self._node, legs=tuple(legs.values()), rebooted=rebooted, boot=self._boot))

    async def phones(self) -> dict[AgentId, bool]:
        """Which agents' phones Asterisk can reach, for `verify`."""
        found: dict[AgentId, bool] = {}
        for device in await self._actions.collect(ami.device_state_list()):
            for fact in self.channels.device_state(device):
                if isinstance(fact, AgentPhoneChanged):
                    found[fact.agent_id] = fact.reachable
        return found

    async def live_channels(self) -> list[Message]:
        """Every channel Asterisk holds in our contexts, for `verify`."""
        return [row for row in await self._channels() if snapshot.is_ours(row)]

    async def _channels(self) -> list[Message]:
        rows = await self._actions.collect(ami.core_show_channels())
        return [row for row in rows if not is_shell(row.get("Channel"))]
