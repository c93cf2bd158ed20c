"""Definitions: what goes in comes out, and what cannot work is refused with the field's name."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
import pytest

from engine.domain.policy import AgentProfile, NumberPolicy, QueuePolicy, RoutingStep, SkillNeed, Strategy, TrunkPolicy
from engine.domain.values import SECOND, AgentId, LegMode, Prompt, QueueId
from engine.errors import ConfigError, Conflict, NotFound, RefusedByRule
from engine.store.checks import check_known
from engine.store.database import Database
from engine.store.definitions import Definitions, SkillDefinition, UnitDefinition

NOW = 1_763_800_000_000_000


@pytest.fixture
async def defined(database: Database) -> Definitions:
    definitions = Definitions(database)
    await definitions.skills.add(SkillDefinition(id="sales", name="Sales"))
    await definitions.skills.add(SkillDefinition(id="zh", name="中文"))
    return definitions


def agent(**changes: Any) -> AgentProfile:
    fields: dict[str, Any] = {"id": AgentId("1001"), "name": "张伟", "endpoint": "agent-1001", "skills": {"zh": 9}}
    return AgentProfile(**(fields | changes))


def queue(**changes: Any) -> QueuePolicy:
    fields: dict[str, Any] = {"id": QueueId("sales"), "name": "Sales"}
    return QueuePolicy(**(fields | changes))


async def test_everything_comes_back_as_it_went_in(defined: Definitions) -> None:
    worker = agent(mode=LegMode.NAILED_UP)
    line = queue(
        steps=(
            RoutingStep(needs=(SkillNeed(skill="sales", level=5), SkillNeed(skill="zh"))),
            RoutingStep(needs=(SkillNeed(skill="sales"),), after_s=20.5),
        ),
        strategy=Strategy.MOST_SKILLED,
        before_connect=(Prompt(text="您好"),),
        open=False,
    )
    trunk = TrunkPolicy(id="carrier", host="sip.example.net", username="us")
    assert await defined.agents.add(worker) == worker
    assert await defined.queues.add(line) == line
    await defined.trunks.add(trunk)
    assert await defined.agents.show("1001") == worker
    assert await defined.queues.list() == [line]
    assert await defined.trunks.show("carrier") == trunk
    assert [skill.name for skill in await defined.skills.list()] == ["Sales", "中文"]


async def test_numbers_are_kept_in_e164(defined: Definitions) -> None:
    stored = await defined.numbers.add(NumberPolicy(e164="+33 1 23 45 67 89", flow="main"))
    assert stored.e164 == "+33123456789"
    assert await defined.numbers.show("+33123456789") == stored
    with pytest.raises(Conflict):
        await defined.numbers.add(NumberPolicy(e164="+33123456789", flow="other"))


@pytest.mark.parametrize(
    "number", ["0123456789", "+", "+33", "+999123456789", "+331234567890123", "tel", "", "+33123456789x5"]
)
async def test_what_is_no_number_is_refused(defined: Definitions, number: str) -> None:
    with pytest.raises(ConfigError, match=r"number\.e164"):
        await defined.numbers.add(NumberPolicy(e164=number, flow="main"))


async def test_the_five_verbs(defined: Definitions) -> None:
    await defined.agents.add(agent())
    with pytest.raises(Conflict, match="1001"):
        await defined.agents.add(agent())
    changed = await defined.agents.change(agent(name="Wei"))
    assert await defined.agents.show("1001") == changed
    await defined.agents.remove("1001")
    assert await defined.agents.list() == []
    for call in (defined.agents.show("1001"), defined.agents.remove("1001"), defined.agents.change(agent())):
        with pytest.raises(NotFound, match="agent list"):
            await call


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (agent(id="a/b"), "agent.id"),
        (agent(id=""), "agent.id"),
        (agent(id="x" * 41), "agent.id"),
        (agent(id="."), "agent.id"),
        (agent(id="10.01"), "agent.id"),
        (agent(endpoint="agent-10.01"), "endpoint"),  # ours to define, so it must fit Asterisk's files
        (agent(endpoint="agent-"), "endpoint"),
        (agent(name=" "), "name"),
        (agent(name="a\nb"), "name"),
        (agent(endpoint="a\n[b]"), "endpoint"),
        (agent(endpoint="+19005550123@trunk-x"), "endpoint"),  # a number behind a trunk is no agent's phone
        (agent(skills={"unknown": 3}), "skills"),
        (agent(skills={"zh": 0}), "skill zh"),
        (agent(skills={"zh": 11}), "skill zh"),
        (agent(unit="nowhere"), "unit"),
    ],
)
async def test_agents_who_could_not_work_are_refused(defined: Definitions, bad: AgentProfile, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        await defined.agents.add(bad)
    assert field in refused.value.where
    assert refused.value.mend
    assert await defined.agents.list() == []


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (queue(id="sales.uk"), "queue.id"),  # no flow could name it
        (queue(music="x\ny"), "music"),
        (queue(language="no language"), "language"),
        (queue(steps=()), "queue sales"),
        (queue(steps=(RoutingStep(after_s=1),)), "step 1"),
        (queue(steps=(RoutingStep(), RoutingStep(after_s=0))), "step 2"),
        (queue(steps=(RoutingStep(needs=(SkillNeed(skill="no"),)),)), "step 1"),
        (queue(ring_s=0), "ring_s"),
        (queue(wrap_up_s=-1), "wrap_up_s"),
        (queue(max_wait_s=math.nan), "max_wait_s"),
        (queue(service_level_s=math.inf), "service_level_s"),
        (queue(announce_every_s=0), "announce_every_s"),
        (queue(unit="nowhere"), "unit"),
    ],
)
async def test_queues_that_could_not_route_are_refused(defined: Definitions, bad: QueuePolicy, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        await defined.queues.add(bad)
    assert field in refused.value.where


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "a b"},
        {"host": ""},
        {"host": "sip.example.net."},
        {"port": 0},
        {"username": "x\n"},
        {"username": "x;y"},
        {"id": "#"},
        {"id": "."},
        {"id": "carrier.a"},
        {"id": "x" * 41},
    ],
)
async def test_trunks_that_asterisk_could_not_read_are_refused(defined: Definitions, changes: dict[str, Any]) -> None:
    good = TrunkPolicy(id="carrier", host="192.0.2.1")
    with pytest.raises(ConfigError):
        await defined.trunks.add(msgspec.structs.replace(good, **changes))  # type: ignore[type-var]


async def test_a_trunks_password_is_kept_apart(defined: Definitions) -> None:
    await defined.trunks.add(TrunkPolicy(id="carrier", host="192.0.2.1"))
    assert await defined.trunks.secret("carrier") == ""
    await defined.trunks.set_secret("carrier", "s3cret")
    assert await defined.trunks.secret("carrier") == "s3cret"
    await defined.trunks.change(TrunkPolicy(id="carrier", host="192.0.2.2"))
    assert await defined.trunks.secret("carrier") == "s3cret"
    with pytest.raises(ConfigError):
        await defined.trunks.set_secret("carrier", "a\n[b]")
    with pytest.raises(ConfigError) as refused:
        await defined.trunks.set_secret("carrier", "s3;cret")
    assert "s3;cret" not in str(refused.value)
    with pytest.raises(NotFound):
        await defined.trunks.set_secret("other", "x")


async def test_what_is_not_there_is_met_with_the_nearest_and_the_list(defined: Definitions) -> None:
    with pytest.raises(ConfigError) as refused:
        await defined.agents.add(agent(skills={"sale": 3}))
    assert refused.value.mend == "Did you mean sales? Known: sales, zh."
    with pytest.raises(ConfigError) as refused:
        await defined.agents.add(agent(skills={"karate": 3}))
    assert refused.value.mend == "Add it first. Known: sales, zh."
    with pytest.raises(ConfigError) as refused:
        await defined.queues.add(queue(unit="mian"))
    assert refused.value.mend == "Did you mean main? Known: main."
    with pytest.raises(ConfigError) as refused:
        check_known("skill", "s30", [f"s{number}" for number in range(10, 30)], "agent 1.skills")
    assert refused.value.mend.endswith("s20, s21 and 8 more.")


async def test_what_is_used_is_not_removed(defined: Definitions) -> None:
    await defined.units.add(UnitDefinition(id="north", name="North", parent="main"))
    await defined.agents.add(agent(unit="north"))
    await defined.queues.add(queue(steps=(RoutingStep(needs=(SkillNeed(skill="sales"),)),)))
    with pytest.raises(Conflict, match="agent 1001"):
        await defined.skills.remove("zh")
    with pytest.raises(Conflict, match="queue sales"):
        await defined.skills.remove("sales")
    for unit in ("north", "main"):
        with pytest.raises(Conflict, match=unit):
            await defined.units.remove(unit)
    await defined.agents.remove("1001")
    await defined.skills.remove("zh")
    await defined.units.remove("north")


async def test_units_are_a_tree(defined: Definitions) -> None:
    await defined.units.add(UnitDefinition(id="north", name="North", parent="main"))
    with pytest.raises(ConfigError, match="below itself"):
        await defined.units.change(UnitDefinition(id="main", name="Main", parent="north"))
    with pytest.raises(ConfigError, match="no unit"):
        await defined.units.add(UnitDefinition(id="lost", name="Lost", parent="nowhere"))


async def test_a_pin_opens_for_its_agent_only(defined: Definitions) -> None:
    await defined.agents.add(agent())
    assert not await defined.pins.check("1001", "", NOW)
    await defined.pins.set("1001", "4711")
    assert await defined.pins.check("1001", "4711", NOW)
    assert not await defined.pins.check("1001", "4712", NOW)
    assert not await defined.pins.check("1002", "4711", NOW)
    await defined.agents.change(agent(name="Wei"))
    assert await defined.pins.check("1001", "4711", NOW)
    with pytest.raises(NotFound):
        await defined.pins.set("1002", "4711")


@pytest.mark.parametrize("pin", ["", "123", "123456789", "12a4", "１２３４", "1234\n"])
async def test_a_pin_is_4_to_8_digits_and_never_shown(defined: Definitions, pin: str) -> None:
    await defined.agents.add(agent())
    with pytest.raises(ConfigError) as refused:
        await defined.pins.set("1001", pin)
    assert not pin or pin not in str(refused.value)


async def test_five_wrong_pins_close_for_a_minute(defined: Definitions) -> None:
    await defined.agents.add(agent())
    await defined.pins.set("1001", "4711")
    for _ in range(4):
        assert not await defined.pins.check("1001", "0000", NOW)
    assert await defined.pins.check("1001", "4711", NOW)  # a right one starts the count again
    guesses = [defined.pins.check("1001", f"000{digit}", NOW) for digit in range(7)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert [result for result in results if isinstance(result, bool)] == [False] * 5
    assert sum(isinstance(result, RefusedByRule) for result in results) == 2
    with pytest.raises(RefusedByRule, match="another 1 s"):
        await defined.pins.check("1001", "4711", NOW + 60 * SECOND - 1)
    assert await defined.pins.check("1001", "4711", NOW + 60 * SECOND)
