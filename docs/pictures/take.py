"""Takes the picture of the demo's live screen for the README: `.venv/bin/python docs/pictures/take.py`.

It runs a demo of 45 seconds and keeps the fullest moment: most callers, then most talks of the campaign.
"""

import asyncio
import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from engine.domain.campaign import CampaignState
from engine.main import logs
from engine.main.demo.run import Demo
from engine.main.demo.screen import CALLS, Screen
from engine.settings import Log

TARGET = Path(__file__).with_name("demo.svg")
COLUMNS = 108


class Sitting(Demo):
    """A demo that is photographed at every look at the screen."""

    best = (0, 0, 0)
    svg = ""

    async def _tick(self, screen: Screen, running: asyncio.Task[None], title: str) -> None:
        """Keep the picture if it shows more than the best one so far."""
        state = screen._engine.floor.state  # noqa: SLF001 - the screen has no reason to show more to anybody else
        callers = [call for call in state.interactions.values() if call.attempt_id is None]
        talks = sum(call.attempt_id is not None for call in state.interactions.values())
        looks = (min(len(callers), CALLS), min(talks, 4), len({call.state for call in callers}))
        if looks > self.best and any(each.state is CampaignState.RUNNING for each in state.campaigns.values()):
            self.best = looks
            camera = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
            camera.print(screen.picture(title))
            self.svg = _alone(camera.export_svg(title="make demo", theme=MONOKAI))
        await super()._tick(screen, running, title)


def _alone(svg: str) -> str:
    """The picture without fonts from the network: who reads a README is nobody else's business."""
    return re.sub(r'src: (local\("[^"]+"\)),\s+url\([^;]+;', r"src: \1;", svg)


def main() -> None:
    """Run, and write the picture."""
    logs.configure(Log(level="error"))
    sitting = Sitting(45, headless=True, seed=7, say=print)
    result = asyncio.run(sitting.run())
    TARGET.write_text(sitting.svg + "\n", encoding="utf-8")
    print(f"{TARGET}: {sitting.best}; the demo: {result.failures or 'sums agree'}")


if __name__ == "__main__":
    main()
