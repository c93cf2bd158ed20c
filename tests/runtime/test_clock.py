"""The clock: monotonic, and told of a step once."""

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.clock import STEP_US, Clock


class Hands:
    """A wall clock and a monotonic one, in µs."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_700_000_000_000_000, 5_000_000

    def clock(self, not_before: int = 0) -> Clock:
        return Clock(not_before, wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def passes(self, us: int) -> None:
        self.wall += us
        self.monotonic += us


def test_it_begins_with_the_wall_clock_and_follows_the_monotonic_one() -> None:
    hands = Hands()
    clock = hands.clock()
    assert clock.now() == hands.wall
    hands.passes(123)
    assert clock.now() == hands.wall


def test_it_does_not_begin_before_the_last_moment_known() -> None:
    hands = Hands()
    clock = hands.clock(not_before=hands.wall + 7)
    assert clock.now() == hands.wall + 7
    assert clock.wall_step() == 0


def test_it_says_how_far_ahead_it_is_until_the_machine_has_caught_up() -> None:
    hands = Hands()
    clock = hands.clock(not_before=hands.wall + 7)
    assert clock.ahead == 7
    hands.passes(100)
    assert clock.ahead == 7
    hands.wall += 10
    assert clock.ahead == 0


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(-(10**10), 10**10)), max_size=20))
def test_a_step_is_told_once_and_moves_no_deadline(moves: list[tuple[int, int]]) -> None:
    hands = Hands()
    clock = hands.clock()
    told = stepped = passed = 0
    began = clock.now()
    for us, step in moves:
        hands.passes(us)
        hands.wall += step
        passed, stepped = passed + us, stepped + step
        told += clock.wall_step()
        assert clock.wall_step() == 0
        assert clock.now() == began + passed
    assert abs(told - stepped) < STEP_US
