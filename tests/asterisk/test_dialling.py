"""Dialling on an Asterisk in memory: what leaves for the network, and what the floor is told of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from ulid import ULID

from engine.ami.client import AmiClient
from engine.ami.codec import Action, Message
from engine.asterisk import snapshot
from engine.asterisk.channels import Channels, Minting
from engine.asterisk.numbers import Numbering
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
    LegJoined,
    MessageStarted,
    OptedOut,
)
from engine.domain.values import InteractionId, LegId, Prompt, Token
from engine.errors import NotFound, StoreUnavailable
from engine.testing.ami_peer import AmiPeer

Fact = TypeVar("Fact", bound=AnyFact)
NUMBER = "+447700900123"
OUR_NUMBER = "+442079460001"


class Spoken:
    """Prompts that have all been spoken already, but one."""

    async def sound(self, prompt: Prompt) -> str:
        if prompt.text == "mute":
            raise NotFound("no such sound", where="test")
        return f"spoken/{prompt.text}"


class Site:
    """Telephony on an Asterisk in memory. `number` is what the ledger answers to an INTENT."""

    def __init__(self, asterisk: AmiPeer, folder: Path) -> None:
        self.asterisk = asterisk
        self.facts: list[AnyFact] = []
        self.intents: list[AttemptId] = []
        self.number: str | Exception | None = NUMBER
        self.while_intending: Callable[[], None] = lambda: None
        self.record = folder / "cel.jsonl"
        self._told = asyncio.Event()
        self._intended = asyncio.Event()
        minting = Minting(
            interaction_id=lambda: InteractionId("ix_1"),
            token=lambda kind, value: Token(kind),
            agent_of_endpoint=lambda _endpoint: None,
            interaction_of=lambda _leg: None,
        )
        self.channels = Channels(Numbering("GB"), minting)
        nothing = cast("Any", None)  # nobody opens a session here
        sessions = Sessions(self.channels, nothing, nothing, self, minting.token, minting.interaction_of)
        self.telephony = Telephony(
            self._link, self.channels, sessions, self, outbound=Outbound(self.intend, Spoken(), self.record)
        )

    def _link(self, name: str, **wishes: Any) -> AmiClient:
        return AmiClient(self.asterisk.address, name=name, **wishes)

    async def intend(self, command: Dial) -> str | None:
        self.intents.append(command.attempt_id)
        self._intended.set()
        self.while_intending()
        if isinstance(self.number, Exception):
            raise self.number
        return self.number

    def put(self, fact: AnyFact) -> None:
        self.facts.append(fact)
        self._told.set()

    def told(self, kind: type[Fact]) -> list[Fact]:
        """Every fact of this kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, kind: type[Fact], times: int = 1, within_s: float = 5.0) -> Fact:
        """The so-manieth fact of this kind."""
        async with asyncio.timeout(within_s):
            while len(self.told(kind)) < times:
                self._told.clear()
                await self._told.wait()
        return self.told(kind)[times - 1]

    async def until_intended(self) -> None:
        """An INTENT was asked for, and what follows from it has happened."""
        async with asyncio.timeout(5):
            await self._intended.wait()
            await self.telephony._errands.all_done()

    async def dialled(self, **changes: Any) -> str:
        """Dial, and wait for Asterisk's channel; the attempt's id."""
        command = dial(**changes)
        self.telephony.start(command)
        await self.asterisk.until(lambda: command.attempt_id in self.asterisk.model.legs)
        return command.attempt_id


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AmiPeer() as asterisk:
        site = Site(asterisk, tmp_path)
        running = asyncio.create_task(site.telephony.run())
        await site.until(AsteriskSeen)
        yield site
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def dial(**changes: Any) -> Dial:
    usual: dict[str, Any] = {
        "attempt_id": AttemptId(f"att_{ULID()}"),
        "campaign_id": CampaignId("spring"),
        "lead_id": LeadId("lead_1"),
        "number": Token("num_1"),
        "trunk_id": TrunkId("pstn"),
        "caller_id": OUR_NUMBER,
        "ring_s": 25.0,
    }
    return Dial(**{**usual, **changes})


# --- what leaves -----------------------------------------------------------------------------------------------------


async def test_after_the_intent_one_originate_with_the_attempts_id(site: Site) -> None:
    attempt = await site.dialled(
        message=Prompt(text="hello"), opt_out_digit="*", connect_limit_s=1.5, record="att_1.1_1", language="zh"
    )
    [action] = site.asterisk.sent("Originate")
    assert site.intents == [attempt]
    assert {name: action[name] for name in ("ActionID", "ChannelId", "Channel", "Context", "Exten", "Async")} == {
        "ActionID": attempt,
        "ChannelId": attempt,
        "Channel": f"PJSIP/{NUMBER}@trunk-pstn",
        "Context": "callwright-dial",
        "Exten": "answered",
        "Async": "true",
    }
    assert (action["Timeout"], action["CallerID"]) == ("25000", f'"" <{OUR_NUMBER}>')
    assert set(action.get_all("Variable")) == {
        "CW_LANGUAGE=zh",
        "CW_MESSAGE=spoken/hello",
        "CW_OPT_OUT=*",
        "CW_JOIN_S=1.200",
        "CW_RECORD=att_1.1_1",
    }


async def test_the_wait_for_an_agent_never_comes_near_two_seconds(site: Site) -> None:
    await site.dialled(connect_limit_s=10.0, agentless=True)
    [action] = site.asterisk.sent("Originate")
    assert "CW_JOIN_S=1.700" in action.get_all("Variable")
    assert action["Exten"] == "message"


async def test_what_a_rule_forbids_is_not_dialled(site: Site) -> None:
    site.number = None
    site.telephony.start(dial())
    await site.until_intended()
    assert site.asterisk.sent("Originate") == []
    assert site.told(DialFailed) == []  # the ledger's side tells of it


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (StoreUnavailable("locked", where="ledger"), {}),
        ("+44 7700,CW_X=1", {}),
        (NUMBER, {"message": Prompt(text="mute")}),
        (NUMBER, {"record": "../../etc/passwd"}),
        (NUMBER, {"language": "en,CW_AGI_SECRET=x"}),
        (NUMBER, {"caller_id": "nobody"}),
    ],
)
async def test_what_cannot_be_dialled_is_told_and_does_not_leave(
    site: Site, number: str | Exception, changes: dict[str, Any]
) -> None:
    site.number = number
    command = dial(**changes)
    site.telephony.start(command)
    assert (await site.until(DialFailed)).attempt_id == command.attempt_id
    assert site.asterisk.sent("Originate") == []
    assert LegId(command.attempt_id) not in site.channels.known


async def test_a_campaign_whose_message_cannot_be_played_writes_no_intent(site: Site) -> None:
    site.telephony.start(dial(message=Prompt(text="mute")))
    await site.until(DialFailed)
    assert site.intents == []


async def test_blind_nothing_is_dialled_and_nothing_intended(site: Site) -> None:
    site.asterisk.faults.blackhole = True
    site.asterisk.cut()
    async with asyncio.timeout(5):
        while site.telephony.up:  # noqa: ASYNC110 - the loss is seen when the loop comes round
            await asyncio.sleep(0)
    command = dial()
    site.telephony.start(command)
    assert await site.until(DialFailed) == DialFailed(attempt_id=command.attempt_id, reason="Asterisk is out of sight")
    assert site.intents == []


@pytest.mark.parametrize("comes_back", [False, True])
async def test_sight_that_is_lost_during_the_intent_stops_the_dial(site: Site, *, comes_back: bool) -> None:
    """Also when it is back by then: the floor has compared meanwhile, and did not find this call."""

    async def intend(command: Dial) -> str | None:
        seen = len(site.told(AsteriskSeen))
        site.asterisk.cut()
        while site.telephony.up:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)
        if comes_back:
            await site.until(AsteriskSeen, seen + 1, within_s=15)
        return NUMBER

    assert site.telephony._dialling is not None
    site.telephony._dialling._intend = intend
    site.telephony.start(dial())
    await site.until(DialFailed, within_s=20)
    assert site.asterisk.sent("Originate") == []


# --- what is heard ---------------------------------------------------------------------------------------------------


async def test_answered_the_message_and_the_opt_out_are_told_of_the_attempt(site: Site) -> None:
    attempt = await site.dialled()
    site.asterisk.answer(attempt)
    site.asterisk.user_event(attempt, "abandoned")
    site.asterisk.user_event(attempt, "opted-out")
    site.asterisk.hangup(attempt)
    ended = await site.until(LegEnded)
    assert [type(fact) for fact in site.facts[1:]] == [AttemptAnswered, MessageStarted, OptedOut, LegEnded]
    [answered], [began], [opted_out] = site.told(AttemptAnswered), site.told(MessageStarted), site.told(OptedOut)
    assert {answered.attempt_id, began.attempt_id, opted_out.attempt_id} == {attempt}
    assert (ended.leg, ended.cause, ended.sip) == (attempt, 16, 0)
    assert all(fact.at for fact in site.facts[1:])


async def test_a_talk_is_told_as_every_other(site: Site) -> None:
    attempt = await site.dialled()
    site.asterisk.answer(attempt)
    other = site.asterisk.call_in("+442079460002", "+447700900999")
    await site.until(CallArrived)
    site.asterisk.model.join(site.asterisk.model.leg(attempt), other)
    await site.until(LegJoined, 2)
    assert {fact.leg for fact in site.told(LegJoined)} == {attempt, other.uniqueid}


@pytest.mark.parametrize(("cause", "sip"), [(17, 486), (1, 404), (34, 503), (21, 403), (19, 480), (18, 408)])
async def test_the_network_says_no(site: Site, cause: int, sip: int) -> None:
    attempt = await site.dialled()
    site.asterisk.hangup(attempt, cause, sip)
    ended = await site.until(LegEnded)
    assert (ended.leg, ended.cause, ended.sip) == (attempt, cause, sip)
    assert site.told(DialFailed) == []


@pytest.mark.parametrize(("heard", "cause"), [("ringing", 19), ("sound", 19), ("nothing", 18)])
async def test_our_time_to_ring_is_over(site: Site, heard: str, cause: int) -> None:
    attempt = await site.dialled(ring_s=0.6)
    if heard == "ringing":
        site.asterisk.model.ring(attempt)
    elif heard == "sound":
        site.asterisk.model.sound(attempt)
    ended = await site.until(LegEnded)
    assert (ended.cause, ended.sip) == (cause, 0)


async def test_who_rang_and_then_timed_out_in_the_network_did_not_answer(site: Site) -> None:
    attempt = await site.dialled()
    site.asterisk.model.ring(attempt)
    site.asterisk.hangup(attempt, 18, 408)
    assert (await site.until(LegEnded)).cause == 19


async def test_we_hang_up_before_the_answer(site: Site) -> None:
    attempt = await site.dialled()
    site.telephony.start(HangUp(leg=LegId(attempt)))
    assert (await site.until(LegEnded)).leg == attempt


async def test_an_originate_that_makes_no_channel_was_no_dial(site: Site) -> None:
    command = dial(trunk_id=TrunkId("unknown"))
    site.asterisk.model.endpoints = {"trunk-pstn"}
    site.telephony.start(command)
    assert (await site.until(DialFailed)).attempt_id == command.attempt_id
    assert LegId(command.attempt_id) not in site.channels.known


async def test_the_same_attempt_twice_is_one_dial(site: Site) -> None:
    command = dial()
    site.telephony.start(command)
    site.telephony.start(command)
    await site.asterisk.until(lambda: command.attempt_id in site.asterisk.model.legs)
    site.telephony.start(command)
    site.asterisk.answer(command.attempt_id)
    await site.until(AttemptAnswered)
    assert len(site.asterisk.sent("Originate")) == 1
    assert site.told(DialFailed) == []
    assert list(site.asterisk.model.legs) == [command.attempt_id]


# --- after blindness -------------------------------------------------------------------------------------------------


async def test_an_originate_whose_answer_is_lost_is_found_by_the_comparison(site: Site) -> None:
    site.asterisk.faults.cut_after = "originate"
    attempt = await site.dialled()
    seen = await site.until(AsteriskSeen, 2)
    assert [(leg.leg, leg.place, leg.up) for leg in seen.legs] == [(attempt, "dialling", False)]
    assert site.told(DialFailed) == []
    assert site.told(CallArrived) == []
    assert site.channels.name(LegId(attempt)).startswith("PJSIP/trunk-pstn-")
    site.asterisk.hangup(attempt, 17, 486)
    assert (await site.until(LegEnded)).cause == 17


async def test_an_engine_that_begins_anew_takes_no_called_person_for_a_caller(site: Site) -> None:
    ringing, waiting = await site.dialled(), await site.dialled()
    site.asterisk.answer(waiting)
    site.channels.known.clear()  # what a new process knows
    site.asterisk.cut()
    seen = await site.until(AsteriskSeen, 2)
    assert {(leg.leg, leg.place) for leg in seen.legs} == {(ringing, "dialling"), (waiting, "answered")}
    assert site.told(CallArrived) == []
    site.asterisk.user_event(waiting, "abandoned")
    await site.until(MessageStarted)
    site.asterisk.answer(ringing)
    assert (await site.until(AttemptAnswered, 2)).attempt_id == ringing


async def test_an_answer_during_the_look_is_newer_than_the_picture(site: Site) -> None:
    attempt = await site.dialled()
    collect = site.telephony._actions.collect

    async def answered_meanwhile(action: Action, timeout: float = 10.0) -> list[Message]:  # noqa: ASYNC109 - see AmiClient
        rows = await collect(action, timeout)
        if action.name == "CoreShowChannels":
            site.asterisk.answer(attempt)
            await site.until(AttemptAnswered)
        return rows

    site.telephony._actions.collect = answered_meanwhile  # type: ignore[method-assign]
    site.telephony.resync("test")
    seen = await site.until(AsteriskSeen, 2)
    assert [(leg.leg, leg.place) for leg in seen.legs] == [(attempt, "")]


@pytest.mark.parametrize(
    ("context", "exten", "bridge", "place"),
    [
        ("callwright-inbound", "s", "", "dialling"),
        ("callwright-dial", "answered", "", "answered"),
        ("callwright-dial", "say", "", "message"),
        ("callwright-dial", "9", "", "message"),
        ("callwright-dial", "goodbye", "", "message"),
        ("callwright-dial", "say", "bridge-1", "talk"),
        ("callwright-dial", "answered", "bridge-1", "talk"),
        ("callwright-dial", "over", "", "over"),
    ],
)
def test_where_called_people_are(context: str, exten: str, bridge: str, place: str) -> None:
    row = Message.of(
        [
            ("Context", context),
            ("Exten", exten),
            ("BridgeId", bridge),
            ("ChannelStateDesc", "Up"),
            ("Uniqueid", "att_1"),
        ]
    )
    [leg] = snapshot.seen_legs([row])
    assert (leg.place, snapshot.is_caller(row)) == (place, False)


# --- tracing ---------------------------------------------------------------------------------------------------------


def _line(event: str, at: float, leg: str, user_event: str = "", extra: str = "") -> str:
    row = {"eventtype": event, "userdeftype": user_event, "eventtime": f"{at:.6f}", "uniqueid": leg}
    return json.dumps({**row, "channame": "PJSIP/trunk-pstn-1", "eventextra": extra}) + "\n"


async def test_many_are_traced_in_one_reading(site: Site) -> None:
    attempts = [AttemptId(f"att_{ULID()}") for _ in range(20)]
    began = ULID.from_str(attempts[0].partition("_")[2]).timestamp
    lines = [_line("CHAN_START", began - 60, "1.1")]
    for attempt in attempts[:-1]:
        lines += [
            _line("CHAN_START", began + 1, attempt),
            _line("HANGUP", began + 9, attempt, extra='{"hangupcause":17}'),
            _line("CHAN_END", began + 9, attempt),
        ]
    site.record.write_text("".join(lines))
    for attempt in attempts:
        site.telephony.start(Trace(attempt_id=attempt))
    await site.until(AttemptTraced, 20, within_s=10)
    traces = {fact.attempt_id: fact for fact in site.told(AttemptTraced)}
    assert [traces[attempt].dialled for attempt in attempts] == [True] * 19 + [False]
    assert {traces[attempt].cause for attempt in attempts[:-1]} == {17}


async def test_of_a_log_that_cannot_be_read_nothing_is_told(site: Site) -> None:
    site.telephony.start(Trace(attempt_id=AttemptId(f"att_{ULID()}")))
    with pytest.raises(TimeoutError):
        await site.until(AttemptTraced, within_s=3)
