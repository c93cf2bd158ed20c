"""What a real Asterisk tells of a carrier's answers, and what we make of it: the table in docs/outbound.md."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from engine.ami.client import AmiClient
from engine.ami.link import AmiAddress
from engine.asterisk.channels import Channels, Minting
from engine.asterisk.numbers import Numbering
from engine.asterisk.render import AsteriskPlan, TrunkEndpoint, render
from engine.asterisk.sessions import Sessions
from engine.asterisk.telephony import Outbound, Telephony
from engine.domain.campaign import AttemptId, CampaignId, LeadId, TrunkId
from engine.domain.commands import Dial, HangUp, Trace
from engine.domain.facts import (
    AnyFact,
    AsteriskSeen,
    AttemptAnswered,
    AttemptTraced,
    CallArrived,
    DialFailed,
    LegEnded,
)
from engine.domain.values import InteractionId, LegId, Prompt, Token
from engine.lab.instance import Instance
from engine.lab.loopback import free_port, rtp_block
from engine.lab.prompts import speak_all
from engine.lab.tree import AsteriskTree
from tests.live.conftest import ROOT
from tests.live.sip_carrier import CARRIER_HOST, SipCarrier, Steps

OUR_NUMBER = "+498912345"
RING_S = 8.0
"""Longer than a dead carrier takes to be noticed, shorter than the law wants: these are no people."""
_serial = count(1)


class Line:
    """Our telephony on a real Asterisk with one carrier; `facts` is what the floor would be told."""

    def __init__(self, asterisk: Instance, carrier: SipCarrier, address: AmiAddress) -> None:
        self.asterisk = asterisk
        self.carrier = carrier
        self.facts: list[AnyFact] = []
        self._news = asyncio.Event()
        minting = Minting(
            interaction_id=lambda: InteractionId("ix_1"),
            token=lambda kind, value: Token(kind),
            agent_of_endpoint=lambda _endpoint: None,
            interaction_of=lambda _leg: None,
        )
        self.channels = Channels(Numbering("DE"), minting)
        nothing = cast("Any", None)  # nobody opens a session or hears a prompt here
        sessions = Sessions(self.channels, nothing, nothing, self, minting.token, minting.interaction_of)

        def link(name: str, **wishes: Any) -> AmiClient:
            return AmiClient(address, name=name, **wishes)

        outbound = Outbound(self._intend, nothing, asterisk.cel)
        self.telephony = Telephony(link, self.channels, sessions, self, outbound=outbound)

    async def _intend(self, command: Dial) -> str | None:
        return str(command.number)

    def put(self, fact: AnyFact) -> None:
        self.facts.append(fact)
        self._news.set()

    async def until(self, wanted: type[AnyFact], about: str = "", within_s: float = 15.0) -> Any:
        """The first such fact, of this attempt if one is named."""

        def found() -> list[AnyFact]:
            return [
                fact
                for fact in self.facts
                if isinstance(fact, wanted) and about in ("", getattr(fact, "leg", ""), getattr(fact, "attempt_id", ""))
            ]

        async with asyncio.timeout(within_s):
            while not found():
                self._news.clear()
                await self._news.wait()
        return found()[0]

    def dial(self, *answers: float, trunk: str = "carrier", ring_s: float = RING_S) -> str:
        """Dial a number at which the carrier answers so; the attempt's id."""
        serial = next(_serial)
        number, attempt = f"+4930{serial:07d}", AttemptId(f"att_{serial}")
        self.carrier.manners[number] = answers
        command = Dial(
            attempt_id=attempt,
            campaign_id=CampaignId("c"),
            lead_id=LeadId("l"),
            number=Token(number),
            trunk_id=TrunkId(trunk),
            caller_id=OUR_NUMBER,
            ring_s=ring_s,
            message=Prompt(file="callwright/sorry-nobody-free"),
        )
        self.telephony.start(command)
        return attempt


@pytest.fixture
async def line(tree: AsteriskTree) -> AsyncIterator[Line]:
    name = f"carrier{os.getpid()}"
    home, ami = Instance(tree, name, {}), free_port()
    async with SipCarrier() as carrier:
        plan = AsteriskPlan(
            ami_port=ami,
            ami_secret="live-test-ami",
            agi_host="127.0.0.1",
            agi_port=free_port(),
            agi_secret="live-test-agi",
            sip_port=free_port(socket.SOCK_DGRAM),
            sip_host="127.0.0.1",
            rtp_ports=rtp_block(),
            recordings_dir=home.seen(home.recordings),
            rescue_spool_dir=home.seen(home.rescue_spool),
            trunks=(TrunkEndpoint(name="carrier", host=CARRIER_HOST, port=carrier.port),),
        )
        asterisk = Instance(tree, name, render(plan), sounds=speak_all(ROOT / ".asterisk" / "prompts"))
        await asterisk.start()
        line = Line(asterisk, carrier, AmiAddress("127.0.0.1", ami, "callwright", plan.ami_secret))
        running = asyncio.create_task(line.telephony.run())
        try:
            await line.until(AsteriskSeen)
            yield line
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asterisk.stop()
            asterisk.remove()


class Case(msgspec.Struct, frozen=True):
    """What the carrier does, and what the floor is told: Q.850 cause, SIP status, after at most so many seconds."""

    answers: Steps
    cause: int
    sip: int
    within_s: float = 1.5


CASES = {
    "refuses at once": Case((503,), 34, 503),
    "is overloaded after a while": Case((100, 0.3, 503), 34, 503),
    "is broken": Case((500,), 38, 500),
    "has a broken gateway": Case((100, 502), 27, 502),
    "forbids": Case((403,), 21, 403),
    "knows no such number": Case((404,), 1, 404),
    "plays a tone first": Case((100, 183, 0.5, 404), 1, 404),
    "times out inside": Case((100, 0.5, 408), 18, 408),
    "rings and times out inside": Case((100, 180, 0.5, 408), 19, 408),
    "says busy": Case((100, 180, 0.2, 486), 17, 486),
    "says not available": Case((100, 180, 0.2, 480), 19, 480),
    "is declined": Case((603,), 21, 603),
    "says nothing at all": Case((), 18, 408, 7.0),
    "says nothing after 100": Case((100,), 18, 0, RING_S + 1),
    "rings for ever": Case((100, 180), 19, 0, RING_S + 1),
    "plays sound for ever": Case((100, 183), 19, 0, RING_S + 1),
}


async def test_each_answer_has_its_cause_and_none_looks_like_another(line: Line) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    attempts = {name: line.dial(*case.answers) for name, case in CASES.items()}

    async def told(name: str) -> tuple[int, int, float]:
        ended = await line.until(LegEnded, attempts[name])
        return ended.cause, ended.sip, clock() - began

    told_of = dict(zip(CASES, await asyncio.gather(*(told(name) for name in CASES)), strict=True))
    wrong = {
        name: seen
        for name, case in CASES.items()
        if (seen := told_of[name])[:2] != (case.cause, case.sip) or seen[2] > case.within_s
    }
    assert wrong == {}
    assert [fact for fact in line.facts if isinstance(fact, DialFailed | CallArrived | AttemptAnswered)] == []
    assert {line.carrier.dialled(call.number) for call in line.carrier.calls} == {1}
    assert all(f"<sip:{OUR_NUMBER}@" in call.headers["from"][0] for call in line.carrier.calls)


async def test_an_answer_that_crosses_our_giving_up_is_no_call(line: Line) -> None:
    attempt = line.dial(100, 180, ring_s=1.0)
    line.carrier.late_answer.add(f"+4930{int(attempt.removeprefix('att_')):07d}")
    ended = await line.until(LegEnded, attempt)
    assert ended.cause == 19
    async with asyncio.timeout(5):
        while not line.carrier.byes:  # noqa: ASYNC110 - another process sends it
            await asyncio.sleep(0.05)
    assert [fact for fact in line.facts if isinstance(fact, AttemptAnswered)] == []


async def test_we_hang_up_while_it_rings(line: Line) -> None:
    attempt = line.dial(100, 180)
    async with asyncio.timeout(5):
        while not line.carrier.calls or not line.channels.known[LegId(attempt)].channel:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)
    line.telephony.start(HangUp(leg=LegId(attempt)))
    ended = await line.until(LegEnded, attempt)
    assert (ended.cause, ended.sip) == (16, 0)
    assert line.carrier.calls[0].cancelled


async def test_a_trunk_that_asterisk_does_not_know_was_no_dial(line: Line) -> None:
    failed = await line.until(DialFailed, line.dial(200, trunk="nowhere"))
    assert "trunk" in failed.reason
    assert line.carrier.calls == []


async def test_an_answer_is_told_and_its_end_traced(line: Line, tmp_path: Path) -> None:
    attempt = line.dial(100, 180, 0.2, 200)
    answered = await line.until(AttemptAnswered, attempt)
    line.telephony.start(HangUp(leg=LegId(attempt)))
    ended = await line.until(LegEnded, attempt)
    line.telephony.start(Trace(attempt_id=AttemptId(attempt)))
    trace: AttemptTraced = await line.until(AttemptTraced, attempt)
    assert abs(trace.answered_at - answered.at) < 50_000
    assert abs(trace.ended_at - ended.at) < 50_000
    assert (trace.cause, trace.message_at) == (16, 0)


async def test_an_engine_that_begins_anew_sees_who_is_being_dialled(line: Line) -> None:
    attempt = line.dial(100, 180)
    async with asyncio.timeout(5):
        while not line.carrier.calls:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)
    line.channels.known.clear()  # what a new process knows
    line.facts.clear()
    line.telephony.resync("test")
    seen: AsteriskSeen = await line.until(AsteriskSeen)
    assert [(leg.leg, leg.place, leg.up) for leg in seen.legs] == [(attempt, "dialling", False)]
    ended = await line.until(LegEnded, attempt)
    assert ended.cause == 19
    assert [fact for fact in line.facts if isinstance(fact, CallArrived)] == []
