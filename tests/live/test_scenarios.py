"""The recorded AMI tables of `tests/scenarios/*.ami`: each is played again, and must still be what Asterisk says.

`RECORD=1 pytest tests/live/test_scenarios.py` writes them anew. They hold what the engine's own AMI user receives.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engine.lab.wire import Event, Wire
from tests.live.conftest import Site
from tests.live.test_dialplan import CALLER, DIALLED, bridge, ended, engine, idle_agent, phase

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
_ASIDE = {"ContactStatus", "DeviceStateChange", "DTMFEnd", "FullyBooted", ""}
"""Events whose place between a call's own steps changes from run to run, and answers to actions."""


async def agent_login(site: Site) -> None:
    async with engine(site):
        await idle_agent(site)


async def nailed_up_call(site: Site) -> None:
    async with engine(site):
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=1)
        mark = len(site.ami.events)
        await bridge(site, await phase(site, "hold"), idle)
        await ended(site, call)
        await phase(site, "idle", since=mark)


async def on_demand_call(site: Site) -> None:
    async with engine(site):
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=1)
        hold = await phase(site, "hold")
        where = {"Context": "callwright-agents", "Exten": "ondemand", "Priority": "1"}
        await site.ami.send(
            "Originate", Channel="PJSIP/agent-1002", ChannelId="leg_1", Timeout="9000", Async="true", **where
        )
        await bridge(site, hold, await phase(site, "ringed"))
        await ended(site, call)
        await site.ami.until(Event="Hangup", Uniqueid="leg_1")


async def agent_does_not_answer(site: Site) -> None:
    async with engine(site):
        await site.pstn.desk("1002", "never")
        where = {"Context": "callwright-agents", "Exten": "ondemand", "Priority": "1"}
        await site.ami.send(
            "Originate", Channel="PJSIP/agent-1002", ChannelId="leg_1", Timeout="1000", Async="true", **where
        )
        await site.ami.until(Event="OriginateResponse")
        await site.ami.until(Event="Hangup", Uniqueid="leg_1")


async def agent_is_busy(site: Site) -> None:
    async with engine(site):
        await site.pstn.desk("1002", "busy")
        where = {"Context": "callwright-agents", "Exten": "ondemand", "Priority": "1"}
        await site.ami.send(
            "Originate", Channel="PJSIP/agent-1002", ChannelId="leg_1", Timeout="9000", Async="true", **where
        )
        await site.ami.until(Event="OriginateResponse")
        await site.ami.until(Event="Hangup", Uniqueid="leg_1")


async def abandoned_in_queue(site: Site) -> None:
    async with engine(site):
        call = await site.pstn.place(CALLER, DIALLED, "silent", wait=30)
        await phase(site, "hold")
        await site.pstn.hang_up(call)
        await ended(site, call)
        await site.ami.until(Event="Hangup")


async def agent_hangs_up_first(site: Site) -> None:
    async with engine(site):
        idle = await idle_agent(site)
        call = await site.pstn.place(CALLER, DIALLED, delay=0, talk=30)
        await bridge(site, await phase(site, "hold"), idle)
        await site.pstn.until_truth(lambda truth: bool(truth.talked()))
        await site.pstn.hang_up("desk-1001-1")
        await ended(site, call)
        await site.ami.until(Event="Hangup", Context="callwright-call")
        await site.ami.until(Event="Hangup", Context="callwright-agents")


Scenario = Callable[[Site], Awaitable[None]]
ALL: tuple[Scenario, ...] = (
    agent_login,
    nailed_up_call,
    on_demand_call,
    agent_does_not_answer,
    agent_is_busy,
    abandoned_in_queue,
    agent_hangs_up_first,
)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)
async def test_asterisk_still_says_what_was_recorded(site: Site, scenario: Scenario) -> None:
    async with Wire(site.plan.ami_port, "live-test-watcher", user="watcher", keep=True) as watcher:
        await scenario(site)
        said = _plain(bytes(site.ami.raw), site)
        everything = _plain(bytes(watcher.raw), site)

    file = SCENARIOS / f"{scenario.__name__}.ami"
    if os.environ.get("RECORD"):
        file.write_bytes(said)
        if scenario is nailed_up_call:
            (SCENARIOS / "nailed_up_call_unfiltered.ami").write_bytes(everything)
    assert _story(said) == _story(file.read_bytes())


def _plain(raw: bytes, site: Site) -> bytes:
    """Without the name that the test run gave the instance."""
    return raw.replace(site.asterisk.name.encode(), b"site")


def _story(raw: bytes) -> dict[str, list[tuple[str, ...]]]:
    """What each channel went through, in order. Between channels the order is Asterisk's threads' and changes."""
    story: dict[str, list[tuple[str, ...]]] = {}
    for block in raw.decode().split("\r\n\r\n"):
        event = dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)
        kind = event.get("Event", "")
        if kind in _ASIDE:
            continue
        owner = event.get("Uniqueid", "") + (kind if kind == "OriginateResponse" else "")
        story.setdefault(owner.rpartition(".")[2], []).append(_step(event))
    return story


def _step(event: Event) -> tuple[str, ...]:
    kept = ("Event", "Phase", "ChannelStateDesc", "Cause", "Response", "Reason", "Exten")
    return tuple(event.get(name, "") for name in kept)
