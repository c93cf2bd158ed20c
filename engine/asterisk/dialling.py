"""Dialling: what comes between the floor's `Dial` and the leg that Asterisk makes of it.

The INTENT is in the ledger before Asterisk is asked. The attempt's id is the ChannelId and the ActionID, and Asterisk
refuses an id in use. What is told of the leg afterwards comes from `channels`; of an Originate that nobody answered,
from the next comparison or from the channel event log (`trace`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from engine.ami import action as ami
from engine.ami.codec import Action, Message
from engine.asterisk import cel
from engine.asterisk.channels import DIAL, Channels
from engine.domain.campaign import AttemptId
from engine.domain.commands import Dial, Trace
from engine.domain.values import LegId, Prompt
from engine.errors import AmiBusy, AmiLost, AmiRefused, AmiTimeout, AmiUnencodable, CallwrightError
from engine.runtime.ports import FactSink

log = structlog.get_logger(__name__)

Intend = Callable[[Dial], Awaitable[str | None]]
"""Writes the INTENT and tells the number, E.164; None when a rule forbids it, as the ledger's side tells the floor."""

STANDARD: Final = "callwright/sorry-nobody-free"
"""The built-in message (dialplans/prompts.toml). It names nobody: a campaign's own must say for whom it calls."""
ANSWER_S: Final = 5.0
"""Asterisk only queues an Originate; this long we wait to be told so."""
JOIN_BEFORE_S: Final = 0.3
"""The dialplan begins its message this much before the legal limit, and 1.7 s after the answer at the latest."""
LONGEST_WAIT_S: Final = 1.7
TOGETHER_S: Final = 0.05
LOOK_AGAIN_S: Final = 1.0
LOOKS: Final = 3


class Sounds(Protocol):
    """Finds or speaks a prompt."""

    async def sound(self, prompt: Prompt) -> str:
        """The name Asterisk plays. Raises PromptUnavailable."""


class Dialling:
    """Carries out `Dial` and `Trace` on one Asterisk node.

    `send` is the action link's; `sight`: which stretch of hearing and being heard this is, None while there is none;
    `record`: Asterisk's channel event log.
    """

    def __init__(
        self,
        send: Callable[[Action, float], Awaitable[Message]],
        sight: Callable[[], int | None],
        channels: Channels,
        sink: FactSink,
        intend: Intend,
        sounds: Sounds,
        record: Path,
    ) -> None:
        self._send = send
        self._sight = sight
        self._channels = channels
        self._sink = sink
        self._intend = intend
        self._sounds = sounds
        self._record = record
        self._sought: set[AttemptId] = set()
        self._seeking = False

    # --- dialling ----------------------------------------------------------------------------------------------------

    async def dial(self, command: Dial) -> bool:
        """Dial one number. False when Asterisk did not say whether it took the call: the next comparison shows it."""
        attempt_id = command.attempt_id
        if self._begun(attempt_id):
            return True
        sight = self._sight()
        if sight is None:
            self._failed(attempt_id, "Asterisk is out of sight")
            return True
        try:
            message = await self._message(command)  # before the INTENT: without it nobody may be called at all
            number = await self._intend(command)
            if number is None:
                return True
            if self._sight() != sight:  # the floor has compared meanwhile, and did not find this call
                self._failed(attempt_id, "Asterisk went out of sight")
                return True
            action = originate(command, number, message)
        except CallwrightError as failed:
            self._failed(attempt_id, str(failed))
            return True
        if self._begun(attempt_id):
            return True
        self._channels.expect_called(attempt_id, command.ring_s)
        return await self._originate(attempt_id, action)

    def _begun(self, attempt_id: AttemptId) -> bool:
        """Whether it is dialled already, or was: then there is nothing to be told of a second time."""
        leg = LegId(attempt_id)
        begun = leg in self._channels.known or self._channels.is_dead(leg)
        if begun:
            log.error("asked to dial an attempt a second time", attempt_id=attempt_id)
        return begun

    async def _originate(self, attempt_id: AttemptId, action: Action) -> bool:
        try:
            await self._send(action, ANSWER_S)
        except (AmiLost, AmiTimeout) as unknown:
            log.info("not told whether a number is being dialled", attempt_id=attempt_id, why=unknown.what)
            return False
        except (AmiRefused, AmiBusy, AmiUnencodable) as refused:
            self._failed(attempt_id, refused.what)
        return True

    def _failed(self, attempt_id: AttemptId, reason: str) -> None:
        log.warning("not dialled", attempt_id=attempt_id, why=reason)
        for fact in self._channels.dial_failed(attempt_id, reason):
            self._sink.put(fact)

    async def _message(self, command: Dial) -> str:
        """The sound of the campaign's message; "" for the built-in one, which the dialplan has in each language."""
        if command.message is None or command.message.file == STANDARD:
            return ""
        return await self._sounds.sound(command.message)

    # --- tracing -----------------------------------------------------------------------------------------------------

    async def trace(self, command: Trace) -> None:
        """Look up what became of an attempt. Many at once, as after a crash, are one reading of the log."""
        self._sought.add(command.attempt_id)
        if self._seeking:
            return
        self._seeking = True
        await asyncio.sleep(TOGETHER_S)
        sought, self._sought, self._seeking = self._sought, set(), False
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_AGAIN_S)  # what Asterisk has just been asked for may not be written yet
            last = look == LOOKS - 1
            try:
                traces = await asyncio.to_thread(cel.trace, self._record, sought)
            except OSError as unreadable:
                log.warning("the channel event log cannot be read", why=str(unreadable))
                continue
            for trace in traces:
                if (trace.dialled and trace.ended_at) or last:
                    if not trace.dialled or trace.ended_at:
                        self._channels.forget(LegId(trace.attempt_id))
                    sought.discard(trace.attempt_id)
                    self._sink.put(trace)
            if not sought:
                return
        log.warning("nothing can be told of attempts", attempts=sorted(sought))


def originate(command: Dial, number: str, message: str) -> Action:
    """The action that dials.

    Raises:
        AmiUnencodable: a value does not fit its field.
    """
    wait_s = min(LONGEST_WAIT_S, max(0.0, command.connect_limit_s - JOIN_BEFORE_S))
    variables = {
        "CW_LANGUAGE": command.language,
        "CW_MESSAGE": message,
        "CW_OPT_OUT": command.opt_out_digit,
        "CW_JOIN_S": f"{wait_s:.3f}",
        "CW_RECORD": command.record,
    }
    return ami.originate(
        channel=f"PJSIP/{number}@trunk-{command.trunk_id}",
        channel_id=command.attempt_id,
        context=DIAL,
        exten="message" if command.agentless else "answered",
        timeout_ms=round(command.ring_s * 1000),
        caller_number=command.caller_id,
        variables={name: value for name, value in variables.items() if value},
    )
