"""The demo's screen: what it leaves out on a low terminal, so that the reason for the pace is not cut off."""

import pytest

from engine.main.demo.screen import CALLS, room


@pytest.mark.parametrize(
    ("width", "height", "calls", "names"),
    [(120, 40, CALLS, True), (80, 40, CALLS, True), (120, 27, 4, True), (100, 28, 3, False), (80, 24, 0, False)],
)
def test_what_fits_on_a_terminal(width: int, height: int, calls: int, names: bool) -> None:
    assert room(width, height) == (calls, names)
