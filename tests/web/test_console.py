"""The console of a live engine: what it changes is on the floor, in the store and on disk before it answers."""

from __future__ import annotations

import asyncio

import pytest

from engine.domain.agent import AgentState
from engine.domain.interaction import InteractionState
from engine.domain.policy import NumberPolicy, TrunkPolicy
from engine.domain.values import QueueId
from engine.errors import AsteriskUnreachable, ConfigError, Conflict, NotFound, UsageError
from engine.runtime.console import Console, Wanted
from engine.runtime.views import Skill
from engine.store.database import parse_url
from tests.web.house import ANN, CALLER, FLOW, NUMBER, SALES, House


def test_it_keeps_the_contract(house: House) -> None:
    kept: Console = house.console
    assert kept is house.console


# --- definitions -----------------------------------------------------------------------------------------------------


async def test_a_definition_is_on_the_floor_and_in_the_store(house: House) -> None:
    assert house.engine.floor.state.queues[QueueId("sales")] == SALES
    changed = await house.console.queues.change("sales", {"ring_s": 9.0})
    assert changed.ring_s == 9.0
    assert house.engine.floor.state.queues[QueueId("sales")].ring_s == 9.0
    assert (await house.engine.definitions.queues.show("sales")).ring_s == 9.0
    assert house.engine.journal.durable_seq >= house.engine.loop.last_seq - 1
    await house.console.queues.remove("sales")
    assert QueueId("sales") not in house.engine.floor.state.queues


async def test_a_definition_that_cannot_be_used_changes_nothing(house: House) -> None:
    with pytest.raises(ConfigError):
        await house.console.queues.change("sales", {"ring_s": -1})
    with pytest.raises(ConfigError, match="no skill"):
        await house.console.agents.change("1001", {"skills": {"klingon": 3}})
    with pytest.raises(ConfigError, match="unknown field"):
        await house.console.queues.change("sales", {"rings": 9})
    assert house.engine.floor.state.queues[QueueId("sales")] == SALES


async def test_two_changes_at_once_are_both_kept(house: House) -> None:
    change = house.console.queues.change
    await asyncio.gather(change("sales", {"ring_s": 9.0}), change("sales", {"max_wait_s": 60.0}))
    policy = house.engine.floor.state.queues[QueueId("sales")]
    assert (policy.ring_s, policy.max_wait_s) == (9.0, 60.0)
    assert await house.engine.definitions.queues.show("sales") == policy


async def test_what_is_taken_or_missing_is_said(house: House) -> None:
    with pytest.raises(Conflict):
        await house.console.agents.add(ANN)
    with pytest.raises(NotFound):
        await house.console.agents.show("9999")
    with pytest.raises(NotFound):
        await house.console.numbers.remove("+442079469999")


async def test_numbers_skills_and_trunks(house: House) -> None:
    added = await house.console.numbers.add(NumberPolicy(e164="+44 20 7946 0001", flow="main"))
    assert added.e164 == "+442079460001"
    assert "+442079460001" in house.engine.floor.state.numbers
    await house.console.numbers.remove("+442079460001")
    assert "+442079460001" not in house.engine.floor.state.numbers
    assert (await house.console.skills.change("english", {"name": "Spoken"})) == Skill(id="english", name="Spoken")
    with pytest.raises(Conflict, match="used by"):
        await house.console.skills.remove("english")
    await house.console.trunks.add(TrunkPolicy(id="carrier", host="sip.example.net"))
    await house.console.trunks.set_secret("carrier", "hush")
    assert [trunk.id for trunk in await house.console.trunks.list()] == ["carrier"]


async def test_a_number_leads_to_a_live_flow(house: House) -> None:
    with pytest.raises(ConfigError, match="no flow 'mian'") as refused:
        await house.console.numbers.add(NumberPolicy(e164="+442079460001", flow="mian"))
    assert refused.value.mend.startswith("Did you mean main? Known: ")
    await house.console.numbers.add(NumberPolicy(e164="+442079460001", flow="main"))
    with pytest.raises(ConfigError, match="no flow"):
        await house.console.numbers.change("+442079460001", {"flow": "gone"})
    assert (await house.console.numbers.show("+442079460001")).flow == "main"


async def test_a_queue_closes_and_opens(house: House) -> None:
    assert (await house.console.queues.close("sales")).open is False
    assert house.engine.floor.state.queues[QueueId("sales")].open is False
    assert (await house.console.queues.open("sales")).open is True


async def test_nothing_is_removed_from_under_somebody(house: House) -> None:
    await house.talk()
    with pytest.raises(Conflict, match="with an interaction"):
        await house.console.agents.remove("1001")
    with pytest.raises(Conflict, match="belong to queue"):
        await house.console.queues.remove("sales")
    assert (await house.console.agents.show("1001")).state is AgentState.TALKING


# --- agents ----------------------------------------------------------------------------------------------------------


async def test_an_agents_day(house: House) -> None:
    agents = house.console.agents
    assert (await agents.login("1001", ready=False)).state is AgentState.NOT_READY
    assert (await agents.ready("1001")).state is AgentState.AVAILABLE
    paused = await agents.not_ready("1001", "lunch")
    assert (paused.state, paused.reason) == (AgentState.NOT_READY, "lunch")
    assert paused.since is not None
    assert (await agents.logout("1001")).state is AgentState.OFFLINE


async def test_what_contradicts_an_agents_state_is_a_conflict(house: House) -> None:
    agents = house.console.agents
    for verb in (agents.logout, agents.ready, agents.wrap_up):
        with pytest.raises(Conflict):
            await verb("1001")
    with pytest.raises(Conflict, match="not signed in"):
        await agents.not_ready("1001", "lunch")
    await agents.login("1001")
    with pytest.raises(Conflict, match="already"):
        await agents.login("1001")
    for verb in (agents.login, agents.logout, agents.ready, agents.wrap_up):
        with pytest.raises(NotFound):
            await verb("9999")
    with pytest.raises(ConfigError):
        await agents.not_ready("1001", "a\nb")


async def test_a_wish_during_a_call_follows_it_and_wrap_up_ends(house: House) -> None:
    leg, interaction = await house.talk()
    assert (await house.console.agents.logout("1001")).follows == "sign-out"
    assert (await house.console.agents.not_ready("1001", "tea")).follows == "sign-out"
    assert (await house.console.agents.ready("1001")).follows == ""
    house.asterisk.hangup(leg.uniqueid)
    await house.until(lambda: house.agent("1001") is AgentState.WRAP_UP)
    assert (await house.console.agents.wrap_up("1001")).state is AgentState.AVAILABLE
    assert house.state(interaction) is None


async def test_a_pin_is_kept_by_the_store(house: House) -> None:
    await house.console.agents.set_pin("1001", "4711")
    assert await house.engine.definitions.pins.check("1001", "4711", house.engine.loop.clock.now())
    with pytest.raises(ConfigError):
        await house.console.agents.set_pin("1001", "12")


# --- calls and interactions ------------------------------------------------------------------------------------------


async def test_a_live_call_is_shown_masked_and_revealed(house: House) -> None:
    leg, interaction = await house.talk()
    [call] = await house.console.calls.list()
    assert (call.id, call.state, call.queue_id, call.agent_id) == (
        interaction,
        InteractionState.TALKING,
        "sales",
        "1001",
    )
    assert (call.caller, call.caller_name) == ("+44••••23", "••••")
    assert [(each.role, bool(each.bridge)) for each in call.legs] == [("caller", True), ("agent", True)]
    assert call.legs[0].leg == leg.uniqueid
    revealed = await house.console.calls.show(interaction, reveal=True)
    assert (revealed.caller, revealed.caller_name) == (CALLER, "Zoe")
    with pytest.raises(NotFound):
        await house.console.calls.show("ix_none")


async def test_a_call_is_hung_up_through_asterisk(house: House) -> None:
    leg, interaction = await house.call()
    assert (await house.console.calls.hang_up(interaction)).id == interaction
    await house.gone(interaction)
    assert leg.uniqueid not in house.asterisk.model.legs


async def test_hanging_up_needs_asterisk(house: House) -> None:
    _, interaction = await house.call()
    await house.asterisk.stop()
    await house.until(lambda: not house.engine.switch.telephony.up or house.engine.floor.state.blind)
    with pytest.raises(AsteriskUnreachable):
        await house.console.calls.hang_up(interaction)


async def test_interactions_are_paged_and_filtered(house: House) -> None:
    for _ in range(3):
        leg, interaction = await house.call()
        house.asterisk.hangup(leg.uniqueid)
        await house.gone(interaction)
    await house.written()
    listing = house.console.interactions
    first = await listing.list(Wanted(limit=2))
    assert len(first.items) == 2
    assert first.next is not None
    second = await listing.list(Wanted(limit=2, cursor=first.next))
    assert (len(second.items), second.next) == (1, None)
    arrivals = [each.arrived for each in (*first.items, *second.items)]
    assert arrivals == sorted(arrivals, reverse=True)
    assert len((await listing.list(Wanted(queue="sales"))).items) == 3
    assert (await listing.list(Wanted(queue="support"))).items == ()
    assert (await listing.list(Wanted(agent="1001"))).items == ()
    assert (await listing.list(Wanted(end="2020-01-01"))).items == ()
    assert (first.items[0].ending, first.items[0].caller) == ("abandoned", "+44••••23")
    for wrong in (Wanted(cursor="x"), Wanted(start="yesterday")):
        with pytest.raises(UsageError):
            await listing.list(wrong)


async def test_an_interaction_shows_phases_and_legs(house: House) -> None:
    _, interaction = await house.talk()
    await house.written()
    shown = await house.console.interactions.show(interaction, reveal=True)
    assert [segment.phase for segment in shown.segments] == ["flow", "queue", "ring", "talk"]
    assert {session.purpose for session in shown.sessions} == {"customer", "agent"}
    assert (shown.state, shown.ended, shown.caller) == ("talking", None, CALLER)
    with pytest.raises(NotFound):
        await house.console.interactions.show("ix_none")


# --- the floor, figures, explanations --------------------------------------------------------------------------------


async def test_the_floor_at_one_moment(house: House) -> None:
    await house.talk()
    await house.call()
    await house.written()
    floor = await house.console.floor()
    [queue] = floor.queues
    assert (queue.id, queue.waiting, queue.talking, queue.agents_signed_in, queue.agents_free) == ("sales", 1, 1, 1, 0)
    assert [(agent.id, agent.state) for agent in floor.agents] == [
        ("1001", AgentState.TALKING),
        ("1002", AgentState.OFFLINE),
    ]
    assert len(floor.calls) == 2
    assert floor.deadline is not None
    assert {link.name: link.up for link in floor.links} == {"ami": True, "agi": True, "store": True}
    assert (floor.totals.arrived, floor.totals.in_progress, floor.totals.offered) == (2, 2, 2)
    assert queue.service_level.n == 1


async def test_explain_says_who_was_refused_and_why(house: House) -> None:
    await house.console.agents.login("1002")
    _, interaction = await house.talk()
    [decision] = (await house.console.explain(interaction)).items
    assert decision.winner == "1001"
    assert [each.agent_id for each in decision.fitting] == ["1001"]
    [refused] = decision.refused
    assert (refused.agent_id, refused.reasons) == ("1002", ("skill english 1 < 3",))
    with pytest.raises(NotFound):
        await house.console.explain("ix_none")


async def test_reports_of_today(house: House) -> None:
    leg, _ = await house.talk()
    house.asterisk.hangup(leg.uniqueid)
    await house.until(lambda: house.agent("1001") is AgentState.WRAP_UP)
    await house.console.agents.wrap_up("1001")
    await house.written()
    report = await house.console.reports.service_level("", "", "", "")
    assert [(row.queue_id, row.name, row.answered) for row in report.items] == [("sales", "Sales", 1)]
    assert (report.total.service_level.value, report.formula) == (1.0, "sl.callwright/1")
    assert (await house.console.reports.service_level("", "", "sales", "sl.cms/1")).formula == "sl.cms/1"
    [ann] = (await house.console.reports.agents("", "")).items
    assert (ann.agent_id, ann.name, ann.handled, ann.offers) == ("1001", "Ann", 1, 1)
    assert ann.signed_in_s == pytest.approx(sum(ann.seconds.values()))


async def test_reports_refuse_what_makes_no_sense(house: House) -> None:
    reports = house.console.reports
    with pytest.raises(NotFound, match="no queue"):
        await reports.service_level("", "", "support", "")
    with pytest.raises(NotFound, match="no formula"):
        await reports.service_level("", "", "", "sl.callwrong/1")
    with pytest.raises(UsageError, match="not after"):
        await reports.agents("2026-03-30", "2026-03-28")


async def test_a_day_of_the_clock_change_has_23_hours(house: House) -> None:
    report = await house.console.reports.agents("2026-03-29", "2026-03-29")
    assert (report.end - report.start).total_seconds() == 23 * 3600
    assert report.timezone == "Europe/London"


# --- flows -----------------------------------------------------------------------------------------------------------


async def test_a_new_version_of_a_flow_is_live_and_kept(house: House) -> None:
    text = FLOW.replace("Good bye.", "Fare well.")
    done = await house.console.flows.activate("main", text)
    [live] = await house.console.flows.list()
    assert (live.version, live.interactions) == (done.version, 0)
    assert done.replaced is not None
    assert done.replaced != done.version
    assert _text(house, "main.yaml") == text


async def test_a_broken_flow_leaves_the_old_one(house: House) -> None:
    [before] = await house.console.flows.list()
    with pytest.raises(ConfigError):
        await house.console.flows.activate("main", "flow: main\nstart: nowhere\nnodes: {}\n")
    with pytest.raises(ConfigError, match="not other"):
        await house.console.flows.activate("other", FLOW)
    with pytest.raises(ConfigError):
        await house.console.flows.activate("../../etc/passwd", FLOW)
    assert await house.console.flows.list() == [before]
    assert _text(house, "main.yaml") == FLOW


async def test_a_flow_with_an_unknown_queue_is_live_with_a_warning(house: House) -> None:
    text = FLOW.replace("flow: main", "flow: other").replace("queue: sales", "queue: gone")
    done = await house.console.flows.activate("other", text)
    assert done.replaced is None
    [warning] = [each for each in done.warnings if "no queue gone" in each]
    assert warning.startswith("node sales")


def _text(house: House, name: str) -> str:
    return (house.engine.settings.paths.flows / name).read_text(encoding="utf-8")


# --- operating -------------------------------------------------------------------------------------------------------


async def test_config_shows_settings_and_no_secret(house: House) -> None:
    shown = (await house.console.config()).settings
    assert shown["asterisk"]["ami_secret"] == "(set)"
    assert shown["mqtt"]["password"] == ""
    assert "lab-secret" not in str(shown)
    assert shown["site"]["timezone"] == "Europe/London"


async def test_config_hides_the_databases_password(house: House) -> None:
    house.engine.database.url = parse_url("postgresql://callwright:hush@db/callwright")
    assert (await house.console.config()).settings["store"][
        "url"
    ] == "postgresql+asyncpg://callwright:***@db/callwright"


async def test_health_follows_asterisk(house: House) -> None:
    assert (await house.console.health()).ready
    await house.asterisk.stop()
    await house.until(lambda: house.engine.floor.state.blind)
    health = await house.console.health()
    assert not health.ready
    assert health.reasons[0].startswith("ami: ")


async def test_readings_count_and_hold_nobodys_number(house: House) -> None:
    leg, interaction = await house.call()
    found = {(each.name, *sorted(each.labels.items())): each.value for each in house.console.readings()}
    assert found["callwright_interactions", ("state", "waiting")] == 1
    assert found["callwright_queue_interactions", ("queue", "sales"), ("state", "waiting")] == 1
    assert found["callwright_link_up", ("link", "ami")] == 1
    assert CALLER not in str(found)
    assert NUMBER not in str(found)
    house.asterisk.hangup(leg.uniqueid)
    await house.gone(interaction)
    ended = {each.labels["ending"]: each.value for each in house.console.readings() if "ending" in each.labels}
    assert ended["abandoned"] == 1
