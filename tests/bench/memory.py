"""`python -m tests.bench.memory`: how many KB the engine's process grows by for each waiting call."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from typing import Final

import structlog

from engine.domain.interaction import InteractionState
from tests.bench import cpu
from tests.bench.engine_under_load import EngineUnderLoad

FEW: Final = 200
MANY: Final = 2000


async def waiting_kb() -> float:
    """What the process grew by between few and many waiting calls, through the real loop with the store on."""
    sizes = []
    async with EngineUnderLoad(0) as load:
        for target in (FEW, MANY):
            await load.order(f"wait {target - load.standing(InteractionState.WAITING)}")
            while load.standing(InteractionState.WAITING) < target:  # noqa: ASYNC110 - the floor tells nobody
                await asyncio.sleep(0.01)
            await load.written()
            gc.collect()
            sizes.append(cpu.resident(os.getpid()))
        await load.order("empty")
        await load.until(lambda: not load.engine.floor.state.interactions)
    return (sizes[1] - sizes[0]) / (MANY - FEW) / 1024


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.WARNING)
    print(asyncio.run(waiting_kb()))
