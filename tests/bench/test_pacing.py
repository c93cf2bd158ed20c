"""The pacing bench itself: what it keeps, how it searches, and how it judges."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.pacing import Kept, Run, Task, _Chain, _families, _pool, source

SCENARIO = "s03-base-30"


def run(drops: int = 0, answers: int = 1_000, utilisation: float = 0.8) -> Run:
    return Run(utilisation, answers, drops, 1.0)


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    task = Task(SCENARIO, "ratio", 1, (("lines_per_agent", 2.0),))
    kept = Kept(tmp_path / "runs.jsonl")
    assert kept.get(task) is None
    kept.put(task, run(drops=7))
    assert Kept(tmp_path / "runs.jsonl").get(task) == run(drops=7)


def test_another_seed_setting_or_length_is_another_run() -> None:
    base = Task(SCENARIO, "ratio", 1)
    others = [
        Task(SCENARIO, "ratio", 2),
        Task(SCENARIO, "ratio", 1, (("lines_per_agent", 2.0),)),
        Task(SCENARIO, "ratio", 1, hours=3.0),
        Task("s04-large-20", "ratio", 1),
    ]
    assert len({base.key, *(other.key for other in others)}) == 5


def test_our_own_pacing_is_no_part_of_what_a_peer_depends_on() -> None:
    assert source("ratio") == source("issabel") != source("predictive")


@given(lawful=st.integers(0, 14))
def test_the_search_ends_at_the_last_lawful_value(lawful: int) -> None:
    [_, values] = _families("ratio")
    chain = _Chain(SCENARIO, "ratio", values)
    tried = []
    while (task := chain.next()) is not None:
        tried.append(task)
        chain.take({task: run(drops=0 if values.index(task.setting) < lawful else 500)})
    found = [values.index(task.setting) for task in tried if values.index(task.setting) < lawful]
    assert max(found, default=-1) == min(lawful, len(values)) - 1
    assert len(tried) <= 4


def test_all_answers_count_together_and_the_worst_seed_is_told() -> None:
    pooled = _pool("x", {1: run(drops=10), 2: run(drops=40)})
    assert pooled.rate == 0.025
    assert pooled.compliant(0.032, each=False)
    assert not pooled.compliant(0.032, each=True)
