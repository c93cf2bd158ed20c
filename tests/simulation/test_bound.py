"""The linear programme against the published table of the exponential model, and against formulas where they exist."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.dialer.baselines.erlang import blocking
from engine.errors import UsageError
from engine.simulation import bound as module
from engine.simulation.bound import bound, bound_of
from engine.simulation.scenario import parse

# The optimum in percent for S = 150 s, R = 10 s, cap 3 %: (agents, answer rate, wait): percent
TABLE = {
    (5, 1.0, 0): 94.0,
    (5, 0.6, 0): 90.8,
    (5, 0.3, 0): 85.7,
    (5, 0.1, 0): 78.0,
    (5, 0.3, 2): 85.8,
    (5, 0.1, 2): 78.4,
    (10, 1.0, 0): 94.2,
    (10, 0.6, 0): 91.4,
    (10, 0.3, 0): 87.9,
    (10, 0.1, 0): 84.3,
    (10, 0.3, 2): 88.1,
    (10, 0.1, 2): 84.8,
    (20, 1.0, 0): 94.5,
    (20, 0.6, 0): 92.6,
    (20, 0.3, 0): 90.7,
    (20, 0.1, 0): 89.3,
    (20, 0.3, 2): 91.2,
    (20, 0.1, 2): 89.9,
    (50, 1.0, 0): 95.8,
    (50, 0.6, 0): 95.0,
    (50, 0.3, 0): 94.3,
    (50, 0.1, 0): 93.9,
    (50, 0.3, 2): 95.0,
    (50, 0.1, 2): 94.5,
    (100, 1.0, 0): 97.0,
    (100, 0.6, 0): 96.6,
    (100, 0.3, 0): 96.3,
    (100, 0.1, 0): 96.1,
    (100, 0.3, 2): 96.9,
    (100, 0.1, 2): 96.7,
}
# Other ones, all at p = 0.3 without a wait: (agents, S, R, cap): percent
SENSITIVITY = {
    (5, 60, 12, 0.03): 72.2,
    (10, 60, 12, 0.03): 79.3,
    (20, 60, 12, 0.03): 85.7,
    (50, 60, 12, 0.03): 91.9,
    (100, 60, 12, 0.03): 94.9,
    (5, 300, 10, 0.03): 91.6,
    (10, 300, 10, 0.03): 92.5,
    (20, 300, 10, 0.03): 93.7,
    (50, 300, 10, 0.03): 95.8,
    (100, 300, 10, 0.03): 97.1,
    (5, 150, 10, 0.01): 83.5,
    (10, 150, 10, 0.01): 85.4,
    (20, 150, 10, 0.01): 88.5,
    (50, 150, 10, 0.01): 92.8,
    (100, 150, 10, 0.01): 95.2,
}
# The references of the peers' table: S = 140, R = 11, 2 s wait: (agents, answer rate): percent
PEERS_TABLE = {
    (5, 0.2): 80.8,
    (5, 0.4): 86.3,
    (10, 0.2): 85.4,
    (10, 0.4): 88.4,
    (30, 0.2): 92.2,
    (30, 0.4): 92.9,
    (100, 0.2): 96.7,
    (100, 0.4): 96.9,
}
CHEAP = 20
full = [pytest.mark.full, pytest.mark.skipif(not os.environ.get("FULL"), reason="some seconds each: FULL=1 runs it")]


def rows(table: Mapping[Any, float]) -> list[object]:
    """The rows as parameters; those of large groups only with FULL=1."""
    return [pytest.param(*row, percent, marks=full if row[0] > CHEAP else ()) for row, percent in table.items()]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "bounds.json"


@pytest.mark.parametrize(("agents", "rate", "wait", "percent"), rows(TABLE))
def test_the_published_table(agents: int, rate: float, wait: float, percent: float, cache: Path) -> None:
    assert bound(agents, rate, 150, 10, 0.03, wait, cache).utilisation == pytest.approx(percent / 100, abs=0.0015)


@pytest.mark.parametrize(("agents", "handle", "ring", "cap", "percent"), rows(SENSITIVITY))
def test_the_published_sensitivities(
    agents: int, handle: float, ring: float, cap: float, percent: float, cache: Path
) -> None:
    assert bound(agents, 0.3, handle, ring, cap, 0, cache).utilisation == pytest.approx(percent / 100, abs=0.0015)


@pytest.mark.parametrize(("agents", "rate", "percent"), rows(PEERS_TABLE))
def test_the_references_of_the_peers(agents: int, rate: float, percent: float, cache: Path) -> None:
    assert bound(agents, rate, 140, 11, 0.03, 2, cache).utilisation == pytest.approx(percent / 100, abs=0.0015)


def test_without_abandonment_it_is_one_call_for_each_free_agent(cache: Path) -> None:
    """Nobody may be abandoned and each dial is answered: an agent rings one call, talks, rings again."""
    assert bound(7, 1.0, 150, 10, 0.0, 0, cache).utilisation == pytest.approx(150 / 160, abs=1e-4)


def test_it_is_above_the_open_loop_and_grows_with_what_is_allowed(cache: Path) -> None:
    strict, usual, lax = (bound(8, 0.3, 150, 10, cap, 0, cache).utilisation or 0 for cap in (0.01, 0.03, 0.1))
    assert strict < usual < lax < 1
    low, high = 0.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if blocking(8, middle) < 0.03 else (low, middle)
    assert usual > low * 0.97 / 8


def test_a_wait_helps(cache: Path) -> None:
    none, two, ten = (bound(5, 0.3, 150, 10, 0.03, wait, cache).utilisation or 0 for wait in (0, 2, 10))
    assert none < two < ten


def test_large_groups_have_a_reason_instead(cache: Path) -> None:
    reference = bound(101, 0.3, 150, 10, 0.03, 2, cache)
    assert reference.utilisation is None
    assert "100 agents" in reference.reason


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("agents", (0, 0.3, 150, 10, 0.03, 0)),
        ("answer_rate", (5, 0.0, 150, 10, 0.03, 0)),
        ("answer_rate", (5, 1.1, 150, 10, 0.03, 0)),
        ("handle_s", (5, 0.3, 0, 10, 0.03, 0)),
        ("ring_s", (5, 0.3, 150, math.nan, 0.03, 0)),
        ("cap", (5, 0.3, 150, 10, -0.1, 0)),
        ("wait_s", (5, 0.3, 150, 10, 0.03, -1)),
    ],
)
def test_what_makes_no_sense_is_named(name: str, values: tuple[int, float, float, float, float, float]) -> None:
    with pytest.raises(UsageError) as refused:
        bound(*values)
    assert refused.value.where == name


def test_a_result_is_kept_and_a_damaged_file_is_no_matter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = bound(3, 0.5, 150, 10, 0.03, 0, cache)
    assert json.loads(cache.read_text())["version"] == module.MODEL_VERSION
    with monkeypatch.context() as patched:
        patched.setattr(module, "_solve", None)  # whoever asks again must not work it out again
        assert bound(3, 0.5, 150, 10, 0.03, 0, cache) == found
    for damage in ("{", "[]", '{"version": 0, "bounds": {}}', '{"version": 1, "bounds": 3}'):
        cache.write_text(damage)
        assert bound(3, 0.5, 150, 10, 0.03, 0, cache) == found


SCENARIO = """
name = "base"
hours = 1
{top}
[agents]
count = {count}
[calls]
answer_rate = {rate}
machine_rate = 0.2
fast_fail_rate = 0.1
ring_s = {{dist = "constant", value = 11}}
talk_s = {{dist = "lognormal", mean = 120, sd = 120}}
wrap_s = {{dist = "lognormal", mean = 20, sd = 8}}
{rest}
"""


def scenario_text(*, count: str = "[[0, 5]]", rate: str = "[[0, 0.2]]", top: str = "", rest: str = "") -> str:
    return SCENARIO.format(count=count, rate=rate, top=top, rest=rest)


def test_a_stationary_scenario_has_its_reference_by_its_means(cache: Path) -> None:
    assert bound_of(parse(scenario_text()), cache) == bound(5, 0.2, 140, 11, 0.03, 2, cache)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (scenario_text(count="[[0, 5], [30, 6]]"), "number of agents"),
        (scenario_text(count="[[0, 500]]"), "100 agents"),
        (scenario_text(rate="[[0, 0.2], [30, 0.3]]"), "answer rate changes"),
        (scenario_text(rest="[inbound]\nerlangs = 2.0"), "inbound"),
        (scenario_text(rest="[carrier]\nstalls = [[10, 20]]"), "carrier"),
        (scenario_text(rest='[[campaigns]]\nname = "a"\n[[campaigns]]\nname = "b"'), "several campaigns"),
        (scenario_text(rest="amd = {seconds = 2.5}"), "machines"),
    ],
)
def test_others_have_a_reason(text: str, reason: str, cache: Path) -> None:
    reference = bound_of(parse(text), cache)
    assert reference.utilisation is None
    assert reason in reference.reason
