"""The pacing bench itself: what it keeps, how it searches, and how it judges."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.hindsight import TUNING_SEED, _families, best, drive, together, tuning_hours
from tests.bench.pacing import _pool
from tests.bench.simulated import SCENARIOS, Kept, Run, Runs, Task, scenario, source

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


def lines(task: Task) -> float:
    return dict(task.setting).get("lines_per_agent", 0.0)


@given(on_first_hours=st.integers(0, 14), on_days=st.integers(0, 14))
def test_the_search_ends_at_the_last_value_that_is_lawful_on_whole_days(on_first_hours: int, on_days: int) -> None:
    """Wherever the first hours lead it, as long as they show anything lawful at all."""
    [_, values] = _families("ratio")
    order = [dict(value)["lines_per_agent"] for value in values]

    def played(task: Task) -> Run:
        lawful = on_first_hours if task.seed == TUNING_SEED else on_days
        good = task.pacing == "ratio" and lines(task) in order[:lawful]
        return run(drops=0 if good else 500, utilisation=0.5 + lines(task) / 100)

    def play_all(tasks: list[Task]) -> Runs:
        return {task: played(task) for task in tasks}

    found = drive(best(SCENARIO, 10), play_all)
    expected = [order[on_days - 1]] if on_first_hours and on_days else []
    assert [lines(task) for task in found] == expected


def test_tuning_sees_more_than_the_warm_up_in_which_no_utilisation_is_told() -> None:
    for file in SCENARIOS.glob("*.toml"):
        assert tuning_hours(file.stem) > scenario(file.stem).warmup_minutes / 60, file.stem


def test_searches_side_by_side_ask_together() -> None:
    asked: list[int] = []

    def play_all(tasks: list[Task]) -> Runs:
        asked.append(len(tasks))
        return {task: run() for task in tasks}

    both = drive(together([best("s01-tiny-20", 3), best(SCENARIO, 3)]), play_all)
    assert len(both) == 2
    assert asked[0] == 2 * asked[-1] or asked[0] > 30


def test_all_answers_count_together_and_the_worst_seed_is_told() -> None:
    pooled = _pool("x", {1: run(drops=10), 2: run(drops=40)})
    assert pooled.rate == 0.025
    assert pooled.compliant(0.032, each=False)
    assert not pooled.compliant(0.032, each=True)
