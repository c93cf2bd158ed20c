"""The demo, as a person runs it, and the proof that its sums can fail."""

import asyncio
import json
import sys

from sqlalchemy import text

from engine.main.demo.run import Demo, DemoResult
from engine.main.engine import Engine

SECONDS = 20.0


class Thief(Demo):
    """Takes one answered interaction out of the fact tables before anything is counted, and dials behind our back."""

    async def before_sums(self, engine: Engine) -> None:
        async with engine.database.writing() as connection:
            victim = await connection.scalar(
                text("SELECT id FROM conversation WHERE campaign_id IS NULL ORDER BY id LIMIT 1")
            )
            for table, column in (
                ("segment", "conversation_id"),
                ("session", "conversation_id"),
                ("participant", "conversation_id"),
                ("conversation", "id"),
            ):
                await connection.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": victim})  # noqa: S608
            dialled = await connection.scalar(text("SELECT id FROM attempt WHERE outcome = 'connected' LIMIT 1"))
            await connection.execute(text("DELETE FROM attempt WHERE id = :id"), {"id": dialled})


async def test_the_demo_command_ends_with_one_object_whose_sums_agree_with_the_far_side() -> None:
    command = [sys.executable, "-m", "cli.main", "demo", "--seconds", str(SECONDS), "--headless", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, messages = await process.communicate()
    result = json.loads(out.decode().splitlines()[-1])

    assert process.returncode == 0, (result, messages.decode()[-2000:])
    inbound, far = result["inbound"], result["far_side"]
    assert far["placed"] == inbound["arrived"] == inbound["ended_in_flow"] + inbound["offered"] > 0
    parts = ("answered", "abandoned", "overflowed", "callback", "in_progress")
    assert inbound["offered"] == sum(inbound[part] for part in parts)
    # a caller who hangs up in the very second he is joined is answered and has heard nobody
    assert inbound["answered"] - 1 <= far["talked"] <= inbound["answered"]
    assert far["talked"] > 0
    assert inbound["flow_to_agent_ms"]["n"] > 0
    assert result["verify"]["ok"]
    assert result["verify"]["runs"] >= 2
    assert result["verify"]["live_calls_compared"] > 0
    assert int(result["asterisk"]["version"].split(".")[0]) >= 20
    the_campaign_adds_up(result["outbound"])
    assert "one working day" in messages.decode()
    assert "rejected (1 impossible, 2 no-country, 1 no-number, 1 priority, 1 timezone)" in messages.decode()


def the_campaign_adds_up(sums: dict[str, object]) -> None:
    """Every attempt has one outcome and was seen by the far side."""
    outcomes = sums["outcomes"]
    assert isinstance(outcomes, dict)
    assert sums["attempts"] == sum(outcomes.values()) == sums["far_side_dialled"]
    assert int(str(sums["attempts"])) >= 10
    live = [int(str(sums[part])) for part in ("connected", "abandoned", "hung_up_early")]
    assert sums["live_answers"] == sum(live) > 0
    assert sums["abandon_rate"] == round(live[1] / sum(live), 5)
    assert sums["machines"] == outcomes["machine"]
    spread = sums["answer_to_agent_ms"]
    assert isinstance(spread, dict)
    assert 0 < spread["p50"] <= spread["p99"] < 2_000
    assert 0 < float(str(sums["agent_utilisation"])) <= 1
    assert sums["refused"] == {}


async def test_what_was_removed_behind_the_engines_back_makes_the_demo_fail() -> None:
    result = await Thief(SECONDS, headless=True, seed=7, say=lambda _text: None).run()

    assert result.inbound.arrived == result.far_side.placed - 1
    assert any("were placed" in failure for failure in result.failures)
    assert result.outbound.attempts == result.outbound.far_side_dialled - 1
    assert said(result, "1 times by the far side's records, 0 times by our ledger")
    assert said(result, "attempts were begun")


def said(result: DemoResult, words: str) -> bool:
    """Whether a failure tells this."""
    return any(words in failure for failure in result.failures)
