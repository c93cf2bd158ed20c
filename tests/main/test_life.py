"""The whole engine on an Asterisk in memory: a call, a kill, a restart, a replay, an explanation."""

import sqlite3
import wave
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.domain.events import InteractionAnswered, InteractionEnded
from engine.domain.interaction import Ending, InteractionState
from engine.domain.policy import QueuePolicy, RoutingStep
from engine.domain.values import QueueId
from engine.errors import JournalBroken
from engine.main import belief
from engine.main.console import LiveConsole
from engine.settings import Mqtt
from tests.main.hall import CALLER, NAILED, NUMBER, RUNG, Call, Hall
from tests.servers import free_port


async def test_a_call_reaches_an_agent_and_ends(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        await hall.talk(call)
        assert call.bridged
        await call.hang_up()
        await hall.ended(call)
        [ended] = [event for _, event in hall.events if isinstance(event, InteractionEnded)]
        assert ended.ending is Ending.ANSWERED


async def test_an_agent_who_is_rung_answers(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(RUNG)
        call = await hall.call_in()
        await hall.talk(call)
        [answered] = [event for _, event in hall.events if isinstance(event, InteractionAnswered)]
        assert answered.agent_id == RUNG


async def test_a_killed_engine_comes_back_with_the_same_floor(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        talking = await hall.call_in()
        await hall.talk(talking)
        waiting = await hall.call_in()
        since = waiting.live.entered_at
        await hall.on_disk()

        await hall.restart()

        assert (talking.state, talking.live.agent_id) == (InteractionState.TALKING, NAILED)
        assert (waiting.state, waiting.live.entered_at) == (InteractionState.WAITING, since)
        await talking.hang_up()
        await hall.talk(waiting)
        await waiting.hang_up()
        await hall.ended(waiting)
        await hall.on_disk()
        report = belief.replay(hall.settings.paths.journal)
        assert report.ok
        assert report.state_sha256 == sha256(hall.engine.floor.snapshot()).hexdigest()


async def test_a_decision_before_the_restart_is_explained_after_it(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds, snapshot_every=10) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        await hall.talk(call)
        await hall.on_disk()
        await hall.restart()
        [explanation] = belief.explain(hall.settings.paths.journal, call.id)
        assert explanation.decision.winner == NAILED
        assert [refused.agent_id for refused in explanation.decision.refused] == [RUNG]


async def test_snapshots_shorten_the_restart_and_agree_with_the_journal(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds, snapshot_every=10) as hall:
        journal = hall.settings.paths.journal
        await hall.sign_in(NAILED)
        await hall.until(lambda: any(journal.glob("floor-*.json")))
        call = await hall.call_in()
        await hall.talk(call)
        await hall.on_disk()
        before = hall.engine.floor.snapshot()
        await hall.kill()
        restored = belief.restore(journal)
        assert restored.snapshot_seq >= 10
        assert restored.floor.snapshot() == before
        report = belief.replay(journal)
        assert report.ok
        assert report.snapshots_compared >= 1
        await hall.start()


async def test_without_mqtt_no_message_is_kept_for_anybody(tmp_path: Path, sounds: Path) -> None:
    """By default there is no broker: the outbox would grow for ever, and tell it all the day one is set up."""
    async with Hall(tmp_path, sounds) as hall:
        call = await hall.dial()
        await call.hang_up()
        await hall.ended(call)
        await hall.on_disk()
        assert await hall.engine.projector.last_seq() > 0
        assert await hall.engine.outbox.size() == 0


async def test_retained_topics_follow_the_definitions(tmp_path: Path, sounds: Path) -> None:
    """No event tells that an agent or a queue is new, or was removed, now or while the engine was away."""
    nobody = Mqtt(host="127.0.0.1", port=free_port())
    async with Hall(tmp_path, sounds, mqtt=nobody) as hall:

        async def told(subject: str, *, cleared: bool) -> None:
            where = f"callwright/v1/hall/{subject}/state"
            await hall.until(
                lambda: (where, cleared) in {(m.topic, not m.payload) for m in hall.engine.board.current()}
            )

        await told(f"agent/{NAILED}", cleared=False)
        console = LiveConsole(hall.engine)
        await console.agents.remove(RUNG)
        await told(f"agent/{RUNG}", cleared=True)
        await console.queues.add(QueuePolicy(id=QueueId("other"), name="Other", steps=(RoutingStep(),)))
        await told("queue/other", cleared=False)
        await console.queues.remove("other")
        await told("queue/other", cleared=True)
        await hall.stop()
        await hall.engine.definitions.agents.remove(NAILED)
        await hall.engine.database.close()
        await hall.start()
        await told(f"agent/{NAILED}", cleared=True)


async def test_events_that_the_tables_missed_are_told_once(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds, snapshot_every=10) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        await hall.talk(call)
        await hall.on_disk()
        count = await conversations(hall)
        await hall.kill()
        with sqlite3.connect(hall.home / "data" / "callwright.db") as tables:
            # as if the database had been away all the time: it knows nothing, the journal and a snapshot know it all
            for table in ("segment", "session", "participant", "conversation", "agent_span", "outbox"):
                tables.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
            tables.execute("UPDATE projection SET last_seq = 0")
        tables.close()
        await hall.start()
        assert await conversations(hall) == count
        await hall.restart()
        assert await conversations(hall) == count


async def conversations(hall: Hall) -> list[tuple[object, ...]]:
    """What the fact tables say of every conversation and its phases."""
    async with hall.engine.database.reading() as connection:
        rows = await connection.execute(
            text("SELECT conversation_id, phase, position, end_us FROM segment ORDER BY conversation_id, position")
        )
        return sorted(tuple(row) for row in rows)


async def test_who_called_while_the_engine_was_away_is_served_by_the_number_he_dialled(
    tmp_path: Path, sounds: Path
) -> None:
    """By then he is at extension `flow` or `hold` of the dialplan: that is not what he dialled."""
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        await hall.on_disk()
        await hall.kill()
        leg = hall.asterisk.call_in(NUMBER, CALLER, caller_name="")
        leg.context, leg.exten = "callwright-call", "flow"
        await hall.start()

        call = Call(hall, leg)
        await hall.until(lambda: call.interaction is not None)
        assert (call.live.number, call.live.flow_name) == (NUMBER, "main")


async def test_a_recording_becomes_stereo_when_the_call_is_over(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        name = call.variables["CW_RECORD"]
        assert name == f"{call.id}_1"
        for end in ("-in.wav", "-out.wav"):
            with wave.open(str(hall.recordings / f"{name}{end}"), "wb") as side:
                side.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
                side.writeframes(bytes(16_000))
        await hall.talk(call)
        await call.hang_up()
        await hall.until(lambda: hall.engine.recordings.finished == 1)
        with wave.open(str(hall.recordings / f"{name}.wav")) as stereo:
            assert (stereo.getnchannels(), stereo.getnframes()) == (2, 8000)


async def test_with_an_almost_full_disk_calls_go_on_unrecorded(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds, min_free_percent=100) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in()
        assert call.variables["CW_RECORD"] == ""
        assert hall.engine.recordings.refused == 1
        await hall.talk(call)


async def test_a_journal_that_lost_its_end_is_refused(tmp_path: Path, sounds: Path) -> None:
    async with Hall(tmp_path, sounds) as hall:
        await hall.call_in()
        await hall.on_disk()
        await hall.kill()
        [segment] = hall.settings.paths.journal.glob("journal-*.jsonl")
        whole = segment.read_bytes()
        segment.write_bytes(b"".join(whole.splitlines(keepends=True)[:-3]))
        with pytest.raises(JournalBroken, match="are known"):
            await hall.start()
        segment.write_bytes(whole)
        await hall.start()  # the refusal left no lock and no connection behind
