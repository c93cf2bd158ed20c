"""The demo's live screen: the floor as it is, four times a second."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.domain.interaction import InteractionState
from engine.main.demo import campaign_panel, company

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.main.demo.outbound import Outreach
    from engine.main.demo.site import DemoSite
    from engine.main.engine import Engine

_COLOUR = {
    "available": "green",
    "talking": "cyan",
    "ringing": "yellow",
    "reserved": "yellow",
    "wrap-up": "magenta",
    "not-ready": "red",
    "offline": "dim",
}
_PHASE_COLOUR = {"in-flow": "blue", "waiting": "yellow", "offered": "yellow", "talking": "cyan", "wrap-up": "magenta"}


CALLS, FEW_CALLS = 6, 2
"""So many of the latest callers are shown, fewer on a low terminal: with all of them the picture has `LINES` lines."""
LINES, NAMES = 28, 2
"""`NAMES` of the lines hold the names of the campaign's agents."""
BROAD, WRAPPED = 112, 4
"""On less than `BROAD` columns the campaign's words take up to `WRAPPED` lines more."""


def room(width: int, height: int) -> tuple[int, bool]:
    """How many callers fit on a terminal, and whether the names of the campaign's agents do.

    Names go first, then all callers: the reason for the pace stands last and must not be cut off.
    """
    calls = CALLS + height - 1 - LINES - (WRAPPED if width < BROAD else 0)
    if calls >= FEW_CALLS:
        return min(CALLS, calls), True
    return (min(CALLS, calls + NAMES) if calls + NAMES >= FEW_CALLS else 0), False


class Screen:
    """Shows queues, agents and calls. Headless it says a line every ten seconds instead."""

    def __init__(
        self, engine: Engine, site: DemoSite, outreach: Outreach, *, headless: bool, say: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._site = site
        self._outreach = outreach
        self._say = say
        self._console = Console()
        self._live = None if headless else Live(console=self._console, auto_refresh=False, screen=False)
        self._said = 0.0

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()

    def update(self, title: str) -> None:
        """Show the present moment."""
        if self._live is not None:
            self._live.update(self.picture(title), refresh=True)
        elif time.monotonic() - self._said > 10:
            self._said = time.monotonic()
            state = self._engine.floor.state
            self._say(
                f"{title}: {len(state.interactions)} calls live, {self._engine.loop.handled} facts so far; "
                f"{campaign_panel.line(state, self._outreach)}"
            )

    @property
    def busy(self) -> bool:
        """Whether anybody is on the line, or anything rings."""
        state = self._engine.floor.state
        return bool(state.interactions or state.attempts)

    def picture(self, title: str) -> Panel:
        """Everything on one panel."""
        version = self._engine.switch.telephony.version or "Asterisk"
        deadline = self._engine.floor.deadline()
        now = self._engine.floor.state.now
        following = (
            f"next: {deadline.why} of {deadline.subject[-8:]} in {max(0, deadline.at - now) / 1e6:.0f} s · "
            if deadline is not None and deadline.why != "pace"  # that one is always near
            else ""
        )
        foot = Text(f"{following}{self._engine.loop.handled} facts · Asterisk {version}", style="dim")
        calls, names = room(self._console.width, self._console.height) if self._live is not None else (CALLS, True)
        campaign = campaign_panel.panel(self._engine.floor.state, self._outreach, names=names)
        callers = [self._calls(calls)] if calls else []
        parts = Group(self._queues(), self._agents(), *callers, campaign, foot)
        return Panel(parts, title=f"Callwright demo — {title}")

    def _queues(self) -> Table:
        table = Table("Queue", "waiting", "longest", "talking", expand=True, box=None, title_justify="left")
        state = self._engine.floor.state
        for queue in state.queues.values():
            if queue.id == company.CALLERS_QUEUE.id:
                continue  # the campaign's panel has it
            mine = [i for i in state.interactions.values() if i.queue_id == queue.id]
            waiting = [i for i in mine if i.state in (InteractionState.WAITING, InteractionState.OFFERED)]
            talking = sum(1 for i in mine if i.state is InteractionState.TALKING)
            longest = max(((state.now - i.entered_at) / 1e6 for i in waiting), default=0.0)
            table.add_row(queue.name, str(len(waiting)), f"{longest:.0f} s" if waiting else "–", str(talking))
        return table

    def _agents(self) -> Table:
        table = Table("Agent", "leg", "state", "since", "skills", expand=True, box=None)
        state = self._engine.floor.state
        for agent in state.agents.values():
            if campaign_panel.serves(agent):
                continue
            word = f"{agent.state}" + (f" ({agent.reason})" if agent.reason else "")
            table.add_row(
                agent.profile.name,
                str(agent.mode),
                Text(word, style=_COLOUR.get(str(agent.state), "")),
                f"{max(0, state.now - agent.since) / 1e6:.0f} s",
                " ".join(f"{skill}:{level}" for skill, level in agent.profile.skills.items()),
            )
        return table

    def _calls(self, most: int) -> Table:
        table = Table("Call", "where", "queue", "with", "for", expand=True, box=None)
        state = self._engine.floor.state
        callers = [each for each in state.interactions.values() if each.attempt_id is None]
        for interaction in callers[-most:]:
            agent = state.agents.get(interaction.agent_id) if interaction.agent_id else None
            table.add_row(
                f"…{interaction.id[-6:]}",
                Text(str(interaction.state), style=_PHASE_COLOUR.get(str(interaction.state), "")),
                interaction.queue_id or (interaction.flow.node if interaction.flow else ""),
                agent.profile.name if agent else "",
                f"{max(0, state.now - interaction.arrived_at) / 1e6:.0f} s",
            )
        return table
