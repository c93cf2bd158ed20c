"""What an agent hears who dials a feature code: sign in, sign out, ready, not ready.

Signing in needs the agent's code and PIN; the other three need a phone that its signed-in agent uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from engine.agi.ask import Collect
from engine.agi.call import AgiSession
from engine.asterisk.sessions import ALL_KEYS, Sounds
from engine.domain.facts import AgentPaused, AgentReadied, AgentSignedIn, AgentSignedOut, AnyFact
from engine.domain.policy import AgentProfile
from engine.domain.values import AgentId, LegId, NotReadyReason, Prompt
from engine.errors import CallwrightError
from engine.runtime.ports import FactSink

log = structlog.get_logger(__name__)
TRIES = 3
_WORDS = {
    "code": "Please enter your agent number, followed by the pound key.",
    "pin": "Please enter your PIN, followed by the pound key.",
    "wrong": "That is not right.",
    "in": "You are signed in.",
    "out": "You are signed out.",
    "ready": "You are ready.",
    "not-ready": "You are not ready.",
    "nobody": "Nobody is signed in at this phone.",
    "already": "This agent is already signed in.",
    "occupied": "Somebody else is signed in at your phone.",
}


TEXTS = tuple((text, "en") for text in _WORDS.values())
"""Everything the desk says, to be spoken before the first agent dials in."""


class Credentials(Protocol):
    """Who may sign in."""

    async def agent_with_pin(self, code: str, pin: str) -> AgentProfile | None:
        """The agent of this code if the PIN is right; locks out after too many failures."""


class Desk:
    """Attends to feature codes. `agent_at` finds the signed-in agent whose phone an endpoint is.

    `lacks_leg`: he is signed in with a nailed-up leg that has hung up, and brings a new one by signing in again.
    `phone_taken`: another is signed in at his phone, on which both would be rung.
    """

    def __init__(
        self,
        credentials: Credentials,
        sounds: Sounds,
        sink: FactSink,
        agent_at: Callable[[str], AgentId | None],
        signed_in: Callable[[AgentId], bool],
        lacks_leg: Callable[[AgentId], bool],
        phone_taken: Callable[[AgentId], bool],
    ) -> None:
        self._credentials = credentials
        self._sounds = sounds
        self._sink = sink
        self._agent_at = agent_at
        self._signed_in = signed_in
        self._lacks_leg = lacks_leg
        self._phone_taken = phone_taken

    async def attend(self, session: AgiSession, leg: LegId) -> bool:
        """Do what was dialled. True when a fact is on its way that makes the floor release the leg."""
        await session.answer()
        verb = session.request.args[0] if session.request.args else ""
        if verb == "login":
            return await self._sign_in(session, leg)
        agent_id = self._agent_at(endpoint_of(session.request.channel))
        if agent_id is None or not self._signed_in(agent_id):
            await self._say(session, "nobody")
            return False
        facts: dict[str, tuple[AnyFact, str]] = {
            "logout": (AgentSignedOut(agent_id=agent_id, by="phone"), "out"),
            "ready": (AgentReadied(agent_id=agent_id, by="phone"), "ready"),
            "not-ready": (AgentPaused(agent_id=agent_id, reason=NotReadyReason.REQUESTED, by="phone"), "not-ready"),
        }
        if verb in facts:
            fact, words = facts[verb]
            self._sink.put(fact)
            await self._say(session, words)
        return False

    async def _sign_in(self, session: AgiSession, leg: LegId) -> bool:
        for _ in range(TRIES):
            code = await self._digits(session, "code")
            pin = await self._digits(session, "pin") if code else ""
            agent = await self._credentials.agent_with_pin(code, pin) if pin else None
            if agent is None:
                await self._say(session, "wrong")
                continue
            if self._signed_in(agent.id) and not self._lacks_leg(agent.id):
                await self._say(session, "already")
                return False
            if self._phone_taken(agent.id):
                await self._say(session, "occupied")
                return False
            await self._say(session, "in")
            self._sink.put(AgentSignedIn(agent_id=agent.id, mode=agent.mode, leg=leg, by="phone"))
            return True
        return False

    async def _digits(self, session: AgiSession, words: str) -> str:
        sounds = await self._sound(words)
        heard = await session.ask(sounds, escape=ALL_KEYS, collect=Collect(max_digits=10, first_ms=8000))
        return heard.digits

    async def _say(self, session: AgiSession, words: str) -> None:
        for sound in await self._sound(words):
            await session.stream_file(sound)

    async def _sound(self, words: str) -> list[str]:
        try:
            return [await self._sounds.sound(Prompt(text=_WORDS[words]))]
        except CallwrightError as missing:
            log.error("prompt unavailable", words=words, why=str(missing))
            return []


def endpoint_of(channel: str) -> str:
    """`PJSIP/agent-101-0000002a` -> `agent-101`."""
    return channel.removeprefix("PJSIP/").rpartition("-")[0]
