"""The dialplan on a real Asterisk, judged by what people at the far side heard."""

from engine.lab.wire import Event
from tests.live.conftest import Site
from tests.live.engine_script import Answer, ScriptedEngine, Session

CALLER, DIALLED = "+4930123456", "+498912345"


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


async def test_a_caller_and_an_idle_agent_hear_each_other_and_the_agent_is_idle_again(site: Site) -> None:
    async with engine(site) as scripted:
        await site.pstn.agent_login("1001", "1234")
        idle = await phase(site, "idle")
        call = await site.pstn.place(CALLER, DIALLED, talk=2)
        hold = await phase(site, "hold")
        mark = len(site.ami.events)
        answer = await site.ami.send("Bridge", Channel1=hold["Channel"], Channel2=idle["Channel"], Tone="no")
        assert answer["Response"] == "Success"

        seen = await site.pstn.until_truth(lambda truth: bool(truth.talked()) and bool(truth.heard("1001")))

        again = await phase(site, "idle", since=mark)
        assert [talked.id for talked in seen.talked()] == [call]
        assert again["Uniqueid"] == idle["Uniqueid"]
        assert [path for path, _ in scripted.asked] == ["agent", "flow"]
