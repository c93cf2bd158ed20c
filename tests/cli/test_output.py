"""Tables, durations, instants: what people read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import GAP, Column, fitting, local, natural_width, percent, plain, seconds, words
from engine.domain.policy import QueuePolicy
from engine.domain.values import QueueId

ID, NAME, NOTE = Column("ID", "id", keep=True), Column("NAME", "name"), Column("NOTE", "note", spare=True)
NOTHING: tuple[object, ...] = (None, "", [], {})
TEXT = st.text("abc张伟", max_size=40)


@given(st.lists(st.fixed_dictionaries({"id": TEXT, "name": TEXT, "note": TEXT}), min_size=1), st.integers(10, 200))
def test_only_spare_columns_give_way(rows: list[dict[str, str]], width: int) -> None:
    chosen = fitting((ID, NAME, NOTE), rows, width)
    wanted = sum(natural_width(column, rows) + GAP for column in (ID, NAME, NOTE)) - GAP
    assert chosen == ([ID, NAME, NOTE] if wanted <= width else [ID, NAME])


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), (0.0, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_seconds(value: float | None, said: str) -> None:
    assert seconds(value) == said


def test_words() -> None:
    assert [words(value) for value in NOTHING] == ["-"] * 4
    assert [words(value) for value in (True, False, 0, 2.0)] == ["yes", "no", "0", "2"]
    assert words({"sales": 5, "zh": [1, 2]}) == "sales=5, zh=1; 2"
    assert (percent(None), percent(0.805)) == ("-", "80.5%")


def test_instants() -> None:
    assert local("2026-03-29T00:59:59Z", "Europe/London") == "2026-03-29 00:59:59"
    assert local("2026-03-29T01:00:00Z", "Europe/London") == "2026-03-29 02:00:00"
    assert local(None, "UTC") == "-"
    now = datetime.now(UTC)
    assert local(now.isoformat(), "UTC") == f"{now:%H:%M:%S}" or datetime.now(UTC).date() != now.date()


def test_plain_keeps_every_field() -> None:
    queue = plain(QueuePolicy(id=QueueId("q"), name="Q"))
    assert queue["steps"] == [{"needs": [], "after_s": 0.0}]
    assert (queue["strategy"], queue["record"]) == ("longest-idle", True)
    assert plain(datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))) == "2026-01-01T00:00:00Z"
