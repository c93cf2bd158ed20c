"""Errands: begun for nobody to wait for, and not silent when they break."""

from __future__ import annotations

from structlog.testing import capture_logs

from engine.runtime.errands import Errands


async def test_an_errand_that_breaks_is_told_of_and_costs_the_others_nothing() -> None:
    done: list[str] = []

    async def breaks() -> None:
        raise ValueError("+8613800138000")

    async def works() -> None:
        done.append("works")

    errands = Errands()
    with capture_logs() as logs:
        errands.begin(breaks())
        errands.begin(works())
        await errands.all_done()
    assert done == ["works"]
    [told] = logs
    assert (told["why"], "breaks" in told["errand"]) == ("ValueError", True)
    assert "138" not in str(told), "what it was about is nobody's business"
