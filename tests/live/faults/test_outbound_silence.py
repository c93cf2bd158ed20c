"""The engine is frozen or dead while people answer: the dialplan alone says who called, nobody is left in silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from engine.asterisk import cel
from engine.dialer.law import Rules
from engine.domain.attempt import Outcome
from engine.domain.campaign import AttemptId, Mode
from engine.lab.called import Persona, number
from engine.lab.truth import Call
from engine.store.campaigns import CampaignTerms
from tests.live.campaign_hall import MESSAGE_S, Attempted, CampaignHall, campaign, open_campaign, people
from tests.live.faults.conftest import Count
from tests.live.test_outbound_dialplan import first_sound_s

pytestmark = pytest.mark.timeout(300)
BEGUN_S = 1.8
"""From the answer to the beginning of the message, by Asterisk's own log."""
TALK_S = 20.0


class Plan(msgspec.Struct):
    """Who is talking, waiting and ringing in the moment of the fault."""

    talking: list[str]
    waiting: list[str]
    ringing: list[str]

    @property
    def numbers(self) -> list[str]:
        return self.talking + self.waiting + self.ringing


def plan(agents: int) -> Plan:
    """As many who talk as there are agents, and one and a half times as many who wait for none, and who still ring."""
    more = agents + agents // 2
    return Plan(
        people(agents, first=0, ring_s=1.0, talk_s=TALK_S),
        people(more, first=100, ring_s=4.0),
        people(more, first=200, ring_s=6.0),
    )


async def listen(hall: CampaignHall, numbers: list[str]) -> dict[str, Path]:
    """Keep what each of them hears, from now on."""
    ears = {}
    for each in numbers:
        stem = hall.site.pstn.instance.recordings / f"called{each.removeprefix('+')}"
        await hall.site.pstn.listen_at(each, stem)
        ears[each] = stem.with_suffix(".wav")
    return ears


def one(hall: CampaignHall, called: str) -> Call:
    """The far side's leg of the one dial of this number."""
    [call] = hall.site.pstn.truth().called(called)
    return call


async def until_some_wait(hall: CampaignHall, who: Plan) -> None:
    """Two talk, the others have just answered, the rest rings."""
    await hall.until_far(lambda truth: {call.dialled for call in truth.called()} >= set(who.numbers), 60.0)
    await hall.until_far(
        lambda truth: (
            {call.dialled for call in truth.called() if call.answered} >= set(who.talking + who.waiting)
            and {call.dialled for call in truth.called() if call.heard} >= set(who.talking)
        )
    )


async def all_heard_in_time(hall: CampaignHall, rows: list[Attempted], ears: dict[str, Path], who: str) -> None:
    """Everybody who talked to nobody heard the message, in time."""
    alone = {row.number: row for row in rows if row.number in ears and not one(hall, row.number).heard}
    assert {name for each in alone for name, _ in one(hall, each).notes} <= {"MESSAGE"}
    assert all(row.outcome is Outcome.ABANDONED for row in alone.values()), hall.show(rows)
    traces = await asyncio.to_thread(cel.trace, hall.site.asterisk.cel, [AttemptId(row.id) for row in alone.values()])
    begun = max((trace.message_at - trace.answered_at) / 1e6 for trace in traces)
    assert all(trace.message_at for trace in traces)
    silence = max(first_sound_s(ears[each]) for each in alone)
    print(f"{who}: {len(alone)} abandoned; message begun {begun:.2f} s, heard {silence:.1f} s after the answer at most")
    assert begun <= BEGUN_S
    assert silence <= MESSAGE_S


@pytest.mark.parametrize("fault", ["frozen-5", "frozen-12", "killed", "away"])
async def test_nobody_is_left_in_silence(count: Count, fault: str) -> None:
    agents = count(2, 10)
    who = plan(agents)
    policy = campaign(mode=Mode.POWER, ratio=4.0)
    async with open_campaign(who.numbers, agents, policy=policy, running=False) as hall:
        ears = await listen(hall, who.waiting + who.ringing)
        await hall.start()
        await until_some_wait(hall, who)
        before = hall.engine.starts
        if fault == "killed":
            hall.engine.kill()
            await hall.engine.until_back(before)
        elif fault == "away":
            await hall.engine.kill_for_good()
            await hall.until_far(lambda truth: all(call.ended for call in truth.called()), 60.0)
            await hall.engine.start()
        else:
            pid = hall.engine.pid
            hall.engine.freeze()
            await asyncio.sleep(float(fault.partition("-")[2]))  # the fault itself lasts this long
            hall.engine.thaw(pid)
            await hall.engine.until(lambda state: not state.blind, 30.0, "it sees again")
        rows = await hall.until_dialled_out(90.0)
        await hall.hall.until_idle()
        await all_heard_in_time(hall, rows, ears, fault)
        how = await hall.judge()
        assert how["abandoned"] + how["connected"] == len(who.numbers), how
        assert how["abandoned"] >= len(who.waiting), how
        for each in who.talking:  # who was in a talk was not disturbed
            call = one(hall, each)
            assert call.ended is not None
            assert call.ended - call.heard[0] == pytest.approx(TALK_S, abs=1.5)
        await hall.hall.verify()


async def test_who_opted_out_while_the_engine_was_dead_is_never_dialled_again(count: Count) -> None:
    many = count(2, 10)
    wishing = [number(Persona.OPTS_OUT, each, ring_s=3.0) for each in range(many)]
    others = people(many, first=50, ring_s=3.0)
    again = CampaignTerms(rules=Rules(hours=(), intervals=(), caps=()), retry_s={Outcome.ABANDONED.value: 1.0})
    policy = campaign(mode=Mode.POWER, ratio=4.0)
    async with open_campaign(wishing + others, nailed=1, policy=policy, terms=again, running=False) as hall:
        await hall.start()
        await hall.until_far(lambda truth: len(truth.called()) >= 3)
        await hall.engine.kill_for_good()
        dialled = {call.dialled for call in hall.site.pstn.truth().called()}
        pressed = sorted(dialled & set(wishing))
        await hall.until_far(lambda truth: all(call.ended for call in truth.called()), 60.0)
        assert await hall.wishes() == 0
        rows = await asyncio.to_thread(cel.opted_out, hall.site.asterisk.cel, 0, 2**62)
        assert len(rows) == len(pressed) > 0

        await hall.engine.start()
        assert await hall.wishes() == len(pressed), "known before anything is dialled"
        # the others are called again until an agent talks to them, which shows that these would have been
        await hall.until(
            lambda seen: (
                {row.number for row in seen if row.outcome is Outcome.CONNECTED} >= set(others)
                and any(row.number in others and row.outcome is Outcome.ABANDONED for row in seen)
            ),
            90.0,
            "the others are called until an agent has them",
        )
        await hall.pause()
        await hall.until(lambda seen: all(row.outcome for row in seen))
        truth = hall.site.pstn.truth()
        assert [len(truth.called(each)) for each in pressed] == [1] * len(pressed)
        assert (await hall.leads())["dnc"] >= len(pressed)
        await hall.judge()
        await hall.hall.verify()
