"""The demo's callers: seeded, so that two runs see the same people."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

from engine.lab.pstn import Pstn, Script
from engine.main.demo.company import NUMBER

PAUSE_S = (1.5, 2.7)
IMPATIENT_EVERY = 10
ANSWER_TO_MENU_S = 6.0
"""Greeting and notice are spoken by then; keys pressed earlier are not heard."""


class Person(NamedTuple):
    """Who calls, what he presses and how long he talks or waits (seconds)."""

    number: str
    script: Script
    digit: str
    delay: float
    talk: float
    wait: float


class Crowd:
    """Places calls until told to stop. Every tenth person is impatient."""

    def __init__(self, pstn: Pstn, seed: int) -> None:
        self._pstn = pstn
        self._dice = random.Random(seed)  # noqa: S311 - simulated people, not secrets
        self.placed = 0

    def next_person(self) -> Person:
        """The next caller."""
        dice = self._dice
        impatient = self.placed % IMPATIENT_EVERY == IMPATIENT_EVERY - 1
        return Person(
            number=f"+44{dice.randint(7_400_000_000, 7_499_999_999)}",
            script="impatient" if impatient else "patient",
            digit=dice.choice("112"),
            delay=ANSWER_TO_MENU_S + dice.random() * 1.5,
            talk=dice.uniform(6.0, 12.0),
            wait=dice.uniform(6.5, 9.5) if impatient else 60.0,
        )

    async def call_until(self, ends: float) -> None:
        """Place calls until the loop's time `ends`."""
        clock = asyncio.get_running_loop().time
        while clock() < ends:
            person = self.next_person()
            await self._pstn.place(
                person.number,
                NUMBER,
                person.script,
                digits=person.digit,
                delay=person.delay,
                talk=person.talk,
                wait=person.wait,
            )
            self.placed += 1
            await asyncio.sleep(min(self._dice.uniform(*PAUSE_S), max(0.0, ends - clock())))
