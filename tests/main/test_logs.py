"""Logs: JSON that is valid, and no telephone number in any line, whoever wrote it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from engine.main import logs
from engine.settings import Log
from tests.main.hall import CALLER, CALLER_NAME, NAILED, Hall

CANARIES = ("+447700900123", "447700900123", "07700900123", "7700900123")


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where this test's log goes; the process's own set-up comes back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    yield (stream := io.StringIO())
    del stream
    root.handlers[:], level, config = before
    root.setLevel(level)
    structlog.configure(**config)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("shape", ["json", "text"])
@pytest.mark.parametrize("canary", CANARIES)
def test_a_number_is_masked_wherever_it_stands(out: io.StringIO, shape: str, canary: str) -> None:
    logs.configure(Log(level="debug", format=shape), out)
    log = structlog.get_logger("engine.test")
    log.info(f"a call from {canary}")  # noqa: G004 - this is what the guard is for
    log.info("call", caller=canary, number=int(canary.lstrip("+")), raw=canary.encode(), path=Path("/x") / canary)
    log.info("call", deep={"who": [canary, {canary: (canary,)}]}, error=ValueError(canary))
    logging.getLogger("another.library").warning("peer %s said %r", canary, {"n": canary})
    try:
        raise ValueError(f"no such number {canary}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("another.library").exception("failed")
    assert canary[-7:] not in out.getvalue()
    assert "no such number" in out.getvalue()
    assert len(out.getvalue().splitlines()) >= 6


@given(st.from_regex(r"\+?[0-9]{7,20}", fullmatch=True), st.text(max_size=5))
def test_no_number_survives(number: str, around: str) -> None:
    event = logs.without_numbers(None, "", {"event": f"{around} {number} {around}"})
    assert number not in event["event"]


@pytest.mark.parametrize(
    "text",
    [
        "ix_01JD12345678901234567890AB",
        "ix_01JD12345678901234567890AB.a12",
        "1763834434.12",
        "2026-11-22T18:39:15.713211Z",
        "no more than 999999 lines",
    ],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert logs.without_numbers(None, "", {"why": f"about {text}."})["why"] == f"about {text}."


def test_every_line_is_one_json_object(out: io.StringIO) -> None:
    logs.configure(Log(format="json"), out)
    structlog.get_logger().info("two\nlines", name="张伟", odd=object(), none=None, yes=True, part=0.5)
    logging.getLogger("x").error("plain")
    first, second = lines(out)
    assert first["event"] == "two\nlines"
    assert (first["name"], first["none"], first["yes"], first["part"]) == ("张伟", None, True, 0.5)
    assert (second["event"], second["level"]) == ("plain", "error")


def test_the_level_holds_for_libraries_too(out: io.StringIO) -> None:
    logs.configure(Log(level="error", format="json"), out)
    structlog.get_logger().warning("no")
    logging.getLogger("aiosqlite").warning("no")
    logging.getLogger("x").error("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


async def test_no_number_name_or_digit_reaches_the_log_in_a_whole_scenario(
    tmp_path: Path, sounds: Path, out: io.StringIO
) -> None:
    logs.configure(Log(level="debug", format="json"), out)
    async with Hall(tmp_path, sounds) as hall:
        await hall.sign_in(NAILED)
        call = await hall.call_in(keys="27700900#")
        await hall.talk(call)
        hall.asterisk.cut()  # the links come back, and lists print numbers raw
        await hall.until(lambda: hall.engine.switch.telephony.resyncs >= 2)
        (hall.spool / "rescue-20261122.jsonl").write_text(
            f'{{"id":"1-1","at":1,"uniqueid":"1.9","number":"{CALLER}","caller":"{CALLER}"}}\nbroken {CALLER}\n'
        )
        await hall.until(lambda: hall.engine.rescue.imported == 1)
        await call.hang_up()
        await hall.ended(call)
        await hall.restart()
    text = out.getvalue()
    assert len(lines(out)) > 5
    for secret in ("7700900", CALLER_NAME, "Canary"):
        assert secret not in text
