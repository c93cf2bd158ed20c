"""People whom we call, by the dialplan alone: no engine runs here. Judged by what is heard at the far side."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from engine.asterisk import cel
from engine.domain.campaign import AttemptId
from engine.lab.called import Persona, number
from engine.lab.truth import Call
from engine.lab.wire import Event
from tests.live.conftest import Site
from tests.live.sound import QUIET, loudness, samples, tone_s
from tests.live.test_dialplan import bridge, complaints, engine, idle_agent, phase

OUR_NUMBER = "+442079460001"
AGENT_TONE = 1850
_serial = count(1)


async def dial(site: Site, called: str, exten: str = "answered", **variables: str) -> str:
    """Originate as the engine does; the attempt's id."""
    attempt = f"att_{next(_serial)}"
    answer = await site.ami.send(
        "Originate",
        Channel=f"PJSIP/{called}@trunk-pstn",
        ChannelId=attempt,
        Context="callwright-dial",
        Exten=exten,
        Priority="1",
        Timeout="20000",
        Async="true",
        CallerID=f'"" <{OUR_NUMBER}>',
        Variable=[f"{name}={value}" for name, value in variables.items()],
    )
    assert answer["Response"] == "Success", answer
    return attempt


async def told(site: Site, attempt: str, name: str, timeout_s: float = 15.0) -> Event:
    return await site.ami.until(timeout_s, Event="UserEvent", Phase=name, Uniqueid=attempt)


def phases(site: Site, attempt: str) -> list[str]:
    return [event["Phase"] for event in site.ami.events if event.get("Uniqueid") == attempt and "Phase" in event]


async def over(site: Site, called: str, timeout_s: float = 40.0) -> Call:
    """The far side's leg of the one dial of this number, once it has ended."""
    truth = await site.pstn.until_truth(
        lambda seen: any(call.ended is not None for call in seen.called(called)), timeout_s
    )
    [call] = truth.called(called)
    return call


def notes(call: Call) -> list[str]:
    return [name for name, _ in call.notes]


async def ear(site: Site, called: str) -> Path:
    """Keep what is heard at this number, in the file that is returned."""
    stem = site.pstn.instance.recordings / f"called{called}"
    await site.pstn.listen_at(called, stem)
    return stem.with_suffix(".wav")


async def written(file: Path) -> Path:
    """Once the recorder, which writes behind, has written no more for half a second."""
    before = -1
    async with asyncio.timeout(10):
        while not before == (size := len(samples(file))) > 0:
            before = size
            await asyncio.sleep(0.5)
    return file


def first_sound_s(file: Path) -> float:
    """Seconds from the answer to the first sound heard."""
    return float(np.flatnonzero(loudness(file) > QUIET)[0]) / 10


async def test_nobody_comes_and_the_message_is_heard_within_two_seconds_of_the_answer(site: Site) -> None:
    called = number(Persona.PERSON, next(_serial), ring_s=0.5)
    file = await ear(site, called)
    attempt = await dial(site, called)
    answered, began = await told(site, attempt, "answered"), await told(site, attempt, "abandoned")
    call = await over(site, called)

    assert float(began["Timestamp"]) - float(answered["Timestamp"]) <= 1.8
    assert first_sound_s(await written(file)) <= 2.0
    assert notes(call) == ["MESSAGE"]
    assert phases(site, attempt) == ["answered", "abandoned"]
    assert complaints(site) == []
    [trace] = cel.trace(site.asterisk.cel, [AttemptId(attempt)])
    assert 0 < trace.answered_at < trace.message_at < trace.ended_at
    assert (trace.dialled, trace.joined_at, trace.opted_out_at, trace.cause) == (True, 0, 0, 16)


async def test_an_agent_who_is_joined_in_time_suppresses_the_message_for_good(site: Site) -> None:
    async with engine(site):
        agent = await idle_agent(site)
    called = number(Persona.PERSON, next(_serial), ring_s=0.5, talk_s=30)
    file = await ear(site, called)
    attempt = await dial(site, called)
    waiting = await told(site, attempt, "answered")
    await asyncio.sleep(0.5)  # that he waits for a while is what is tested
    await bridge(site, waiting, agent)
    await site.pstn.until_truth(lambda truth: bool(truth.heard("1001")))
    await asyncio.sleep(2)  # the time at which the message would have begun goes by

    mark = len(site.ami.events)
    where = {"Context": "callwright-agents", "Exten": "idle", "Priority": "1"}
    await site.ami.send("Redirect", Channel=agent["Channel"], **where)  # the agent leaves first
    await phase(site, "idle", since=mark)
    call = await over(site, called, 5)

    assert notes(call) == ["TALKED"]
    assert phases(site, attempt) == ["answered"]
    assert tone_s(await written(file), AGENT_TONE) > 1.5
    heard = loudness(file) > QUIET
    assert heard.sum() / 10 <= tone_s(file, AGENT_TONE) + 0.3, "nothing but the agent was heard"
    [trace] = cel.trace(site.asterisk.cel, [AttemptId(attempt)])
    assert 0 < trace.answered_at < trace.joined_at < trace.ended_at
    assert trace.message_at == 0


async def test_joined_in_the_moment_of_the_answer_again_and_again(site: Site) -> None:
    """The bridge comes while the plan is still on its way to its wait: it must not take up the plan afterwards."""
    async with engine(site):
        agent = await idle_agent(site)
    for _ in range(8):
        mark = len(site.ami.events)
        called = number(Persona.PERSON, next(_serial), ring_s=0.25, talk_s=2)
        attempt = await dial(site, called)
        await bridge(site, await told(site, attempt, "answered"), agent)
        call = await over(site, called)
        agent = await phase(site, "idle", since=mark)
        assert notes(call) == ["TALKED"]
        assert phases(site, attempt) == ["answered"]


async def test_who_hangs_up_in_the_first_second_leaves_nothing_behind(site: Site) -> None:
    called = number(Persona.EARLY, next(_serial), ring_s=0.5)
    attempt = await dial(site, called)
    hangup = await site.ami.until(Event="Hangup", Uniqueid=attempt)
    assert (phases(site, attempt), hangup["Cause"]) == (["answered"], "16")
    await asyncio.sleep(2)  # past the time of the message
    assert phases(site, attempt) == ["answered"]
    assert "0 active channels" in await site.asterisk.cli("core show channels")


async def test_the_opt_out_key_is_taken_during_the_message_and_after_it(site: Site) -> None:
    early, late = (number(Persona.OPTS_OUT, next(_serial), ring_s=0.5) for _ in range(2))
    during = await dial(site, early)
    after = await dial(site, late, CW_MESSAGE="please-try-call-later")  # over when the key is pressed
    for attempt, called in ((during, early), (after, late)):
        await told(site, attempt, "opted-out")
        call = await over(site, called)
        assert notes(call) == ["MESSAGE"]
        assert phases(site, attempt) == ["answered", "abandoned", "opted-out"]
        [trace] = cel.trace(site.asterisk.cel, [AttemptId(attempt)])
        assert trace.message_at < trace.opted_out_at < trace.ended_at
    found = cel.opted_out(site.asterisk.cel, 0, 2**62)
    assert {each.attempt_id for each in found} == {during, after}


async def test_another_key_is_no_opt_out_and_the_message_is_told_again(site: Site) -> None:
    called = number(Persona.OPTS_OUT, next(_serial), ring_s=0.5)
    attempt = await dial(site, called, CW_OPT_OUT="3")
    await over(site, called, 60)
    assert phases(site, attempt) == ["answered", "abandoned"]


async def test_a_join_after_the_message_began_is_a_talk_and_still_abandoned(site: Site) -> None:
    async with engine(site):
        agent = await idle_agent(site)
    called = number(Persona.PERSON, next(_serial), ring_s=0.5)
    file = await ear(site, called)
    attempt = await dial(site, called)
    began = await told(site, attempt, "abandoned")
    await asyncio.sleep(1)  # in the middle of the message
    await bridge(site, began, agent)
    await asyncio.sleep(2)  # of talk
    mark = len(site.ami.events)
    where = {"Context": "callwright-agents", "Exten": "idle", "Priority": "1"}
    await site.ami.send("Redirect", Channel=agent["Channel"], **where)
    await phase(site, "idle", since=mark)
    await over(site, called, 5)
    assert phases(site, attempt) == ["answered", "abandoned"]
    assert tone_s(await written(file), AGENT_TONE) > 1.0
    [trace] = cel.trace(site.asterisk.cel, [AttemptId(attempt)])
    assert 0 < trace.message_at < trace.joined_at


async def test_bad_variables_leave_no_silence(site: Site) -> None:
    bad = {
        "CW_MESSAGE": "no-such/../file",
        "CW_JOIN_S": "99",
        "CW_OPT_OUT": "99",
        "CW_LANGUAGE": "xx",
        "CW_RECORD": "../x",
    }
    called = number(Persona.PERSON, next(_serial), ring_s=0.5)
    file = await ear(site, called)
    attempt = await dial(site, called, **bad)
    await over(site, called, 60)
    assert not (site.asterisk.recordings.parent / "x.wav").exists()
    assert first_sound_s(await written(file)) <= 2.0
    assert phases(site, attempt) == ["answered", "abandoned"]


async def test_a_campaign_without_agents_plays_its_message_at_once(site: Site) -> None:
    called = number(Persona.PERSON, next(_serial), ring_s=0.5)
    file = await ear(site, called)
    attempt = await dial(site, called, "message", CW_LANGUAGE="zh")
    await over(site, called, 60)
    assert first_sound_s(await written(file)) <= 0.7
    assert phases(site, attempt) == ["answered", "message"]


async def test_a_recording_begins_with_the_talk(site: Site) -> None:
    async with engine(site):
        agent = await idle_agent(site)
    called = number(Persona.PERSON, next(_serial), ring_s=0.25, talk_s=3)
    attempt = await dial(site, called, CW_RECORD="att_X.1_1")
    await bridge(site, await told(site, attempt, "answered"), agent)
    await over(site, called)
    folder = site.asterisk.recordings
    await written(folder / "att_X.1_1-in.wav")
    assert tone_s(folder / "att_X.1_1-in.wav", 1300) > 2.0
    assert tone_s(folder / "att_X.1_1-out.wav", AGENT_TONE) > 2.0


@pytest.mark.parametrize(
    ("persona", "cause", "sip"),
    [(Persona.BUSY, "17", "486"), (Persona.UNALLOCATED, "1", "404"), (Persona.NO_ANSWER, "19", "480")],
)
async def test_who_is_not_there_ends_with_its_own_cause(site: Site, persona: Persona, cause: str, sip: str) -> None:
    attempt = await dial(site, number(persona, next(_serial)))
    hangup = await site.ami.until(30, Event="Hangup", Uniqueid=attempt)
    assert (hangup["Cause"], hangup["TechCause"]) == (cause, sip)
    assert phases(site, attempt) == []


@pytest.mark.parametrize("persona", [Persona.MACHINE, Persona.FAX])
async def test_machines_answer_as_people_do(site: Site, persona: Persona) -> None:
    called = number(persona, next(_serial), ring_s=0.25, talk_s=3)
    attempt = await dial(site, called)
    await told(site, attempt, "abandoned")
    call = await over(site, called, 60)
    assert notes(call) == (["BEEP"] if persona is Persona.MACHINE else [])


async def test_an_id_in_use_dials_nobody(site: Site) -> None:
    called = number(Persona.PERSON, next(_serial), ring_s=5)
    attempt = await dial(site, called)
    await site.pstn.until_truth(lambda truth: bool(truth.called(called)))
    mark = len(site.ami.events)
    again = await site.ami.send(
        "Originate", Channel=f"PJSIP/{called}@trunk-pstn", ChannelId=attempt, Context="callwright-dial",
        Exten="answered", Priority="1", Timeout="20000", Async="true",
    )  # fmt: skip
    refused = await site.ami.until(since=mark, Event="OriginateResponse")
    await told(site, attempt, "answered")
    assert (again["Response"], refused["Response"]) == ("Success", "Failure")
    assert len(site.pstn.truth().called(called)) == 1
