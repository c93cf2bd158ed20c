"""The demo, as a person runs it, and the proof that its sums can fail."""

import asyncio
import json
import sys

from sqlalchemy import text

from engine.main.demo.run import Demo
from engine.main.engine import Engine

SECONDS = 20.0


class Thief(Demo):
    """Takes one answered interaction out of the fact tables before anything is counted."""

    async def before_sums(self, engine: Engine) -> None:
        async with engine.database.writing() as connection:
            victim = await connection.scalar(text("SELECT id FROM conversation ORDER BY id LIMIT 1"))
            for table, column in (
                ("segment", "conversation_id"),
                ("session", "conversation_id"),
                ("participant", "conversation_id"),
                ("conversation", "id"),
            ):
                await connection.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": victim})  # noqa: S608


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


async def test_an_interaction_removed_behind_the_engines_back_makes_the_demo_fail() -> None:
    result = await Thief(SECONDS, headless=True, seed=7, say=lambda _text: None).run()

    assert result.inbound.arrived == result.far_side.placed - 1
    assert any("were placed" in failure for failure in result.failures)
