"""The dialplan on a real Asterisk, judged by what people at the far side heard."""

import asyncio
import json
from pathlib import Path

import pytest

from engine.lab.pstn import Script
from engine.lab.wire import Event
from tests.live.conftest import RESCUE_AFTER_S, Site
from tests.live.engine_script import Answer, ScriptedEngine, Session, silence
from tests.live.sound import RATE, longest_silence_s, tone_s

CALLER, DIALLED = "+4930123456", "+498912345"
AGENT_TONE, CALLER_TONE = 1850, 1300


def say(next_: str, **variables: str) -> Answer:
    """An engine that answers every such request in one way."""

    async def answer(session: Session) -> None:
        await session.done(next_, **variables)

    return answer


def engine(site: Site, **answers: Answer) -> ScriptedEngine:
    usual = {"flow": say("hold"), "poll": say("hold"), "after": say("hangup"), "agent": say("idle")}
    return ScriptedEngine(site.plan.agi_port, {**usual, **answers})


async def phase(site: Site, name: str, *, since: int = 0, timeout_s: float = 15.0) -> Event:
    return await site.ami.until(timeout_s, since=since, Event="UserEvent", UserEvent="Callwright", Phase=name)


async def bridge(site: Site, one: Event, other: Event) -> None:
    answer = await site.ami.send("Bridge", Channel1=one["Channel"], Channel2=other["Channel"], Tone="no")
    assert answer["Response"] == "Success", answer


async def idle_agent(site: Site, code: str = "1001") -> Event:
    """An agent logged in over the phone; any one key stands for code and PIN, as the scripted engine asks for none."""
    mark = len(site.ami.events)
    await site.pstn.agent_login(code, "", digits="1", delay=0)
    return await phase(site, "idle", since=mark)


async def ended(site: Site, call: str, timeout_s: float = 20.0) -> None:
    """The caller's own leg is over."""
    await site.pstn.until_truth(lambda seen: (leg := seen.call(call)) is not None and leg.ended is not None, timeout_s)


def alive(site: Site, call: str) -> bool:
    leg = site.pstn.truth().call(call)
    return leg is not None and leg.answered is not None and leg.ended is None


def ear(site: Site, name: str = "ear") -> Path:
    return site.pstn.instance.recordings / name


async def longest_silence_heard_s(stem: Path) -> float:
    """Once the recorder, which writes behind, has written all of at least a second."""
    file, size = stem.with_suffix(".wav"), -1
    async with asyncio.timeout(10):
        while not (file.exists() and size == file.stat().st_size > 2 * RATE):
            size = file.stat().st_size if file.exists() else -1
            await asyncio.sleep(0.5)
    return longest_silence_s(file)


def spool(site: Site) -> list[dict[str, object]]:
    files = sorted(site.asterisk.rescue_spool.glob("rescue-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def complaints(site: Site) -> list[str]:
    """Asterisk's own errors; refused connections to a dead engine are what these tests bring about."""
    log = (site.asterisk.home / "log" / "messages").read_text().splitlines()
    expected = ("FastAGI failed", "Connecting to", "Connect to")
    return [
        line for line in log if ("ERROR" in line or "rescue.py" in line) and not any(word in line for word in expected)
    ]


async def test_a_caller_and_an_idle_agent_hear_each_other_and_the_agent_is_idle_again(site: Site) -> None:
    async with engine(site) as scripted:
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=2)
        hold = await phase(site, "hold")
        mark = len(site.ami.events)

        await bridge(site, hold, idle)
        seen = await site.pstn.until_truth(lambda truth: bool(truth.talked()) and bool(truth.heard("1001")))
        again = await phase(site, "idle", since=mark)

        assert [talked.id for talked in seen.talked()] == [call]
        assert again["Uniqueid"] == idle["Uniqueid"]
        assert [path for path, _ in scripted.asked] == ["agent", "flow"]
        assert complaints(site) == []


async def test_a_recording_has_each_side_in_its_own_file(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_RECORD="rec_1")):
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=3)
        await bridge(site, await phase(site, "hold"), idle)
        await ended(site, call)

        folder = site.asterisk.recordings
        async with asyncio.timeout(10):
            while tone_s(folder / "rec_1-in.wav", CALLER_TONE) < 2.0:  # noqa: ASYNC110 - the recorder writes behind
                await asyncio.sleep(0.1)
        assert tone_s(folder / "rec_1-in.wav", AGENT_TONE) == 0
        assert tone_s(folder / "rec_1-out.wav", AGENT_TONE) > 2.0
        assert tone_s(folder / "rec_1-out.wav", CALLER_TONE) == 0


async def test_an_agent_rung_for_one_call_is_bridged_and_let_go_with_it(site: Site) -> None:
    async with engine(site):
        await site.pstn.desk("1002", "answer", ring=0.5)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=2)
        hold = await phase(site, "hold")
        answer = await site.ami.send(
            "Originate",
            Channel="PJSIP/agent-1002",
            ChannelId="leg-ondemand-1",
            Context="callwright-agents",
            Exten="ondemand",
            Priority="1",
            Timeout="10000",
            Async="true",
        )
        assert answer["Response"] == "Success"
        ringed = await phase(site, "ringed")
        await bridge(site, hold, ringed)

        seen = await site.pstn.until_truth(lambda truth: bool(truth.talked()) and bool(truth.heard("1002")))
        assert [talked.id for talked in seen.talked()] == [call]
        assert ringed["Uniqueid"] == "leg-ondemand-1"
        await site.ami.until(Event="Hangup", Uniqueid="leg-ondemand-1")


async def test_bridges_made_the_moment_both_wait_all_come_back(site: Site) -> None:
    """A bridge can come while the plan is still on its way from "hold" or "idle" to Wait: both sides must notice it."""
    async with engine(site) as scripted:
        agent = await idle_agent(site)
        for turn in range(8):
            mark = len(site.ami.events)
            await site.pstn.place(f"+493012345{turn}", DIALLED, "silent", wait=20)
            caller = await phase(site, "hold", since=mark)
            await bridge(site, caller, agent)
            if turn % 2:
                await site.ami.send("Hangup", Channel=caller["Channel"])
            else:  # the agent's side leaves the bridge: the caller must come to "after" at once
                where = {"Context": "callwright-agents", "Exten": "idle", "Priority": "1"}
                await site.ami.send("Redirect", Channel=agent["Channel"], **where)
                await scripted.until_asked("after", turn // 2 + 1, timeout_s=3)
            agent = await phase(site, "idle", since=mark, timeout_s=3)


@pytest.mark.parametrize(("after", "then"), [("hold", "hold"), ("flow", "flow"), ("hangup", "")])
async def test_after_the_agent_hangs_up_the_engine_says_where_the_caller_goes(
    site: Site, after: str, then: str
) -> None:
    async with engine(site, after=say(after)) as scripted:
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=60)
        hold = await phase(site, "hold")
        await bridge(site, hold, idle)
        await site.pstn.until_truth(lambda truth: bool(truth.talked()))
        mark, flows = len(site.ami.events), len([1 for path, _ in scripted.asked if path == "flow"])

        await site.ami.send("Hangup", Channel=idle["Channel"])
        await scripted.until_asked("after")

        if then == "hold":
            assert (await phase(site, "hold", since=mark))["Uniqueid"] == hold["Uniqueid"]
        elif then == "flow":
            await scripted.until_asked("flow", flows + 1)
        else:
            await ended(site, call)


async def test_a_bridge_that_comes_while_the_engine_is_being_polled(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_POLL_S="1"), poll=silence) as scripted:
        idle = await idle_agent(site)
        await site.pstn.place(CALLER, DIALLED, delay=0, talk=60)
        hold = await phase(site, "hold")
        await scripted.until_asked("poll")

        await bridge(site, hold, idle)
        await site.pstn.until_truth(lambda truth: bool(truth.talked()))
        await site.ami.send("Hangup", Channel=idle["Channel"])
        await scripted.until_asked("after")

        polled = next(
            session for (path, _), session in zip(scripted.asked, scripted.sessions, strict=True) if path == "poll"
        )
        assert polled.hung_up, "the poll's session sees a hang-up although the call lives"


async def test_a_frozen_engine_leaves_the_waiting_caller_with_music(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_POLL_S="1"), poll=silence) as scripted:
        call = await site.pstn.place(CALLER, DIALLED, delay=0, listen=ear(site))
        await scripted.until_asked("poll")
        await asyncio.sleep(6)  # the length of the freeze is what is tested
        assert alive(site, call)
        await site.pstn.hang_up(call)
        await ended(site, call)
        await site.ami.until(5, Event="Hangup")  # and no ghost stays while the engine is frozen (AGIEXITONHANGUP)
        assert await longest_silence_heard_s(ear(site)) < 2.0


async def test_a_frozen_engine_leaves_the_caller_with_music_after_the_talk_too(site: Site) -> None:
    async with engine(site, after=silence) as scripted:
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=60, listen=ear(site))
        await bridge(site, await phase(site, "hold"), idle)
        await site.pstn.until_truth(lambda truth: bool(truth.talked()))
        await site.ami.send("Hangup", Channel=idle["Channel"])
        await scripted.until_asked("after")
        await asyncio.sleep(4)  # the length of the freeze is what is tested
        assert alive(site, call)
        await site.pstn.hang_up(call)
        await ended(site, call)
        assert await longest_silence_heard_s(ear(site)) < 2.0


async def test_an_unknown_music_class_is_not_silence(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_MUSIC="no-such-class")):
        call = await site.pstn.place(CALLER, DIALLED, delay=0, listen=ear(site))
        await phase(site, "hold")
        await asyncio.sleep(3)  # time to hear something
        await site.pstn.hang_up(call)
        await ended(site, call)
        assert await longest_silence_heard_s(ear(site)) < 2.0


async def test_an_engine_killed_in_a_flow_finds_the_caller_again(site: Site) -> None:
    async def answers_and_hangs(session: Session) -> None:
        await session.command("ANSWER")
        await session.until_gone()

    async with engine(site, flow=answers_and_hangs) as scripted:
        call = await site.pstn.place(CALLER, DIALLED, delay=0, listen=ear(site))
        await scripted.until_asked("flow")
        await site.pstn.until_truth(lambda truth: alive(site, call))
        await scripted.kill()
        scripted.answers["flow"] = say("hold")
        await scripted.open()
        await phase(site, "hold")
        assert alive(site, call)
        await site.pstn.hang_up(call)
        await ended(site, call)
        assert await longest_silence_heard_s(ear(site)) < 2.0
        assert spool(site) == []


async def test_an_engine_killed_while_callers_wait_finds_them_again(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_POLL_S="1")) as scripted:
        call = await site.pstn.place(CALLER, DIALLED, delay=0)
        await scripted.until_asked("poll")
        await scripted.kill()
        await asyncio.sleep(2)  # at least one poll meets nobody
        asked = len([1 for path, _ in scripted.asked if path == "poll"])
        await scripted.open()
        await scripted.until_asked("poll", asked + 2)
        assert alive(site, call)
        assert len([event for event in site.ami.events if event.get("Phase") == "hold"]) == 1


async def test_an_engine_that_stays_away_while_a_caller_waits_leads_to_the_rescue(site: Site) -> None:
    async with engine(site, flow=say("hold", CW_POLL_S="1")) as scripted:
        call = await site.pstn.place(CALLER, DIALLED, delay=RESCUE_AFTER_S + 12, digits="1", listen=ear(site))
        await scripted.until_asked("poll")
        await scripted.kill()
        await phase(site, "rescue", timeout_s=RESCUE_AFTER_S + 20)
        await ended(site, call, 40)
        [line] = spool(site)
        assert (line["number"], line["outcome"]) == (CALLER, "callback")
        assert await longest_silence_heard_s(ear(site)) < 3.0
        assert complaints(site) == []


async def test_without_any_engine_the_caller_gives_another_number(site: Site) -> None:
    delay = RESCUE_AFTER_S + 14  # RESCUE_AFTER_S, at most one music round, the apology; then it asks for half a minute
    call = await site.pstn.place(CALLER, DIALLED, delay=delay, digits="2wwwwwwww030555777#wwwwwwww1")
    await phase(site, "rescue", timeout_s=RESCUE_AFTER_S + 20)
    await ended(site, call, 60)
    [line] = spool(site)
    assert (line["number"], line["caller"], line["outcome"]) == ("030555777", CALLER, "callback")


async def test_a_caller_who_hangs_up_in_the_rescue_is_still_noted(site: Site) -> None:
    call = await site.pstn.place(CALLER, DIALLED, delay=0)
    await phase(site, "rescue", timeout_s=RESCUE_AFTER_S + 20)
    await site.pstn.hang_up(call)
    async with asyncio.timeout(10):
        while not (noted := spool(site)):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
    [line] = noted
    assert (line["caller"], line["number"], line["outcome"]) == (CALLER, "", "hung-up")
    assert complaints(site) == []


async def test_the_engine_dies_during_a_talk_and_the_talk_goes_on(site: Site) -> None:
    async with engine(site) as scripted:
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=60)
        await bridge(site, await phase(site, "hold"), idle)
        await site.pstn.until_truth(lambda truth: bool(truth.talked()))
        await scripted.kill()
        before = len(site.pstn.truth().heard("1001"))
        await site.pstn.until_truth(lambda truth: len(truth.heard("1001")) >= before + 2)

        await site.ami.send("Hangup", Channel=idle["Channel"])
        await ended(site, call)


@pytest.mark.parametrize("script", ["at_once", "silent"])
async def test_callers_who_hang_up_leave_nothing_behind(site: Site, script: Script) -> None:
    async with engine(site):
        call = await site.pstn.place(CALLER, DIALLED, script, wait=1)
        await ended(site, call)
        await site.ami.until(Event="Hangup")
        assert "0 active channels" in await site.asterisk.cli("core show channels")


@pytest.mark.parametrize("dialled", ["12ab", "+49$%7BHOST%7D", "1", "123456789012345678901", "++4912345"])
async def test_only_telephone_numbers_get_in(site: Site, dialled: str) -> None:
    async with engine(site) as scripted:
        call = await site.pstn.place(CALLER, dialled, wait=5)
        await ended(site, call)
        assert scripted.asked == []


@pytest.mark.parametrize("dialled", [DIALLED, "flow", "idle", "ask", "*49"])
async def test_an_agents_phone_reaches_its_feature_codes_and_nothing_else(site: Site, dialled: str) -> None:
    async with engine(site) as scripted:
        call_id = await site.pstn.agent_dials("1001", dialled)
        await ended(site, call_id)
        assert scripted.asked == []


async def test_each_feature_code_says_what_it_wants(site: Site) -> None:
    wanted: list[str] = []

    async def remember(session: Session) -> None:
        wanted.append(session.env["agi_arg_2"])
        await session.done("hangup")

    async with engine(site, agent=remember):
        for code in ("*45", "*46", "*47", "*48"):
            await ended(site, await site.pstn.agent_dials("1001", code))
    assert wanted == ["login", "logout", "ready", "not-ready"]
