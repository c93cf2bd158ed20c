"""The door's last word on a session, and a floor that says nothing of a person in our hands."""

from __future__ import annotations

import msgspec
import pytest

from engine.agi.call import AgiSession
from engine.agi.codec import AgiRequest
from engine.asterisk.channels import Channels, Known, Minting
from engine.asterisk.numbers import Numbering
from engine.asterisk.sessions import Sessions
from engine.domain.commands import Release
from engine.domain.facts import AnyFact, ControlGained, ControlLost
from engine.domain.values import InteractionId, LegId, Prompt, Token
from engine.testing.agi_peer import AgiPeer
from tests.agi.desk import SECRET, call, open_door

LEG = LegId("1700000000.7")


class Sink:
    """Keeps facts; with `answers` the floor lets each caller wait."""

    def __init__(self, *, answers: bool) -> None:
        self.facts: list[AnyFact] = []
        self.sessions: Sessions
        self._answers = answers

    def put(self, fact: AnyFact) -> None:
        self.facts.append(fact)
        if self._answers and isinstance(fact, ControlGained):
            self.sessions.give(Release(leg=fact.leg, next="hold"))


class Nobody:
    """Neither sounds nor a phone desk."""

    async def sound(self, prompt: Prompt) -> str:
        return prompt.file

    async def attend(self, session: AgiSession, leg: LegId) -> bool:
        return False


def sessions(sink: Sink, within_s: float) -> Sessions:
    minting = Minting(
        interaction_id=lambda: InteractionId("ix_1"),
        token=lambda kind, value: Token(f"{kind}_1"),
        agent_of_endpoint=lambda _endpoint: None,
        interaction_of=lambda _leg: None,
    )
    channels = Channels(Numbering("GB"), minting)
    nobody = Nobody()
    sink.sessions = Sessions(
        channels, nobody, nobody, sink, minting.token, minting.interaction_of, order_within_s=within_s
    )
    return sink.sessions


class Looked(dict[LegId, Known]):
    """Channels, none of which is known before the `known_at`-th look."""

    def __init__(self, known_at: int) -> None:
        super().__init__({LEG: Known(leg=LEG, channel="PJSIP/trunk-1-00000001", context="callwright-call")})
        self.known_at = known_at
        self.looks = 0

    def __contains__(self, leg: object) -> bool:
        self.looks += 1
        return self.looks >= self.known_at and super().__contains__(leg)


def asks() -> AgiRequest:
    return AgiRequest(
        script="poll",
        uniqueid=LEG,
        channel="PJSIP/trunk-1-00000001",
        context="callwright-call",
        extension="hold",
        priority=1,
        callerid="",
        calleridname="",
    )


@pytest.mark.parametrize(("known_at", "reason"), [(1, ""), (3, ""), (10_000, "unknown-channel")])
async def test_the_door_looks_soon_but_not_again_and_again(known_at: int, reason: str) -> None:
    """A thousand callers who wait ask an engine that has just started and knows none of them yet."""
    served = sessions(Sink(answers=True), within_s=1.0)
    served._channels.known = looked = Looked(known_at)
    assert (await served.admit(asks())).reason == reason
    assert looked.looks == known_at or looked.looks < 20


@pytest.mark.parametrize(("script", "reason"), [("agent", "wrong-context"), ("shell", "unknown-script")])
async def test_the_door_goes_by_what_ami_said_of_the_channel(script: str, reason: str) -> None:
    served = sessions(Sink(answers=True), within_s=1.0)
    served._channels.known = Looked(1)
    verdict = await served.admit(msgspec.structs.replace(asks(), script=script, context="callwright-phone"))
    assert (verdict.admitted, verdict.reason) == (False, reason)


async def test_a_floor_that_says_nothing_does_not_keep_a_caller_in_silence() -> None:
    sink = Sink(answers=False)
    served = sessions(sink, within_s=0.05)
    async with open_door(served.serve) as door:
        peer = await call(door, AgiPeer(LEG, SECRET))
    assert peer.ended_by == "engine"
    assert "CW_ENGINE_DONE" not in peer.variables  # so the dialplan takes us for dead: music, and another try
    assert [type(fact) for fact in sink.facts] == [ControlGained, ControlLost]
    assert len(served) == 0


async def test_a_floor_that_answers_is_not_cut_off() -> None:
    sink = Sink(answers=True)
    async with open_door(sessions(sink, within_s=10.0).serve) as door:
        peer = await call(door, AgiPeer(LEG, SECRET))
    assert (peer.variables["CW_NEXT"], peer.variables["CW_ENGINE_DONE"]) == ("hold", "1")
    assert [type(fact) for fact in sink.facts] == [ControlGained]
