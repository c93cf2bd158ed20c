"""The formulas, by the vector of the peers' definitions (docs/kpis.md) and by properties over any visits."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.acd.service_level import FORMULAS, Figure, QueueVisit, Tally, Unit, figure, tally
from engine.acd.workload import HANDLE_TIMES, OCCUPANCIES
from engine.domain.interaction import Ending
from engine.domain.values import SECOND
from engine.errors import BrokenInvariant, NotFound

DOCS = Path(__file__).parents[2] / "docs" / "kpis.md"
LIMITS = {"service_level_s": 20.0, "short_abandon_s": 5.0}


def visits(how: Ending, *waits: float, kept: bool = False) -> list[QueueVisit]:
    return [QueueVisit(entered_us=7, left_us=7 + round(s * SECOND), how=how, callback_kept=kept) for s in waits]


def same_day() -> list[QueueVisit]:
    """100 queued; 70 answered, 56 of them within 20 s; 30 abandoned: 10 within 5 s, 8 up to 20 s, 12 later."""
    return [
        *visits(Ending.ANSWERED, *[20.0] * 20, *[3.0] * 36, *[20.5] * 14),
        *visits(Ending.ABANDONED, *[5.0] * 10, *[20.0] * 8, *[45.0] * 12),
    ]


SAME_DAY = {
    "sl.callwright/1": (56, 90),
    "sl.app_queue/1": (56, 70),
    "sl.vicidial/1": (56, 70),
    "sl.cms/1": (56, 70),
    "sl.app_queue2/1": (74, 100),
    "sl.amazon/1": (74, 100),
    "sl.xcally/1": (56, 82),
    "sl.talkdesk/1": (56, 90),
    "sl.genesys_without_short/1": (56, 90),
    "sl.genesys/1": (56, 100),
    "sl.genesys_with_flow_outs/1": (56, 100),
    "sl.vonage/1": (56, 100),
    "sl.wazo/1": (36, 70),  # 20 of them were answered after exactly 20 s, and Wazo's limit is exclusive
    "abandon.callwright/1": (20, 90),
    "abandon.app_queue/1": (30, 100),
    "abandon.vicidial/1": (30, 100),
    "abandon.google/1": (20, 90),
    "asa.callwright/1": ((20 * 20 + 3 * 36 + 20.5 * 14) * SECOND, 70),
    "asa.cisco/1": ((20 * 20 + 3 * 36 + 20.5 * 14) * SECOND, 100),
}


@pytest.mark.parametrize("formula_id", FORMULAS)
def test_the_same_day_by_every_formula(formula_id: str) -> None:
    found = figure(formula_id, tally(same_day(), **LIMITS))
    assert (found.part, found.n) == SAME_DAY[formula_id]


@pytest.mark.parametrize(
    ("formula_id", "percent"),
    [
        ("sl.app_queue/1", 80.0),
        ("sl.app_queue2/1", 74.0),
        ("sl.xcally/1", 68.3),
        ("sl.callwright/1", 62.2),
        ("sl.genesys/1", 56.0),
    ],
)
def test_one_day_has_five_service_levels(formula_id: str, percent: float) -> None:
    value = figure(formula_id, tally(same_day(), **LIMITS)).value
    assert value is not None
    assert round(100 * value, 1) == percent


def test_wazo_agrees_with_app_queue_when_nobody_is_answered_at_the_limit() -> None:
    counted = tally(visits(Ending.ANSWERED, 3, 19.9, 21), **LIMITS)
    assert figure("sl.wazo/1", counted).value == figure("sl.app_queue/1", counted).value


def test_overflow_callback_and_loss_by_formula() -> None:
    counted = tally(
        [
            *visits(Ending.ANSWERED, 10),
            *visits(Ending.OVERFLOWED, 20, 300),
            *visits(Ending.CALLBACK, 15, kept=True),
            *visits(Ending.CALLBACK, 60),
            *visits(Ending.LOST, 4, 30),
        ],
        **LIMITS,
    )
    got = {name: (figure(name, counted).part, figure(name, counted).n) for name in FORMULAS}
    assert got["sl.callwright/1"] == (1, 6)  # only the kept call back is forgiven
    assert got["abandon.callwright/1"] == (0, 6)
    assert got["sl.app_queue2/1"] == (1 + 1 + 1, 1 + 2 + 2)  # leaving by a key is no abandon there
    assert got["sl.amazon/1"] == (1 + 1 + 1, 7)
    assert got["sl.genesys/1"] == (1, 3)
    assert got["sl.genesys_with_flow_outs/1"] == got["sl.vonage/1"] == got["sl.talkdesk/1"] == (1, 7)


def test_nothing_counted_gives_no_value() -> None:
    for formula_id, formula in FORMULAS.items():
        assert figure(formula_id, Tally()) == Figure(formula=formula_id, unit=formula.unit, part=0, n=0, value=None)


def test_who_still_waits_is_only_named() -> None:
    counted = tally([*visits(Ending.ANSWERED, 1), QueueVisit(entered_us=0)], **LIMITS)
    assert counted.waiting == 1
    assert figure("sl.callwright/1", counted).n == 1


def test_a_clock_set_back_over_a_restart_is_no_wait() -> None:
    counted = tally([QueueVisit(entered_us=9, left_us=3, how=Ending.ANSWERED)], **LIMITS)
    assert (counted.answered_in_time, counted.answer_wait_us) == (1, 0)


@pytest.mark.parametrize(
    "visit",
    [
        QueueVisit(entered_us=0, left_us=1),
        QueueVisit(entered_us=0, how=Ending.ANSWERED),
        QueueVisit(entered_us=0, left_us=1, how=Ending.IN_FLOW),
    ],
)
def test_a_visit_that_contradicts_itself_is_a_bug(visit: QueueVisit) -> None:
    with pytest.raises(BrokenInvariant, match="queue visit cannot have left"):
        tally([visit], **LIMITS)


def test_an_unknown_formula_suggests_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"sl\.app_queu/1.*sl\.app_queue/1"):
        figure("sl.app_queu/1", Tally())


def test_an_unknown_formula_unlike_all_lists_them_all() -> None:
    with pytest.raises(NotFound, match=r"asa\.cisco/1"):
        figure("☎", Tally())


def test_every_formula_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for known in (FORMULAS, HANDLE_TIMES, OCCUPANCIES):
        for formula in known.values():
            row = next((line for line in text.splitlines() if f"`{formula.id}`" in line), "")
            assert formula.says in row, f"docs/kpis.md has no row that says: {formula.id} {formula.says}"


ended = st.builds(
    lambda entered, waited, how, kept: QueueVisit(
        entered_us=entered, left_us=entered + waited, how=how, callback_kept=kept
    ),
    st.integers(0, 10**15),
    st.integers(0, 400 * SECOND) | st.sampled_from([5 * SECOND, 20 * SECOND]),
    st.sampled_from([how for how in Ending if how is not Ending.IN_FLOW]),
    st.booleans(),
)
days = st.lists(ended | st.builds(QueueVisit, entered_us=st.integers(0, 10**15)), max_size=40)


@given(days)
def test_figures_do_not_depend_on_the_order(day: list[QueueVisit]) -> None:
    shuffled = sorted(day, key=lambda visit: (visit.left_us or 0, visit.entered_us))
    assert tally(day, **LIMITS) == tally(shuffled, **LIMITS)


@given(days)
def test_a_ratio_lies_between_none_and_all(day: list[QueueVisit]) -> None:
    counted = tally(day, **LIMITS)
    assert counted.offered + counted.waiting == len(day)
    for formula_id, formula in FORMULAS.items():
        found = figure(formula_id, counted)
        if formula.unit is Unit.RATIO:
            assert 0 <= found.part <= found.n <= counted.offered


@given(days, days)
def test_tallies_add_up(morning: list[QueueVisit], evening: list[QueueVisit]) -> None:
    assert tally(morning, **LIMITS) + tally(evening, **LIMITS) == tally([*morning, *evening], **LIMITS)


@given(days)
def test_a_hidden_abandon_never_helps_us(day: list[QueueVisit]) -> None:
    """Whoever waits longer than the short limit and gives up lowers our service level, or leaves it at zero."""
    before = figure("sl.callwright/1", tally(day, **LIMITS))
    after = figure("sl.callwright/1", tally([*day, *visits(Ending.ABANDONED, 6)], **LIMITS))
    assert after.n == before.n + 1
    assert after.part == before.part
