"""The campaign on the demo's screen: lines, agents, answers, the abandonment budget, and why the pace is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.dialer.clopper_pearson import largest_drops
from engine.domain.agent import AgentState
from engine.main import campaign_sights
from engine.main.demo import company

if TYPE_CHECKING:
    from engine.floor.state import Agent, Campaign, FloorState
    from engine.main.demo.outbound import Outreach
    from engine.runtime.outbound import CampaignLive, CampaignReport


_SHOWN = {
    AgentState.AVAILABLE: ("free", "green"),
    AgentState.TALKING: ("talking", "cyan"),
    AgentState.RESERVED: ("joined", "yellow"),
    AgentState.WRAP_UP: ("wrap-up", "magenta"),
    AgentState.NOT_READY: ("paused", "red"),
    AgentState.OFFLINE: ("offline", "dim"),
}

ABREAST = 3
"""So many agents stand in one line."""


def panel(state: FloorState, outreach: Outreach, *, names: bool = True) -> Panel:
    """The campaign at this moment, without the agents' `names` on a low terminal.

    Figures that come from the ledger are some seconds old.
    """
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(style="dim", no_wrap=True, width=14)
    grid.add_column(ratio=1)
    campaign = state.campaigns.get(company.OUTREACH)
    if campaign is not None:
        for title, text in _rows(state, campaign, outreach.report, names=names):
            grid.add_row(title, text)
    name = campaign.policy.name if campaign is not None else "Outreach"
    mode = f"{campaign.policy.mode}, {campaign.state}" if campaign is not None else "not defined yet"
    return Panel(grid, title=f"Campaign {name} ({mode})", title_align="left", border_style="blue")


def line(state: FloorState, outreach: Outreach) -> str:
    """The campaign in one line, for a demo without a screen."""
    campaign, report = state.campaigns.get(company.OUTREACH), outreach.report
    if campaign is None or report is None:
        return "no campaign yet"
    return (
        f"campaign: {campaign.up} lines up, {report.attempts} dialled, {report.connected} connected,"
        f" {report.abandoned} abandoned"
    )


def serves(agent: Agent) -> bool:
    """Whether he is one of those who only call out; the panel shows him, the table of agents does not."""
    return "outreach" in agent.profile.skills


def _rows(
    state: FloorState, campaign: Campaign, report: CampaignReport | None, *, names: bool
) -> list[tuple[str, str | Table]]:
    live = campaign_sights.live_view(state, campaign)
    crew, lines = live.agents, live.lines
    return [
        ("Lines", f"{lines.up} up, {lines.ringing} of them ringing, {lines.waiting} answered and waiting"),
        (
            "Agents",
            f"{crew.staffed} at work: {crew.talking} talking, {crew.wrapping} in wrap-up, {crew.free} free",
        ),
        *([("", _crew(state))] if names else []),
        ("Answers", _answers(report)),
        ("Abandonment", _budget(campaign)),
        ("Pace", _pace(live)),
    ]


def _crew(state: FloorState) -> Table:
    """Each of them, in the colour of what he does."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2 * ABREAST):
        grid.add_column(no_wrap=True)
    cells: list[Text] = []
    for agent in filter(serves, state.agents.values()):
        word, colour = _SHOWN.get(agent.state, (str(agent.state), ""))
        cells.append(Text(agent.profile.name))
        cells.append(Text(f"{word} {max(0, state.now - agent.since) / 1e6:.0f} s", style=colour))
    for start in range(0, len(cells), 2 * ABREAST):
        grid.add_row(*cells[start : start + 2 * ABREAST])
    return grid


def _pace(live: CampaignLive) -> str:
    """Why as many calls as there are, and not one more."""
    words = [live.says]
    if live.reason and "risk" in live.figures:
        words.append(f"(risk {live.figures['risk']:.1%}, price {live.figures['price']:.1%})")
    return " ".join(words) + (f"; {live.rule_says}" if live.rule_says else "")


def _answers(report: CampaignReport | None) -> str:
    if report is None or not report.attempts:
        return "nobody was dialled yet"
    ended = report.attempts - report.open
    rate = f"{report.live_answers / ended:.0%} of {ended} attempts" if ended else "–"
    busy = "–" if report.agent_utilisation is None else f"{report.agent_utilisation:.0%}"
    return f"{rate} answered by a person, machines: {report.machines}; agents' utilisation {busy}"


def _budget(campaign: Campaign) -> str:
    [budget] = campaign.policy.budgets
    standing = campaign.book.standing(budget)
    if standing is None:
        return "the ledger was not read yet"
    allowed = max(0, largest_drops(standing.at_end, budget.cap))
    rate = standing.drops / standing.answers if standing.answers else 0.0
    so_far = f"{standing.drops} of {standing.answers} live answers ({rate:.1%}, cap {budget.cap:.0%})"
    return f"used {standing.drops} of {allowed} allowed today; so far {so_far}"
