"""The governor bounds the window: whatever happens, if the forecast comes true to 80 %, the bound is within the cap."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dialer.governor import (
    LOOK_AHEAD,
    RULES,
    SETTLED_US,
    STALE_US,
    Book,
    Grant,
    allowance,
    clopper_pearson_upper,
    grant,
    largest_drops,
)
from engine.domain.campaign import Budget, Tally, Window
from engine.domain.values import SECOND

NOW = 1_750_000_000 * SECOND
CAP = 0.03
BUDGET = Budget(window=Window.RUN, cap=CAP)
SELLER = Budget(window=Window.DAY, cap=CAP, of_seller=True)


def tally(answers: int = 0, drops: int = 0, forecast: int = 0, *, budget: Budget = BUDGET) -> Tally:
    return Tally(window=budget.window, of_seller=budget.of_seller, answers=answers, drops=drops, forecast=forecast)


def book(*tallies: Tally, at: int = NOW) -> Book:
    made = Book()
    made.read(tallies, at)
    return made


def ask(
    wanted: int,
    where: Book,
    *budgets: Budget,
    in_flight: int = 0,
    free: int = 0,
    waiting: int = 0,
    now: int = NOW,
    others_at_risk: int = 0,
) -> Grant:
    granted = grant(
        wanted,
        budgets=budgets or (BUDGET,),
        book=where,
        in_flight=in_flight,
        free=free,
        waiting=waiting,
        now=now,
        others_at_risk=others_at_risk,
    )
    assert granted.rule in RULES
    assert (granted.rule == "") == (granted.dials == max(0, wanted))
    return granted


# --- what a grant is -------------------------------------------------------------------------------------------------


def test_without_a_forecast_it_is_progressive_until_a_drop_is_earned() -> None:
    assert ask(9, book(tally(answers=156)), free=4, in_flight=1) == Grant(
        dials=3,
        rule="progressive",
        figures={"answers": 156.0, "drops": 0.0, "at_end": 156.0, "bears": 0.0, "at_risk": 0.0, "room": 3.0},
    )
    assert ask(9, book(tally(answers=157)), free=4, in_flight=1).dials == 4


def test_a_forecast_is_usable_at_once_and_to_80_percent() -> None:
    assert ask(99, book(tally(forecast=1_000))).dials == largest_drops(800, CAP)
    assert ask(99, book(tally(forecast=1_001))).dials == largest_drops(800, CAP)


def test_it_grants_what_is_wanted_when_the_budget_bears_it() -> None:
    assert ask(3, book(tally(answers=5_000, drops=20)), free=2).rule == ""
    assert ask(0, Book()) == Grant(dials=0)


def test_waiting_calls_and_calls_in_flight_are_the_worst_case() -> None:
    here = book(tally(answers=1_000, drops=10))
    bears = largest_drops(1_000, CAP)
    granted = ask(99, here, in_flight=7, waiting=2, free=3)
    assert 10 + (7 + 2 + granted.dials - 3) == bears
    assert granted.rule == "budget"
    assert ask(99, here, in_flight=40, free=3).dials == 0


def test_a_budget_that_is_overdrawn_leaves_progressive() -> None:
    assert ask(9, book(tally(answers=300, drops=60)), free=4, in_flight=2).dials == 2


def test_the_tightest_budget_decides() -> None:
    plenty, little = tally(answers=9_000), tally(answers=200, budget=SELLER)
    here = book(plenty, little)
    assert ask(50, here, BUDGET, SELLER).dials == largest_drops(200, CAP)
    assert ask(50, here, SELLER, BUDGET).figures == ask(50, here, BUDGET, SELLER).figures


def test_the_sellers_other_campaigns_spend_from_his_budget() -> None:
    here = book(tally(answers=9_000), tally(answers=500, budget=SELLER))
    bears = largest_drops(500, CAP)
    assert ask(50, here, BUDGET, SELLER, others_at_risk=3).dials == bears - 3
    here.other_dropped(NOW)
    assert ask(50, here, BUDGET, SELLER, others_at_risk=3).dials == bears - 4
    assert ask(50, here, BUDGET, others_at_risk=3).dials == 50


@pytest.mark.parametrize("age", [STALE_US + 1, 3_600 * SECOND, -STALE_US - 1])
def test_a_stale_book_grants_nothing_also_after_a_clock_step(age: int) -> None:
    here = book(tally(answers=9_000), at=NOW - age)
    assert ask(5, here, free=9) == Grant(dials=0, rule="stale-ledger", figures={"read_ago_s": age / SECOND})


def test_a_book_never_read_grants_nothing() -> None:
    assert ask(5, Book(), free=9).rule == "stale-ledger"
    assert ask(5, book(tally(answers=9_000)), BUDGET, SELLER, free=9).rule == "stale-ledger"  # no sums of one budget
    assert ask(5, book(tally(answers=9_000), at=NOW - STALE_US), free=9).dials == 5


def test_without_a_budget_it_is_progressive() -> None:
    granted = grant(9, budgets=(), book=book(), in_flight=1, free=4, waiting=1, now=NOW)
    assert (granted.dials, granted.rule) == (2, "no-budget")


def test_a_book_is_kept_with_the_floor() -> None:
    here = book(tally(answers=3))
    here.answered(NOW)
    here.dropped(NOW)
    assert msgspec.json.decode(msgspec.json.encode(here), type=Book) == here


def test_what_the_floor_saw_counts_until_the_ledger_has_it() -> None:
    here = book(tally(answers=1_000, drops=5))
    here.answered(NOW + 1)
    here.dropped(NOW + 2)
    standing = here.standing(BUDGET)
    assert standing is not None
    assert (standing.answers, standing.drops) == (1_002, 6)
    here.read((tally(answers=1_001, drops=5),), NOW + SECOND)  # the drop was still on its way
    standing = here.standing(BUDGET)
    assert standing is not None
    assert (standing.answers, standing.drops) == (1_001, 6)
    here.read((tally(answers=1_002, drops=6),), NOW + 2 + SETTLED_US)
    standing = here.standing(BUDGET)
    assert standing is not None
    assert (standing.answers, standing.drops) == (1_002, 6)
    here.read((tally(answers=1, drops=0),), NOW)  # overtaken: passed over
    assert here.read_at == NOW + 2 + SETTLED_US


# --- the allowance ---------------------------------------------------------------------------------------------------


def test_the_allowance_is_what_is_left_over_the_rest() -> None:
    here = book(tally(answers=200, drops=5, forecast=1_000))
    assert allowance(budgets=(BUDGET,), book=here) == pytest.approx((largest_drops(1_000, CAP) - 5) / 800)


def test_without_a_forecast_the_allowance_is_steady() -> None:
    here = book(tally(answers=200, drops=2))
    assert allowance(budgets=(BUDGET,), book=here) == (largest_drops(200 + LOOK_AHEAD, CAP) - 2) / LOOK_AHEAD
    assert 0.02 <= allowance(budgets=(BUDGET,), book=book(tally())) < CAP


def test_the_allowance_is_between_nothing_and_the_cap() -> None:
    assert allowance(budgets=(BUDGET,), book=book(tally(answers=100, drops=90))) == 0.0
    assert allowance(budgets=(BUDGET,), book=book(tally(answers=90_000, drops=0, forecast=10))) == CAP
    assert allowance(budgets=(BUDGET, SELLER), book=book(tally(answers=90_000))) == 0.0
    assert allowance(budgets=(), book=book()) == 0.0


# --- the window ------------------------------------------------------------------------------------------------------


class World:
    """Callers, agents and a ledger that do the worst they can; `break_rule` makes the floor disobey one rule."""

    def __init__(self, end: int, agents: int, break_rule: str = "") -> None:
        self.end, self.free, self.busy = end, agents, 0
        self.in_flight = self.waiting = self.answers = self.drops = self.left = 0
        self.now = NOW
        self.settled: list[tuple[int, bool]] = []
        self.book = Book()
        self.break_rule = break_rule

    def read(self, lag: int, truth: float) -> None:
        """The ledger lacks what was settled within `lag`; its forecast is such that `truth` >= 80 % of it comes."""
        known = [dropped for at, dropped in self.settled if at <= self.now - lag]
        rest = max(0, self.end - len(known))
        if self.break_rule == "forecast":
            rest *= 3
        forecast = int(rest / max(truth, 0.8))
        self.book.read((tally(len(known), sum(known), forecast),), self.now)

    def dial(self, wanted: int) -> None:
        if self.break_rule == "stale":
            self.book.read_at = self.now
        granted = grant(
            wanted,
            budgets=(BUDGET,),
            book=self.book,
            in_flight=0 if self.break_rule == "in-flight" else self.in_flight,
            free=self.free,
            waiting=0 if self.break_rule == "waiting" else self.waiting,
            now=self.now,
        )
        self.in_flight += wanted if self.break_rule == "governor" else granted.dials

    def answer(self, count: int) -> None:
        for _ in range(min(count, self.in_flight)):
            self.in_flight -= 1
            if self.free:
                self.free, self.busy = self.free - 1, self.busy + 1
                self.settle(dropped=False)
            else:
                self.waiting += 1

    def settle(self, *, dropped: bool) -> None:
        self.settled.append((self.now, dropped))
        self.answers += 1
        self.drops += dropped
        if dropped and self.break_rule != "unseen":
            self.book.dropped(self.now)
        elif not dropped:
            self.book.answered(self.now)

    def give_up(self, count: int, *, dropped: bool = True) -> None:
        for _ in range(min(count, self.waiting)):
            self.waiting -= 1
            self.settle(dropped=dropped)

    def fail(self, count: int) -> None:
        self.in_flight -= min(count, self.in_flight)

    def finish(self, count: int) -> None:
        for _ in range(min(count, self.busy)):
            if self.waiting:
                self.waiting -= 1
                self.settle(dropped=False)
            else:
                self.busy, self.free = self.busy - 1, self.free + 1

    def leave(self, count: int, *, counted_on: bool = False) -> None:
        for _ in range(min(count, self.free)):
            if not counted_on and self.free <= self.in_flight + self.waiting:
                return
            self.left += self.free <= self.in_flight + self.waiting
            self.free -= 1

    def close(self) -> None:
        """Everything in flight is answered and whatever has no agent is dropped; then the rest comes true."""
        self.answer(self.in_flight)
        self.give_up(self.waiting)
        self.answers = max(self.answers, self.end)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "dial", "answer", "give_up", "hang_up", "fail", "finish", "leave", "pass"]),
        st.integers(1, 60),
        st.floats(0.8, 1.5),
    ),
    max_size=120,
)


def play(world: World, steps: list[tuple[str, int, float]], *, counted_on: bool = False) -> World:
    for what, count, share in steps:
        if what == "read":
            world.read(int(share * SETTLED_US / 1.6), share)
        elif what == "hang_up":
            world.give_up(count, dropped=False)
        elif what == "leave":
            world.leave(count, counted_on=counted_on)
        elif what == "pass":
            world.now += count * SECOND // 10
        else:
            getattr(world, what)(count)
    world.close()
    return world


def compliant(world: World) -> bool:
    return world.drops == 0 or clopper_pearson_upper(world.drops, world.answers) <= CAP


@given(st.integers(0, 3_000), st.integers(0, 40), STEPS)
@settings(max_examples=400)
def test_the_window_ends_within_the_cap_whatever_happens(
    end: int, agents: int, steps: list[tuple[str, int, float]]
) -> None:
    assert compliant(play(World(end, agents), steps))


@given(st.integers(0, 3_000), st.integers(0, 40), STEPS)
@settings(max_examples=200)
def test_an_agent_who_leaves_while_counted_on_adds_one_drop_at_most(
    end: int, agents: int, steps: list[tuple[str, int, float]]
) -> None:
    world = play(World(end, agents), steps, counted_on=True)
    assert world.drops <= max(0, largest_drops(world.answers, CAP)) + world.left


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["dial", "drop", "fail", "read"]), st.integers(1, 30))))
@settings(max_examples=200)
def test_two_campaigns_of_one_seller_share_his_budget(steps: list[tuple[int, str, int]]) -> None:
    books, in_flight, drops, answers = (Book(), Book()), [0, 0], 0, 1_500
    for me, what, count in [(0, "read", 1), (1, "read", 1), *steps]:
        done = min(count, in_flight[me])
        if what == "read":
            books[me].read((tally(answers, drops, budget=SELLER),), NOW)
        elif what == "dial":
            in_flight[me] += ask(
                count, books[me], SELLER, in_flight=in_flight[me], others_at_risk=in_flight[1 - me]
            ).dials
        else:
            in_flight[me] -= done
        for _ in range(done if what == "drop" else 0):
            drops, answers = drops + 1, answers + 1
            books[me].dropped(NOW)
            books[1 - me].other_dropped(NOW)
    assert drops + sum(in_flight) <= largest_drops(answers + sum(in_flight), CAP)


GREEDY = [("read", 1, 0.8), ("dial", 50, 1.0)]
ROUND = [*GREEDY, ("answer", 60, 1.0), ("give_up", 60, 1.0), ("finish", 60, 1.0)]
HELD = [*GREEDY, ("answer", 60, 1.0)]
"""Nobody is given up yet: the answered wait."""


@pytest.mark.parametrize(
    ("broken", "steps"),
    [
        ("governor", ROUND * 8),
        ("in-flight", GREEDY * 8),
        ("waiting", HELD * 8),
        ("unseen", [*ROUND, ("pass", 1, 1.0), *ROUND[1:], *ROUND[1:]]),
        ("stale", [*ROUND, *ROUND[1:] * 8]),
        ("forecast", ROUND * 8),
    ],
)
def test_each_rule_is_needed(broken: str, steps: list[tuple[str, int, float]]) -> None:
    assert compliant(play(World(1_000, 3), steps))
    if broken == "stale":
        world = World(1_000, 3, broken)
        world.settle = lambda *, dropped: _forgotten(world, dropped)  # type: ignore[method-assign]
        assert not compliant(play(world, steps))
    else:
        assert not compliant(play(World(1_000, 3, broken), steps))


def _forgotten(world: World, dropped: bool) -> None:
    """What a floor that lost its own counts would know: only what the ledger said, ever longer ago."""
    world.answers += 1
    world.drops += dropped
