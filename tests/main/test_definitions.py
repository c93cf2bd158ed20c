"""Who may sign in at a telephone, and what the log says of those who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.domain.policy import AgentProfile
from engine.domain.values import SECOND, AgentId
from engine.main.definitions import PhoneCredentials
from engine.store.database import open_database
from engine.store.definitions import Definitions
from engine.store.pins import FAILURES_ALLOWED
from engine.store.schema import upgrade_database

ANN = AgentProfile(id=AgentId("1001"), name="Ann", endpoint="agent-1001")
PIN = "471147"


@pytest.fixture
async def credentials(tmp_path: Path) -> AsyncIterator[PhoneCredentials]:
    """Of a house with one agent."""
    database = open_database(f"sqlite:///{tmp_path / 'callwright.db'}")
    await upgrade_database(database)
    defined = Definitions(database)
    await defined.agents.add(ANN)
    await defined.pins.set(ANN.id, PIN)
    yield PhoneCredentials(defined, lambda: SECOND)
    await database.close()


async def test_the_agent_with_his_pin_and_nobody_else(credentials: PhoneCredentials) -> None:
    assert await credentials.agent_with_pin("1001", PIN) == ANN
    assert await credentials.agent_with_pin("1001", "471148") is None
    assert await credentials.agent_with_pin("1002", PIN) is None


async def test_after_too_many_failures_the_right_pin_is_refused_too(credentials: PhoneCredentials) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert await credentials.agent_with_pin("1001", "0000") is None
    with capture_logs() as lines:
        assert await credentials.agent_with_pin("1001", PIN) is None
    assert [line["why"] for line in lines] == ["refused"]


async def test_no_pin_reaches_the_log_wherever_it_is_dialled(credentials: PhoneCredentials) -> None:
    """Who gives the PIN where the code is asked for, or another one's, must not read it in the log."""
    with capture_logs() as lines:
        assert await credentials.agent_with_pin(PIN, "1001") is None
        assert await credentials.agent_with_pin("1001", "471148") is None
    assert len(lines) == 2
    assert not any(digits in str(lines) for digits in (PIN, "471148"))
    assert lines[1]["agent_id"] == "1001"  # he is known, and so is his id
