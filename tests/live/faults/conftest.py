"""Counts of the fault tests: small by default, as the brief of the project has them with FULL=1."""

import os
from collections.abc import Callable

import pytest

Count = Callable[[int, int], int]


@pytest.fixture
def count() -> Count:
    """`count(small, full)`."""
    return lambda small, full: full if os.environ.get("FULL") else small


@pytest.fixture(autouse=True)
def nothing_blocks() -> None:
    """No guard against blocking: the engine under test is another process, with a loop of its own."""
