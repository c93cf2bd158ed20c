"""The FastAGI sessions that are open: callers (and agents) in the engine's hands.

A session does what the floor commands, one thing at a time, until it is released or the caller is gone from it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

import structlog

from engine.agi.ask import Asked as Heard
from engine.agi.ask import Collect as Keys
from engine.agi.ask import Reason
from engine.agi.call import AgiSession
from engine.agi.codec import AgiRequest
from engine.agi.server import AgiVerdict
from engine.agi.session import AgiHangup
from engine.asterisk.channels import AGENT_CONTEXTS, CALLER_CONTEXTS, Channels
from engine.domain.commands import Ask, CheckPin, Release
from engine.domain.facts import Asked, ControlGained, ControlLost
from engine.domain.values import AskOutcome, Collect, InteractionId, LegId, Prompt, Token
from engine.errors import AgiProtocolError, AgiRefused, AgiTimeout, CallwrightError
from engine.runtime.ports import FactSink

log = structlog.get_logger(__name__)
ALL_KEYS = "0123456789*#"
Order = Ask | Release | CheckPin
ADMISSION_S = 1.0
LOOKS_S = (0.01, 0.1)
"""Pauses between two looks for a channel: at first, and at most. An engine that has just started and knows nobody yet
is asked by everybody who waits, and must not spend on looking the time in which it learns of them."""
ORDER_WITHIN_S = 6.0
"""How long a person may be in our hands without a word from the floor, which answers within milliseconds. He hears
nothing meanwhile: his dialplan, which plays music and asks again, has him better then."""
SCRIPTS = {"flow": CALLER_CONTEXTS, "poll": CALLER_CONTEXTS, "after": CALLER_CONTEXTS, "agent": AGENT_CONTEXTS}


class Sounds(Protocol):
    """Turns a prompt into a sound that Asterisk can play."""

    async def sound(self, prompt: Prompt) -> str:
        """The sound's name; raises PromptUnavailable."""


class PhoneDesk(Protocol):
    """Talks to an agent who dialled a feature code."""

    async def attend(self, session: AgiSession, leg: LegId) -> bool:
        """Do what the agent dialled. False: the call is over; True: the floor will release the leg."""


class Sessions:
    """The open sessions by leg. `whose` tells the interaction of a leg, for the facts."""

    def __init__(
        self,
        channels: Channels,
        sounds: Sounds,
        desk: PhoneDesk,
        sink: FactSink,
        token: Callable[[str, str], Token],
        whose: Callable[[LegId], InteractionId | None],
        *,
        order_within_s: float = ORDER_WITHIN_S,
    ) -> None:
        self._channels = channels
        self._sounds = sounds
        self._desk = desk
        self._sink = sink
        self._token = token
        self._whose = whose
        self._order_within_s = order_within_s
        self._orders: dict[LegId, asyncio.Queue[Order | None]] = {}

    def __len__(self) -> int:
        return len(self._orders)

    async def admit(self, request: AgiRequest) -> AgiVerdict:
        """Only a channel that AMI told us of, in a context that may ask for this script. Waits up to 1 s."""
        wanted = SCRIPTS.get(request.script)
        if wanted is None:
            return AgiVerdict(admitted=False, reason="unknown-script")
        leg = LegId(request.uniqueid)
        ends = asyncio.get_running_loop().time() + ADMISSION_S
        pause, longest = LOOKS_S
        while leg not in self._channels.known:
            if asyncio.get_running_loop().time() > ends:
                return AgiVerdict(admitted=False, reason="unknown-channel")
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
        if self._channels.known[leg].context not in wanted:
            return AgiVerdict(admitted=False, reason="wrong-context")  # by AMI's word: what AGI says can be forged
        return AgiVerdict(admitted=True)

    def give(self, order: Order) -> bool:
        """Hand an order to the session of its leg; False when there is none."""
        queue = self._orders.get(order.leg)
        if queue is None:
            return False
        queue.put_nowait(order)
        return True

    async def serve(self, session: AgiSession) -> None:
        """One session, from the moment the leg is in our hands until it is released or lost."""
        leg = LegId(session.request.uniqueid)
        orders: asyncio.Queue[Order | None] = asyncio.Queue()
        self._orders[leg] = orders
        watch = asyncio.get_running_loop().create_task(self._watch(session, orders))
        self._sink.put(ControlGained(leg=leg, script=session.request.script, interaction_id=self._whose(leg)))
        released = False
        try:
            released = await self._obey(session, leg, orders)
        except (AgiHangup, AgiTimeout, AgiProtocolError) as gone:
            log.debug("session over", leg=leg, why=str(gone))
        except CallwrightError as refused:
            log.warning("session failed", leg=leg, why=refused.what)
        finally:
            watch.cancel()
            if self._orders.get(leg) is orders:  # else the next session of this leg has begun already
                del self._orders[leg]
                if not released:
                    self._sink.put(ControlLost(leg=leg, interaction_id=self._whose(leg)))

    @staticmethod
    async def _watch(session: AgiSession, orders: asyncio.Queue[Order | None]) -> None:
        await session.wait_gone()
        orders.put_nowait(None)

    async def _obey(self, session: AgiSession, leg: LegId, orders: asyncio.Queue[Order | None]) -> bool:
        """Carry out orders; True when the leg was released."""
        while True:
            try:
                async with asyncio.timeout(self._order_within_s):
                    order = await orders.get()
            except TimeoutError:
                log.error("no word from the floor; the dialplan goes on", leg=leg, script=session.request.script)
                return False
            match order:
                case None:
                    return False
                case Ask():
                    await self._ask(session, leg, order)
                case CheckPin():
                    if not await self._desk.attend(session, leg):
                        await self._release(session, Release(leg=leg, next="hangup"))
                        return True
                case Release():
                    await self._release(session, order)
                    return True

    async def _release(self, session: AgiSession, order: Release) -> None:
        values: dict[str, str] = {}
        if order.next == "hold":
            values |= {
                "CW_MUSIC": order.music,
                "CW_POLL_S": str(order.poll_s),
                "CW_RECORD": order.record,
                "CW_LANGUAGE": order.language,
            }
        # Last the proof that all was said: without it the dialplan takes us for dead.
        await session.set_variables({**values, "CW_NEXT": order.next, "CW_ENGINE_DONE": "1"})

    async def _ask(self, session: AgiSession, leg: LegId, order: Ask) -> None:
        sounds = []
        failed = False
        for prompt in order.prompts:
            try:
                sounds.append(await self._sounds.sound(prompt))
            except CallwrightError as missing:
                failed = True
                log.error("prompt unavailable", ask=order.ask, why=str(missing))
        await session.answer()
        collect = order.collect
        try:
            heard = await session.ask(sounds, escape=ALL_KEYS if collect else "", collect=_keys(collect))
        except AgiRefused as refused:
            log.error("prompt not played", ask=order.ask, why=str(refused))
            failed, heard = True, Heard(digits="", reason=Reason.PLAYED)
        outcome, choice = _judge(collect, heard)
        if failed and outcome in (AskOutcome.PLAYED, AskOutcome.SILENCE):
            outcome = AskOutcome.FAILED
        keep = heard.digits if collect is not None and not collect.options else ""
        self._sink.put(
            Asked(
                leg=leg,
                ask=order.ask,
                outcome=outcome,
                choice=choice,
                digits=self._token("digits", keep) if keep else None,
                interaction_id=self._whose(leg),
            )
        )


def _keys(collect: Collect | None) -> Keys | None:
    if collect is None:
        return None
    return Keys(
        max_digits=collect.max_digits,
        first_ms=max(1, round(collect.first_digit_s * 1000)),
        between_ms=max(1, round(collect.next_digit_s * 1000)),
        terminator="" if collect.options else collect.terminator,
    )


def _judge(collect: Collect | None, heard: Heard) -> tuple[AskOutcome, str]:
    """What the digits mean; they themselves go no further than here."""
    if collect is None:
        return AskOutcome.PLAYED, ""
    if not heard.digits:
        return AskOutcome.SILENCE, ""
    if collect.options:
        fits = heard.digits in collect.options
        return (AskOutcome.ANSWERED, heard.digits) if fits else (AskOutcome.INVALID, "")
    if heard.reason is Reason.TOO_MANY:
        return AskOutcome.INVALID, ""
    for pattern in collect.patterns:
        if re.fullmatch(pattern.regex, heard.digits):
            return AskOutcome.ANSWERED, pattern.name
    return AskOutcome.INVALID, ""
